// The one function through which every dense product goes: y = residual + scale * activation(x W^T
// + bias).
#ifndef VITRAIL_OPS_LINEAR_HPP
#define VITRAIL_OPS_LINEAR_HPP

#include <vitrail/ops/activation.hpp>
#include <vitrail/ops/normalize.hpp>
#include <vitrail/ops/packed_matrix.hpp>
#include <vitrail/ops/product.hpp>
#include <vitrail/runtime/context.hpp>
#include <vitrail/tensor/matrix.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// What happens to a product before it is written; each part is optional, the order is fixed.
template <Scalar T>
struct Epilogue {
  const T* bias = nullptr;  // (N)
  Activation activation = Activation::none;
  const T* scale = nullptr;           // (N), LayerScale
  MatrixView<const T> residual = {};  // (M, N), may be y itself
};

namespace detail {

/// y (M, N) = x W^T through Eigen, in tasks of whole tiles. Eigen adds in another order where there
/// are few rows; the last tile is therefore filled up, and no row knows how many stand beside it.
template <Scalar T>
void plain_tiles(MatrixView<const T> x, MatrixView<const T> weight, MatrixView<T> y,
                 const Context& context) {
  const Index M = x.extent(0);
  const Index N = y.extent(1);
  const Index whole = M / plain_tile * plain_tile;
  const Workspace::Scope scope(context.workspace);
  const Index filled = whole < M ? plain_tile : 0;
  const MatrixView<T> rest = context.workspace.template matrix<T>(filled, x.extent(1));
  const MatrixView<T> rest_y = context.workspace.template matrix<T>(filled, N);
  for (Index m = 0; m < filled; ++m) {
    const Index from = std::min(whole + m, M - 1);  // the last row again
    std::copy_n(&x(from, 0), x.extent(1), &rest(m, 0));
  }
  constexpr Index columns = 8 * plain_tile;  // of a task
  const Index across = (N + columns - 1) / columns;
  context.executor.parallel_for((whole + filled) / plain_tile * across, [&](Index task) {
    const Index m = task / across * plain_tile;
    const Index n = task % across * columns;
    const Index n_end = std::min(N, n + columns);
    plain_product(m < whole ? x.slice(m, m + plain_tile) : MatrixView<const T>(rest),
                  weight.slice(n, n_end),
                  (m < whole ? y.slice(m, m + plain_tile) : rest_y).columns(n, n_end));
  });
  if (filled > 0) copy(rest_y.slice(0, M - whole), y.slice(whole, M));
}

/// The definition, through Eigen; `x` was normalised already.
template <Scalar T>
void plain_linear(MatrixView<const T> x, const PackedMatrix<T>& weight, const Epilogue<T>& epilogue,
                  MatrixView<T> y, const Context& context) {
  const Index M = x.extent(0);
  const Index N = y.extent(1);
  const MatrixView<const T> rows = weight.plain().slice(0, N);
  const Workspace::Scope scope(context.workspace);
  const MatrixView<T> product = context.workspace.template matrix<T>(M, N);
  if (weight.precision() == Precision::f32) {
    plain_tiles(x, rows, product, context);
  } else {
    const MatrixView<T> rounded = context.workspace.template matrix<T>(M, x.extent(1));
    copy(x, rounded);
    context.executor.parallel_for(
        M, [&](Index m) { round_activations(weight.precision(), &rounded(m, 0), x.extent(1)); });
    plain_tiles(MatrixView<const T>(rounded), rows, product, context);
  }
  context.executor.parallel_for(M, [&](Index m) {
    const T* residual = epilogue.residual.data() == nullptr ? nullptr : &epilogue.residual(m, 0);
    const T* from = &product(m, 0);
    T* to = &y(m, 0);
    for (Index n = 0; n < N; ++n) {
      T value = from[n] + (epilogue.bias == nullptr ? T(0) : epilogue.bias[n]);
      value = activate(epilogue.activation, value);
      if (epilogue.scale != nullptr) value *= epilogue.scale[n];
      to[n] = residual == nullptr ? value : residual[n] + value;
    }
  });
}

/// The first N outputs.
[[nodiscard]] inline Product product_of(const PackedMatrix<float>& weight,
                                        const Epilogue<float>& epilogue, Index N) {
  const Finish finish = {.bias = epilogue.bias,
                         .scale = epilogue.scale,
                         .residual = epilogue.residual.data(),
                         .residual_stride = epilogue.residual.stride(0),
                         .column_scale = weight.panels().column_scale(),
                         .column_sum = weight.panels().column_sum(),
                         .rows = nullptr};
  return {weight.panels(), finish, epilogue.activation, N};
}

/// Whether the first product can write its rows as the left side of the second.
[[nodiscard]] inline bool hands_over(const PackedMatrix<float>& weight,
                                     const PackedMatrix<float>& then) {
  if (!weight.has_panels() || weight.precision() != then.precision()) return false;
  const LeftFormat left = then.panels().product().left;
  const bool writable =
      left == LeftFormat::f32 || left == LeftFormat::bf16 || left == LeftFormat::bf16_split;
  return writable && weight.outputs() % left_block(left) == 0;
}

template <Scalar T>
void linear(MatrixView<const T> x, const NormParameters<T>* norm, const PackedMatrix<T>& weight,
            const Epilogue<T>& epilogue, MatrixView<T> y, const Context& context) {
  VITRAIL_ASSERT(x.extent(1) == weight.inputs() && y.extent(1) <= weight.outputs(),
                 "linear: widths do not fit");
  VITRAIL_ASSERT(x.extent(0) == y.extent(0), "linear: x and y need as many rows");
  if constexpr (std::same_as<T, float>) {
    if (weight.has_panels()) {
      NormArguments arguments{};
      if (norm != nullptr) arguments = norm_arguments(*norm);
      packed_product({{x, norm == nullptr ? nullptr : &arguments, nullptr},
                      product_of(weight, epilogue, y.extent(1)),
                      std::nullopt,
                      y},
                     context);
      return;
    }
  }
  if (norm == nullptr) return plain_linear(x, weight, epilogue, y, context);
  const Workspace::Scope scope(context.workspace);
  const MatrixView<T> normalised = context.workspace.template matrix<T>(x.extent(0), x.extent(1));
  normalize_rows(x, *norm, normalised, context);
  plain_linear(MatrixView<const T>(normalised), weight, epilogue, y, context);
}

}  // namespace detail

