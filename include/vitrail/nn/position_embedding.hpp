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

  /// Reads `name` (1, prefix + grid.count(), D).
  [[nodiscard]] static PositionEmbedding load(Parameters<T>& parameters, const std::string& name,
                                              Index prefix, Grid grid, Index D, PositionRule rule) {
    PositionEmbedding positions{.prefix = prefix, .grid = grid, .width = D, .rule = rule};
    positions.table = parameters.tensor(name, {1, prefix + grid.count(), D});
    return positions;
  }

  [[nodiscard]] bool empty() const { return table.empty(); }
  [[nodiscard]] MatrixView<const T> rows() const {
    return {table.data(), {prefix + grid.count(), width}};
  }

  /// The rows (prefix + wanted.count(), D) for another grid: the table itself, or a resampled copy
  /// in `workspace` whose prefix rows are copied.
  [[nodiscard]] MatrixView<const T> rows_for(Grid wanted, Workspace& workspace) const {
    if (wanted == grid) return rows();
    const MatrixView<T> resampled(workspace.template take<T>((prefix + wanted.count()) * width),
                                  {prefix + wanted.count(), width});
    copy(rows().slice(0, prefix), resampled.slice(0, prefix));
    resample_grid<T>(rows().slice(prefix, prefix + grid.count()), grid,
                     resampled.slice(prefix, prefix + wanted.count()), wanted, rule, workspace);
    return resampled;
  }
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_NN_POSITION_EMBEDDING_HPP
