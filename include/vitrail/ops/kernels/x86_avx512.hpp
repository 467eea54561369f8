// The kernels for AVX-512 (F, BW, DQ, VL), with VNNI and BF16 where the processor has them.
#ifndef VITRAIL_OPS_KERNELS_X86_AVX512_HPP
#define VITRAIL_OPS_KERNELS_X86_AVX512_HPP

#include <vitrail/ops/kernels/kernels.hpp>

#if VITRAIL_X86
#include <immintrin.h>

#define VITRAIL_KERNEL __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define VITRAIL_KERNEL_INLINE VITRAIL_KERNEL __attribute__((always_inline)) static inline

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push  // GCC bug 105593: its own intrinsics read "undefined" registers
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

VITRAIL_BEGIN_NAMESPACE
namespace detail::avx512 {

using Floats = __m512;
using Ints = __m512i;
inline constexpr Index width = 16;
inline constexpr Index vector_bytes = 64;
inline constexpr Index tile_rows = 9;      // 27 accumulators, 3 vectors of the panel, 1 broadcast
inline constexpr Index panel_vectors = 3;  // 48 outputs
inline constexpr std::int32_t weight_offset = 128;  // int8 weights are multiplied unsigned

/// n below 16.
VITRAIL_KERNEL_INLINE __mmask16 first(Index n) {
  return static_cast<__mmask16>(n <= 0 ? 0U : (1U << n) - 1U);
}
VITRAIL_KERNEL_INLINE void prefetch_near(const std::byte* p) { _mm_prefetch(p, _MM_HINT_T0); }
VITRAIL_KERNEL_INLINE void prefetch_far(const std::byte* p) { _mm_prefetch(p, _MM_HINT_T1); }
VITRAIL_KERNEL_INLINE Floats broadcast(float x) { return _mm512_set1_ps(x); }
VITRAIL_KERNEL_INLINE Ints broadcast_int(std::int32_t x) { return _mm512_set1_epi32(x); }
VITRAIL_KERNEL_INLINE Floats load(const float* p) { return _mm512_loadu_ps(p); }
VITRAIL_KERNEL_INLINE Ints load_ints(const void* p) { return _mm512_loadu_si512(p); }
VITRAIL_KERNEL_INLINE void store(float* p, Floats x) { _mm512_storeu_ps(p, x); }
// Elements past the first n are not touched; they read as zero. Whole vectors, the usual case, do
// without a mask.
VITRAIL_KERNEL_INLINE Floats load_first(const float* p, Index n) {
  return n >= 16 ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(first(n), p);
}
VITRAIL_KERNEL_INLINE void store_first(float* p, Floats x, Index n) {
  if (n >= 16) {
    _mm512_storeu_ps(p, x);
  } else {
    _mm512_mask_storeu_ps(p, first(n), x);
  }
}
VITRAIL_KERNEL_INLINE Floats select_first(Floats x, Floats rest, Index n) {
  return n >= 16 ? x : _mm512_mask_blend_ps(first(n), rest, x);
}
VITRAIL_KERNEL_INLINE Floats keep_first(Floats x, Index n) {
  return n >= 16 ? x : _mm512_maskz_mov_ps(first(n), x);
}
VITRAIL_KERNEL_INLINE Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
VITRAIL_KERNEL_INLINE Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
VITRAIL_KERNEL_INLINE Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
VITRAIL_KERNEL_INLINE Floats divide(Floats a, Floats b) { return _mm512_div_ps(a, b); }
VITRAIL_KERNEL_INLINE Floats larger(Floats a, Floats b) { return _mm512_max_ps(a, b); }
VITRAIL_KERNEL_INLINE Floats smaller(Floats a, Floats b) { return _mm512_min_ps(a, b); }
VITRAIL_KERNEL_INLINE Floats magnitude(Floats a) { return _mm512_abs_ps(a); }
VITRAIL_KERNEL_INLINE Floats multiply_add(Floats a, Floats b, Floats c) {
  return _mm512_fmadd_ps(a, b, c);
}
VITRAIL_KERNEL_INLINE Floats negative_multiply_add(Floats a, Floats b, Floats c) {
  return _mm512_fnmadd_ps(a, b, c);
}
VITRAIL_KERNEL_INLINE Floats nearest(Floats a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
VITRAIL_KERNEL_INLINE Floats times_power_of_two(Floats a, Floats n) {
  return _mm512_scalef_ps(a, n);
}
/// a[i] <- a[i ^ Distance].
template <Index Distance>
VITRAIL_KERNEL_INLINE Floats swap_lanes(Floats a) {
  if constexpr (Distance >= 4) return _mm512_shuffle_f32x4(a, a, Distance == 4 ? 0xb1 : 0x4e);
  return _mm512_permute_ps(a, Distance == 1 ? 0xb1 : 0x4e);
}
VITRAIL_KERNEL_INLINE Floats where_less(Floats a, Floats b, Floats then, Floats otherwise) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), otherwise, then);
}
VITRAIL_KERNEL_INLINE float sum_of(Floats a) { return _mm512_reduce_add_ps(a); }
VITRAIL_KERNEL_INLINE float largest_of(Floats a) { return _mm512_reduce_max_ps(a); }
VITRAIL_KERNEL_INLINE Floats to_floats(Ints a) { return _mm512_cvtepi32_ps(a); }
/// To nearest, ties to even.
VITRAIL_KERNEL_INLINE Ints to_ints(Floats a) { return _mm512_cvtps_epi32(a); }
VITRAIL_KERNEL_INLINE Ints add_ints(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
VITRAIL_KERNEL_INLINE Ints subtract_ints(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
VITRAIL_KERNEL_INLINE Ints larger_ints(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
VITRAIL_KERNEL_INLINE Ints smaller_ints(Ints a, Ints b) { return _mm512_min_epi32(a, b); }
VITRAIL_KERNEL_INLINE std::int32_t sum_of_ints(Ints a) { return _mm512_reduce_add_epi32(a); }

/// To nearest, ties to even; the lower 16 bits of each element are left as they fall.
VITRAIL_KERNEL_INLINE Ints round_upper_half(Floats x) {
  const Ints bits = _mm512_castps_si512(x);
  const Ints odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), broadcast_int(1));
  return _mm512_add_epi32(bits, _mm512_add_epi32(odd, broadcast_int(0x7fff)));
}
VITRAIL_KERNEL_INLINE Floats rounded_to_bf16(Floats x) {
  return _mm512_castsi512_ps(
      _mm512_and_si512(round_upper_half(x), broadcast_int(static_cast<int>(0xffff0000U))));
}
/// As bf16, to nearest, ties to even: for weights, on every level.
VITRAIL_KERNEL_INLINE void store_rounded(std::byte* p, Floats x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtepi32_epi16(_mm512_srli_epi32(round_upper_half(x), 16)));
}
/// The same by an instruction of AVX512-BF16, which takes denormal numbers for zero: for
/// activations, which are bf16 on no lesser level.
VITRAIL_KERNEL_INLINE void store_bf16(std::byte* p, Floats x) {
  __m256i rounded;
  __asm__("vcvtneps2bf16 %1, %0" : "=v"(rounded) : "v"(x));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), rounded);
}
/// x as the sum of three numbers of 8 bits each, cut off rather than rounded, `line` bytes apart.
VITRAIL_KERNEL_INLINE void store_bf16_split(std::byte* p, Index line, Floats x) {
  const Ints upper = broadcast_int(static_cast<int>(0xffff0000U));
  for (int part = 0; part < 3; ++part, p += line) {
    const Ints bits = _mm512_castps_si512(x);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16)));
    x = _mm512_sub_ps(x, _mm512_castsi512_ps(_mm512_and_si512(bits, upper)));
  }
}
/// 64 whole numbers as signed bytes, the nearest ones; returns parts of their sum.
VITRAIL_KERNEL_INLINE Ints store_s8(std::byte* p, const Ints (&x)[4]) {
  // Each step puts two vectors together, lane by lane of 128 bits.
  const Ints lanes = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const Ints bytes = _mm512_permutexvar_epi32(
      lanes, _mm512_packs_epi16(_mm512_packs_epi32(x[0], x[1]), _mm512_packs_epi32(x[2], x[3])));
  _mm512_storeu_si512(p, bytes);
  // Sums of eight, of the bytes + 128.
  const Ints sums =
      _mm512_sad_epu8(_mm512_xor_si512(bytes, _mm512_set1_epi8(-128)), _mm512_setzero_si512());
  return _mm512_sub_epi32(sums, _mm512_set1_epi64(1024));
}
/// (a0 a1 a2 a3) -> (a0 a2)(a1 a3) of every four.
VITRAIL_KERNEL_INLINE void store_s16_split(std::byte* p, Ints x) {
  const __m256i words = _mm512_cvtepi32_epi16(x);
  const __m256i split = _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(words, 0xd8), 0xd8);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), split);
}

