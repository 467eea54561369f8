// Products in AMX's tile registers (TILE, BF16, INT8); everything else is AVX-512's.
//
// A tile register holds 16 rows of 64 bytes. One instruction multiplies 16 packed rows by 16 panel
// rows, a block of K, into 16 x 16 sums. Two groups of rows meet three vectors of a panel, or two
// where each side comes in parts:
//
//             panel:  b0    b1    b2                                b0    b1
//   16 rows  a0      tmm0  tmm1  tmm2    a in tmm7       a0 (tmm4) tmm0  tmm1     b in tmm6 and 7
//   16 rows  a1      tmm3  tmm4  tmm5    b in tmm6       a1 (tmm5) tmm2  tmm3
//
// bf16 and int8 panels are read as they are. f32 goes through bf16 without losing a bit: x is the
// sum of three bf16, high + middle + low, of 8 bits each, and of the nine products of two such sums
// the six that reach 2^-24 of the whole are added up, in f32 sums as all of bf16. What is left out
// and how sums round are no worse than in a chain of multiply-adds; the numbers that differ are
// those beyond f32's normal range (parts below 2^-126 count as zero; an infinity becomes NaN).
#ifndef VITRAIL_OPS_KERNELS_X86_AMX_HPP
#define VITRAIL_OPS_KERNELS_X86_AMX_HPP

#include <vitrail/ops/kernels/x86_avx512.hpp>

#if VITRAIL_X86

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push  // GCC bug 105593, as in x86_avx512.hpp
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#define VITRAIL_KERNEL                                                             \
  __attribute__((                                                                  \
      target("amx-tile,amx-bf16,amx-int8,avx512f,avx512bw,avx512dq,avx512vl,avx2," \
             "fma")))
#define VITRAIL_KERNEL_INLINE VITRAIL_KERNEL __attribute__((always_inline)) static inline

VITRAIL_BEGIN_NAMESPACE
namespace detail::amx {

inline constexpr Index width = 16;
inline constexpr Index tile_bytes = 1024;

/// All eight registers: 16 rows of 64 bytes.
VITRAIL_KERNEL static void begin() {
  struct alignas(64) {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } const shape;
  __asm__ volatile("ldtilecfg %0" ::"m"(shape));
}
VITRAIL_KERNEL static void end() { __asm__ volatile("tilerelease" ::: "memory"); }

template <int Register>
VITRAIL_KERNEL_INLINE void load(const std::byte* p, Index stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(stride), "i"(Register) : "memory");
}
template <int Register>
VITRAIL_KERNEL_INLINE void store(std::byte* p, Index stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(p), "r"(stride), "i"(Register)
                   : "memory");
}
template <int Register>
VITRAIL_KERNEL_INLINE void clear() {
  __asm__ volatile("tilezero %%tmm%c0" ::"i"(Register));
}

struct Bf16 {
  template <int Sum, int Rows, int Panel>
  VITRAIL_KERNEL_INLINE void dot() {
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(Sum), "i"(Rows), "i"(Panel));
  }
};
/// Signed rows times unsigned panels.
struct Int8 {
  template <int Sum, int Rows, int Panel>
  VITRAIL_KERNEL_INLINE void dot() {
    __asm__ volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(Sum), "i"(Rows), "i"(Panel));
  }
};

/// The sums of rows times the panel's vectors V, V + 1, ... before the first product, and after the
/// last. Those of the second group of 16 rows come after the `Width` of the first.
template <int Groups, int Width, int V = 0>
VITRAIL_KERNEL_INLINE void begin_sums(const TileArguments& t) {
  std::byte* const sums = t.sums + V * t.vector_bytes;
  if (t.first) {
    clear<V>();
    if constexpr (Groups > 1) clear<V + Width>();
  } else {
    load<V>(sums, t.row_bytes);
    if constexpr (Groups > 1) load<V + Width>(sums + 16 * t.row_bytes, t.row_bytes);
  }
  if constexpr (V + 1 < Width) {
    if (V + 1 < t.vectors) begin_sums<Groups, Width, V + 1>(t);
  }
}
template <int Groups, int Width, int V = 0>
VITRAIL_KERNEL_INLINE void end_sums(const TileArguments& t) {
  std::byte* const sums = t.sums + V * t.vector_bytes;
  store<V>(sums, t.row_bytes);
  if constexpr (Groups > 1) store<V + Width>(sums + 16 * t.row_bytes, t.row_bytes);
  if constexpr (V + 1 < Width) {
    if (V + 1 < t.vectors) end_sums<Groups, Width, V + 1>(t);
  }
}

