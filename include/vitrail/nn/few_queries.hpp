// Attention of a few queries to many tokens, for which no token's key or value is made.
//
// Keys and values are linear in the tokens x, so that their products can move to the other side of
// the sums, where there are as many rows as queries (weight absorption, DeepSeek-AI 2024):
//
//   q . k_j      = q . (W_k x_j + b_k)       = (W_k^T q) . x_j + a number that softmax does not see
//   sum_j w_j v_j = sum_j w_j (W_v x_j + b_v) = W_v (sum_j w_j x_j) + b_v          as sum_j w_j = 1
//
// All heads then look at the same keys and values, which are x.
#ifndef VITRAIL_NN_FEW_QUERIES_HPP
#define VITRAIL_NN_FEW_QUERIES_HPP

#include <vitrail/nn/dense.hpp>
#include <vitrail/ops/attention.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

template <Scalar T>
struct FewQueries {
  Dense<T> keys;    // (D, A * hd), no bias: W_k^T
  Dense<T> values;  // (A * hd, D): W_v

  /// Out of a product of D inputs whose last 2 * `inner` outputs are all of k, then all of v;
  /// inner = A * hd. In bf16 where that is int8: it is little, and one row is an average of many.
  [[nodiscard]] VITRAIL_NOINLINE static FewQueries of(const Dense<T>& kv, Index inner) {
    if (kv.empty()) return {};  // a model without its weights
    const Index D = kv.weight.inputs();
    const Index k = kv.outputs() - 2 * inner;
    const Index v = kv.outputs() - inner;
    const Precision precision =
        kv.weight.precision() == Precision::int8 ? Precision::bf16 : kv.weight.precision();
    SerialExecutor serial;
    FewQueries few;
    Tensor<T, 2> weight({D, inner});
    for (Index n = 0; n < inner; ++n) {
      const Tensor<T, 1> row = kv.weight.row(k + n);
      for (Index d = 0; d < D; ++d) weight(d, n) = row(d);
    }
    few.keys.weight = PackedMatrix<T>::pack(weight.view(), precision, serial);
    weight = Tensor<T, 2>({inner, D});
    for (Index n = 0; n < inner; ++n) copy(kv.weight.row(v + n).view(), weight.view()[n]);
    few.values.weight = PackedMatrix<T>::pack(weight.view(), precision, serial);
    if (!kv.bias.empty())
      few.values.bias = Tensor<T, 1>::copy_of(kv.bias.view().slice(v, v + inner));
    return few;
  }

  [[nodiscard]] bool empty() const { return keys.empty(); }

  /// joined (B * Q, A * hd): what the heads of q (B * Q, A * hd) find in the tokens x (B * T, D),
  /// side by side.
  VITRAIL_NOINLINE void operator()(MatrixView<const T> q, MatrixView<const T> x, Index batch,
                                   Index heads, T scale, MatrixView<T> joined,
                                   const Context& context) const {
    const Workspace::Scope scope(context.workspace);
    const Index inner = q.extent(1);
    const Index hd = inner / heads;
    const Index rows = q.extent(0) * heads;  // one for each head of each query
    const auto head = [&](auto row, Index a) { return row.slice(a * hd, (a + 1) * hd); };
    const MatrixView<T> apart = context.workspace.template matrix<T>(rows, inner);
    for (Index row = 0; row < rows; ++row) {
      std::fill_n(apart[row].data(), inner, T(0));
      copy(head(q[row / heads], row % heads), head(apart[row], row % heads));
    }
    const MatrixView<T> queries = context.workspace.template matrix<T>(rows, x.extent(1));
    keys(apart, queries, context);
    const MatrixView<T> found = context.workspace.template matrix<T>(rows, x.extent(1));
    attention<T>({.q = queries,
                  .k = x,
                  .v = x,
                  .batch = batch,
                  .scale = scale,
                  .precision = keys.weight.precision()},
                 found, context);
    values(found, apart, context);
    for (Index row = 0; row < rows; ++row)
      copy(head(apart[row], row % heads), head(joined[row / heads], row % heads));
  }
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_NN_FEW_QUERIES_HPP
