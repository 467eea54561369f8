// Resizing pictures exactly as Pillow does: the same 8-bit results, bit for bit, for all filters.
//
// Two passes, along the rows and then across them, each rounded to 8 bits; weights are computed in
// double and rounded to 22 bits behind the point (Pillow, src/libImaging/Resample.c). Shrinking
// widens the filter (antialiasing), which is where most other libraries differ.
#ifndef VITRAIL_IMAGE_RESIZE_HPP
#define VITRAIL_IMAGE_RESIZE_HPP

#include <vitrail/image/image.hpp>
#include <vitrail/image/resize_kernels.hpp>
#include <vitrail/runtime/executor.hpp>

VITRAIL_BEGIN_NAMESPACE

/// A rectangle of pixels.
struct Region {
  Index top = 0;
  Index left = 0;
  Index height = 0;
  Index width = 0;
};

namespace detail {

/// Splits [0, rows) into a few chunks a thread; task(chunk, begin, end) is called for each.
template <class Task>
void for_each_row_chunk(Index rows, Index chunks, Executor& executor, const Task& task) {
  executor.parallel_for(chunks, [&](Index chunk) {
    task(chunk, rows * chunk / chunks, rows * (chunk + 1) / chunks);
  });
}

[[nodiscard]] inline Index row_chunks(Index rows, const Executor& executor) {
  const Index threads = executor.concurrency();
  return std::max<Index>(1, std::min(rows, threads == 1 ? 1 : 4 * threads));
}

/// Source index of every output in [0, end), or -1 where the running sum has left the source.
/// Pillow adds up the step instead of multiplying, and so do we: the roundings are part of the
/// result.
[[nodiscard]] inline std::vector<Index> nearest_sources(Index in_size, Index out_size, Index end) {
  std::vector<Index> sources(static_cast<std::size_t>(end));
  const double step = static_cast<double>(in_size) / static_cast<double>(out_size);
  double position = step * 0.5;
  for (Index& source : sources) {
    source = static_cast<Index>(position);
    if (source >= in_size) source = -1;
    position += step;
  }
  return sources;
}

[[nodiscard]] inline Image resize_nearest(const Image& image, Index height, Index width,
                                          const Region& region) {
  const auto rows = nearest_sources(image.height(), height, region.top + region.height);
  const auto columns = nearest_sources(image.width(), width, region.left + region.width);
  Image result(region.height, region.width);
  for (Index y = 0; y < region.height; ++y) {
    const Index row = rows[static_cast<std::size_t>(region.top + y)];
    if (row < 0) continue;
    for (Index x = 0; x < region.width; ++x) {
      const Index column = columns[static_cast<std::size_t>(region.left + x)];
      if (column >= 0) std::copy_n(image.row(row) + 3 * column, 3, result.row(y) + 3 * x);
    }
  }
  return result;
}

/// Rows [begin, end) of `image`, each resized to the region's columns.
template <class Kernels>
[[nodiscard]] Image resize_along_rows(const Image& image, Index begin, Index end, Filter filter,
                                      Index width, const Region& region, Executor& executor) {
  const TapTable table(filter, image.width(), width, region.left, region.width);
  const typename Kernels::RowWeights weights(table);
  const Index rows = end - begin;
  Image result(rows, region.width);
  const Index chunks = row_chunks(rows, executor);
  const Index scratch_count = Kernels::scratch_count(table);
  std::vector<std::int16_t> scratch(static_cast<std::size_t>(chunks * scratch_count));
  for_each_row_chunk(rows, chunks, executor, [&](Index chunk, Index from, Index to) {
    for (Index y = from; y < to; y += 2) {
      const Index next = std::min(y + 1, to - 1);  // an odd last row is computed twice
      Kernels::along_rows({image.row(begin + y), image.row(begin + next)}, weights,
                          {result.row(y), result.row(next)},
                          scratch.data() + chunk * scratch_count);
    }
  });
  return result;
}

template <class Kernels>
[[nodiscard]] Image resize_with(const Image& image, Index height, Index width, Filter filter,
                                const Region& region, Executor& executor) {
  const TapTable table(filter, image.height(), height, region.top, region.height);
  const bool same_height = height == image.height();
  const bool same_width = width == image.width();
  // The source rows that the region needs, and where they begin in the picture that holds them.
  const Index begin = same_height ? region.top : table.source_begin();
  const Index end = same_height ? region.top + region.height : table.source_end();
  constexpr Index most_pixels = 178956970;  // between the two passes; Pillow's limit for a picture
  if (!same_width && end - begin > most_pixels / region.width)
    fail("resize", "needs ", end - begin, " rows of ", region.width, " pixels, the limit is ",
         most_pixels, " in all");
  Image narrow;
  if (!same_width)
    narrow = resize_along_rows<Kernels>(image, begin, end, filter, width, region, executor);
  if (same_height && !same_width) return narrow;

  const std::uint8_t* rows =
      same_width ? image.row(begin) + 3 * region.left : static_cast<const Image&>(narrow).row(0);
  const Index stride = 3 * (same_width ? image.width() : region.width);
  Image result(region.height, region.width);
  const typename Kernels::ColumnWeights weights(table);
  for_each_row_chunk(region.height, row_chunks(region.height, executor), executor,
                     [&](Index, Index from, Index to) {
                       for (Index y = from; y < to; ++y) {
                         if (same_height)
                           std::copy_n(rows + y * stride, 3 * region.width, result.row(y));
                         else
                           Kernels::across_rows(rows + (table.first(y) - begin) * stride, stride,
                                                weights, y, 3 * region.width, result.row(y));
                       }
                     });
  return result;
}

}  // namespace detail

/// The part `region` of the picture resized to height x width; only that part is computed, so the
/// whole may be large. Throws Error unless both sides are at least 1 and the region lies inside and
/// is not empty. Thread safe; the result does not depend on the number of threads.
[[nodiscard]] inline Image resize_region(const Image& image, Index height, Index width,
                                         Filter filter, const Region& region, Executor& executor) {
  const auto outside = [](Index begin, Index extent, Index size) {
    return begin < 0 || extent < 1 || extent > size || begin > size - extent;
  };
  if (image.empty()) fail("resize", "the picture is empty");
  if (outside(region.top, region.height, height) || outside(region.left, region.width, width))
    fail("resize", "cannot give ", region.width, " x ", region.height, " pixels of a picture of ",
         width, " x ", height);
  const bool same = height == image.height() && width == image.width();
  if (filter == Filter::nearest && !same)
    return detail::resize_nearest(image, height, width, region);
  return detail::resize_with<detail::FastResize>(image, height, width, filter, region, executor);
}

/// (height, width, 3), equal to Pillow's `image.resize((width, height), filter)`. Throws Error
/// unless both are at least 1. Thread safe; the result does not depend on the number of threads.
[[nodiscard]] inline Image resize(const Image& image, Index height, Index width, Filter filter,
                                  Executor& executor) {
  return resize_region(image, height, width, filter, {0, 0, height, width}, executor);
}
[[nodiscard]] inline Image resize(const Image& image, Index height, Index width, Filter filter) {
  SerialExecutor serial;
  return resize(image, height, width, filter, serial);
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_IMAGE_RESIZE_HPP
