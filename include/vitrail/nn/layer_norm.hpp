// LayerNorm as a module: it holds gamma and beta; normalize_rows() applies them.
#ifndef VITRAIL_NN_LAYER_NORM_HPP
#define VITRAIL_NN_LAYER_NORM_HPP

#include <vitrail/nn/parameters.hpp>
#include <vitrail/ops/normalize.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

template <Scalar T>
struct LayerNorm {
  Tensor<T, 1> gamma = {};  // (D)
  Tensor<T, 1> beta = {};   // (D), empty for RMSNorm
  double eps = 1e-6;
  NormKind kind = NormKind::layer_norm;

  /// Reads `name`.weight (D) and, for a LayerNorm, `name`.bias (D).
  [[nodiscard]] VITRAIL_NOINLINE static LayerNorm load(Parameters<T>& parameters,
                                                       std::string_view name, Index D, double eps,
                                                       NormKind kind = NormKind::layer_norm) {
    LayerNorm norm{.eps = eps, .kind = kind};
    norm.gamma = parameters.tensor(join(name, ".weight"), {D});
    if (kind == NormKind::layer_norm) norm.beta = parameters.tensor(join(name, ".bias"), {D});
    return norm;
  }

  /// The same for a norm over patches: C * Ph * Pw values in the order of a patch's pixels.
  [[nodiscard]] VITRAIL_NOINLINE static LayerNorm load_for_patches(Parameters<T>& parameters,
                                                                   std::string_view name, Index C,
                                                                   Index Ph, Index Pw, double eps) {
    LayerNorm norm{.eps = eps};
    norm.gamma = parameters.tensor(join(name, ".weight"), {1, C, Ph, Pw});
    norm.beta = parameters.tensor(join(name, ".bias"), {1, C, Ph, Pw});
    return norm;
  }

  [[nodiscard]] bool empty() const { return gamma.empty(); }
  [[nodiscard]] NormParameters<T> parameters() const {
    return {gamma.data(), beta.empty() ? nullptr : beta.data(), eps, kind};
  }

  /// y (M, D) of x (M, D); may be the same view.
  VITRAIL_NOINLINE void operator()(MatrixView<const T> x, MatrixView<T> y,
                                   const Context& context) const {
    normalize_rows<T>(x, parameters(), y, context);
  }
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_NN_LAYER_NORM_HPP
