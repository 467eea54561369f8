// Rotary positions in two dimensions (Su et al. 2021): pairs of q and k are turned by angles that
// grow with the patch's row and column, so that their products depend on the distance alone.
//
//   angle(n, i): the first hd/4 belong to the row of patch n, the other hd/4 to its column
//   eva      pairs (x[2i], x[2i+1]), angle = position * 10000^(-k/(hd/4)), position = y / h *
//   reference dinov3   pairs (x[i], x[i+hd/2]), angle = 2 pi c * 100^(-2k/(hd/2)), c = 2 (y + 0.5)
//   / h - 1
#ifndef VITRAIL_OPS_ROTARY_HPP
#define VITRAIL_OPS_ROTARY_HPP

#include <cmath>
#include <numbers>
#include <span>
#include <vitrail/ops/resample.hpp>
#include <vitrail/runtime/context.hpp>

VITRAIL_BEGIN_NAMESPACE

enum class RotaryKind { none, eva, dinov3 };

/// Cosine and sine of every angle; empty: nothing is turned.
template <Scalar T>
struct RotaryTable {
  RotaryKind kind = RotaryKind::none;
  MatrixView<T> cosine = {};  // (N, hd / 2)
  MatrixView<T> sine = {};    // (N, hd / 2)
};

/// The table for a grid, in `workspace`; hd is a multiple of 4. `periods` (hd / 4), unless empty,
/// stand in the place of dinov3's 100^(2k/(hd/2)). Sources: timm
/// layers/pos_embed_sincos.py, dinov3/layers/rope_position_encoding.py.
template <Scalar T>
[[nodiscard]] RotaryTable<T> make_rotary(RotaryKind kind, Grid grid, Index hd, Index reference,
                                         std::span<const double> periods, Workspace& workspace) {
  if (kind == RotaryKind::none) return {};
  const Index bands = hd / 4;
  const RotaryTable<T> table{kind, workspace.matrix<T>(grid.count(), 2 * bands),
                             workspace.matrix<T>(grid.count(), 2 * bands)};
  const auto angle = [&](Index at, Index extent, Index band) {
    const double share = static_cast<double>(band) / static_cast<double>(bands);
    const double place = static_cast<double>(at) / static_cast<double>(extent);
    if (kind == RotaryKind::eva)
      return place * static_cast<double>(reference) * std::pow(10000.0, -share);
    const double center = 2 * (static_cast<double>(at) + 0.5) / static_cast<double>(extent) - 1;
    const double frequency =
        periods.empty() ? std::pow(100.0, -share) : 1 / periods[static_cast<std::size_t>(band)];
    return 2 * std::numbers::pi * center * frequency;
  };
  for (Index n = 0; n < grid.count(); ++n) {
    for (Index i = 0; i < 2 * bands; ++i) {
      const double a = i < bands ? angle(n / grid.width, grid.height, i)
                                 : angle(n % grid.width, grid.width, i - bands);
      table.cosine(n, i) = static_cast<T>(std::cos(a));
      table.sine(n, i) = static_cast<T>(std::sin(a));
    }
  }
  return table;
}

/// Turns the rows of x (B * T, A * hd) in place, but for the first `prefix` of each picture's T.
template <Scalar T>
void rotate(const RotaryTable<T>& table, Index prefix, Index batch, Index heads, MatrixView<T> x,
            const Context& context) {
  const Index rows = x.extent(0) / batch;
  const Index hd = x.extent(1) / heads;
  const bool neighbours = table.kind == RotaryKind::eva;
  context.executor.parallel_for(x.extent(0), [&](Index row) {
    const Index n = row % rows - prefix;
    if (n < 0) return;
    const T* cosine = table.cosine[n].data();
    const T* sine = table.sine[n].data();
    for (Index head = 0; head < heads; ++head) {
      T* first = x[row].data() + head * hd;
      T* second = first + (neighbours ? 1 : hd / 2);
      const Index step = neighbours ? 2 : 1;
      for (Index i = 0; i < hd / 2; ++i) {
        const T a = first[i * step];
        const T b = second[i * step];
        first[i * step] = a * cosine[i] - b * sine[i];
        second[i * step] = b * cosine[i] + a * sine[i];
      }
    }
  });
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_ROTARY_HPP