/// y (M, N) = residual + scale * activation(x (M, K) W (N, K)^T + bias). Rows of x and y may be
/// strided; x and y do not overlap. Where y is narrower the first outputs alone are computed. The K
/// products of an element are added in one order, whatever M and the number of threads.
template <Scalar T>
void linear(MatrixView<const T> x, const PackedMatrix<T>& weight, const Epilogue<T>& epilogue,
            MatrixView<T> y, const Context& context) {
  detail::linear<T>(x, nullptr, weight, epilogue, y, context);
}

/// The same with x normalised row by row on its way into the product: one pass over memory less.
/// Where Kernels::pairs, sums are rounded in another way than of rows normalised before.
template <Scalar T>
void linear(MatrixView<const T> x, const NormParameters<T>& norm, const PackedMatrix<T>& weight,
            const Epilogue<T>& epilogue, MatrixView<T> y, const Context& context) {
  detail::linear<T>(x, &norm, weight, epilogue, y, context);
}

/// The same of rows (M, K) that `make` writes, from several threads at once, each row once.
template <Scalar T>
void linear_of_rows(RowSource<T> make, const PackedMatrix<T>& weight, const Epilogue<T>& epilogue,
                    MatrixView<T> y, const Context& context) {
  VITRAIL_ASSERT(y.extent(1) <= weight.outputs(), "linear_of_rows: widths do not fit");
  if constexpr (std::same_as<T, float>) {
    if (weight.has_panels()) {
      detail::packed_product({{{}, nullptr, &make},
                              detail::product_of(weight, epilogue, y.extent(1)),
                              std::nullopt,
                              y},
                             context);
      return;
    }
  }
  const Workspace::Scope scope(context.workspace);
  const MatrixView<T> x = context.workspace.template matrix<T>(y.extent(0), weight.inputs());
  context.executor.parallel_for(y.extent(0), [&](Index row) { make(row, row + 1, x[row].data()); });
  detail::plain_linear(MatrixView<const T>(x), weight, epilogue, y, context);
}

/// y (M, N') = epilogue'(epilogue(norm(x (M, K)) W (N, K)^T) W' (N', N)^T), the MLP of a block;
/// `norm` may be null. In f32 and bf16 what is between is written where and as the second product
/// reads it, once.
template <Scalar T>
void feed_forward(MatrixView<const T> x, const NormParameters<T>* norm,
                  const PackedMatrix<T>& weight, const Epilogue<T>& epilogue,
                  const PackedMatrix<T>& then_weight, const Epilogue<T>& then_epilogue,
                  MatrixView<T> y, const Context& context) {
  VITRAIL_ASSERT(then_weight.inputs() == weight.outputs() && x.extent(0) == y.extent(0),
                 "feed_forward: extents do not fit");
  if constexpr (std::same_as<T, float>) {
    if (detail::hands_over(weight, then_weight)) {
      detail::NormArguments arguments{};
      if (norm != nullptr) arguments = detail::norm_arguments(*norm);
      detail::packed_product({{x, norm == nullptr ? nullptr : &arguments, nullptr},
                              detail::product_of(weight, epilogue, weight.outputs()),
                              detail::product_of(then_weight, then_epilogue, y.extent(1)),
                              y},
                             context);
      return;
    }
  }
  const Workspace::Scope scope(context.workspace);
  const MatrixView<T> between = context.workspace.template matrix<T>(x.extent(0), weight.outputs());
  detail::linear<T>(x, norm, weight, epilogue, between, context);
  detail::linear<T>(between, nullptr, then_weight, then_epilogue, y, context);
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_OPS_LINEAR_HPP