/// What goes on beside the products: lines that somebody will need soon are asked for, some with
/// each block, and other work is done in slices.
struct Beside {
  const std::byte* ahead;
  Index ahead_lines;
  const std::byte* near;
  Index near_rows;

  VITRAIL_KERNEL_INLINE Beside of(const TileArguments& t) {
    return {t.ahead, t.ahead_lines_per_block, t.near, t.near_rows};
  }
  VITRAIL_KERNEL __attribute__((always_inline)) inline void step(const TileArguments& t) {
    for (Index line = 0; line < ahead_lines; ++line, ahead += 64) avx512::prefetch_far(ahead);
    for (Index row = 0; row < t.near_rows_per_block && near_rows > 0; ++row, --near_rows) {
      for (Index v = 0; v < t.vectors; ++v) avx512::prefetch_near(near + v * 64);
      near += t.near_stride;
    }
    if (t.meanwhile != nullptr) t.meanwhile(t.work);
  }
};

/// A block of rows times one vector of a panel, to the sums of that vector.
template <class Op, int Groups, int V>
VITRAIL_KERNEL_INLINE void add_block(const std::byte* left, const std::byte* right,
                                     Index right_stride) {
  load<6>(right, right_stride);
  load<7>(left, 64);
  Op::template dot<V, 7, 6>();
  if constexpr (Groups > 1) {
    load<7>(left + tile_bytes, 64);
    Op::template dot<V + 3, 7, 6>();
  }
}

/// 16 or 32 rows times up to three vectors.
template <class Op, int Groups>
VITRAIL_KERNEL static void tile(const TileArguments& t) {
  const Index row = t.vectors * 64;
  begin_sums<Groups, 3>(t);
  Beside beside = Beside::of(t);
  const std::byte* left = t.left;
  const std::byte* right = t.right;
  for (Index steps = t.steps; steps > 0; steps -= 16) {
    beside.step(t);
    add_block<Op, Groups, 0>(left, right, row);
    if (t.vectors > 1) add_block<Op, Groups, 1>(left, right + 64, row);
    if (t.vectors > 2) add_block<Op, Groups, 2>(left, right + 128, row);
    left += Groups * tile_bytes;
    right += 16 * row;
  }
  end_sums<Groups, 3>(t);
}

// Products of high, middle and low parts: rows in tmm4 and 5, the panel in 6 and 7.
template <int Groups>
VITRAIL_KERNEL_INLINE void load_rows(const std::byte* left) {
  load<4>(left, 64);
  if constexpr (Groups > 1) load<5>(left + tile_bytes, 64);
}
VITRAIL_KERNEL_INLINE void load_panel(const std::byte* right, bool both) {
  load<6>(right, 64);
  if (both) load<7>(right + tile_bytes, 64);
}
template <int Groups>
VITRAIL_KERNEL_INLINE void multiply(bool both) {
  Bf16::dot<0, 4, 6>();
  if (both) Bf16::dot<1, 4, 7>();
  if constexpr (Groups > 1) {
    Bf16::dot<2, 5, 6>();
    if (both) Bf16::dot<3, 5, 7>();
  }
}

/// 16 or 32 rows times one or two vectors, both sides as high, middle and low. From one product to
/// the next one side changes only; the smallest come first.
template <int Groups>
VITRAIL_KERNEL static void split_tile(const TileArguments& t) {
  constexpr Index line = Groups * tile_bytes;
  const Index part = t.vectors * tile_bytes;
  const bool both = t.vectors > 1;
  begin_sums<Groups, 2>(t);
  Beside beside = Beside::of(t);
  const std::byte* left = t.left;
  const std::byte* right = t.right;
  for (Index steps = t.steps; steps > 0; steps -= 32) {
    beside.step(t);
    load_rows<Groups>(left + 2 * line);  // low
    load_panel(right, both);             // high
    multiply<Groups>(both);
    load_rows<Groups>(left + line);  // middle, high
    multiply<Groups>(both);
    load_panel(right + part, both);  // middle, middle
    multiply<Groups>(both);
    load_rows<Groups>(left);  // high, middle
    multiply<Groups>(both);
    load_panel(right + 2 * part, both);  // high, low
    multiply<Groups>(both);
    load_panel(right, both);  // high, high
    multiply<Groups>(both);
    left += 3 * line;
    right += 3 * part;
  }
  end_sums<Groups, 2>(t);
}

