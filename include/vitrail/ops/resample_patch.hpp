// A patch kernel for another patch size: FlexiViT's pseudo-inverse resize (Beyer et al. 2023, eq.
// 5).
//
// Let R resize a P x P picture to P' x P'. A kernel w' = pinv(R)^T w answers to the resized picture
// as w did to the picture. R is separable, R = Ry (x) Rx, and so is its pseudo-inverse: W' =
// pinv(Ry)^T W pinv(Rx).
#ifndef VITRAIL_OPS_RESAMPLE_PATCH_HPP
#define VITRAIL_OPS_RESAMPLE_PATCH_HPP

#include <vector>
#include <vitrail/ops/resample.hpp>
#include <vitrail/tensor/tensor.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// Solves A X = B for X by elimination with pivoting; A (n, n) is used up. A is never singular
/// here.
inline void solve(MatrixView<double> A, MatrixView<double> B) {
  const Index n = A.extent(0);
  const auto swap_rows = [](MatrixView<double> M, Index a, Index b) {
    for (Index j = 0; j < M.extent(1); ++j) std::swap(M(a, j), M(b, j));
  };
  for (Index i = 0; i < n; ++i) {
    Index pivot = i;
    for (Index r = i + 1; r < n; ++r)
      if (std::abs(A(r, i)) > std::abs(A(pivot, i))) pivot = r;
    if (pivot != i) swap_rows(A, i, pivot);
    if (pivot != i) swap_rows(B, i, pivot);
    for (Index r = 0; r < n; ++r) {
      if (r == i) continue;
      const double factor = A(r, i) / A(i, i);
      for (Index j = i; j < n; ++j) A(r, j) -= factor * A(i, j);
      for (Index j = 0; j < B.extent(1); ++j) B(r, j) -= factor * B(i, j);
    }
  }
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < B.extent(1); ++j) B(i, j) /= A(i, i);
}

/// pinv(R)^T (to, from), where R (to, from) resizes one axis by `rule`. R has full rank, so that
/// with G = R^T R for an enlargement and G = R R^T for a reduction, pinv(R)^T is R inv(G) or inv(G)
/// R.
inline Tensor<double, 2> transposed_pseudo_inverse(Index from, Index to, PositionRule rule) {
  Workspace workspace;
  const Workspace::Scope scope(workspace);
  const Taps taps = make_taps(rule, from, to, workspace);
  Tensor<double, 2> R({to, from});
  for (Index o = 0; o < to; ++o)
    for (Index j = 0; j < taps.weights.extent(1); ++j)
      R(o, taps.indices(o, j)) += taps.weights(o, j);
  const bool enlarge = to >= from;
  const Index n = enlarge ? from : to;
  Tensor<double, 2> G({n, n});
  Tensor<double, 2> solution({n, enlarge ? to : from});  // inv(G) R^T, or inv(G) R
  for (Index a = 0; a < n; ++a) {
    for (Index b = 0; b < n; ++b)
      for (Index k = 0; k < (enlarge ? to : from); ++k)
        G(a, b) += enlarge ? R(k, a) * R(k, b) : R(a, k) * R(b, k);
    for (Index k = 0; k < solution.extent(1); ++k) solution(a, k) = enlarge ? R(k, a) : R(a, k);
  }
  solve(G, solution);
  if (!enlarge) return solution;
  Tensor<double, 2> result({to, from});
  for (Index o = 0; o < to; ++o)
    for (Index i = 0; i < from; ++i) result(o, i) = solution(i, o);
  return result;
}

}  // namespace detail

/// kernels (D, C, P, P) -> target (D, C, P', P'), each (out, in) channel by itself. timm resizes by
/// torch's antialiased bicubic (PositionRule::timm), google bilinearly (PositionRule::timm_npz).
/// Source: timm layers/patch_embed.py `resample_patch_embed`.
template <Scalar T>
void resample_patch_kernels(const TensorView<const T, 4>& kernels, const TensorView<T, 4>& target,
                            PositionRule rule = PositionRule::timm) {
  VITRAIL_ASSERT(kernels.extent(0) == target.extent(0) && kernels.extent(1) == target.extent(1),
                 "resample_patch_kernels: channels do not fit");
  const Index h = kernels.extent(2), w = kernels.extent(3);
  const Index H = target.extent(2), W = target.extent(3);
  const Tensor<double, 2> rows = detail::transposed_pseudo_inverse(h, H, rule);     // (H, h)
  const Tensor<double, 2> columns = detail::transposed_pseudo_inverse(w, W, rule);  // (W, w)
  Tensor<double, 2> wide({h, W});
  for (Index d = 0; d < kernels.extent(0); ++d)
    for (Index c = 0; c < kernels.extent(1); ++c) {
      for (Index y = 0; y < h; ++y)
        for (Index X = 0; X < W; ++X) {
          wide(y, X) = 0;
          for (Index x = 0; x < w; ++x)
            wide(y, X) += columns(X, x) * static_cast<double>(kernels(d, c, y, x));
        }
      for (Index Y = 0; Y < H; ++Y)
        for (Index X = 0; X < W; ++X) {
          double sum = 0;
          for (Index y = 0; y < h; ++y) sum += rows(Y, y) * wide(y, X);
          target(d, c, Y, X) = static_cast<T>(sum);
        }
    }
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_OPS_RESAMPLE_PATCH_HPP
