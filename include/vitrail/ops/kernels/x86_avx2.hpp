// The kernels for AVX2 and FMA, with AVX-VNNI where the processor has it.
#ifndef VITRAIL_OPS_KERNELS_X86_AVX2_HPP
#define VITRAIL_OPS_KERNELS_X86_AVX2_HPP

#include <vitrail/ops/kernels/kernels.hpp>

#if VITRAIL_X86
#include <immintrin.h>

#define VITRAIL_KERNEL __attribute__((target("avx2,fma")))
#define VITRAIL_KERNEL_INLINE VITRAIL_KERNEL __attribute__((always_inline)) static inline

VITRAIL_BEGIN_NAMESPACE
namespace detail::avx2 {

using Floats = __m256;
using Ints = __m256i;
inline constexpr Index width = 8;
inline constexpr Index vector_bytes = 32;
inline constexpr Index tile_rows = 6;      // 12 accumulators, 2 vectors of the panel, 1 broadcast
inline constexpr Index panel_vectors = 2;  // 16 outputs
inline constexpr std::int32_t weight_offset = 128;  // int8 weights are multiplied unsigned

/// All bits set in the first n elements.
VITRAIL_KERNEL_INLINE Ints first(Index n) {
  alignas(32) static constexpr std::int32_t window[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  const Index count = n >= 8 ? 8 : n <= 0 ? 0 : n;
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(window + 8 - count));
}
VITRAIL_KERNEL_INLINE void prefetch_near(const std::byte* p) { _mm_prefetch(p, _MM_HINT_T0); }
VITRAIL_KERNEL_INLINE void prefetch_far(const std::byte* p) { _mm_prefetch(p, _MM_HINT_T1); }
VITRAIL_KERNEL_INLINE Floats broadcast(float x) { return _mm256_set1_ps(x); }
VITRAIL_KERNEL_INLINE Ints broadcast_int(std::int32_t x) { return _mm256_set1_epi32(x); }
VITRAIL_KERNEL_INLINE Floats load(const float* p) { return _mm256_loadu_ps(p); }
VITRAIL_KERNEL_INLINE Ints load_ints(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
VITRAIL_KERNEL_INLINE void store(float* p, Floats x) { _mm256_storeu_ps(p, x); }
// Elements past the first n are not touched; they read as zero. Masked stores are slow on some
// processors, so whole vectors avoid them.
VITRAIL_KERNEL_INLINE Floats load_first(const float* p, Index n) {
  return n >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first(n));
}
VITRAIL_KERNEL_INLINE void store_first(float* p, Floats x, Index n) {
  if (n >= 8) {
    _mm256_storeu_ps(p, x);
  } else {
    _mm256_maskstore_ps(p, first(n), x);
  }
}
VITRAIL_KERNEL_INLINE Floats select_first(Floats x, Floats rest, Index n) {
  return n >= 8 ? x : _mm256_blendv_ps(rest, x, _mm256_castsi256_ps(first(n)));
}
VITRAIL_KERNEL_INLINE Floats keep_first(Floats x, Index n) {
  return n >= 8 ? x : _mm256_and_ps(x, _mm256_castsi256_ps(first(n)));
}
VITRAIL_KERNEL_INLINE Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
VITRAIL_KERNEL_INLINE Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
VITRAIL_KERNEL_INLINE Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
VITRAIL_KERNEL_INLINE Floats divide(Floats a, Floats b) { return _mm256_div_ps(a, b); }
VITRAIL_KERNEL_INLINE Floats larger(Floats a, Floats b) { return _mm256_max_ps(a, b); }
VITRAIL_KERNEL_INLINE Floats smaller(Floats a, Floats b) { return _mm256_min_ps(a, b); }
VITRAIL_KERNEL_INLINE Floats magnitude(Floats a) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), a);
}
VITRAIL_KERNEL_INLINE Floats multiply_add(Floats a, Floats b, Floats c) {
  return _mm256_fmadd_ps(a, b, c);
}
VITRAIL_KERNEL_INLINE Floats negative_multiply_add(Floats a, Floats b, Floats c) {
  return _mm256_fnmadd_ps(a, b, c);
}
VITRAIL_KERNEL_INLINE Floats nearest(Floats a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/// n between -126 and 127.
VITRAIL_KERNEL_INLINE Floats times_power_of_two(Floats a, Floats n) {
  const Ints exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), broadcast_int(127));
  return multiply(a, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}
