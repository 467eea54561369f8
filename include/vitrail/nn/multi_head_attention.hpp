// Multi-head self-attention: one product for q, k and v, attention per head, one product back (ViT
// eq. 2).
#ifndef VITRAIL_NN_MULTI_HEAD_ATTENTION_HPP
#define VITRAIL_NN_MULTI_HEAD_ATTENTION_HPP

#include <vitrail/nn/dense.hpp>
#include <vitrail/nn/layer_norm.hpp>
#include <vitrail/nn/relative_position_bias.hpp>
#include <vitrail/nn/token_positions.hpp>
#include <vitrail/ops/attention.hpp>

VITRAIL_BEGIN_NAMESPACE

template <Scalar T>
struct MultiHeadAttention {
  Dense<T> qkv;         // (3 * A * hd, D): all of q, all of k, all of v; head-major within each
  LayerNorm<T> q_norm;  // (hd) per head, or empty
  LayerNorm<T> k_norm;  // (hd) per head, or empty
  LayerNorm<T> norm;    // (A * hd) on the joined heads, or empty
  Dense<T> proj;        // (D, A * hd), or empty: the joined heads are the answer
  Index heads = 1;      // A
  RelativePositionBias<T> relative = {};  // of this block, or empty

  /// y (B * T, D) = residual + scale * attention(x (B * T, D)), B pictures of T tokens. When `maps`
  /// (B, A, T, T) is not empty the softmaxed weights are written there too. `positions` matter to
  /// models with rotary or relative positions only.
  void operator()(MatrixView<const T> x, Index batch, MatrixView<T> y, const Context& context,
                  Epilogue<T> epilogue = {}, TensorView<T, 4> maps = {},
                  const TokenPositions<T>& positions = {}) const {
    const Workspace::Scope scope(context.workspace);
    const Index rows = x.extent(0);
    const Index inner = qkv.outputs() / 3;
    const MatrixView<T> projected = context.workspace.template matrix<T>(rows, 3 * inner);
    qkv(x, projected, context);
    const MatrixView<T> q = projected.columns(0, inner);
    const MatrixView<T> k = projected.columns(inner, 2 * inner);
    if (!q_norm.empty()) normalize_heads(q_norm, q, context);
    if (!k_norm.empty()) normalize_heads(k_norm, k, context);
    if (positions.rotary.kind != RotaryKind::none) {
      rotate<T>(positions.rotary, positions.prefix, batch, heads, q, context);
      rotate<T>(positions.rotary, positions.prefix, batch, heads, k, context);
    }
    const AttentionInput<T> input{.q = q,
                                  .k = k,
                                  .v = projected.columns(2 * inner, 3 * inner),
                                  .batch = batch,
                                  .heads = heads,
                                  .scale = 1 / std::sqrt(static_cast<T>(inner / heads)),
                                  .bias = bias_for(positions, context.workspace)};
    const MatrixView<T> joined = context.workspace.template matrix<T>(rows, inner);
    attention<T>(input, joined, context);
    if (maps.data() != nullptr) attention_maps<T>(input, maps, context);
    if (!norm.empty()) norm(joined, joined, context);
    if (proj.empty()) return add_joined(joined, y, epilogue);
    proj(joined, y, context, epilogue);
  }

 private:
  [[nodiscard]] TensorView<const T, 3> bias_for(const TokenPositions<T>& positions,
                                                Workspace& workspace) const {
    if (relative.empty()) return positions.bias;
    return relative.bias_for(positions.grid, positions.prefix, workspace);
  }

  /// y = residual + scale * joined, where there is no product to fuse that into.
  static void add_joined(MatrixView<const T> joined, MatrixView<T> y, const Epilogue<T>& epilogue) {
    for (Index row = 0; row < y.extent(0); ++row) {
      for (Index d = 0; d < y.extent(1); ++d) {
        const T value = joined(row, d) * (epilogue.scale == nullptr ? T(1) : epilogue.scale[d]);
        y(row, d) =
            value + (epilogue.residual.data() == nullptr ? T(0) : epilogue.residual(row, d));
      }
    }
  }

  void normalize_heads(const LayerNorm<T>& head_norm, MatrixView<T> x,
                       const Context& context) const {
    const Index hd = x.extent(1) / heads;
    const NormParameters<T> parameters = head_norm.parameters();
    context.executor.parallel_for(x.extent(0), [&](Index row) {
      for (Index head = 0; head < heads; ++head) {
        T* values = x[row].data() + head * hd;
        normalize_row(values, hd, parameters, values);
      }
    });
  }
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_NN_MULTI_HEAD_ATTENTION_HPP
