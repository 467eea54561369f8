// The kernels for 64-bit Arm: NEON, which every such processor has, and its dot products for int8
// where there are some.
#ifndef VITRAIL_OPS_KERNELS_ARM_NEON_HPP
#define VITRAIL_OPS_KERNELS_ARM_NEON_HPP

#include <vitrail/ops/kernels/kernels.hpp>

#if VITRAIL_ARM64
#include <arm_neon.h>

#include <cstring>

#define VITRAIL_KERNEL
#define VITRAIL_KERNEL_INLINE __attribute__((always_inline)) static inline

VITRAIL_BEGIN_NAMESPACE
namespace detail::neon {

using Floats = float32x4_t;
using Ints = int32x4_t;
inline constexpr Index width = 4;
inline constexpr Index vector_bytes = 16;
inline constexpr Index tile_rows = 6;      // 24 accumulators, 4 vectors of the panel, 1 broadcast
inline constexpr Index panel_vectors = 4;  // 16 outputs
inline constexpr std::int32_t weight_offset = 0;  // int8 weights are signed by the time of the sum

/// All bits set in the first n elements.
VITRAIL_KERNEL_INLINE uint32x4_t first(Index n) {
  alignas(16) static constexpr std::int32_t places[4] = {0, 1, 2, 3};
  const Index count = n >= 4 ? 4 : n <= 0 ? 0 : n;
  return vcltq_s32(vld1q_s32(places), vdupq_n_s32(static_cast<std::int32_t>(count)));
}
VITRAIL_KERNEL_INLINE void prefetch_near(const std::byte* p) { __builtin_prefetch(p, 0, 3); }
VITRAIL_KERNEL_INLINE void prefetch_far(const std::byte* p) { __builtin_prefetch(p, 0, 2); }
VITRAIL_KERNEL_INLINE Floats broadcast(float x) { return vdupq_n_f32(x); }
VITRAIL_KERNEL_INLINE Ints broadcast_int(std::int32_t x) { return vdupq_n_s32(x); }
VITRAIL_KERNEL_INLINE Floats load(const float* p) { return vld1q_f32(p); }
VITRAIL_KERNEL_INLINE Ints load_ints(const void* p) {
  return vreinterpretq_s32_u8(vld1q_u8(static_cast<const std::uint8_t*>(p)));
}
VITRAIL_KERNEL_INLINE void store(float* p, Floats x) { vst1q_f32(p, x); }
// Elements past the first n are not touched; they read as zero.
VITRAIL_KERNEL_INLINE Floats load_first(const float* p, Index n) {
  if (n >= 4) return vld1q_f32(p);
  Floats x = vdupq_n_f32(0.0F);
  if (n > 0) x = vld1q_lane_f32(p, x, 0);
  if (n > 1) x = vld1q_lane_f32(p + 1, x, 1);
  if (n > 2) x = vld1q_lane_f32(p + 2, x, 2);
  return x;
}
VITRAIL_KERNEL_INLINE void store_first(float* p, Floats x, Index n) {
  if (n >= 4) return vst1q_f32(p, x);
  if (n > 0) vst1q_lane_f32(p, x, 0);
  if (n > 1) vst1q_lane_f32(p + 1, x, 1);
  if (n > 2) vst1q_lane_f32(p + 2, x, 2);
}
VITRAIL_KERNEL_INLINE Floats select_first(Floats x, Floats rest, Index n) {
  return n >= 4 ? x : vbslq_f32(first(n), x, rest);
}
VITRAIL_KERNEL_INLINE Floats keep_first(Floats x, Index n) {
  return select_first(x, vdupq_n_f32(0.0F), n);
}
VITRAIL_KERNEL_INLINE Floats add(Floats a, Floats b) { return vaddq_f32(a, b); }
VITRAIL_KERNEL_INLINE Floats subtract(Floats a, Floats b) { return vsubq_f32(a, b); }
VITRAIL_KERNEL_INLINE Floats multiply(Floats a, Floats b) { return vmulq_f32(a, b); }
VITRAIL_KERNEL_INLINE Floats divide(Floats a, Floats b) { return vdivq_f32(a, b); }
VITRAIL_KERNEL_INLINE Floats larger(Floats a, Floats b) { return vmaxq_f32(a, b); }
VITRAIL_KERNEL_INLINE Floats smaller(Floats a, Floats b) { return vminq_f32(a, b); }
VITRAIL_KERNEL_INLINE Floats magnitude(Floats a) { return vabsq_f32(a); }
VITRAIL_KERNEL_INLINE Floats multiply_add(Floats a, Floats b, Floats c) {
  return vfmaq_f32(c, a, b);
}
VITRAIL_KERNEL_INLINE Floats negative_multiply_add(Floats a, Floats b, Floats c) {
  return vfmsq_f32(c, a, b);
}
VITRAIL_KERNEL_INLINE Floats nearest(Floats a) { return vrndnq_f32(a); }
/// n between -126 and 127.
VITRAIL_KERNEL_INLINE Floats times_power_of_two(Floats a, Floats n) {
  const Ints exponent = vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127));
  return vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23)));
}
/// a[i] <- a[i ^ Distance].
template <Index Distance>
VITRAIL_KERNEL_INLINE Floats swap_lanes(Floats a) {
  return Distance == 1 ? vrev64q_f32(a) : vextq_f32(a, a, 2);
}
VITRAIL_KERNEL_INLINE Floats where_less(Floats a, Floats b, Floats then, Floats otherwise) {
  return vbslq_f32(vcltq_f32(a, b), then, otherwise);
}
VITRAIL_KERNEL_INLINE float sum_of(Floats a) { return vaddvq_f32(a); }
VITRAIL_KERNEL_INLINE float largest_of(Floats a) { return vmaxvq_f32(a); }
VITRAIL_KERNEL_INLINE Floats to_floats(Ints a) { return vcvtq_f32_s32(a); }
/// To nearest, ties to even.
VITRAIL_KERNEL_INLINE Ints to_ints(Floats a) { return vcvtnq_s32_f32(a); }
VITRAIL_KERNEL_INLINE Ints add_ints(Ints a, Ints b) { return vaddq_s32(a, b); }
VITRAIL_KERNEL_INLINE Ints subtract_ints(Ints a, Ints b) { return vsubq_s32(a, b); }
VITRAIL_KERNEL_INLINE Ints larger_ints(Ints a, Ints b) { return vmaxq_s32(a, b); }
VITRAIL_KERNEL_INLINE Ints smaller_ints(Ints a, Ints b) { return vminq_s32(a, b); }
VITRAIL_KERNEL_INLINE std::int32_t sum_of_ints(Ints a) { return vaddvq_s32(a); }