/// a[i] <- a[i ^ Distance].
template <Index Distance>
VITRAIL_KERNEL_INLINE Floats swap_lanes(Floats a) {
  if constexpr (Distance == 4) return _mm256_permute2f128_ps(a, a, 1);
  return _mm256_permute_ps(a, Distance == 1 ? 0xb1 : 0x4e);
}
VITRAIL_KERNEL_INLINE Floats where_less(Floats a, Floats b, Floats then, Floats otherwise) {
  return _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
VITRAIL_KERNEL_INLINE float sum_of(Floats a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
VITRAIL_KERNEL_INLINE float largest_of(Floats a) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
VITRAIL_KERNEL_INLINE Floats to_floats(Ints a) { return _mm256_cvtepi32_ps(a); }
/// To nearest, ties to even.
VITRAIL_KERNEL_INLINE Ints to_ints(Floats a) { return _mm256_cvtps_epi32(a); }
VITRAIL_KERNEL_INLINE Ints add_ints(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
VITRAIL_KERNEL_INLINE Ints subtract_ints(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
VITRAIL_KERNEL_INLINE Ints larger_ints(Ints a, Ints b) { return _mm256_max_epi32(a, b); }
VITRAIL_KERNEL_INLINE Ints smaller_ints(Ints a, Ints b) { return _mm256_min_epi32(a, b); }
VITRAIL_KERNEL_INLINE std::int32_t sum_of_ints(Ints a) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
}

/// To nearest, ties to even; the lower 16 bits of each element are left as they fall.
VITRAIL_KERNEL_INLINE Ints round_upper_half(Floats x) {
  const Ints bits = _mm256_castps_si256(x);
  const Ints odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), broadcast_int(1));
  return _mm256_add_epi32(bits, _mm256_add_epi32(odd, broadcast_int(0x7fff)));
}
VITRAIL_KERNEL_INLINE Floats rounded_to_bf16(Floats x) {
  return _mm256_castsi256_ps(
      _mm256_and_si256(round_upper_half(x), broadcast_int(static_cast<int>(0xffff0000U))));
}
/// Eight whole numbers as 16-bit ones, in order.
VITRAIL_KERNEL_INLINE __m128i to_words(Ints x) {
  return _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
}
VITRAIL_KERNEL_INLINE void store_rounded(std::byte* p, Floats x) {
  const Ints bits = _mm256_srli_epi32(round_upper_half(x), 16);
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(p),
      _mm_packus_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1)));
}
// The formats of other instruction sets.
VITRAIL_KERNEL_INLINE void store_bf16(std::byte*, Floats) {}
VITRAIL_KERNEL_INLINE void store_bf16_split(std::byte*, Index, Floats) {}
/// 64 whole numbers as signed bytes, the nearest ones; returns parts of their sum.
VITRAIL_KERNEL_INLINE Ints store_s8(std::byte* p, const Ints (&x)[8]) {
  // Each step puts two vectors together, lane by lane of 128 bits.
  const Ints lanes = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  Ints sums = _mm256_setzero_si256();
  for (Index i = 0; i < 8; i += 4) {
    const Ints words = _mm256_packs_epi16(_mm256_packs_epi32(x[i], x[i + 1]),
                                          _mm256_packs_epi32(x[i + 2], x[i + 3]));
    const Ints bytes = _mm256_permutevar8x32_epi32(words, lanes);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + i * 8), bytes);
    // Sums of eight, of the bytes + 128.
    sums = add_ints(sums, _mm256_sad_epu8(_mm256_xor_si256(bytes, _mm256_set1_epi8(-128)),
                                          _mm256_setzero_si256()));
  }
  return subtract_ints(sums, _mm256_set1_epi64x(2048));
}
/// (a0 a1 a2 a3) -> (a0 a2)(a1 a3) of every four.
VITRAIL_KERNEL_INLINE void store_s16_split(std::byte* p, Ints x) {
  const __m128i split = _mm_shufflehi_epi16(_mm_shufflelo_epi16(to_words(x), 0xd8), 0xd8);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), split);
}

