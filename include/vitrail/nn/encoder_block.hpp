// One block of the encoder: ViT eq. 2 and 3, with LayerScale where a checkpoint has it.
#ifndef VITRAIL_NN_ENCODER_BLOCK_HPP
#define VITRAIL_NN_ENCODER_BLOCK_HPP

#include <vitrail/nn/mlp.hpp>
#include <vitrail/nn/multi_head_attention.hpp>

VITRAIL_BEGIN_NAMESPACE

template <Scalar T>
struct EncoderBlock {
  LayerNorm<T> norm1;          // (D)
  MultiHeadAttention<T> attn;  // D -> D
  Tensor<T, 1> gamma1;         // (D) LayerScale (Touvron et al. 2021), or empty
  LayerNorm<T> norm2;          // (D)
  Mlp<T> mlp;                  // D -> M -> D
  Tensor<T, 1> gamma2;         // (D), or empty

  /// x (B * T, D) becomes the block's output, in place. `maps` as in MultiHeadAttention.
  void operator()(MatrixView<T> x, Index batch, const Context& context,
                  TensorView<T, 4> maps = {}) const {
    const Workspace::Scope scope(context.workspace);
    const MatrixView<T> normed = context.workspace.template matrix<T>(x.extent(0), x.extent(1));
    norm1(x, normed, context);
    attn(normed, batch, x, context, {.scale = scale(gamma1), .residual = x},
         maps);  // eq. 2: z' = z + MSA(LN(z))
    norm2(x, normed, context);
    mlp(normed, x, context,
        {.scale = scale(gamma2), .residual = x});  // eq. 3: z = z' + MLP(LN(z'))
  }

 private:
  static const T* scale(const Tensor<T, 1>& gamma) {
    return gamma.empty() ? nullptr : gamma.data();
  }
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_NN_ENCODER_BLOCK_HPP