/// To nearest, ties to even; the lower 16 bits of each element are left as they fall.
VITRAIL_KERNEL_INLINE uint32x4_t round_upper_half(Floats x) {
  const uint32x4_t bits = vreinterpretq_u32_f32(x);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  return vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
}
VITRAIL_KERNEL_INLINE Floats rounded_to_bf16(Floats x) {
  return vreinterpretq_f32_u32(vandq_u32(round_upper_half(x), vdupq_n_u32(0xffff0000U)));
}
VITRAIL_KERNEL_INLINE void store_rounded(std::byte* p, Floats x) {
  vst1_u16(reinterpret_cast<std::uint16_t*>(p), vshrn_n_u32(round_upper_half(x), 16));
}
// The formats of other instruction sets.
VITRAIL_KERNEL_INLINE void store_bf16(std::byte*, Floats) {}
VITRAIL_KERNEL_INLINE void store_bf16_split(std::byte*, Index, Floats) {}
/// 64 whole numbers as signed bytes, the nearest ones; returns parts of their sum.
VITRAIL_KERNEL_INLINE Ints store_s8(std::byte* p, const Ints (&x)[16]) {
  Ints sums = vdupq_n_s32(0);
  for (Index i = 0; i < 16; i += 4) {
    const int16x8_t low = vcombine_s16(vqmovn_s32(x[i]), vqmovn_s32(x[i + 1]));
    const int16x8_t high = vcombine_s16(vqmovn_s32(x[i + 2]), vqmovn_s32(x[i + 3]));
    const int8x16_t bytes = vcombine_s8(vqmovn_s16(low), vqmovn_s16(high));
    vst1q_s8(reinterpret_cast<std::int8_t*>(p + i * 4), bytes);
    sums = vpadalq_s16(sums, vpaddlq_s8(bytes));
  }
  return sums;
}
/// (a0 a1 a2 a3) -> (a0 a2)(a1 a3) of every four.
VITRAIL_KERNEL_INLINE void store_s16_split(std::byte* p, Ints x) {
  const int16x4_t words = vqmovn_s32(x);
  const int16x4x2_t split = vuzp_s16(words, words);  // (a0 a2 a0 a2), (a1 a3 a1 a3)
  const int32x2_t pairs = vset_lane_s32(vget_lane_s32(vreinterpret_s32_s16(split.val[1]), 0),
                                        vreinterpret_s32_s16(split.val[0]), 1);
  vst1_s16(reinterpret_cast<std::int16_t*>(p), vreinterpret_s16_s32(pairs));
}

