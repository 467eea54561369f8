// Scaled dot-product attention over heads: softmax(q k^T * scale + bias) v (Vaswani et al. 2017;
// ViT eq. 2).
#ifndef VITRAIL_OPS_ATTENTION_HPP
#define VITRAIL_OPS_ATTENTION_HPP

#include <vitrail/ops/attention_input.hpp>
#include <vitrail/ops/attention_tiles.hpp>
#include <vitrail/ops/softmax.hpp>
#include <vitrail/runtime/context.hpp>
#include <vitrail/tensor/matrix.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// The same with q and k turned, in the workspace.
template <Scalar T>
[[nodiscard]] AttentionInput<T> turned(const AttentionInput<T>& in, const Context& context) {
  AttentionInput<T> result = in;
  if (in.rotary.empty()) return result;
  for (MatrixView<const T>* const rows : {&result.q, &result.k}) {
    const MatrixView<T> to = context.workspace.template matrix<T>(rows->extent(0), rows->extent(1));
    rotate<T>(in.rotary, in.prefix, in.batch, in.heads, *rows, to, context);
    *rows = to;
  }
  result.rotary = {};
  return result;
}

/// The softmaxed weights of query rows [begin, end) of one picture and head into `weights` (end -
/// begin, Tk).
template <Scalar T>
void attention_weights(const AttentionInput<T>& in, Index picture, Index head, Index begin,
                       Index end, MatrixView<T> weights) {
  const Index hd = in.q.extent(1) / in.heads;
  const auto q = in.q.columns(head * hd, (head + 1) * hd)
                     .slice(picture * in.queries() + begin, picture * in.queries() + end);
  const auto k = in.k.columns(head * hd, (head + 1) * hd)
                     .slice(picture * in.keys(), (picture + 1) * in.keys());
  plain_product(q, k, weights);
  for (Index i = 0; i < end - begin; ++i) {
    const std::span<T> row = weights[i].flat();
    for (T& value : row) value *= in.scale;
    if (in.bias.data() != nullptr) {
      const VectorView<const T> bias = in.bias[head][begin + i];
      for (Index j = 0; j < in.keys(); ++j) row[static_cast<std::size_t>(j)] += bias[j];
    }
    softmax(row);
  }
}

/// The definition, through Eigen.
template <Scalar T>
void plain_attention(const AttentionInput<T>& input, MatrixView<T> out, const Context& context) {
  const Workspace::Scope scope(context.workspace);
  const AttentionInput<T> in = turned(input, context);
  const Index hd = in.q.extent(1) / in.heads;
  const Index Tq = in.queries();
  const Index Tk = in.keys();
  constexpr Index tile = 64;  // query rows per task
  const Index tiles = (Tq + tile - 1) / tile;
  const Index tasks = in.batch * in.heads * tiles;
  const TensorView<T, 3> weights(context.workspace.template take<T>(tasks * tile * Tk),
                                 {tasks, tile, Tk});
  const TensorView<T, 3> turned(context.workspace.template take<T>(tasks * hd * Tk),
                                {tasks, hd, Tk});
  context.executor.parallel_for(tasks, [&](Index task) {
    const Index picture = task / (in.heads * tiles);
    const Index head = task / tiles % in.heads;
    const Index begin = task % tiles * tile;
    const Index end = std::min(Tq, begin + tile);
    const MatrixView<T> w = weights[task].slice(0, end - begin);
    attention_weights(in, picture, head, begin, end, w);
    const auto v = in.v.columns(head * hd, (head + 1) * hd).slice(picture * Tk, (picture + 1) * Tk);
    const MatrixView<T> columns = turned[task];  // v^T
    for (Index d = 0; d < hd; ++d) {
      for (Index j = 0; j < Tk; ++j) columns(d, j) = v(j, d);
    }
    const MatrixView<T> o =
        out.columns(head * hd, (head + 1) * hd).slice(picture * Tq + begin, picture * Tq + end);
    plain_product(MatrixView<const T>(w), MatrixView<const T>(columns), o);
  });
}

}  // namespace detail

/// out (B * Tq, A * hd): each head's weighted sum of values, heads side by side. Bit-equal for any
/// batch and any number of threads.
template <Scalar T>
void attention(const AttentionInput<T>& in, MatrixView<T> out, const Context& context) {
  VITRAIL_ASSERT(in.q.extent(1) % in.heads == 0 && in.k.extent(1) == in.q.extent(1) &&
                     in.v.extent(1) == in.q.extent(1) && out.extent(1) == in.q.extent(1),
                 "attention: widths do not fit");
  if constexpr (std::same_as<T, float>) {
    if (const detail::Kernels* kernels = detail::kernels(); kernels != nullptr) {
      detail::tiled_attention(*kernels, in, out, context);
      return;
    }
  }
  detail::plain_attention(in, out, context);
}

/// The maps themselves, (B, A, Tq, Tk), for whoever wants to look: a second path, so that the first
/// stays lean.
template <Scalar T>
void attention_maps(const AttentionInput<T>& input, TensorView<T, 4> maps, const Context& context) {
  const Workspace::Scope scope(context.workspace);
  const AttentionInput<T> in = detail::turned(input, context);
  context.executor.parallel_for(in.batch * in.heads, [&](Index task) {
    const Index picture = task / in.heads;
    const Index head = task % in.heads;
    detail::attention_weights(in, picture, head, 0, in.queries(), maps[picture][head]);
  });
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_OPS_ATTENTION_HPP