VITRAIL_KERNEL_INLINE Floats unpack_low_pairs(Floats a, Floats b) {
  return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}
VITRAIL_KERNEL_INLINE Floats unpack_high_pairs(Floats a, Floats b) {
  return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}
VITRAIL_KERNEL_INLINE void transpose_square(Floats (&m)[width]) {
  Floats t[16];
  // Pairs of rows, then pairs of pairs, within 128-bit lanes; then lanes by fours.
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(m[i], m[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(m[i], m[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    m[i] = unpack_low_pairs(t[i], t[i + 2]);
    m[i + 1] = unpack_high_pairs(t[i], t[i + 2]);
    m[i + 2] = unpack_low_pairs(t[i + 1], t[i + 3]);
    m[i + 3] = unpack_high_pairs(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_f32x4(m[i], m[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_f32x4(m[i], m[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_f32x4(m[i + 8], m[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_f32x4(m[i + 8], m[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    m[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
    m[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
    m[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
    m[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

/// x Phi(x), Phi the normal distribution, to 3e-7 absolute: |x| q(|x|), and x more where x > 0,
/// with q = Phi - 1. For |x| up to 5.5 q is a polynomial in each of sixteen intervals around whole
/// multiples of 5.5 / 14.5, interpolated at Chebyshev's points, the last one 0. Their coefficients
/// fit registers, and one polynomial for all takes three times the multiply-adds. What counts is
/// the time from x to the result: the processor has room for three or four of these chains.
VITRAIL_KERNEL_INLINE Floats gelu(Floats x) {
  alignas(64) static constexpr float q[5][16] = {
      {-5.000000000e-01F, -3.522287011e-01F, -2.240397483e-01F, -1.275746375e-01F,
       -6.460287422e-02F, -2.894356288e-02F, -1.142713334e-02F, -3.963394091e-03F,
       -1.204742584e-03F, -3.203260421e-04F, -7.438806642e-05F, -1.506948229e-05F,
       -2.660403652e-06F, -4.089764616e-07F, -5.470900533e-08F, 0.000000000e+00F},
      {1.513224691e-01F, 1.408183575e-01F, 1.134842336e-01F, 7.920052856e-02F, 4.786688834e-02F,
       2.505268529e-02F, 1.135486737e-02F, 4.456711467e-03F, 1.514770673e-03F, 4.458343319e-04F,
       1.136286810e-04F, 2.507742647e-05F, 4.792369054e-06F, 7.930138395e-07F, 1.136224768e-07F,
       0.000000000e+00F},
      {7.525368801e-06F, -1.013013441e-02F, -1.632751524e-02F, -1.709237508e-02F, -1.377361175e-02F,
       -9.011130780e-03F, -4.901123699e-03F, -2.244346309e-03F, -8.718465106e-04F,
       -2.887085429e-04F, -8.176944539e-05F, -1.985464041e-05F, -4.140288638e-06F,
       -7.424573596e-07F, -1.146121136e-07F, 0.000000000e+00F},
      {-3.670871723e-03F, -2.874606056e-03F, -1.155882841e-03F, 5.469081807e-04F, 1.480279025e-03F,
       1.552435569e-03F, 1.137225423e-03F, 6.490550004e-04F, 3.008281637e-04F, 1.155836653e-04F,
       3.725372517e-05F, 1.014867848e-05F, 2.348743010e-06F, 4.634789263e-07F, 7.819233616e-08F,
       0.000000000e+00F},
      {9.697642236e-05F, 3.444402828e-04F, 4.718288546e-04F, 3.482897591e-04F, 1.159322783e-04F,
       -6.319432578e-05F, -1.271982910e-04F, -1.087439377e-04F, -6.501412281e-05F,
       -3.013446985e-05F, -1.128014810e-05F, -3.482165994e-06F, -8.975156334e-07F,
       -1.947054500e-07F, -3.574936969e-08F, 0.000000000e+00F}};
  const Floats per_interval = broadcast(14.5F / 5.5F);
  // 1.5 2^23: what is added to it is rounded to a whole number, in the lowest bits.
  const Floats whole = broadcast(12582912.0F);
  const Floats a = magnitude(x);
  const Floats rounded = multiply_add(a, per_interval, whole);
  const Floats r = multiply_add(a, per_interval, subtract(whole, rounded));  // from its middle
  const Ints last = add_ints(_mm512_castps_si512(whole), broadcast_int(15));
  const Ints interval = smaller_ints(_mm512_castps_si512(rounded), last);
  Floats p = _mm512_permutexvar_ps(interval, load(q[4]));
  for (int i = 3; i >= 0; --i) {
    p = multiply_add(p, r, _mm512_permutexvar_ps(interval, load(q[i])));
  }
  const Floats positive =
      _mm512_castsi512_ps(larger_ints(_mm512_castps_si512(x), broadcast_int(0)));
  return multiply_add(a, p, positive);
}
#define VITRAIL_KERNEL_GELU

#include <vitrail/ops/kernels/body/avx512_tile.hpp>
#include <vitrail/ops/kernels/body/math.hpp>
#include <vitrail/ops/kernels/body/pack.hpp>
#include <vitrail/ops/kernels/body/peak.hpp>
#include <vitrail/ops/kernels/body/rows.hpp>
#include <vitrail/ops/kernels/body/tile.hpp>

#include <vitrail/ops/kernels/body/table.hpp>  // of what is above

/// The table for `level`, which is one of the AVX-512 levels.
inline Kernels table(CpuLevel level) {
  Kernels k = common_table(level);
  k.paired = product<PairedF32>(LeftFormat::f32, 1);
  k.pair_products = pair_products;
  k.bf16 = level >= CpuLevel::avx512_bf16 ? product<Bf16>(LeftFormat::bf16, 2)
                                          : product<Bf16Wide>(LeftFormat::bf16_wide, 2);
  k.int8 = level >= CpuLevel::avx512_vnni ? product<Int8>(LeftFormat::s8, 4)
                                          : product<Int8Wide>(LeftFormat::s16, 4);
  if (level >= CpuLevel::avx512_bf16) {
    k.attention_bf16 = k.bf16;
    k.attention_bf16.narrow_panels = true;
    fill_tiles<Bf16, 1>(k.attention_bf16);
    fill_tiles<Bf16, 2>(k.attention_bf16);
    k.attention_bf16.prepare = round_panel;
    k.attention_bf16.prepared_bytes = 16 * vector_bytes;  // of 32 values of K
  }
  return k;
}

}  // namespace detail::avx512
VITRAIL_END_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#undef VITRAIL_KERNEL
#undef VITRAIL_KERNEL_GELU
#undef VITRAIL_KERNEL_INLINE
#endif  // VITRAIL_X86

#endif  // VITRAIL_OPS_KERNELS_X86_AVX512_HPP
