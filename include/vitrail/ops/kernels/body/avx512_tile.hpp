// What a tile of AVX-512 does for one step, for each kind of products. Included by
// kernels/x86_avx512.hpp, inside its namespace; on its own it is empty.
//
// Every third row takes its broadcast as a memory operand of the multiply-add: one instruction less
// per row where loads are free.
#if defined(VITRAIL_KERNEL)

struct FloatSums {
  static constexpr bool integers = false;
  using Sum = __m512;
  VITRAIL_KERNEL_INLINE Sum zero() { return _mm512_setzero_ps(); }
  VITRAIL_KERNEL_INLINE Sum load_sum(const std::byte* p) { return _mm512_loadu_ps(p); }
  VITRAIL_KERNEL_INLINE void store_sum(std::byte* p, Sum s) { _mm512_storeu_ps(p, s); }
};
struct IntSums {
  static constexpr bool integers = true;
  using Sum = __m512i;
  VITRAIL_KERNEL_INLINE Sum zero() { return _mm512_setzero_si512(); }
  VITRAIL_KERNEL_INLINE Sum load_sum(const std::byte* p) { return _mm512_loadu_si512(p); }
  VITRAIL_KERNEL_INLINE void store_sum(std::byte* p, Sum s) { _mm512_storeu_si512(p, s); }
};

struct F32 : FloatSums {
  using Right = __m512;
  static constexpr int parts = 1;
  static constexpr bool fold_broadcast = true;
  VITRAIL_KERNEL_INLINE Right right(const std::byte* p, int) { return _mm512_loadu_ps(p); }
  VITRAIL_KERNEL_INLINE __m512 left(const std::byte* p) {
    return _mm512_set1_ps(*reinterpret_cast<const float*>(p));
  }
  VITRAIL_KERNEL_INLINE void add(Sum& sum, __m512 a, Right b) { sum = _mm512_fmadd_ps(a, b, sum); }
  VITRAIL_KERNEL_INLINE void add_from_memory(Sum& sum, const std::byte* p, Right b) {
    __asm__("vfmadd231ps %2%{1to16%}, %1, %0"
            : "+v"(sum)
            : "v"(b), "m"(*reinterpret_cast<const float*>(p)));
  }
};

