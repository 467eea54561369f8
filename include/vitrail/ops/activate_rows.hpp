// Activations over whole matrices, for where they are not the end of a product.
#ifndef VITRAIL_OPS_ACTIVATE_ROWS_HPP
#define VITRAIL_OPS_ACTIVATE_ROWS_HPP

#include <vitrail/ops/kernels/select.hpp>
#include <vitrail/runtime/context.hpp>
#include <vitrail/tensor/view.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// One row: y = activation(x), times `gate` unless that is null.
template <Scalar T>
void activate_row(Activation activation, const T* x, const T* gate, Index n, T* y) {
  if constexpr (std::same_as<T, float>) {
    if (const Kernels* kernels = detail::kernels(); kernels != nullptr) {
      kernels->activate(activation, x, gate, n, y);
      return;
    }
  }
  for (Index i = 0; i < n; ++i) {
    y[i] = activate(activation, x[i]) * (gate == nullptr ? T(1) : gate[i]);
  }
}

}  // namespace detail

/// y (M, D) = activation(x (M, D)); in place when both are the same view.
template <Scalar T>
void activate_rows(Activation activation, MatrixView<const T> x, MatrixView<T> y,
                   const Context& context) {
  VITRAIL_ASSERT(x.extents() == y.extents(), "activate_rows needs equal extents");
  context.executor.parallel_for(x.extent(0), [&](Index m) {
    detail::activate_row<T>(activation, x.data() + m * x.stride(0), nullptr, x.extent(1),
                            y.data() + m * y.stride(0));
  });
}

/// y (M, D) = activation(x (M, first D)) * x (M, last D), the gated unit of SwiGLU (Shazeer 2020),
/// on this thread.
template <Scalar T>
void gate_rows(Activation activation, MatrixView<const T> x, MatrixView<T> y) {
  const Index D = y.extent(1);
  VITRAIL_ASSERT(x.extent(0) == y.extent(0) && x.extent(1) == 2 * D,
                 "gate_rows needs twice as many columns in x");
  for (Index m = 0; m < x.extent(0); ++m) {
    const T* row = x[m].data();
    detail::activate_row<T>(activation, row, row + D, D, y[m].data());
  }
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_ACTIVATE_ROWS_HPP
