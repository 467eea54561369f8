// Rotary positions in two dimensions (Su et al. 2021): pairs of q and k are turned by angles that
// grow with the patch's row and column, so that their products depend on the distance alone.
//
// A head has hd / 2 pairs. The angles of the first hd / 4 belong to the row y of a patch in a grid
// of h rows, those of the others to its column; for the k-th of a row's (a column's the same):
//   eva      pairs (x[2i], x[2i+1]), angle = y / h * reference * 10000^(-k / (hd/4))
//   dinov3   pairs (x[i], x[i+hd/2]), angle = 2 pi c * 100^(-2k / (hd/2)), c = 2 (y + 0.5) / h - 1
#ifndef VITRAIL_OPS_ROTARY_HPP
#define VITRAIL_OPS_ROTARY_HPP

#include <cmath>
#include <numbers>
#include <span>
#include <vitrail/ops/resample.hpp>
#include <vitrail/runtime/context.hpp>

VITRAIL_BEGIN_NAMESPACE

enum class RotaryKind { none, eva, dinov3 };

/// What turns the columns of a head; empty: nothing is turned. A pair (a, b) becomes (a cos - b
/// sin, b cos + a sin): every column is its own value times a cosine and its partner's times a
/// sine.
template <Scalar T>
struct RotaryTable {
  RotaryKind kind = RotaryKind::none;
  MatrixView<T> cosine = {};  // (N, hd)
  MatrixView<T> sine = {};    // (N, hd), negative for the first of a pair

  [[nodiscard]] bool empty() const { return kind == RotaryKind::none; }
  /// The other column of a pair, of hd.
  [[nodiscard]] Index partner(Index column, Index hd) const {
    if (kind == RotaryKind::eva) return column ^ 1;
    return column < hd / 2 ? column + hd / 2 : column - hd / 2;
  }
};

/// The table for a grid, in `workspace`; hd is a multiple of 4. `periods` (hd / 4), unless empty,
/// stand in the place of dinov3's 100^(2k/(hd/2)). Sources: timm
/// layers/pos_embed_sincos.py, dinov3/layers/rope_position_encoding.py.
template <Scalar T>
[[nodiscard]] RotaryTable<T> make_rotary(RotaryKind kind, Grid grid, Index hd, Index reference,
                                         std::span<const double> periods, Workspace& workspace) {
  if (kind == RotaryKind::none) return {};
  const Index bands = hd / 4;
  const RotaryTable<T> table{kind, workspace.matrix<T>(grid.count(), hd),
                             workspace.matrix<T>(grid.count(), hd)};
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
      const Index first = kind == RotaryKind::eva ? 2 * i : i;
      const Index second = table.partner(first, hd);
      table.cosine(n, first) = table.cosine(n, second) = static_cast<T>(std::cos(a));
      table.sine(n, first) = static_cast<T>(-std::sin(a));
      table.sine(n, second) = static_cast<T>(std::sin(a));
    }
  }
  return table;
}

/// y (B * T, A * hd) = x with all but the first `prefix` rows of each picture's T turned. T may be
/// the first tokens of a picture only. The definition; attention turns q and k as it packs them.
template <Scalar T>
void rotate(const RotaryTable<T>& table, Index prefix, Index batch, Index heads,
            MatrixView<const T> x, MatrixView<T> y, const Context& context) {
  const Index rows = x.extent(0) / batch;
  const Index hd = x.extent(1) / heads;
  context.executor.parallel_for(x.extent(0), [&](Index row) {
    const Index n = row % rows - prefix;
    if (n < 0) return copy(x[row], y[row]);
    const T* cosine = table.cosine[n].data();
    const T* sine = table.sine[n].data();
    for (Index head = 0; head < heads; ++head) {
      const T* from = x[row].data() + head * hd;
      T* to = y[row].data() + head * hd;
      for (Index i = 0; i < hd; ++i)
        to[i] = from[i] * cosine[i] + from[table.partner(i, hd)] * sine[i];
    }
  });
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_ROTARY_HPP
