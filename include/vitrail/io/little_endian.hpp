// Integers out of little-endian bytes of any alignment, on any machine.
#ifndef VITRAIL_IO_LITTLE_ENDIAN_HPP
#define VITRAIL_IO_LITTLE_ENDIAN_HPP

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vitrail/macros.hpp>

VITRAIL_BEGIN_NAMESPACE

// Tensor data is used in place; a big-endian machine would have to convert all of it.
static_assert(std::endian::native == std::endian::little,
              "vitrail reads little-endian files in place and runs on little-endian machines only");

namespace detail {

/// The caller has checked that sizeof(T) bytes are there.
template <std::unsigned_integral T>
[[nodiscard]] inline T load_little(const std::byte* bytes) {
  T value = 0;
  for (std::size_t i = sizeof(T); i-- > 0;)
    value = static_cast<T>((static_cast<std::uint64_t>(value) << 8) |
                           std::to_integer<std::uint64_t>(bytes[i]));
  return value;
}

template <std::unsigned_integral T>
inline void store_little(T value, std::byte* bytes) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    bytes[i] = static_cast<std::byte>((value >> (8 * i)) & 0xff);
}

}  // namespace detail
VITRAIL_END_NAMESPACE

#endif  // VITRAIL_IO_LITTLE_ENDIAN_HPP
