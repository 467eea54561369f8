// A picture in memory: 8-bit RGB, rows from the top, three bytes a pixel.
#ifndef VITRAIL_IMAGE_IMAGE_HPP
#define VITRAIL_IMAGE_IMAGE_HPP

#include <cstdint>
#include <string>
#include <utility>
#include <vitrail/tensor/tensor.hpp>

VITRAIL_BEGIN_NAMESPACE

/// (H, W, 3) u8, contiguous, move-only. Never empty unless default-constructed or moved from.
class Image {
 public:
  Image() = default;
  /// Black. Throws Error unless both sides are at least 1.
  Image(Index height, Index width) : Image(Tensor<std::uint8_t, 3>({height, width, 3})) {}
  /// Takes over (H, W, 3) pixels. Throws Error unless there is a pixel and three channels.
  explicit Image(Tensor<std::uint8_t, 3> pixels) : pixels_(std::move(pixels)) {
    if (pixels_.empty() || pixels_.extent(2) != 3)
      fail("image", "has shape ", pixels_.shape().to_string(), ", wanted (H, W, 3), not empty");
  }

  [[nodiscard]] Index height() const { return pixels_.extent(0); }
  [[nodiscard]] Index width() const { return pixels_.extent(1); }
  [[nodiscard]] bool empty() const { return pixels_.empty(); }

  [[nodiscard]] TensorView<std::uint8_t, 3> view() { return pixels_.view(); }  // (H, W, 3)
  [[nodiscard]] TensorView<const std::uint8_t, 3> view() const {
    return pixels_.view();
  }  // (H, W, 3)

  /// The 3 W bytes of row y: R G B R G B ...
  [[nodiscard]] std::uint8_t* row(Index y) {
    VITRAIL_ASSERT(y >= 0 && y < height(), "row out of range");
    return pixels_.data() + y * width() * 3;
  }
  [[nodiscard]] const std::uint8_t* row(Index y) const {
    VITRAIL_ASSERT(y >= 0 && y < height(), "row out of range");
    return pixels_.data() + y * width() * 3;
  }

 private:
  Tensor<std::uint8_t, 3> pixels_;
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_IMAGE_IMAGE_HPP
