// Multi-head self-attention: one product for q, k and v, attention per head, one product back (ViT
// eq. 2).
#ifndef VITRAIL_NN_MULTI_HEAD_ATTENTION_HPP
#define VITRAIL_NN_MULTI_HEAD_ATTENTION_HPP

#include <vitrail/nn/few_queries.hpp>
#include <vitrail/nn/relative_position_bias.hpp>
#include <vitrail/nn/token_positions.hpp>
#include <vitrail/ops/attention.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// first (B * Q, D) = the first Q of the T tokens of each picture in x (B * T, D).
template <Scalar T>
void copy_first_tokens(MatrixView<const T> x, Index batch, MatrixView<T> first) {
  const Index T_ = x.extent(0) / batch;
  const Index Q = first.extent(0) / batch;
  for (Index row = 0; row < batch * Q; ++row) copy(x[row / Q * T_ + row % Q], first[row]);
}

}  // namespace detail

/// What differential attention (Ye et al. 2024) has beside q, k and v. The columns of each head's q
/// and k are two halves; the head's answer is the difference of what the halves' maps give:
///   o = (softmax(q1 k1^T / sqrt(hd / 2)) - lambda softmax(q2 k2^T / sqrt(hd / 2))) v
///   o <- (1 - lambda_init) RMSNorm(o),   lambda_init = 0.8 - 0.6 exp(-0.3 block)
template <Scalar T>
struct DifferentialAttention {
  T lambda = 0;
  LayerNorm<T> norm;  // (hd), its gamma times 1 - lambda_init; empty: attention is the usual one

  /// Reads `name`.lambda_{q1,k1,q2,k2} (hd / 2), or .lambda_{a,b} (1), and .sub_norm.weight (hd).
  /// Throws Error when one is missing or mis-shaped.
  [[nodiscard]] VITRAIL_NOINLINE static DifferentialAttention load(Parameters<T>& parameters,
                                                                   std::string_view name, Index hd,
                                                                   Index block) {
    const auto exponent = [&](const char* one, const char* q, const char* k) {
      if (const std::string whole = join(name, one); parameters.contains(whole))
        return static_cast<double>(parameters.tensor(whole, {1})(0));
      const Tensor<T, 1> a = parameters.tensor(join(name, q), {hd / 2});
      const Tensor<T, 1> b = parameters.tensor(join(name, k), {hd / 2});
      double sum = 0;
      for (Index i = 0; i < hd / 2; ++i)
        sum += static_cast<double>(a(i)) * static_cast<double>(b(i));
      return sum;
    };
    const double initial = 0.8 - 0.6 * std::exp(-0.3 * static_cast<double>(block));
    DifferentialAttention result;
    result.lambda =
        static_cast<T>(std::exp(exponent(".lambda_a", ".lambda_q1", ".lambda_k1")) -
                       std::exp(exponent(".lambda_b", ".lambda_q2", ".lambda_k2")) + initial);
    result.norm =
        LayerNorm<T>::load(parameters, join(name, ".sub_norm"), hd, 1e-5, NormKind::rms_norm);
    for (T& gamma : result.norm.gamma.flat()) gamma *= static_cast<T>(1 - initial);
    return result;
  }
};

template <Scalar T>
struct MultiHeadAttention {
  Dense<T> qkv;         // (3 * A * hd, D): all of q, all of k, all of v; head-major within each
  LayerNorm<T> q_norm;  // (hd) per head, (hd / 2) per half of a differential one, or empty
  LayerNorm<T> k_norm;  // as q_norm
  LayerNorm<T> norm;    // (A * hd) on the joined heads, or empty
  Dense<T> proj;        // (D, A * hd), or empty: the joined heads are the answer
  Index heads = 1;      // A
  T scale = 0;          // of q k^T; 0: 1 / sqrt(hd)
  RelativePositionBias<T> relative = {};  // of this block, or empty
  DifferentialAttention<T> differential = {};
  // The short way to the answers of few tokens, where nothing happens to k between its product and
  // attention, and no bias is added; or empty.
  FewQueries<T> few = {};

  /// y (B * Q, D) = residual + scale * attention(before(x (B * T, D))), B pictures of T tokens;
  /// `before` may be empty. Q is T, or the answers are those of the first Q tokens alone. When
  /// `maps` (B, A, Q, T) is not empty the softmaxed weights are written there too. `positions`
  /// matter to models with rotary or relative positions only.
  VITRAIL_NOINLINE void operator()(MatrixView<const T> x, const LayerNorm<T>& before, Index batch,
                                   MatrixView<T> y, const Context& context,
                                   Epilogue<T> epilogue = {}, TensorView<T, 4> maps = {},
                                   const TokenPositions<T>& positions = {}) const {
    const Workspace::Scope scope(context.workspace);
    const Index rows = x.extent(0);
    const Index answers = y.extent(0);
    const MatrixView<T> joined = context.workspace.template matrix<T>(answers, qkv.outputs() / 3);
    if (answers < rows && !few.empty() && maps.data() == nullptr) {
      attend_from_few(x, before, batch, joined, context);
    } else {
      attend(x, before, batch, joined, context, maps, positions);
    }
    if (!norm.empty()) norm(joined, joined, context);
    if (proj.empty()) return add_joined(joined, y, epilogue);
    proj(joined, y, context, epilogue);
  }

