// The stack of blocks.
#ifndef VITRAIL_NN_ENCODER_HPP
#define VITRAIL_NN_ENCODER_HPP

#include <vector>
#include <vitrail/nn/encoder_block.hpp>
#include <vitrail/nn/trace.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

template <Scalar T>
struct Encoder {
  std::vector<EncoderBlock<T>> blocks;  // L

  /// x (B * T, D) through every block, in place. Throws Error between blocks when the context is
  /// asked to stop.
  void operator()(MatrixView<T> x, Index batch, const Context& context, Trace* trace,
                  const TokenPositions<T>& positions = {}) const {
    (*this)(x, batch, x, context, trace, positions);
  }

  /// The same for whom the first Q tokens of each picture are enough, in `first` (B * Q, D): less
  /// work for the last block. x is lost, unless it is `first`; a trace wants all tokens.
  void operator()(MatrixView<T> x, Index batch, MatrixView<T> first, const Context& context,
                  Trace* trace, const TokenPositions<T>& positions = {}) const {
    const bool some = first.extent(0) < x.extent(0);
    VITRAIL_ASSERT(!some || trace == nullptr, "Encoder: a trace wants all tokens");
    if (some && blocks.empty()) detail::copy_first_tokens<T>(x, batch, first);
    const auto depth = static_cast<Index>(blocks.size());
    const Shape shape{batch, x.extent(0) / batch, x.extent(1)};
    for (Index i = 0; i < depth; ++i) {
      context.check_stop();
      const EncoderBlock<T>& block = blocks[static_cast<std::size_t>(i)];
      if (trace != nullptr) trace->record(join("hidden_states.", i), x, shape);
      if (trace != nullptr && trace->wants_attention(i, depth)) {
        Tensor<T, 4> maps({batch, block.attn.heads, shape[1], shape[1]});
        block(x, batch, context, maps, positions);
        trace->record(i + 1 == depth ? "attn_last" : join("attn.", i),
                      AnyTensor(TensorView<const T, 4>(maps)));
      } else if (some && i + 1 == depth) {
        block(x, batch, first, context, positions);
      } else {
        block(x, batch, context, {}, positions);
      }
    }
    if (trace != nullptr) trace->record(join("hidden_states.", depth), x, shape);
  }
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_NN_ENCODER_HPP
