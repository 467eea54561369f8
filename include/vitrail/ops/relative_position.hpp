// A learned bias for every pair of tokens, looked up by the distance between their patches: the
// attention bias of BEiT and Swin.
//
//   table ((2h-1) * (2w-1) + extra, A)   one row per distance (dy, dx), rows of dy first
//   extra = 3 rows for a class token: it to any patch, any patch to it, it to itself
//   bias (A, T, T), added to q k^T after scaling
#ifndef VITRAIL_OPS_RELATIVE_POSITION_HPP
#define VITRAIL_OPS_RELATIVE_POSITION_HPP

#include <vitrail/ops/resample.hpp>

VITRAIL_BEGIN_NAMESPACE

/// How a table is resampled for another grid.
enum class RelativeRule {
  beit,         // bilinear between distances that grow geometrically: timm and BEiT
  huggingface,  // torch bilinear
  swin          // torch bicubic: Microsoft's Swin
};

/// Distances of a grid along its two axes: (2h-1, 2w-1).
[[nodiscard]] inline Grid distances_of(Grid grid) {
  return {2 * grid.height - 1, 2 * grid.width - 1};
}

namespace detail {

/// Where BEiT's `from` stored distances lie when they are stretched over `to`: 0, +-1, +-(1+q),
/// +-(1+q+q^2), ... with q found by bisection (timm layers/pos_embed_rel.py).
inline void geometric_distances(Index from, Index to, double* places) {
  const Index half = from / 2;
  double left = 1.01;
  double right = 1.5;
  double q = left;
  while (right - left > 1e-6) {
    q = (left + right) / 2;
    const double reach = (1 - std::pow(q, static_cast<double>(half))) / (1 - q);
    (reach > static_cast<double>(to / 2) ? right : left) = q;
  }
  places[half] = 0;
  double place = 1;
  for (Index i = 0; i < half; ++i) {
    places[half + 1 + i] = place;
    places[half - 1 - i] = -place;
    place += std::pow(q, static_cast<double>(i + 1));
  }
}

/// Taps for linear interpolation at -to/2, ..., to/2 between the geometric places, clamped.
inline Taps geometric_taps(Index from, Index to, Workspace& workspace) {
  const Taps taps{{workspace.take<double>(to * 2), {to, 2}},
                  {workspace.take<std::int32_t>(to * 2), {to, 2}}};
  double* places = workspace.take<double>(from);
  geometric_distances(from, to, places);
  for (Index o = 0; o < to; ++o) {
    const double at = static_cast<double>(o - to / 2);
    const Index right =
        std::min<Index>(std::upper_bound(places, places + from, at) - places, from - 1);
    const Index left = std::max<Index>(right - 1, 0);
    const double gap = places[right] - places[left];
    const double share = gap > 0 ? std::clamp((at - places[left]) / gap, 0.0, 1.0) : 0.0;
    taps.indices(o, 0) = static_cast<std::int32_t>(left);
    taps.indices(o, 1) = static_cast<std::int32_t>(right);
    taps.weights(o, 0) = 1 - share;
    taps.weights(o, 1) = share;
  }
  return taps;
}

}  // namespace detail

/// Resamples the distances of `from` in table (rows, A) to those of `to`; the extra rows are kept.
template <Scalar T>
void resample_relative_table(MatrixView<const T> table, Grid from, MatrixView<T> target, Grid to,
                             RelativeRule rule, Workspace& workspace) {
  const Workspace::Scope scope(workspace);
  const Grid old = distances_of(from);
  const Grid wanted = distances_of(to);
  const MatrixView<const T> source = table.slice(0, old.count());
  const MatrixView<T> result = target.slice(0, wanted.count());
  if (rule == RelativeRule::beit) {
    weigh_grid<T>(source, old, result, wanted,
                  detail::geometric_taps(old.height, wanted.height, workspace),
                  detail::geometric_taps(old.width, wanted.width, workspace), workspace);
  } else {
    resample_grid<T>(
        source, old, result, wanted,
        rule == RelativeRule::swin ? PositionRule::huggingface : PositionRule::timm_npz, workspace);
  }
  copy(table.slice(old.count(), table.extent(0)), target.slice(wanted.count(), target.extent(0)));
}

/// bias (A, T, T) of a table for this very grid, T = prefix + grid.count(). With a prefix (a class
/// token) the table has its three extra rows.
template <Scalar T>
void gather_relative_bias(MatrixView<const T> table, Grid grid, Index prefix,
                          TensorView<T, 3> bias) {
  const Index A = bias.extent(0);
  const Index tokens = bias.extent(1);
  const Index rows = table.extent(0);
  const Grid span = distances_of(grid);
  for (Index i = 0; i < tokens; ++i) {
    for (Index j = 0; j < tokens; ++j) {
      Index row = 0;
      if (i >= prefix && j >= prefix) {
        const Index a = i - prefix;
        const Index b = j - prefix;
        const Index dy = a / grid.width - b / grid.width + grid.height - 1;
        const Index dx = a % grid.width - b % grid.width + grid.width - 1;
        row = dy * span.width + dx;
      } else {
        row = rows - (i < prefix && j < prefix ? 1 : i < prefix ? 3 : 2);
      }
      for (Index head = 0; head < A; ++head) bias(head, i, j) = table(row, head);
    }
  }
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_RELATIVE_POSITION_HPP
