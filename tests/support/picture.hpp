// Small helpers of the image tests: comparing pixels, catching the sentence of an Error.
#ifndef VITRAIL_TESTS_SUPPORT_PICTURE_HPP
#define VITRAIL_TESTS_SUPPORT_PICTURE_HPP

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vitrail/image/image.hpp>
#include <vitrail/tensor/any_tensor.hpp>

/// The sentence of the Error that `work` throws; "" when it throws none.
template <class Work>
std::string error_of(const Work& work) {
  try {
    work();
  } catch (const vitrail::Error& error) {
    return error.what();
  }
  return "";
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

inline testing::AssertionResult same_pixels(const vitrail::Image& image,
                                            const vitrail::AnyView& expected) {
  const vitrail::Shape shape = image.view().shape();
  if (!(shape == expected.shape))
    return testing::AssertionFailure()
           << "is " << shape.to_string() << ", expected " << expected.shape.to_string();
  const auto found = image.view().flat();
  for (std::size_t i = 0; i < found.size(); ++i)
    if (found[i] != static_cast<std::uint8_t>(expected.bytes[i]))
      return testing::AssertionFailure() << "byte " << i << " is " << int{found[i]} << ", expected "
                                         << std::to_integer<int>(expected.bytes[i]);
  return testing::AssertionSuccess();
}

/// A picture of reproducible noise.
inline vitrail::Image noise(vitrail::Index height, vitrail::Index width, std::uint32_t seed = 1) {
  vitrail::Image image(height, width);
  for (std::uint8_t& value : image.view().flat()) {
    seed = seed * 1664525U + 1013904223U;
    value = static_cast<std::uint8_t>(seed >> 24);
  }
  return image;
}

#endif  // VITRAIL_TESTS_SUPPORT_PICTURE_HPP
