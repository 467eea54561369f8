// Interpolation of a grid of vectors to another size, by every rule that publishers apply to
// position embeddings.
//
//   rule          kernel                    sample position of output o                    borders
//   antialiased   cubic a=-0.5, widened     in/out * (o + 0.5)                             taps
//   dropped, renormalised cubic         cubic a=-0.75             s * (o + 0.5) - 0.5, s = in/out
//   taps clamped cubic_offset  cubic a=-0.75             the same with s = in / (out + 0.1) taps
//   clamped cubic_corners cubic a=-0.75             o * (in - 1) / (out - 1) taps clamped linear
//   triangle                  max(0, in/out * (o + 0.5) - 0.5)               taps clamped
//   linear_corners triangle                 o * (in - 1) / (out - 1)                       taps
//   clamped
//
// All are separable: rows and columns are weighted one after the other, in double.
#ifndef VITRAIL_OPS_RESAMPLE_HPP
#define VITRAIL_OPS_RESAMPLE_HPP

#include <cmath>
#include <string_view>
#include <vitrail/runtime/workspace.hpp>

VITRAIL_BEGIN_NAMESPACE

/// Rows and columns of patches.
struct Grid {
  Index height = 0;
  Index width = 0;

  [[nodiscard]] Index count() const { return height * width; }
  friend bool operator==(const Grid&, const Grid&) = default;
};

/// Whose rule it is; `name_of` gives what the command line calls it.
enum class PositionRule {
  timm,                  // torch bicubic, antialias=True: timm, open_clip, DINOv2 with registers
  huggingface,           // torch bicubic, antialias=False: Hugging Face, DeiT, BLIP
  dinov2,                // the same with scale_factor = (out + 0.1) / in: DINOv2 without registers
  torchvision,           // torch bicubic, align_corners=True
  torchvision_bilinear,  // torch bilinear, align_corners=True
  google,                // scipy.ndimage.zoom(order=1)
  timm_npz               // torch bilinear: timm's reader of google's npz
};

inline constexpr std::string_view position_rule_names[] = {
    "timm", "huggingface", "dinov2", "torchvision", "torchvision-bilinear", "google", "timm-npz"};

[[nodiscard]] constexpr std::string_view name_of(PositionRule rule) {
  return position_rule_names[static_cast<std::size_t>(rule)];
}

namespace detail {

/// Keys' cubic convolution with parameter a (semantics of torch, Pillow and OpenCV differ in a
/// only).
inline double cubic_kernel(double x, double a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return a * (((x - 5) * x + 8) * x - 4);
  return 0;
}

/// The taps of one axis: output o is the sum over j < width of weights(o, j) * input[indices(o,
/// j)].
struct Taps {
  MatrixView<double> weights;        // (out, width)
  MatrixView<std::int32_t> indices;  // (out, width)
};

/// Widest number of taps that `rule` needs from `in` to `out`.
inline Index tap_count(PositionRule rule, Index in, Index out) {
  switch (rule) {
    case PositionRule::timm: {
      const double stretch = std::max(static_cast<double>(in) / static_cast<double>(out), 1.0);
      return 2 * static_cast<Index>(std::ceil(2 * stretch)) + 1;
    }
    case PositionRule::huggingface:
    case PositionRule::dinov2:
    case PositionRule::torchvision: return 4;
    case PositionRule::torchvision_bilinear:
    case PositionRule::google:
    case PositionRule::timm_npz: return 2;
  }
  return 0;
}

inline void antialiased_taps(Index in, Index out, const Taps& taps) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0);
  const double support = 2 * stretch;
  for (Index o = 0; o < out; ++o) {
    const double center = scale * (static_cast<double>(o) + 0.5);
    const Index begin = std::max<Index>(static_cast<Index>(center - support + 0.5), 0);
    const Index end = std::min<Index>(static_cast<Index>(center + support + 0.5), in);
    double sum = 0;
    for (Index j = 0; j < taps.weights.extent(1); ++j) {
      const bool inside = begin + j < end;
      const double distance = (static_cast<double>(begin + j) - center + 0.5) / stretch;
      taps.indices(o, j) = static_cast<std::int32_t>(inside ? begin + j : begin);
      taps.weights(o, j) = inside ? cubic_kernel(distance, -0.5) : 0.0;
      sum += taps.weights(o, j);
    }
    for (double& weight : taps.weights[o].flat()) weight /= sum;
  }
}