VITRAIL_KERNEL_INLINE void transpose_square(Floats (&m)[width]) {
  Floats t[8];
  // Pairs of rows, then pairs of pairs, within 128-bit lanes; then the lanes.
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(m[i], m[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(m[i], m[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    m[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    m[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    m[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    m[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm256_permute2f128_ps(m[i], m[i + 4], 0x20);
    t[i + 4] = _mm256_permute2f128_ps(m[i], m[i + 4], 0x31);
  }
  for (int i = 0; i < 8; ++i) m[i] = t[i];
}

#include <vitrail/ops/kernels/body/math.hpp>
#include <vitrail/ops/kernels/body/pack.hpp>
#include <vitrail/ops/kernels/body/rows.hpp>
#include <vitrail/ops/kernels/body/tile.hpp>

// The operations of a tile.
struct F32 {
  static constexpr bool integers = false;
  using Sum = __m256;
  using Right = __m256;
  static constexpr int parts = 1;
  static constexpr bool fold_broadcast = false;
  VITRAIL_KERNEL_INLINE Sum zero() { return _mm256_setzero_ps(); }
  VITRAIL_KERNEL_INLINE Sum load_sum(const std::byte* p) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(p));
  }
  VITRAIL_KERNEL_INLINE void store_sum(std::byte* p, Sum s) {
    _mm256_storeu_ps(reinterpret_cast<float*>(p), s);
  }
  VITRAIL_KERNEL_INLINE Right right(const std::byte* p, int) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(p));
  }
  VITRAIL_KERNEL_INLINE __m256 left(const std::byte* p) {
    return _mm256_broadcast_ss(reinterpret_cast<const float*>(p));
  }
  VITRAIL_KERNEL_INLINE void add(Sum& sum, __m256 a, Right b) { sum = _mm256_fmadd_ps(a, b, sum); }
  VITRAIL_KERNEL_INLINE void add_from_memory(Sum& sum, const std::byte* p, Right b) {
    add(sum, left(p), b);
  }
};

/// bf16 products: both halves of a pair widened to f32.
struct Bf16Wide : F32 {
  static constexpr int parts = 2;
  VITRAIL_KERNEL_INLINE Right right(const std::byte* p, int part) {
    const __m256i pairs = load_ints(p);
    return _mm256_castsi256_ps(
        part == 0 ? _mm256_slli_epi32(pairs, 16)
                  : _mm256_and_si256(pairs, broadcast_int(static_cast<int>(0xffff0000U))));
  }
};

/// int8 products with AVX-VNNI: unsigned weights times signed activations.
struct Int8 {
  static constexpr bool integers = true;
  using Sum = __m256i;
  using Right = __m256i;
  static constexpr int parts = 1;
  static constexpr bool fold_broadcast = false;
  VITRAIL_KERNEL_INLINE Sum zero() { return _mm256_setzero_si256(); }
  VITRAIL_KERNEL_INLINE Sum load_sum(const std::byte* p) { return load_ints(p); }
  VITRAIL_KERNEL_INLINE void store_sum(std::byte* p, Sum s) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), s);
  }
  VITRAIL_KERNEL_INLINE Right right(const std::byte* p, int) { return load_ints(p); }
  VITRAIL_KERNEL_INLINE __m256i left(const std::byte* p) {
    return _mm256_castps_si256(_mm256_broadcast_ss(reinterpret_cast<const float*>(p)));
  }
  VITRAIL_KERNEL_INLINE void add(Sum& sum, __m256i a, Right b) {
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(b), "x"(a));
  }
  VITRAIL_KERNEL_INLINE void add_from_memory(Sum& sum, const std::byte* p, Right b) {
    add(sum, left(p), b);
  }
};

/// int8 products without instructions for them: even and odd bytes as 16-bit numbers, exactly
/// (maddubs would saturate).
struct Int8Wide : Int8 {
  static constexpr int parts = 2;
  VITRAIL_KERNEL_INLINE Right right(const std::byte* p, int part) {
    const __m256i bytes = load_ints(p);
    return part == 0 ? _mm256_and_si256(bytes, broadcast_int(0x00ff00ff))
                     : _mm256_srli_epi16(bytes, 8);
  }
  VITRAIL_KERNEL_INLINE void add(Sum& sum, __m256i a, Right b) {
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
  }
};

#include <vitrail/ops/kernels/body/peak.hpp>
#include <vitrail/ops/kernels/body/table.hpp>

/// The table for `level`, which is one of the AVX2 levels.
inline Kernels table(CpuLevel level) {
  Kernels k = common_table(level);
  k.bf16 = product<Bf16Wide>(LeftFormat::bf16_wide, 2);
  k.int8 = level >= CpuLevel::avx2_vnni ? product<Int8>(LeftFormat::s8, 4)
                                        : product<Int8Wide>(LeftFormat::s16, 4);
  return k;
}

}  // namespace detail::avx2
VITRAIL_END_NAMESPACE

#undef VITRAIL_KERNEL
#undef VITRAIL_KERNEL_INLINE
#endif  // VITRAIL_X86

#endif  // VITRAIL_OPS_KERNELS_X86_AVX2_HPP
