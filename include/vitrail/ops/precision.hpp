// What products are computed in, and how values are rounded to it: the definition the kernels are
// held to.
#ifndef VITRAIL_OPS_PRECISION_HPP
#define VITRAIL_OPS_PRECISION_HPP

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vitrail/tensor/tensor.hpp>

VITRAIL_BEGIN_NAMESPACE

/// What products are computed in. Norms, softmax and the residual stream stay in f32 whatever is
/// chosen here.
enum class Precision { f32, bf16, int8 };

[[nodiscard]] constexpr std::string_view name_of(Precision precision) {
  constexpr std::string_view names[] = {"f32", "bf16", "int8"};
  return names[static_cast<std::size_t>(precision)];
}

namespace detail {

/// The scale of one row of int8 weights: -127 ... 127 span it, symmetrically.
template <Scalar T>
[[nodiscard]] float weight_scale(const T* row, Index K) {
  // Of positive floats the larger one has the larger bits: whole numbers are compared in vectors.
  std::int32_t bits = 0;
  for (Index k = 0; k < K; ++k)
    bits = std::max(bits, std::bit_cast<std::int32_t>(static_cast<float>(row[k])) & 0x7fffffff);
  const auto largest = std::bit_cast<float>(bits);
  return largest > 0 ? largest / 127.0F : 1.0F;
}
/// value / scale to the nearest whole number, ties to even: adding 1.5 * 2^23 leaves it in the low
/// bits of the sum, which compilers turn into vectors where they would call a function to round.
template <Scalar T>
[[nodiscard]] int quantised_weight(T value, float scale) {
  const float shifted = static_cast<float>(value) / scale + 12582912.0F;
  return std::bit_cast<std::int32_t>(shifted) - 0x4b400000;
}

/// Values of K that are mixed with each other before they are rounded to int8.
inline constexpr Index hadamard_block = 64;

/// Every whole block of 64 values of a row (K) times the Hadamard matrix H of that size, divided by
/// 8: H(i, j) = (-1)^(the number of ones in i & j). It is orthogonal, so that x . w = Hx . Hw, and
/// its own inverse. Where one value of 64 was large none is, and the steps to which a row is
/// rounded get finer (QuaRot, Ashkboos et al. 2024). Sums are floats, of values that lie 32, 16 ...
/// 1 apart, here and in the kernels: the same bits.
template <Scalar T>
void hadamard_blocks(T* row, Index K) {
  for (T* const end = row + K / hadamard_block * hadamard_block; row < end; row += hadamard_block) {
    float block[hadamard_block];
    for (Index i = 0; i < hadamard_block; ++i) block[i] = static_cast<float>(row[i]);
    for (Index distance = hadamard_block / 2; distance > 0; distance /= 2) {
      for (Index i = 0; i < hadamard_block; ++i) {
        if ((i & distance) != 0) continue;
        const float a = block[i];
        const float b = block[i + distance];
        block[i] = a + b;
        block[i + distance] = a - b;
      }
    }
    for (Index i = 0; i < hadamard_block; ++i) row[i] = static_cast<T>(block[i] * 0.125F);
  }
}

/// A row of weights (K) as the product sees it; int8 stays in hadamard_blocks.
template <Scalar T>
void round_weights(Precision precision, T* row, Index K) {
  if (precision == Precision::bf16) {
    for (Index k = 0; k < K; ++k) row[k] = static_cast<T>(bf16(static_cast<float>(row[k])));
  }
  if (precision == Precision::int8) {
    hadamard_blocks(row, K);
    const float scale = weight_scale(row, K);
    for (Index k = 0; k < K; ++k) {
      row[k] = static_cast<T>(scale) * static_cast<T>(quantised_weight(row[k], scale));
    }
  }
}

/// A row of activations (K) as the product sees it: int8, in hadamard_blocks too, has one scale and
/// one zero point per row, so that -128 ... 127 span the row's values and zero.
template <Scalar T>
void round_activations(Precision precision, T* row, Index K) {
  if (precision == Precision::bf16) round_weights(precision, row, K);
  if (precision == Precision::int8) {
    hadamard_blocks(row, K);
    float low = 0;
    float high = 0;
    for (Index k = 0; k < K; ++k) {
      low = std::min(low, static_cast<float>(row[k]));
      high = std::max(high, static_cast<float>(row[k]));
    }
    const float scale = high > low ? (high - low) / 255.0F : 1.0F;
    const float zero = std::nearbyint(-low / scale) - 128.0F;
    const float inverse = 1.0F / scale;
    for (Index k = 0; k < K; ++k) {
      const float q = std::nearbyint(std::fma(static_cast<float>(row[k]), inverse, zero));
      row[k] = static_cast<T>(scale) * static_cast<T>(std::clamp(q, -128.0F, 127.0F) - zero);
    }
  }
}

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_PRECISION_HPP
