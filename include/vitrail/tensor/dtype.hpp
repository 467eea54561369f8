// Element types: what a checkpoint may hold, and the two 16-bit floats as C++ types.
#ifndef VITRAIL_TENSOR_DTYPE_HPP
#define VITRAIL_TENSOR_DTYPE_HPP

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vitrail/macros.hpp>

VITRAIL_BEGIN_NAMESPACE

enum class DType { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

/// bfloat16: the upper half of an f32. Conversion from float rounds to nearest, ties to even, as
/// PyTorch does.
struct bf16 {
  std::uint16_t bits = 0;

  bf16() = default;
  explicit bf16(float value) {
    const auto u = std::bit_cast<std::uint32_t>(value);
    const bool is_nan = (u & 0x7fffffffU) > 0x7f800000U;
    bits = static_cast<std::uint16_t>(is_nan ? (u >> 16) | 0x40U
                                             : (u + 0x7fffU + ((u >> 16) & 1U)) >> 16);
  }
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
};

/// IEEE half precision, in software: checkpoints are read in it, nothing is computed in it.
struct f16 {
  std::uint16_t bits = 0;

  f16() = default;
  explicit f16(float value) {
    const auto u = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (u >> 16) & 0x8000U;
    const std::uint32_t magnitude = u & 0x7fffffffU;
    if (magnitude > 0x7f800000U) {
      bits = static_cast<std::uint16_t>(sign | 0x7e00U);  // NaN
    } else if (magnitude >= 0x477ff000U) {
      bits = static_cast<std::uint16_t>(sign | 0x7c00U);  // rounds to infinity
    } else if (magnitude < 0x38800000U) {                 // subnormal: let the FPU round at 2^-24
      const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
      bits =
          static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000U));
    } else {
      const std::uint32_t odd = (magnitude >> 13) & 1U;
      bits = static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000U + 0xfffU + odd) >> 13));
    }
  }
  explicit operator float() const {
    const std::uint32_t sign = (bits & 0x8000U) << 16;
    const std::uint32_t exponent = (bits >> 10) & 0x1fU;
    const std::uint32_t mantissa = bits & 0x3ffU;
    if (exponent == 0) {  // zero and subnormals are multiples of 2^-24
      const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
      return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
    }
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
    return std::bit_cast<float>(sign | ((exponent + 112U) << 23) | (mantissa << 13));
  }
  explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
};

template <class T>
concept Element = std::is_arithmetic_v<T> || std::same_as<T, bf16> || std::same_as<T, f16>;

/// The scalars that modules are templates on.
template <class T>
concept Scalar = std::same_as<T, float> || std::same_as<T, double>;

/// Bytes per element.
[[nodiscard]] constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64:
    case DType::u64: return 8;
    case DType::f32:
    case DType::i32:
    case DType::u32: return 4;
    case DType::f16:
    case DType::bf16:
    case DType::i16:
    case DType::u16: return 2;
    case DType::i8:
    case DType::u8:
    case DType::boolean: return 1;
  }
  return 0;
}

/// The name a user reads: "f32", "bf16", "bool".
[[nodiscard]] constexpr std::string_view name_of(DType dtype) {
  constexpr std::string_view names[] = {"f64", "f32", "f16", "bf16", "i64", "i32", "i16",
                                        "i8",  "u64", "u32", "u16",  "u8",  "bool"};
  return names[static_cast<std::size_t>(dtype)];
}

template <Element T>
[[nodiscard]] constexpr DType dtype_of() {
  if constexpr (std::same_as<T, double>)
    return DType::f64;
  else if constexpr (std::same_as<T, float>)
    return DType::f32;
  else if constexpr (std::same_as<T, f16>)
    return DType::f16;
  else if constexpr (std::same_as<T, bf16>)
    return DType::bf16;
  else if constexpr (std::same_as<T, bool>)
    return DType::boolean;
  else if constexpr (std::signed_integral<T>)
    return sizeof(T) == 8   ? DType::i64
           : sizeof(T) == 4 ? DType::i32
           : sizeof(T) == 2 ? DType::i16
                            : DType::i8;
  else
    return sizeof(T) == 8   ? DType::u64
           : sizeof(T) == 4 ? DType::u32
           : sizeof(T) == 2 ? DType::u16
                            : DType::u8;
}

/// Calls `visitor` with a value-initialised element of the C++ type behind `dtype`.
template <class Visitor>
decltype(auto) visit_dtype(DType dtype, Visitor&& visitor) {
  switch (dtype) {
    case DType::f64: return visitor(double{});
    case DType::f32: return visitor(float{});
    case DType::f16: return visitor(f16{});
    case DType::bf16: return visitor(bf16{});
    case DType::i64: return visitor(std::int64_t{});
    case DType::i32: return visitor(std::int32_t{});
    case DType::i16: return visitor(std::int16_t{});
    case DType::i8: return visitor(std::int8_t{});
    case DType::u64: return visitor(std::uint64_t{});
    case DType::u32: return visitor(std::uint32_t{});
    case DType::u16: return visitor(std::uint16_t{});
    case DType::u8: return visitor(std::uint8_t{});
    case DType::boolean: break;
  }
  return visitor(bool{});
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_TENSOR_DTYPE_HPP
