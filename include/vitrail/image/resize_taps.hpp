// Which source pixels make an output pixel, and with what weights: Pillow's filters and its fixed
// point, computed once per axis and resize.
#ifndef VITRAIL_IMAGE_RESIZE_TAPS_HPP
#define VITRAIL_IMAGE_RESIZE_TAPS_HPP

#include <cmath>
#include <numbers>
#include <string_view>
#include <vector>
#include <vitrail/tensor/shape.hpp>

VITRAIL_BEGIN_NAMESPACE

/// Pillow's Image.Resampling.
enum class Filter { nearest, box, bilinear, hamming, bicubic, lanczos };

[[nodiscard]] constexpr std::string_view name_of(Filter filter) {
  switch (filter) {
    case Filter::nearest: return "nearest";
    case Filter::box: return "box";
    case Filter::bilinear: return "bilinear";
    case Filter::hamming: return "hamming";
    case Filter::bicubic: return "bicubic";
    case Filter::lanczos: return "lanczos";
  }
  return "?";
}

namespace detail {

/// Half the width of a filter, in source pixels at scale 1.
[[nodiscard]] inline double filter_support(Filter filter) {
  switch (filter) {
    case Filter::nearest: break;
    case Filter::box: return 0.5;
    case Filter::bilinear:
    case Filter::hamming: return 1;
    case Filter::bicubic: return 2;
    case Filter::lanczos: return 3;
  }
  return 0;
}

[[nodiscard]] inline double sinc(double x) {
  return x == 0 ? 1 : std::sin(x * std::numbers::pi) / (x * std::numbers::pi);
}

[[nodiscard]] inline double filter_value(Filter filter, double x) {
  const double distance = std::abs(x);
  switch (filter) {
    case Filter::nearest: break;
    case Filter::box: return x > -0.5 && x <= 0.5 ? 1 : 0;
    case Filter::bilinear: return distance < 1 ? 1 - distance : 0;
    case Filter::hamming:  // Pillow's constants are single precision
      if (distance == 0) return 1;
      if (distance >= 1) return 0;
      return sinc(distance) * (static_cast<double>(0.54F) +
                               static_cast<double>(0.46F) * std::cos(distance * std::numbers::pi));
    case Filter::bicubic: {
      constexpr double a = -0.5;
      if (distance < 1) return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
      if (distance < 2) return (((distance - 5) * distance + 8) * distance - 4) * a;
      return 0;
    }
    case Filter::lanczos: return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
  }
  return 0;
}

/// The taps of the outputs [begin, begin + outputs) of one axis.
///
///   out[i] = (sum over j of weight(i)[j] * in[first(i) + j] + 2^21) >> 22, cut to 0..255
class TapTable {
 public:
  static constexpr int precision = 22;  // bits behind the point: 32, less 8 for a pixel, less 2

  TapTable(Filter filter, Index in_size, Index out_size, Index begin, Index outputs) {
    const double scale = static_cast<double>(in_size) / static_cast<double>(out_size);
    const double stretch = std::max(scale, 1.0);  // shrinking widens the filter
    const double support = filter_support(filter) * stretch;
    stride_ = (static_cast<Index>(std::ceil(support)) * 2 + 1 + 3) / 4 * 4;
    taps_.resize(static_cast<std::size_t>(outputs));
    weights_.resize(static_cast<std::size_t>(outputs * stride_));
    std::vector<double> exact(static_cast<std::size_t>(stride_));
    for (Index i = 0; i < outputs; ++i) {
      const double center = (static_cast<double>(begin + i) + 0.5) * scale;
      const Index first = std::max<Index>(0, static_cast<Index>(center - support + 0.5));
      const Index last = std::min(in_size, static_cast<Index>(center + support + 0.5));
      double sum = 0;
      for (Index j = first; j < last; ++j) {
        const double value =
            filter_value(filter, (static_cast<double>(j) - center + 0.5) * (1.0 / stretch));
        exact[static_cast<std::size_t>(j - first)] = value;
        sum += value;
      }
      taps_[static_cast<std::size_t>(i)] = {first, last - first};
      std::int32_t* fixed = weights_.data() + i * stride_;
      for (Index j = 0; j < last - first; ++j) {
        const double weight = exact[static_cast<std::size_t>(j)] / (sum == 0 ? 1 : sum);
        fixed[j] = static_cast<std::int32_t>(weight * (1 << precision) + (weight < 0 ? -0.5 : 0.5));
      }
    }
  }

  [[nodiscard]] Index outputs() const { return static_cast<Index>(taps_.size()); }
  [[nodiscard]] Index first(Index i) const { return taps_[static_cast<std::size_t>(i)].first; }
  [[nodiscard]] Index count(Index i) const { return taps_[static_cast<std::size_t>(i)].count; }
  /// `stride()` weights, a multiple of 4; those past count(i) are zero.
  [[nodiscard]] const std::int32_t* weights(Index i) const { return weights_.data() + i * stride_; }
  [[nodiscard]] Index stride() const { return stride_; }

  /// The source range that is read at all.
  [[nodiscard]] Index source_begin() const { return first(0); }
  [[nodiscard]] Index source_end() const { return first(outputs() - 1) + count(outputs() - 1); }

 private:
  struct Taps {
    Index first;
    Index count;
  };
  Index stride_ = 0;
  std::vector<Taps> taps_;
  std::vector<std::int32_t> weights_;  // (outputs, stride)
};

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_IMAGE_RESIZE_TAPS_HPP