/// Two rows of 16 f32 as three rows of 16 pairs.
VITRAIL_KERNEL_INLINE void split_pairs(__m512 even, __m512 odd, std::byte* out, Index part_bytes) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000U));
  for (int part = 0; part < 3; ++part, out += part_bytes) {
    const __m512i low_bits = _mm512_castps_si512(even);
    const __m512i high_bits = _mm512_castps_si512(odd);
    const __m512i high = _mm512_and_si512(high_bits, upper);
    _mm512_storeu_si512(out, _mm512_or_si512(_mm512_srli_epi32(low_bits, 16), high));
    even = _mm512_sub_ps(even, _mm512_castsi512_ps(_mm512_and_si512(low_bits, upper)));
    odd = _mm512_sub_ps(odd, _mm512_castsi512_ps(high));
  }
}

/// Panel rows of f32 to tiles: block by block high, middle, low, each vector by vector. What is
/// missing of a block is zero.
VITRAIL_KERNEL static void split_panel(const std::byte* right, Index steps, Index vectors,
                                       std::byte* out) {
  const Index row = vectors * width;
  const Index part = vectors * tile_bytes;
  const auto* from = reinterpret_cast<const float*>(right);
  for (Index step = 0; step < steps; step += 32, from += 32 * row, out += 3 * part) {
    for (Index v = 0; v < vectors; ++v) {
      for (Index k = 0; k < 32; k += 2) {
        const float* const at = from + k * row + v * width;
        split_pairs(avx512::load_first(at, step + k < steps ? 16 : 0),
                    avx512::load_first(at + row, step + k + 1 < steps ? 16 : 0),
                    out + v * tile_bytes + k * 32, part);
      }
    }
  }
}

template <class Op>
VITRAIL_KERNEL static void saturate(Index rounds) {
  alignas(64) static constexpr std::byte nothing[tile_bytes] = {};
  begin();
  TileArguments fresh{};
  fresh.first = true;
  fresh.vectors = 3;
  begin_sums<2, 3>(fresh);
  load<6>(nothing, 64);
  load<7>(nothing, 64);
  for (Index round = 0; round < rounds; ++round) {
    Op::template dot<0, 7, 6>();
    Op::template dot<1, 7, 6>();
    Op::template dot<2, 7, 6>();
    Op::template dot<3, 7, 6>();
    Op::template dot<4, 7, 6>();
    Op::template dot<5, 7, 6>();
  }
  end();
}

/// What all tiles have in common.
inline void use_tiles(ProductKernels& product, TileFunction one_group, TileFunction two_groups) {
  const Index heights[] = {16, 32, 32, 32};
  for (int i = 0; i < tile_heights; ++i) {
    product.heights[i] = heights[i];
    for (TileFunction(&of_vectors)[tile_heights] : product.tile) {
      of_vectors[i] = i == 0 ? one_group : two_groups;
    }
  }
  product.finishes = false;
  product.rows_in_cache = true;
  product.has_meanwhile = true;
  product.begin = begin;
  product.end = end;
}

/// Panels of three vectors, which tiles read as they are.
template <class Op>
ProductKernels product(LeftFormat left, Index step, Index piece_blocks, Index bunch_panels) {
  ProductKernels product{};
  product.left = left;
  product.step = step;
  product.whole_blocks = true;
  product.panel_vectors = 3;
  product.piece_blocks = piece_blocks;
  product.bunch_panels = bunch_panels;
  use_tiles(product, tile<Op, 1>, tile<Op, 2>);
  product.saturate = saturate<Op>;
  product.operations_per_round = Index{6} * 16 * 16 * 16 * 2 * step;
  return product;
}

inline Kernels table() {
  Kernels k = avx512::table(CpuLevel::avx512_bf16);
  k.level = CpuLevel::amx;
  k.f32.left = LeftFormat::bf16_split;
  k.f32.panel_vectors = 2;
  k.f32.piece_blocks = 12;
  k.f32.halving_pieces = 4;
  k.f32.bunch_panels = 24;
  use_tiles(k.f32, split_tile<1>, split_tile<2>);
  k.f32.prepare = split_panel;
  k.f32.prepared_bytes = 3 * tile_bytes;
  k.bf16 = product<Bf16>(LeftFormat::bf16, 2, 24, 24);
  k.int8 = product<Int8>(LeftFormat::s8, 4, 8, 4);
  k.attention_bf16 = k.bf16;
  k.attention_bf16.prepare = avx512::round_panel;
  k.attention_bf16.prepared_bytes = tile_bytes;
  return k;
}

}  // namespace detail::amx
VITRAIL_END_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#undef VITRAIL_KERNEL
#undef VITRAIL_KERNEL_INLINE
#endif  // VITRAIL_X86

#endif  // VITRAIL_OPS_KERNELS_X86_AMX_HPP
