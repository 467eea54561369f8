// The one place where Eigen is included: views as Eigen maps, without copying.
//
// Eigen objects never own memory in a public signature (their allocator depends on compiler flags);
// maps do not.
#ifndef VITRAIL_TENSOR_MATRIX_HPP
#define VITRAIL_TENSOR_MATRIX_HPP

#include <algorithm>
#include <Eigen/Core>
#include <vitrail/tensor/view.hpp>

VITRAIL_BEGIN_NAMESPACE

template <Scalar T>
using RowMajorMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <Scalar T>
using MatrixMap = Eigen::Map<RowMajorMatrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;
template <Scalar T>
using ConstMatrixMap = Eigen::Map<const RowMajorMatrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;

/// (rows, columns) as an Eigen map over the same memory.
template <Scalar T>
[[nodiscard]] MatrixMap<T> as_matrix(const TensorView<T, 2>& view) {
  return {view.data(), view.extent(0), view.extent(1), Eigen::OuterStride<>(view.stride(0))};
}
template <Scalar T>
[[nodiscard]] ConstMatrixMap<T> as_matrix(const TensorView<const T, 2>& view) {
  return {view.data(), view.extent(0), view.extent(1), Eigen::OuterStride<>(view.stride(0))};
}

/// Rows of a and of b that plain_product() multiplies at a time: few enough that Eigen's packed
/// copies fit its share of the stack, so that it allocates nothing.
inline constexpr Index plain_tile = 32;

namespace detail {

/// c = a b^T, one blocked product of Eigen's. Eigen 3.4's expression would also instantiate what it
/// does for vectors and for tiny matrices, a thirtieth of what a program that loads a model takes
/// to compile; so its blocked product is called by its own name there.
template <Scalar T>
void blocked_product(const MatrixView<const T>& a, const MatrixView<const T>& b,
                     const MatrixView<T>& c) {
#if EIGEN_VERSION_AT_LEAST(3, 4, 0) && !EIGEN_VERSION_AT_LEAST(3, 4, 90)
  using BlockedProduct =
      Eigen::internal::general_matrix_matrix_product<Index, T, Eigen::RowMajor, false, T,
                                                     Eigen::ColMajor, false, Eigen::RowMajor, 1>;
  Eigen::internal::gemm_blocking_space<Eigen::RowMajor, T, T, Eigen::Dynamic, Eigen::Dynamic,
                                       Eigen::Dynamic, 1, false>
      blocking(c.extent(0), c.extent(1), a.extent(1), 1, true);
  as_matrix(c).setZero();
  BlockedProduct::run(c.extent(0), c.extent(1), a.extent(1), a.data(), a.stride(0), b.data(),
                      b.stride(0), c.data(), 1, c.stride(0), T{1}, blocking);
#else
  as_matrix(c).noalias() = as_matrix(a) * as_matrix(b).transpose();
#endif
}

}  // namespace detail

/// c (M, N) = a (M, K) b (N, K)^T. Every product of the plain definitions is this one.
template <Scalar T>
VITRAIL_NOINLINE void plain_product(const MatrixView<const T>& a, const MatrixView<const T>& b,
                                    const MatrixView<T>& c) {
  const Index M = a.extent(0);
  const Index N = b.extent(0);
  for (Index n = 0; n < N; n += plain_tile) {
    const Index n_end = n + plain_tile < N ? n + plain_tile : N;
    for (Index m = 0; m < M; m += plain_tile) {
      const Index m_end = m + plain_tile < M ? m + plain_tile : M;
      detail::blocked_product(a.slice(m, m_end), b.slice(n, n_end),
                              c.slice(m, m_end).columns(n, n_end));
    }
  }
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_TENSOR_MATRIX_HPP
