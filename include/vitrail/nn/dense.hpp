// A dense layer: y = x W^T + b, with what follows it fused in.
#ifndef VITRAIL_NN_DENSE_HPP
#define VITRAIL_NN_DENSE_HPP

#include <vitrail/nn/layer_norm.hpp>
#include <vitrail/ops/linear.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

template <Scalar T>
struct Dense {
  PackedMatrix<T> weight;  // (N, K)
  Tensor<T, 1> bias;       // (N), or empty

  Dense() = default;
  // Out of line: every block has some.
  VITRAIL_NOINLINE Dense(Dense&&) noexcept = default;
  VITRAIL_NOINLINE Dense& operator=(Dense&&) noexcept = default;
  VITRAIL_NOINLINE ~Dense() = default;

  /// Reads `name`.weight (N, K) and, if `with_bias`, `name`.bias (N).
  [[nodiscard]] VITRAIL_NOINLINE static Dense load(Parameters<T>& parameters, std::string_view name,
                                                   Index N, Index K, bool with_bias = true) {
    Dense dense;
    dense.weight = parameters.matrix(join(name, ".weight"), {N, K});
    if (with_bias) dense.bias = parameters.tensor(join(name, ".bias"), {N});
    return dense;
  }

  [[nodiscard]] bool empty() const { return weight.empty(); }
  [[nodiscard]] Index outputs() const { return weight.outputs(); }
  [[nodiscard]] const T* bias_or_null() const { return bias.empty() ? nullptr : bias.data(); }

  /// y (M, N) of x (M, K). `epilogue.bias` is set here; activation, scale and residual are the
  /// caller's.
  VITRAIL_NOINLINE void operator()(MatrixView<const T> x, MatrixView<T> y, const Context& context,
                                   Epilogue<T> epilogue = {}) const {
    epilogue.bias = bias_or_null();
    linear<T>(x, weight, epilogue, y, context);
  }
  /// The same of before(x), or of x if that norm is empty: one pass over memory less.
  VITRAIL_NOINLINE void operator()(MatrixView<const T> x, const LayerNorm<T>& before,
                                   MatrixView<T> y, const Context& context,
                                   Epilogue<T> epilogue = {}) const {
    if (before.empty()) return (*this)(x, y, context, epilogue);
    epilogue.bias = bias_or_null();
    linear<T>(x, before.parameters(), weight, epilogue, y, context);
  }
  /// The same of rows (M, K) that `make` writes; see linear_of_rows.
  VITRAIL_NOINLINE void of_rows(RowSource<T> make, MatrixView<T> y, const Context& context,
                                Epilogue<T> epilogue = {}) const {
    epilogue.bias = bias_or_null();
    linear_of_rows<T>(make, weight, epilogue, y, context);
  }
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_NN_DENSE_HPP
