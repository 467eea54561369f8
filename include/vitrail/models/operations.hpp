// How many floating-point operations a pass takes: benches divide by time.
#ifndef VITRAIL_MODELS_OPERATIONS_HPP
#define VITRAIL_MODELS_OPERATIONS_HPP

#include <vitrail/models/config.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// Of a product (M, K) by (K, N): a multiply-add counts as two.
[[nodiscard]] inline double product_operations(Index M, Index K, Index N) {
  return 2.0 * static_cast<double>(M) * static_cast<double>(K) * static_cast<double>(N);
}

}  // namespace detail

/// Operations of one block's products and attention on T tokens; less than T `answers` are the last
/// block's, for the first tokens alone. Norms and activations are not counted.
[[nodiscard]] inline double block_operations(const ViTConfig& c, Index T, Index answers) {
  const Index inner = c.heads * c.head_dim;
  const Index hidden = c.gated_mlp ? 2 * c.mlp_hidden : c.mlp_hidden;
  const bool absorbs = answers < T && c.last_block_absorbs();
  return detail::product_operations(absorbs ? answers : T, c.embed_dim, 3 * inner) +
         2 * detail::product_operations(answers, absorbs ? c.heads * c.embed_dim : inner, T) +
         detail::product_operations(answers, inner, c.embed_dim) +
         detail::product_operations(answers, c.embed_dim, hidden) +
         detail::product_operations(answers, c.mlp_hidden, c.embed_dim);
}
[[nodiscard]] inline double block_operations(const ViTConfig& c, Index T) {
  return block_operations(c, T, T);
}

/// Operations of a pass for the logits and features of one picture of T tokens, counted alike: the
/// last block computes no more than what is pooled.
[[nodiscard]] inline double picture_operations(const ViTConfig& c, Index T) {
  const Index patch = c.channels * c.patch_height * c.patch_width;
  const Index last = c.block == BlockKind::sequential ? c.pooled_tokens(T) : T;
  return detail::product_operations(T - c.prefix_tokens(), patch, c.embed_dim) +
         static_cast<double>(c.depth - 1) * block_operations(c, T) + block_operations(c, T, last) +
         detail::product_operations(1, c.feature_dim(), c.classes);
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_MODELS_OPERATIONS_HPP
