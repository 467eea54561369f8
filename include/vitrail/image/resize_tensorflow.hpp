// Resizing as tf.image.resize does it by default: bilinear between pixel centres, without
// antialiasing when it shrinks, in f32. Google's input pipelines are built on it.
#ifndef VITRAIL_IMAGE_RESIZE_TENSORFLOW_HPP
#define VITRAIL_IMAGE_RESIZE_TENSORFLOW_HPP

#include <cmath>
#include <vector>
#include <vitrail/image/image.hpp>
#include <vitrail/runtime/executor.hpp>
#include <vitrail/tensor/tensor.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// The two source pixels of an output pixel, and how far it lies from the first to the second.
struct BilinearTap {
  Index first;
  Index second;
  float weight;
};

[[nodiscard]] inline std::vector<BilinearTap> bilinear_taps(Index in_size, Index out_size) {
  std::vector<BilinearTap> taps;
  const float scale = static_cast<float>(in_size) / static_cast<float>(out_size);
  for (Index o = 0; o < out_size; ++o) {
    const float center = (static_cast<float>(o) + 0.5F) * scale - 0.5F;
    const float below = std::floor(center);
    taps.push_back({std::max<Index>(static_cast<Index>(below), 0),
                    std::min<Index>(static_cast<Index>(std::ceil(center)), in_size - 1),
                    center - below});
  }
  return taps;
}

}  // namespace detail

/// RGB of 0 to 255, (3, out height, out width), of the whole picture. Thread safe; the result does
/// not depend on the number of threads.
inline void resize_as_tensorflow(const Image& image, Executor& executor,
                                 const TensorView<float, 3>& out) {
  const auto rows = detail::bilinear_taps(image.height(), out.extent(1));
  const auto columns = detail::bilinear_taps(image.width(), out.extent(2));
  executor.parallel_for(out.extent(1), [&](Index y) {
    const detail::BilinearTap& row = rows[static_cast<std::size_t>(y)];
    const std::uint8_t* top = image.row(row.first);
    const std::uint8_t* bottom = image.row(row.second);
    for (Index x = 0; x < out.extent(2); ++x) {
      const detail::BilinearTap& column = columns[static_cast<std::size_t>(x)];
      const auto along = [&](const std::uint8_t* pixels, Index c) {
        const auto left = static_cast<float>(pixels[3 * column.first + c]);
        return left + (static_cast<float>(pixels[3 * column.second + c]) - left) * column.weight;
      };
      for (Index c = 0; c < 3; ++c) {
        const float above = along(top, c);
        out(c, y, x) = above + (along(bottom, c) - above) * row.weight;
      }
    }
  });
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_IMAGE_RESIZE_TENSORFLOW_HPP
