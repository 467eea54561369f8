// One block of Swin: as ViT's, but attention stays inside windows, with a bias by distance.
//
//   x (B * H * W, C) -> windows (B * n * T, C) -> attention -> back, added to x -> MLP
#ifndef VITRAIL_NN_SWIN_BLOCK_HPP
#define VITRAIL_NN_SWIN_BLOCK_HPP

#include <vitrail/nn/mlp.hpp>
#include <vitrail/nn/relative_position_bias.hpp>
#include <vitrail/nn/window_partition.hpp>
#include <vitrail/ops/attention.hpp>

VITRAIL_BEGIN_NAMESPACE

template <Scalar T>
struct SwinBlock {
  LayerNorm<T> norm1;  // (C)
  Dense<T> qkv;        // (3C, C): all of q, all of k, all of v
  Dense<T> proj;       // (C, C)
  RelativePositionBias<T> relative;
  LayerNorm<T> norm2;  // (C)
  Mlp<T> mlp;
  Index heads = 1;  // A

  /// x (B * H * W, C) becomes the block's output, in place.
  void operator()(MatrixView<T> x, Index batch, const WindowPartition& partition,
                  const Context& context) const {
    Workspace& workspace = context.workspace;
    const Workspace::Scope scope(workspace);
    const Index C = x.extent(1);
    const MatrixView<T> normed = workspace.template matrix<T>(x.extent(0), C);
    norm1(x, normed, context);

    const Index tokens = partition.window.count();
    const Index rows = batch * partition.windows().count() * tokens;
    const MatrixView<T> windows = workspace.template matrix<T>(rows, C);
    for_each_token(partition, batch, [&](Index row, Index token) {
      if (token >= 0) copy(normed[token], windows[row]);
      if (token < 0) std::fill_n(windows[row].data(), C, T(0));
    });
    const MatrixView<T> projected = workspace.template matrix<T>(rows, 3 * C);
    qkv(windows, projected, context);
    attend(projected, batch, partition, windows, context);
    const MatrixView<T> out = projected.columns(0, C);
    proj(windows, out, context);
    for_each_token(partition, batch, [&](Index row, Index token) {
      if (token < 0) return;
      T* to = x[token].data();
      const T* from = out[row].data();
      for (Index c = 0; c < C; ++c) to[c] += from[c];
    });
    mlp(x, norm2, x, context, {.residual = x});
  }

 private:
  /// use(row of the windows, row of x or -1), windows kind by kind, within a kind by picture.
  template <class Use>
  static void for_each_token(const WindowPartition& partition, Index batch, Use&& use) {
    const std::array<Index, 4> counts = partition.counts();
    Index row = 0;
    for (std::size_t kind = 0; kind < 4; ++kind)
      for (Index b = 0; b < batch; ++b)
        for (Index i = 0; i < counts[kind]; ++i)
          for (Index t = 0; t < partition.window.count(); ++t, ++row) {
            const Index token = partition.token(partition.place(kind, i), t);
            use(row, token < 0 ? token : b * partition.map.count() + token);
          }
  }

  /// joined (rows, C) of projected (rows, 3C), one call for each kind of window.
  void attend(MatrixView<const T> projected, Index batch, const WindowPartition& partition,
              MatrixView<T> joined, const Context& context) const {
    const Index C = joined.extent(1);
    const Index tokens = partition.window.count();
    const std::array<Index, 4> counts = partition.counts();
    const TensorView<const T, 3> plain = relative.bias_for(partition.window, 0, context.workspace);
    const TensorView<T, 3> masked(context.workspace.template take<T>(plain.count()),
                                  plain.extents());
    Index begin = 0;
    for (std::size_t kind = 0; kind < 4; ++kind) {
      const Index group = batch * counts[kind];
      if (group == 0) continue;
      for (Index head = 0; kind > 0 && head < heads; ++head)
        for (Index i = 0; i < tokens; ++i)
          for (Index j = 0; j < tokens; ++j)
            masked(head, i, j) =
                plain(head, i, j) + (partition.together(kind, i, j) ? T(0) : T(-100));
      const MatrixView<const T> rows = projected.slice(begin, begin + group * tokens);
      attention<T>({.q = rows.columns(0, C),
                    .k = rows.columns(C, 2 * C),
                    .v = rows.columns(2 * C, 3 * C),
                    .batch = group,
                    .heads = heads,
                    .scale = 1 / std::sqrt(static_cast<T>(C / heads)),
                    .bias = kind == 0 ? plain : TensorView<const T, 3>(masked)},
                   joined.slice(begin, begin + group * tokens), context);
      begin += group * tokens;
    }
  }
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_NN_SWIN_BLOCK_HPP
