// Learned positions, added to the tokens; resampled when the picture's grid is not the one they
// were trained on.
#ifndef VITRAIL_NN_POSITION_EMBEDDING_HPP
#define VITRAIL_NN_POSITION_EMBEDDING_HPP

#include <vitrail/nn/patch_embedding.hpp>
#include <vitrail/ops/resample.hpp>

VITRAIL_BEGIN_NAMESPACE

template <Scalar T>
struct PositionEmbedding {
  Tensor<T, 1> table = {};  // (prefix + grid.count(), D), flattened
  Index prefix = 0;         // rows before the grid: positions of the class token and the like
  Grid grid;                // the grid the table was trained on
  Index width = 0;          // D
  PositionRule rule = PositionRule::timm;
  bool computed = false;  // sines and cosines of the grid, made anew for each other one

  /// Reads `name` (1, prefix + grid.count(), D).
  [[nodiscard]] VITRAIL_NOINLINE static PositionEmbedding load(Parameters<T>& parameters,
                                                               std::string_view name, Index prefix,
                                                               Grid grid, Index D,
                                                               PositionRule rule) {
    PositionEmbedding positions{.prefix = prefix, .grid = grid, .width = D, .rule = rule};
    positions.table = parameters.tensor(name, {1, prefix + grid.count(), D});
    return positions;
  }

  /// SimpleViT's fixed positions (Beyer et al. 2022): [sin x, cos x, sin y, cos y], each of D/4
  /// frequencies 10000^(-k / (D/4 - 1)).
  [[nodiscard]] static PositionEmbedding sincos(Grid grid, Index D) {
    constexpr Index most = Index{1} << 26;  // numbers; a config alone must not fill the memory
    if (grid.count() > most / std::max<Index>(D, 1))
      fail("positions", "a table of ", grid.count(), " patches of ", D, " numbers, the limit is ",
           most, " in all");
    PositionEmbedding positions{.grid = grid, .width = D, .computed = true};
    positions.table = Tensor<T, 1>({grid.count() * D});
    fill_sincos(grid, {positions.table.data(), {grid.count(), D}});
    return positions;
  }

  [[nodiscard]] bool empty() const { return table.empty(); }
  [[nodiscard]] MatrixView<const T> rows() const {
    return {table.data(), {prefix + grid.count(), width}};
  }

  /// The rows (prefix + wanted.count(), D) for another grid: the table itself, or a resampled copy
  /// in `workspace` whose prefix rows are copied.
  [[nodiscard]] VITRAIL_NOINLINE MatrixView<const T> rows_for(Grid wanted,
                                                              Workspace& workspace) const {
    if (wanted == grid) return rows();
    const MatrixView<T> resampled(workspace.template take<T>((prefix + wanted.count()) * width),
                                  {prefix + wanted.count(), width});
    if (computed) {
      fill_sincos(wanted, resampled);
      return resampled;
    }
    copy(rows().slice(0, prefix), resampled.slice(0, prefix));
    resample_grid<T>(rows().slice(prefix, prefix + grid.count()), grid,
                     resampled.slice(prefix, prefix + wanted.count()), wanted, rule, workspace);
    return resampled;
  }

 private:
  static void fill_sincos(Grid grid, MatrixView<T> rows) {
    const Index bands = rows.extent(1) / 4;
    for (Index n = 0; n < grid.count(); ++n) {
      for (Index k = 0; k < bands; ++k) {
        const double share =
            bands > 1 ? static_cast<double>(k) / static_cast<double>(bands - 1) : 0;
        const double omega = std::pow(10000.0, -share);
        const double x = static_cast<double>(n % grid.width) * omega;
        const double y = static_cast<double>(n / grid.width) * omega;
        rows(n, k) = static_cast<T>(std::sin(x));
        rows(n, bands + k) = static_cast<T>(std::cos(x));
        rows(n, 2 * bands + k) = static_cast<T>(std::sin(y));
        rows(n, 3 * bands + k) = static_cast<T>(std::cos(y));
      }
    }
  }
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_NN_POSITION_EMBEDDING_HPP
