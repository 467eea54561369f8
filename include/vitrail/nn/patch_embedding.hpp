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

  /// tokens (N, D) of one picture (C, H, W), plus `positions` (N, D) if there are any.
  VITRAIL_NOINLINE void operator()(const TensorView<const T, 3>& picture, MatrixView<T> tokens,
                                   const Context& context,
                                   MatrixView<const T> positions = {}) const {
    const auto make = [&](Index begin, Index end, T* out) { gather(picture, begin, end, out); };
    Epilogue<T> epilogue{.bias = proj.bias_or_null()};
    if (norm.empty()) epilogue.residual = positions;
    if (input_norm.empty()) {
      linear_of_rows<T>(make, proj.weight, epilogue, tokens, context);
    } else {
      const Workspace::Scope scope(context.workspace);
      const MatrixView<T> patches =
          context.workspace.template matrix<T>(tokens.extent(0), proj.weight.inputs());
      context.executor.parallel_for(tokens.extent(0),
                                    [&](Index row) { make(row, row + 1, patches[row].data()); });
      input_norm(patches, patches, context);
      proj(patches, tokens, context, epilogue);
    }
    if (norm.empty()) return;
    norm(tokens, tokens, context);
    if (positions.data() == nullptr) return;
    for (Index row = 0; row < tokens.extent(0); ++row)
      for (Index d = 0; d < tokens.extent(1); ++d) tokens(row, d) += positions(row, d);
  }

 private:
  /// Patches [begin, end), each laid out (C, Ph, Pw), to `out`.
  void gather(const TensorView<const T, 3>& picture, Index begin, Index end, T* out) const {
    const Grid g = grid(picture.extent(1), picture.extent(2));
    while (begin < end) {
      const Index row = begin / g.width;
      const Index count = std::min(end, (row + 1) * g.width) - begin;
      gather_neighbours(picture, row * patch_height, begin % g.width, count, out);
      out += count * channels * patch_height * patch_width;
      begin += count;
    }
  }

  /// `count` patches side by side, from column `first` of the grid, whose first pixels are in row
  /// `top`: one row of pixels after the other, cut into pieces.
  void gather_neighbours(const TensorView<const T, 3>& picture, Index top, Index first, Index count,
                         T* out) const {
    const Index H = picture.extent(1);
    const Index W = picture.extent(2);
    const Index lines = channels * patch_height;
    for (Index line = 0; line < lines; ++line) {
      const Index y = top + line % patch_height;
      const T* const from = &picture(line / patch_height, std::min(y, H - 1), 0);
      for (Index i = 0; i < count; ++i) {
        const Index left = (first + i) * patch_width;
        T* const to = out + (i * lines + line) * patch_width;
        const Index present = y < H ? std::min(patch_width, W - left) : 0;
        if (present == 16) {  // the usual width, without a call
          std::memcpy(to, from + left, 16 * sizeof(T));
        } else if (present > 0) {
          std::copy_n(from + left, present, to);
        }
        if (present < patch_width) std::fill(to + present, to + patch_width, T(0));
      }
    }
  }
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_NN_PATCH_EMBEDDING_HPP