VITRAIL_KERNEL_INLINE void transpose_square(Floats (&m)[width]) {
  const auto halves = [](Floats x) { return vreinterpretq_f64_f32(x); };
  const float64x2_t a = halves(vtrn1q_f32(m[0], m[1]));
  const float64x2_t b = halves(vtrn2q_f32(m[0], m[1]));
  const float64x2_t c = halves(vtrn1q_f32(m[2], m[3]));
  const float64x2_t d = halves(vtrn2q_f32(m[2], m[3]));
  m[0] = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
  m[1] = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
  m[2] = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
  m[3] = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
}

#include <vitrail/ops/kernels/body/math.hpp>
#include <vitrail/ops/kernels/body/pack.hpp>
#include <vitrail/ops/kernels/body/rows.hpp>
#include <vitrail/ops/kernels/body/tile.hpp>

// The operations of a tile.
struct F32 {
  static constexpr bool integers = false;
  using Sum = float32x4_t;
  using Right = float32x4_t;
  static constexpr int parts = 1;
  static constexpr bool fold_broadcast = false;
  VITRAIL_KERNEL_INLINE Sum zero() { return vdupq_n_f32(0.0F); }
  VITRAIL_KERNEL_INLINE Sum load_sum(const std::byte* p) {
    return vld1q_f32(reinterpret_cast<const float*>(p));
  }
  VITRAIL_KERNEL_INLINE void store_sum(std::byte* p, Sum s) {
    vst1q_f32(reinterpret_cast<float*>(p), s);
  }
  VITRAIL_KERNEL_INLINE Right right(const std::byte* p, int) {
    return vld1q_f32(reinterpret_cast<const float*>(p));
  }
  VITRAIL_KERNEL_INLINE float32x4_t left(const std::byte* p) {
    return vld1q_dup_f32(reinterpret_cast<const float*>(p));
  }
  VITRAIL_KERNEL_INLINE void add(Sum& sum, float32x4_t a, Right b) { sum = vfmaq_f32(sum, a, b); }
  VITRAIL_KERNEL_INLINE void add_from_memory(Sum& sum, const std::byte* p, Right b) {
    add(sum, left(p), b);
  }
};

/// bf16 products: both halves of a pair widened to f32.
struct Bf16Wide : F32 {
  static constexpr int parts = 2;
  VITRAIL_KERNEL_INLINE Right right(const std::byte* p, int part) {
    const uint32x4_t pairs = vld1q_u32(reinterpret_cast<const std::uint32_t*>(p));
    return vreinterpretq_f32_u32(part == 0 ? vshlq_n_u32(pairs, 16)
                                           : vandq_u32(pairs, vdupq_n_u32(0xffff0000U)));
  }
};

