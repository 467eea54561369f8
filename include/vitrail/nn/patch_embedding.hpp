// Patches to vectors: ViT eq. 1, the convolution with stride P written as one product.
//
//   pixels (C, H, W) -> patches (N, C * Ph * Pw), N = H/Ph * W/Pw in row-major grid order -> tokens
//   (N, D)
#ifndef VITRAIL_NN_PATCH_EMBEDDING_HPP
#define VITRAIL_NN_PATCH_EMBEDDING_HPP

#include <cstring>
#include <vitrail/nn/dense.hpp>
#include <vitrail/nn/layer_norm.hpp>
#include <vitrail/ops/resample.hpp>

VITRAIL_BEGIN_NAMESPACE

template <Scalar T>
struct PatchEmbedding {
  LayerNorm<T> input_norm = {};  // (C * Ph * Pw) on each patch's pixels, or empty
  Dense<T> proj = {};            // (D, C * Ph * Pw)
  LayerNorm<T> norm = {};        // (D) on the embedded patches, or empty
  Index channels = 3;
  Index patch_height = 16;
  Index patch_width = 16;

  /// Reads `name`.weight (D, C, Ph, Pw) and, if `with_bias`, `name`.bias (D).
  [[nodiscard]] VITRAIL_NOINLINE static PatchEmbedding load(Parameters<T>& parameters,
                                                            std::string_view name, Index D, Index C,
                                                            Index Ph, Index Pw, bool with_bias) {
    PatchEmbedding embedding{.channels = C, .patch_height = Ph, .patch_width = Pw};
    embedding.proj.weight = parameters.matrix(join(name, ".weight"), {D, C, Ph, Pw});
    if (with_bias) embedding.proj.bias = parameters.tensor(join(name, ".bias"), {D});
    return embedding;
  }

  /// How many patches a picture gives; a size that the patch does not divide counts the incomplete
  /// ones, which are padded with zeros on the right and at the bottom.
  [[nodiscard]] Grid grid(Index H, Index W) const {
    return {(H + patch_height - 1) / patch_height, (W + patch_width - 1) / patch_width};
  }

  /// tokens (B * N, D) of pixels (B, C, H, W).
  VITRAIL_NOINLINE void operator()(const TensorView<const T, 4>& pixels, MatrixView<T> tokens,
                                   const Context& context) const {
    const Workspace::Scope scope(context.workspace);
    const Index N = grid(pixels.extent(2), pixels.extent(3)).count();
    const MatrixView<T> patches = context.workspace.template matrix<T>(
        pixels.extent(0) * N, channels * patch_height * patch_width);
    context.executor.parallel_for(
        pixels.extent(0) * grid(pixels.extent(2), pixels.extent(3)).height,
        [&](Index row) { gather_grid_row(pixels, row, patches); });
    if (!input_norm.empty()) input_norm(patches, patches, context);
    proj(patches, tokens, context);
    if (!norm.empty()) norm(tokens, tokens, context);
  }

 private:
  /// The patches of one row of the grid (counted over all pictures), each laid out (C, Ph, Pw): one
  /// row of pixels after the other, cut into pieces.
  void gather_grid_row(const TensorView<const T, 4>& pixels, Index row,
                       MatrixView<T> patches) const {
    const Index H = pixels.extent(2);
    const Index W = pixels.extent(3);
    const Grid g = grid(H, W);
    const Index picture = row / g.height;
    const Index top = row % g.height * patch_height;
    for (Index line = 0; line < channels * patch_height; ++line) {
      const Index c = line / patch_height;
      const Index y = top + line % patch_height;
      for (Index gx = 0; gx < g.width; ++gx) {
        T* const to = &patches(row * g.width + gx, line * patch_width);
        const Index left = gx * patch_width;
        const Index present = y < H ? std::min(patch_width, W - left) : 0;
        if (present == 16) {  // the usual width, without a call
          std::memcpy(to, &pixels(picture, c, y, left), 16 * sizeof(T));
        } else if (present > 0) {
          std::copy_n(&pixels(picture, c, y, left), present, to);
        }
        if (present < patch_width) std::fill(to + present, to + patch_width, T(0));
      }
    }
  }
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_NN_PATCH_EMBEDDING_HPP