/// f32 products of which half are made in pairs. Every instruction keeps its place: with 27 sums
/// and four more vectors in use a compiler that reorders them runs out of registers. Pairs load
/// much, so the steps between them do not: a broadcast of their own for each row.
struct PairedF32 : F32 {
  static constexpr bool multiplies_pairs = true;
  static constexpr bool fold_broadcast = false;
  VITRAIL_KERNEL_INLINE Right right(const std::byte* p, int) {
    Right b;
    __asm__ volatile("vmovups %1, %0" : "=v"(b) : "m"(*reinterpret_cast<const __m512*>(p)));
    return b;
  }
  VITRAIL_KERNEL_INLINE __m512 left(const std::byte* p) {
    __m512 a;
    __asm__ volatile("vbroadcastss %1, %0" : "=v"(a) : "m"(*reinterpret_cast<const float*>(p)));
    return a;
  }
  VITRAIL_KERNEL_INLINE void add(Sum& sum, __m512 a, Right b) {
    __asm__ volatile("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(b), "v"(a));
  }
  VITRAIL_KERNEL_INLINE void add_from_memory(Sum& sum, const std::byte* p, Right b) {
    __asm__ volatile("vfmadd231ps %2%{1to16%}, %1, %0"
                     : "+v"(sum)
                     : "v"(b), "m"(*reinterpret_cast<const float*>(p)));
  }
  /// y + x, or y - x, of the row's value at `x`.
  template <bool Negative>
  VITRAIL_KERNEL_INLINE __m512 plus(Right y, const std::byte* x) {
    const float& value = *reinterpret_cast<const float*>(x);
    __m512 sum;
    if constexpr (Negative) {
      __asm__ volatile("vsubps %2%{1to16%}, %1, %0" : "=v"(sum) : "v"(y), "m"(value));
    } else {
      __asm__ volatile("vaddps %2%{1to16%}, %1, %0" : "=v"(sum) : "v"(y), "m"(value));
    }
    return sum;
  }
  /// sum + a b, or sum - a b.
  template <bool Negative>
  VITRAIL_KERNEL_INLINE void add_product(Sum& sum, __m512 a, __m512 b) {
    if constexpr (Negative) {
      __asm__ volatile("vfnmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    } else {
      __asm__ volatile("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    }
  }
};

/// bf16 products without instructions for them: both halves of a pair widened to f32.
struct Bf16Wide : F32 {
  static constexpr int parts = 2;
  VITRAIL_KERNEL_INLINE Right right(const std::byte* p, int part) {
    const __m512i pairs = _mm512_loadu_si512(p);
    return _mm512_castsi512_ps(
        part == 0 ? _mm512_slli_epi32(pairs, 16)
                  : _mm512_and_si512(pairs, broadcast_int(static_cast<int>(0xffff0000U))));
  }
};

struct Bf16 : FloatSums {
  using Right = __m512i;
  static constexpr int parts = 1;
  static constexpr bool fold_broadcast = true;
  VITRAIL_KERNEL_INLINE Right right(const std::byte* p, int) { return _mm512_loadu_si512(p); }
  VITRAIL_KERNEL_INLINE __m512i left(const std::byte* p) {
    return _mm512_set1_epi32(*reinterpret_cast<const std::int32_t*>(p));
  }
  VITRAIL_KERNEL_INLINE void add(Sum& sum, __m512i a, Right b) {
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(b), "v"(a));
  }
  VITRAIL_KERNEL_INLINE void add_from_memory(Sum& sum, const std::byte* p, Right b) {
    __asm__("vdpbf16ps %2%{1to16%}, %1, %0"
            : "+v"(sum)
            : "v"(b), "m"(*reinterpret_cast<const std::int32_t*>(p)));
  }
};

/// int8 products: unsigned weights times signed activations, which may come from memory.
struct Int8 : IntSums {
  using Right = __m512i;
  static constexpr int parts = 1;
  static constexpr bool fold_broadcast = true;
  VITRAIL_KERNEL_INLINE Right right(const std::byte* p, int) { return _mm512_loadu_si512(p); }
  VITRAIL_KERNEL_INLINE __m512i left(const std::byte* p) {
    return _mm512_set1_epi32(*reinterpret_cast<const std::int32_t*>(p));
  }
  VITRAIL_KERNEL_INLINE void add(Sum& sum, __m512i a, Right b) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(b), "v"(a));
  }
  VITRAIL_KERNEL_INLINE void add_from_memory(Sum& sum, const std::byte* p, Right b) {
    __asm__("vpdpbusd %2%{1to16%}, %1, %0"
            : "+v"(sum)
            : "v"(b), "m"(*reinterpret_cast<const std::int32_t*>(p)));
  }
};

/// int8 products without instructions for them: even and odd bytes as 16-bit numbers, exactly.
struct Int8Wide : IntSums {
  using Right = __m512i;
  static constexpr int parts = 2;
  static constexpr bool fold_broadcast = false;
  VITRAIL_KERNEL_INLINE Right right(const std::byte* p, int part) {
    const __m512i bytes = _mm512_loadu_si512(p);
    return part == 0 ? _mm512_and_si512(bytes, broadcast_int(0x00ff00ff))
                     : _mm512_srli_epi16(bytes, 8);
  }
  VITRAIL_KERNEL_INLINE __m512i left(const std::byte* p) {
    return _mm512_set1_epi32(*reinterpret_cast<const std::int32_t*>(p));
  }
  VITRAIL_KERNEL_INLINE void add(Sum& sum, __m512i a, Right b) {
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
  }
  VITRAIL_KERNEL_INLINE void add_from_memory(Sum& sum, const std::byte* p, Right b) {
    add(sum, left(p), b);
  }
};

/// What multiply_pairs has too much for each row: of every eight values the product of the first
/// pair, less that of the third.
VITRAIL_KERNEL static void pair_products(const std::byte* left, Index rows, Index K,
                                         Index block_bytes, float* out) {
  const Floats signs = _mm512_setr_ps(1, 0, 0, 0, -1, 0, 0, 0, 1, 0, 0, 0, -1, 0, 0, 0);
  for (Index r = 0; r < rows; ++r, left += 64) {
    Floats sum = broadcast(0.0F);
    const std::byte* at = left;
    for (Index k = 0; k < K; k += 16, at += block_bytes) {
      const Floats x = load(reinterpret_cast<const float*>(at));
      sum = multiply_add(multiply(x, signs), swap_lanes<1>(x), sum);
    }
    out[r] = sum_of(sum);
  }
}

/// Panel rows of f32 to a panel of bf16, rounded as by store_bf16; what is missing of a block is
/// zero.
VITRAIL_KERNEL static void round_panel(const std::byte* right, Index steps, Index vectors,
                                       std::byte* out) {
  const Index row = vectors * width;
  const auto* from = reinterpret_cast<const float*>(right);
  const Ints place = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const Ints both = add_ints(place, _mm512_slli_epi32(add_ints(place, broadcast_int(16)), 16));
  for (Index k = 0; k < (steps + 31) / 32 * 32; k += 2, from += 2 * row) {
    for (Index i = 0; i < row; i += width, out += 64) {
      const Floats even = load_first(from + i, k < steps ? 16 : 0);
      const Floats odd = load_first(from + row + i, k + 1 < steps ? 16 : 0);
      Ints rounded;  // all even ones, then all odd ones
      __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(rounded) : "v"(even), "v"(odd));
      _mm512_storeu_si512(out, _mm512_permutexvar_epi16(both, rounded));
    }
  }
}

#endif  // VITRAIL_KERNEL
