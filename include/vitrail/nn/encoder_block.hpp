// One block of the encoder: ViT eq. 2 and 3, with LayerScale where a checkpoint has it.
#ifndef VITRAIL_NN_ENCODER_BLOCK_HPP
#define VITRAIL_NN_ENCODER_BLOCK_HPP

#include <vector>
#include <vitrail/nn/adapter.hpp>
#include <vitrail/nn/mlp.hpp>
#include <vitrail/nn/multi_head_attention.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// Where a block's norms stand and what its branches see.
///   sequential        z' = z + attn(norm1(z)), z = z' + mlp(norm2(z'))                ViT eq. 2, 3
///   post_norm         z' = z + norm1(attn(z)), z = z' + norm2(mlp(z'))
///   parallel_things   as sequential, each half the sum of `branches` branches
///   parallel_scaling  z + attn(norm1(z)) + mlp(norm1(z))                              ViT-22B
enum class BlockKind { sequential, post_norm, parallel_things, parallel_scaling };

template <Scalar T>
struct EncoderBlock {
  LayerNorm<T> norm1;          // (D)
  MultiHeadAttention<T> attn;  // D -> D
  Tensor<T, 1> gamma1;         // (D) LayerScale (Touvron et al. 2021), or empty
  LayerNorm<T> norm2;          // (D), empty in BlockKind::parallel_scaling
  Mlp<T> mlp;                  // D -> M -> D
  Tensor<T, 1> gamma2;         // (D), or empty
  BlockKind kind = BlockKind::sequential;
  std::vector<EncoderBlock> beside = {};  // BlockKind::parallel_things: the other branches
  Adapter<T> attn_adapter = {};           // of BlockKind::sequential, or empty
  Adapter<T> mlp_adapter = {};

  /// x (B * T, D) becomes the block's output, in place. `maps` and `positions` as in
  /// MultiHeadAttention.
  void operator()(MatrixView<T> x, Index batch, const Context& context, TensorView<T, 4> maps = {},
                  const TokenPositions<T>& positions = {}) const {
    switch (kind) {
      case BlockKind::sequential: return one_after_the_other(x, x, batch, context, maps, positions);
      case BlockKind::post_norm: return norm_after(x, batch, context, maps, positions);
      case BlockKind::parallel_things: return sum_branches(x, batch, context, maps, positions);
      case BlockKind::parallel_scaling: return share_norm(x, batch, context, maps, positions);
    }
  }

  /// The same for whom the first Q tokens of each picture are enough: they are written to `first`
  /// (B * Q, D), and x is lost. A sequential block computes no other tokens' answers then: with the
  /// same bits, or, where it has FewQueries, up to rounding and without keys and values of all. The
  /// other kinds compute all of it.
  void operator()(MatrixView<T> x, Index batch, MatrixView<T> first, const Context& context,
                  const TokenPositions<T>& positions = {}) const {
    if (kind == BlockKind::sequential) {
      detail::copy_first_tokens<T>(x, batch, first);
      return one_after_the_other(x, first, batch, context, {}, positions);
    }
    (*this)(x, batch, context, {}, positions);
    detail::copy_first_tokens<T>(x, batch, first);
  }

 private:
  static const T* scale(const Tensor<T, 1>& gamma) {
    return gamma.empty() ? nullptr : gamma.data();
  }

  /// BlockKind::sequential. x (B * Q, D) holds the first Q of the T tokens in `all` (B * T, D),
  /// which may be x itself.
  void one_after_the_other(MatrixView<const T> all, MatrixView<T> x, Index batch,
                           const Context& context, TensorView<T, 4> maps,
                           const TokenPositions<T>& positions) const {
    const Workspace::Scope scope(context.workspace);
    MatrixView<T> branch;  // for an adapter to see
    if (!attn_adapter.empty() || !mlp_adapter.empty())
      branch = context.workspace.template matrix<T>(x.extent(0), x.extent(1));
    if (attn_adapter.empty()) {
      attn(all, norm1, batch, x, context, {.scale = scale(gamma1), .residual = x}, maps,
           positions);  // eq. 2: z' = z + MSA(LN(z))
    } else {
      attn(all, norm1, batch, branch, context, {.scale = scale(gamma1)}, maps, positions);
      attn_adapter(branch, x, context);
    }
    if (mlp_adapter.empty()) {
      mlp(x, norm2, x, context,
          {.scale = scale(gamma2), .residual = x});  // eq. 3: z = z' + MLP(LN(z'))
    } else {
      mlp(x, norm2, branch, context, {.scale = scale(gamma2)});
      mlp_adapter(branch, x, context);
    }
  }

  /// BlockKind::post_norm.
  void norm_after(MatrixView<T> x, Index batch, const Context& context, TensorView<T, 4> maps,
                  const TokenPositions<T>& positions) const {
    const Workspace::Scope scope(context.workspace);
    const MatrixView<T> branch = context.workspace.template matrix<T>(x.extent(0), x.extent(1));
    attn(x, {}, batch, branch, context, {}, maps, positions);
    add_normed(norm1, gamma1, branch, x, context);
    mlp(x, {}, branch, context);
    add_normed(norm2, gamma2, branch, x, context);
  }

  /// x += gamma * norm(branch)
  static void add_normed(const LayerNorm<T>& norm, const Tensor<T, 1>& gamma, MatrixView<T> branch,
                         MatrixView<T> x, const Context& context) {
    norm(branch, branch, context);
    for (Index row = 0; row < x.extent(0); ++row)
      for (Index d = 0; d < x.extent(1); ++d)
        x(row, d) += branch(row, d) * (gamma.empty() ? T(1) : gamma(d));
  }

  /// BlockKind::parallel_scaling: one norm for both.
  void share_norm(MatrixView<T> x, Index batch, const Context& context, TensorView<T, 4> maps,
                  const TokenPositions<T>& positions) const {
    const Workspace::Scope scope(context.workspace);
    const MatrixView<T> normed = context.workspace.template matrix<T>(x.extent(0), x.extent(1));
    norm1(x, normed, context);
    attn(normed, {}, batch, x, context, {.scale = scale(gamma1), .residual = x}, maps, positions);
    mlp(normed, {}, x, context, {.scale = scale(gamma2), .residual = x});
  }

  /// BlockKind::parallel_things: each half adds all its branches, which read the same z.
  void sum_branches(MatrixView<T> x, Index batch, const Context& context, TensorView<T, 4> maps,
                    const TokenPositions<T>& positions) const {
    const Workspace::Scope scope(context.workspace);
    const MatrixView<T> z = context.workspace.template matrix<T>(x.extent(0), x.extent(1));
    const auto branches = static_cast<Index>(beside.size()) + 1;
    const auto branch = [&](Index i) -> const EncoderBlock& {
      return i == 0 ? *this : beside[static_cast<std::size_t>(i - 1)];
    };
    copy(x, z);
    for (Index i = 0; i < branches; ++i) {
      branch(i).attn(z, branch(i).norm1, batch, x, context,
                     {.scale = scale(branch(i).gamma1), .residual = x},
                     i == 0 ? maps : TensorView<T, 4>{}, positions);
    }
    copy(x, z);
    for (Index i = 0; i < branches; ++i) {
      branch(i).mlp(z, branch(i).norm2, x, context,
                    {.scale = scale(branch(i).gamma2), .residual = x});
    }
  }
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_NN_ENCODER_BLOCK_HPP
