// BEiT's and Swin's relative positions as a module: it holds the table, and makes the attention
// bias of a grid from it.
#ifndef VITRAIL_NN_RELATIVE_POSITION_BIAS_HPP
#define VITRAIL_NN_RELATIVE_POSITION_BIAS_HPP

#include <vitrail/nn/parameters.hpp>
#include <vitrail/ops/relative_position.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

template <Scalar T>
struct RelativePositionBias {
  Tensor<T, 1> table = {};  // ((2h-1) * (2w-1) + extra, A), flattened
  Grid grid = {};           // the grid the table was trained on
  Index extra = 0;          // 3 with a class token, else 0
  Index heads = 1;          // A
  RelativeRule rule = RelativeRule::beit;

  /// Reads `name` ((2h-1) * (2w-1) + extra, A).
  [[nodiscard]] VITRAIL_NOINLINE static RelativePositionBias load(Parameters<T>& parameters,
                                                                  std::string_view name, Grid grid,
                                                                  Index extra, Index A,
                                                                  RelativeRule rule) {
    RelativePositionBias bias{.grid = grid, .extra = extra, .heads = A, .rule = rule};
    bias.table = parameters.tensor(name, {distances_of(grid).count() + extra, A});
    return bias;
  }

  [[nodiscard]] bool empty() const { return table.empty(); }

  /// The table's rows for another grid: the table itself, or a resampled copy in `workspace`.
  [[nodiscard]] VITRAIL_NOINLINE MatrixView<const T> rows_for(Grid wanted,
                                                              Workspace& workspace) const {
    const MatrixView<const T> rows(table.data(), {distances_of(grid).count() + extra, heads});
    if (wanted == grid) return rows;
    const Index count = distances_of(wanted).count() + extra;
    const MatrixView<T> resampled(workspace.template take<T>(count * heads), {count, heads});
    resample_relative_table<T>(rows, grid, resampled, wanted, rule, workspace);
    return resampled;
  }

  /// bias (A, T, T) in `workspace`, T = prefix + wanted.count().
  [[nodiscard]] TensorView<const T, 3> bias_for(Grid wanted, Index prefix,
                                                Workspace& workspace) const {
    const Index tokens = prefix + wanted.count();
    const TensorView<T, 3> bias(workspace.template take<T>(heads * tokens * tokens),
                                {heads, tokens, tokens});
    gather_relative_bias<T>(rows_for(wanted, workspace), wanted, prefix, bias);
    return bias;
  }

  /// The same module for another grid, its table resampled once.
  void set_grid(Grid wanted) {
    if (empty() || wanted == grid) return;
    Workspace workspace;
    const Workspace::Scope scope(workspace);
    const MatrixView<const T> rows = rows_for(wanted, workspace);
    table = Tensor<T, 1>::copy_of(rows.template reshape<1>({rows.count()}));
    grid = wanted;
  }
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_NN_RELATIVE_POSITION_BIAS_HPP