inline void fill_taps(PositionRule rule, Index in, Index out, const Taps& taps) {
  if (rule == PositionRule::timm) return antialiased_taps(in, out, taps);
  const bool corners = rule == PositionRule::torchvision ||
                       rule == PositionRule::torchvision_bilinear || rule == PositionRule::google;
  const bool linear = taps.weights.extent(1) == 2;
  const double wanted = static_cast<double>(out) + (rule == PositionRule::dinov2 ? 0.1 : 0.0);
  const double scale =
      corners ? (out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0.0)
              : static_cast<double>(in) / wanted;
  for (Index o = 0; o < out; ++o) {
    double position =
        corners ? scale * static_cast<double>(o) : scale * (static_cast<double>(o) + 0.5) - 0.5;
    if (linear) position = std::max(position, 0.0);
    const double floor = std::floor(position);
    const double t = position - floor;
    for (Index j = 0; j < taps.weights.extent(1); ++j) {
      const Index at = static_cast<Index>(floor) + j - (linear ? 0 : 1);
      taps.indices(o, j) = static_cast<std::int32_t>(std::clamp<Index>(at, 0, in - 1));
      taps.weights(o, j) =
          linear ? (j == 0 ? 1 - t : t) : cubic_kernel(static_cast<double>(j - 1) - t, -0.75);
    }
  }
}

inline Taps make_taps(PositionRule rule, Index in, Index out, Workspace& workspace) {
  const Index width = tap_count(rule, in, out);
  const Taps taps{{workspace.take<double>(out * width), {out, width}},
                  {workspace.take<std::int32_t>(out * width), {out, width}}};
  fill_taps(rule, in, out, taps);
  return taps;
}

}  // namespace detail

/// Resamples a grid of `from.count()` rows (h * w, D) to target (H * W, D) with the taps of its
/// rows and columns. Scratch comes from `workspace`.
template <Scalar T>
void weigh_grid(MatrixView<const T> source, Grid from, MatrixView<T> target, Grid to,
                const detail::Taps& rows, const detail::Taps& columns, Workspace& workspace) {
  const auto [h, w] = from;
  const auto [H, W] = to;
  VITRAIL_ASSERT(source.extent(0) == h * w && target.extent(0) == H * W,
                 "weigh_grid: rows do not fit the grid");
  const Index D = source.extent(1);
  const Workspace::Scope scope(workspace);
  const TensorView<double, 3> wide(workspace.take<double>(h * W * D),
                                   {h, W, D});  // columns done, rows to do
  const auto weigh = [D](double* sum, double weight, const auto* values) {
    for (Index d = 0; d < D; ++d) sum[d] += weight * static_cast<double>(values[d]);
  };
  std::fill_n(wide.data(), wide.count(), 0.0);
  for (Index y = 0; y < h; ++y)
    for (Index X = 0; X < W; ++X)
      for (Index j = 0; j < columns.weights.extent(1); ++j)
        weigh(wide[y][X].data(), columns.weights(X, j),
              source[y * w + columns.indices(X, j)].data());
  double* sum = workspace.take<double>(D);
  for (Index Y = 0; Y < H; ++Y)
    for (Index X = 0; X < W; ++X) {
      std::fill_n(sum, D, 0.0);
      for (Index j = 0; j < rows.weights.extent(1); ++j)
        weigh(sum, rows.weights(Y, j), wide[rows.indices(Y, j)][X].data());
      T* result = target[Y * W + X].data();
      for (Index d = 0; d < D; ++d) result[d] = static_cast<T>(sum[d]);
    }
}

/// The same by a publisher's rule. Sources: torch aten/native/cpu/UpSampleKernel.cpp,
/// scipy.ndimage.zoom.
template <Scalar T>
void resample_grid(MatrixView<const T> source, Grid from, MatrixView<T> target, Grid to,
                   PositionRule rule, Workspace& workspace) {
  const Workspace::Scope scope(workspace);
  const detail::Taps rows = detail::make_taps(rule, from.height, to.height, workspace);
  const detail::Taps columns = detail::make_taps(rule, from.width, to.width, workspace);
  weigh_grid<T>(source, from, target, to, rows, columns, workspace);
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_RESAMPLE_HPP