/// int8 products with the dot product instruction. Weights lie as w + 128 and become signed on the
/// way: one operation for all rows of the tile.
struct Int8 {
  static constexpr bool integers = true;
  using Sum = int32x4_t;
  using Right = int8x16_t;
  static constexpr int parts = 1;
  static constexpr bool fold_broadcast = false;
  VITRAIL_KERNEL_INLINE Sum zero() { return vdupq_n_s32(0); }
  VITRAIL_KERNEL_INLINE Sum load_sum(const std::byte* p) { return load_ints(p); }
  VITRAIL_KERNEL_INLINE void store_sum(std::byte* p, Sum s) {
    vst1q_s32(reinterpret_cast<std::int32_t*>(p), s);
  }
  VITRAIL_KERNEL_INLINE Right right(const std::byte* p, int) {
    return veorq_s8(vld1q_s8(reinterpret_cast<const std::int8_t*>(p)), vdupq_n_s8(-128));
  }
  VITRAIL_KERNEL_INLINE int8x16_t left(const std::byte* p) {
    return vreinterpretq_s8_s32(vld1q_dup_s32(reinterpret_cast<const std::int32_t*>(p)));
  }
  VITRAIL_KERNEL_INLINE void add(Sum& sum, int8x16_t a, Right b) {
#if defined(__ARM_FEATURE_DOTPROD)
    sum = vdotq_s32(sum, a, b);
#else
    // sdot sum.4s, a.16b, b.16b, spelled out: assemblers refuse its name below Armv8.2, and offer
    // no way to allow it for one line.
    __asm__(
        ".irp "
        "n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
        ".equ .Lvitrail_v\\n, \\n\n"
        ".endr\n"
        ".inst 0x4e809400 | (.Lvitrail_%2 << 16) | (.Lvitrail_%1 << 5) | .Lvitrail_%0"
        : "+w"(sum)
        : "w"(a), "w"(b));
#endif
  }
  VITRAIL_KERNEL_INLINE void add_from_memory(Sum& sum, const std::byte* p, Right b) {
    add(sum, left(p), b);
  }
};

/// int8 products without it: even and odd bytes as 16-bit numbers.
struct Int8Wide {
  static constexpr bool integers = true;
  using Sum = int32x4_t;
  using Right = int16x8_t;
  static constexpr int parts = 2;
  static constexpr bool fold_broadcast = false;
  VITRAIL_KERNEL_INLINE Sum zero() { return vdupq_n_s32(0); }
  VITRAIL_KERNEL_INLINE Sum load_sum(const std::byte* p) { return load_ints(p); }
  VITRAIL_KERNEL_INLINE void store_sum(std::byte* p, Sum s) { Int8::store_sum(p, s); }
  VITRAIL_KERNEL_INLINE Right right(const std::byte* p, int part) {
    const int16x8_t bytes = vreinterpretq_s16_s8(Int8::right(p, 0));
    return vshrq_n_s16(part == 0 ? vshlq_n_s16(bytes, 8) : bytes, 8);
  }
  VITRAIL_KERNEL_INLINE int16x8_t left(const std::byte* p) {
    return vreinterpretq_s16_s32(vld1q_dup_s32(reinterpret_cast<const std::int32_t*>(p)));
  }
  VITRAIL_KERNEL_INLINE void add(Sum& sum, int16x8_t a, Right b) {
    const int32x4_t low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
    sum = vaddq_s32(sum, vpaddq_s32(low, vmull_high_s16(a, b)));
  }
  VITRAIL_KERNEL_INLINE void add_from_memory(Sum& sum, const std::byte* p, Right b) {
    add(sum, left(p), b);
  }
};

#include <vitrail/ops/kernels/body/peak.hpp>
#include <vitrail/ops/kernels/body/table.hpp>

/// The table for `level`, which is one of the NEON levels.
inline Kernels table(CpuLevel level) {
  Kernels k = common_table(level);
  k.bf16 = product<Bf16Wide>(LeftFormat::bf16_wide, 2);
  k.int8 = level == CpuLevel::neon_dotprod ? product<Int8>(LeftFormat::s8, 4)
                                           : product<Int8Wide>(LeftFormat::s16, 4);
  return k;
}

}  // namespace detail::neon
VITRAIL_END_NAMESPACE

#undef VITRAIL_KERNEL
#undef VITRAIL_KERNEL_INLINE
#endif  // VITRAIL_ARM64

#endif  // VITRAIL_OPS_KERNELS_ARM_NEON_HPP
