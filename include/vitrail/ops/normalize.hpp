// LayerNorm and RMSNorm over the rows of a matrix.
#ifndef VITRAIL_OPS_NORMALIZE_HPP
#define VITRAIL_OPS_NORMALIZE_HPP

#include <cmath>
#include <vitrail/ops/kernels/select.hpp>
#include <vitrail/runtime/context.hpp>
#include <vitrail/tensor/view.hpp>

VITRAIL_BEGIN_NAMESPACE

enum class NormKind { layer_norm, rms_norm };

/// What one normalisation needs besides its input.
template <Scalar T>
struct NormParameters {
  const T* gamma = nullptr;  // (D), always there
  const T* beta = nullptr;   // (D), or null: RMSNorm has none
  double eps = 1e-6;         // inside the square root
  NormKind kind = NormKind::layer_norm;
};

/// One row: y = (x - mean) / sqrt(var + eps) * gamma + beta with the biased variance (LayerNorm, Ba
/// et al. 2016), or y = x / sqrt(mean(x^2) + eps) * gamma (RMSNorm, Zhang and Sennrich 2019). x and
/// y may be the same row of D elements.
template <Scalar T>
void normalize_row(const T* x, Index D, const NormParameters<T>& p, T* y) {
  double total = 0;  // in double whatever T: long rows of floats would lose digits
  if (p.kind == NormKind::layer_norm) {
    for (Index d = 0; d < D; ++d) total += static_cast<double>(x[d]);
  }
  const T mean = static_cast<T>(total / static_cast<double>(D));
  double squares = 0;
  for (Index d = 0; d < D; ++d) {
    squares += static_cast<double>(x[d] - mean) * static_cast<double>(x[d] - mean);
  }
  const T scale = static_cast<T>(1 / std::sqrt(squares / static_cast<double>(D) + p.eps));
  for (Index d = 0; d < D; ++d) {
    y[d] = (x[d] - mean) * scale * p.gamma[d] + (p.beta == nullptr ? T(0) : p.beta[d]);
  }
}

namespace detail {

[[nodiscard]] inline NormArguments norm_arguments(const NormParameters<float>& p) {
  return {p.gamma, p.beta, p.eps, p.kind == NormKind::rms_norm};
}

}  // namespace detail

/// Every row of x (M, D) into y (M, D), on this thread; in place when both are the same view.
template <Scalar T>
void normalize_rows(MatrixView<const T> x, const NormParameters<T>& p, MatrixView<T> y) {
  VITRAIL_ASSERT(x.extents() == y.extents(), "normalize_rows needs equal extents");
  if constexpr (std::same_as<T, float>) {
    if (const detail::Kernels* kernels = detail::kernels(); kernels != nullptr) {
      kernels->normalize(x.data(), x.stride(0), x.extent(0), x.extent(1), detail::norm_arguments(p),
                         y.data(), y.stride(0), 16);
      return;
    }
  }
  for (Index row = 0; row < x.extent(0); ++row)
    normalize_row(x[row].data(), x.extent(1), p, y[row].data());
}

namespace detail {

/// Rows that go together to one thread where they are many.
inline constexpr Index rows_per_task = 16;

}  // namespace detail

/// The same, shared out.
template <Scalar T>
void normalize_rows(MatrixView<const T> x, const NormParameters<T>& p, MatrixView<T> y,
                    const Context& context) {
  const Index tasks = (x.extent(0) + detail::rows_per_task - 1) / detail::rows_per_task;
  context.executor.parallel_for(tasks, [&](Index task) {
    const Index begin = task * detail::rows_per_task;
    const Index end = std::min(x.extent(0), begin + detail::rows_per_task);
    normalize_rows<T>(x.slice(begin, end), p, y.slice(begin, end));
  });
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_NORMALIZE_HPP