 private:
  /// The heads' answers side by side, `joined` (B * Q, A * hd).
  void attend(MatrixView<const T> x, const LayerNorm<T>& before, Index batch, MatrixView<T> joined,
              const Context& context, TensorView<T, 4> maps,
              const TokenPositions<T>& positions) const {
    const Workspace::Scope scope(context.workspace);
    const Index rows = x.extent(0);
    const Index answers = joined.extent(0);
    const Index inner = joined.extent(1);
    const MatrixView<T> projected = context.workspace.template matrix<T>(rows, 3 * inner);
    qkv(x, before, projected, context);
    const MatrixView<T> q = projected.columns(0, inner);
    const MatrixView<T> k = projected.columns(inner, 2 * inner);
    if (!q_norm.empty()) normalize_heads(q_norm, q, context);
    if (!k_norm.empty()) normalize_heads(k_norm, k, context);
    MatrixView<T> queries = q;
    if (answers < rows) {
      queries = context.workspace.template matrix<T>(answers, inner);
      detail::copy_first_tokens<T>(q, batch, queries);
    }
    const AttentionInput<T> input{.q = queries,
                                  .k = k,
                                  .v = projected.columns(2 * inner, 3 * inner),
                                  .batch = batch,
                                  .heads = heads,
                                  .scale = scale_of(inner),
                                  .bias = bias_for(positions, context.workspace),
                                  .rotary = positions.rotary,
                                  .prefix = positions.prefix,
                                  .precision = qkv.weight.precision()};
    if (!differential.norm.empty()) return attend_differentially(input, joined, maps, context);
    attention<T>(input, joined, context);
    if (maps.data() != nullptr) attention_maps<T>(input, maps, context);
  }

  /// The same where no other tokens' answers are asked for, and nobody's maps.
  void attend_from_few(MatrixView<const T> x, const LayerNorm<T>& before, Index batch,
                       MatrixView<T> joined, const Context& context) const {
    const Workspace::Scope scope(context.workspace);
    MatrixView<const T> seen = x;
    if (!before.empty()) {
      const MatrixView<T> normed = context.workspace.template matrix<T>(x.extent(0), x.extent(1));
      before(x, normed, context);
      seen = normed;
    }
    const MatrixView<T> first = context.workspace.template matrix<T>(joined.extent(0), x.extent(1));
    detail::copy_first_tokens<T>(seen, batch, first);
    const MatrixView<T> q =
        context.workspace.template matrix<T>(joined.extent(0), joined.extent(1));
    qkv(first, q, context);  // its first outputs
    few(q, seen, batch, heads, scale_of(joined.extent(1)), joined, context);
  }

  /// Of q k^T, for heads that are `inner` columns together.
  [[nodiscard]] T scale_of(Index inner) const {
    return scale > 0 ? scale : 1 / std::sqrt(static_cast<T>(inner / heads));
  }
  [[nodiscard]] TensorView<const T, 3> bias_for(const TokenPositions<T>& positions,
                                                Workspace& workspace) const {
    if (relative.empty()) return positions.bias;
    return relative.bias_for(positions.grid, positions.prefix, workspace);
  }

  /// Two passes: q with one half of each head's columns set to 0 meets only the other half of k.
  void attend_differentially(AttentionInput<T> input, MatrixView<T> joined, TensorView<T, 4> maps,
                             const Context& context) const {
    const Workspace::Scope scope(context.workspace);
    const Index rows = joined.extent(0);
    const Index inner = joined.extent(1);
    const Index half = inner / heads / 2;
    const MatrixView<const T> q = input.q;
    const MatrixView<T> masked = context.workspace.template matrix<T>(rows, inner);
    const MatrixView<T> second = context.workspace.template matrix<T>(rows, inner);
    const TensorView<T, 4> second_maps(context.workspace.template take<T>(maps.count()),
                                       maps.extents());
    input.q = masked;
    input.scale = 1 / std::sqrt(static_cast<T>(half));
    for (const Index kept : {Index{0}, Index{1}}) {
      for (Index row = 0; row < rows; ++row)
        for (Index d = 0; d < inner; ++d) masked(row, d) = d / half % 2 == kept ? q(row, d) : T(0);
      attention<T>(input, kept == 0 ? joined : second, context);
      if (maps.data() != nullptr) attention_maps<T>(input, kept == 0 ? maps : second_maps, context);
    }
    for (Index row = 0; row < rows; ++row)
      for (Index d = 0; d < inner; ++d) joined(row, d) -= differential.lambda * second(row, d);
    for (Index i = 0; i < maps.count(); ++i)
      maps.data()[i] -= differential.lambda * second_maps.data()[i];
    normalize_heads(differential.norm, joined, context);
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
    const Index hd = head_norm.gamma.count();
    const NormParameters<T> parameters = head_norm.parameters();
    constexpr Index per_task = detail::rows_per_task;
    const Index tasks = (x.extent(0) + per_task - 1) / per_task;
    context.executor.parallel_for(tasks, [&](Index task) {
      const Index begin = task * per_task;
      const MatrixView<T> rows = x.slice(begin, std::min(x.extent(0), begin + per_task));
      for (Index column = 0; column < x.extent(1); column += hd) {
        const MatrixView<T> head = rows.columns(column, column + hd);
        normalize_rows<T>(head, parameters, head);
      }
    });
  }
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_NN_MULTI_HEAD_ATTENTION_HPP
