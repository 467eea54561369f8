// From tokens to logits: pooling, the optional norm and layer after it, the linear classifier
// (ViT eq. 4).
#ifndef VITRAIL_NN_HEAD_HPP
#define VITRAIL_NN_HEAD_HPP

#include <vitrail/nn/attention_pool.hpp>
#include <vitrail/nn/dense.hpp>
#include <vitrail/nn/layer_norm.hpp>
#include <vitrail/nn/trace.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// How T tokens become one vector. `map`: attention with one learned query (Zhai et al. 2022);
/// `class_and_distillation`: the mean of DeiT's two tokens, where no head stands behind them;
/// `token_and_avg`: the class token beside the mean of the patches (DINOv2's classifiers); `none`:
/// no vector, the tokens are the answer.
enum class Pooling { token, avg, max, avgmax, map, token_and_avg, none, class_and_distillation };

[[nodiscard]] constexpr std::string_view name_of(Pooling pooling) {
  constexpr std::string_view names[] = {"token", "avg",           "max",  "avgmax",
                                        "map",   "token_and_avg", "none", "class_and_distillation"};
  return names[static_cast<std::size_t>(pooling)];
}

template <Scalar T>
struct Head {
  Pooling pooling = Pooling::token;
  Index first_pooled = 1;      // avg and max pool rows [first_pooled, T): usually the patches
  AttentionPool<T> attn_pool;  // Pooling::map's, or empty
  LayerNorm<T> fc_norm;        // (D) after pooling, or empty
  Dense<T> pre_logits;         // (R, D), or empty
  Dense<T> head;               // (K, D or R), or empty
  Dense<T> head_dist;          // (K, D): DeiT's second head, on the distillation token; or empty
  Activation pre_logits_activation = Activation::tanh;

  /// tokens (B * T, D), or those of each picture that are pooled, -> features (B, F) and, unless
  /// `head` is empty, logits (B, K). F is R with a pre_logits layer, 2D for Pooling::token_and_avg,
  /// else D.
  void operator()(MatrixView<const T> tokens, Index batch, MatrixView<T> features_out,
                  MatrixView<T> logits, const Context& context, Trace* trace) const {
    const Workspace::Scope scope(context.workspace);
    const Index D = pooling == Pooling::token_and_avg ? 2 * tokens.extent(1) : tokens.extent(1);
    const MatrixView<T> pooled = context.workspace.template matrix<T>(batch, D);
    if (pooling == Pooling::map) {
      attn_pool(tokens, batch, first_pooled, pooled, context);
    } else {
      pool(tokens, batch, pooled);
    }
    if (trace != nullptr) trace->record("pooled", pooled, {batch, D});
    if (!head_dist.empty())
      return distilled(tokens, batch, pooled, features_out, logits, context, trace);
    if (!fc_norm.empty()) fc_norm(pooled, pooled, context);
    if (pre_logits.empty()) {
      copy(pooled, features_out);
    } else {
      pre_logits(pooled, features_out, context, {.activation = pre_logits_activation});
    }
    if (!head.empty()) head(features_out, logits, context);
  }

 private:
  /// pooled (B, D) of tokens (B * T, D).
  void pool(MatrixView<const T> tokens, Index batch, MatrixView<T> pooled) const {
    const Index T_ = tokens.extent(0) / batch;
    for (Index b = 0; b < batch; ++b) {
      const MatrixView<const T> rows = tokens.slice(b * T_, (b + 1) * T_);
      T* to = pooled[b].data();
      if (pooling == Pooling::class_and_distillation) {
        average(rows.slice(0, 1), rows.slice(1, 2), pooled.slice(b, b + 1));
        continue;
      }
      if (pooling == Pooling::token || pooling == Pooling::none) {
        copy(rows[0], pooled[b]);
        continue;
      }
      if (pooling == Pooling::token_and_avg) {
        copy(rows[0], pooled[b].slice(0, tokens.extent(1)));
        to += tokens.extent(1);
      }
      const Index count = T_ - first_pooled;
      for (Index d = 0; d < tokens.extent(1); ++d) {
        T sum = 0;
        T largest = rows(first_pooled, d);
        for (Index t = first_pooled; t < T_; ++t) {
          sum += rows(t, d);
          largest = std::max(largest, rows(t, d));
        }
        const T mean = sum / static_cast<T>(count);
        to[d] = pooling == Pooling::max      ? largest
                : pooling == Pooling::avgmax ? (mean + largest) / 2
                                             : mean;
      }
    }
  }

  /// DeiT section 3: each head on its own token; at inference both answers, and both features, are
  /// averaged.
  void distilled(MatrixView<const T> tokens, Index batch, MatrixView<T> class_rows,
                 MatrixView<T> features_out, MatrixView<T> logits, const Context& context,
                 Trace* trace) const {
    const Index T_ = tokens.extent(0) / batch;
    const Index D = tokens.extent(1);
    const MatrixView<T> distillation_rows = context.workspace.template matrix<T>(batch, D);
    for (Index b = 0; b < batch; ++b) copy(tokens[b * T_ + 1], distillation_rows[b]);
    const MatrixView<T> second = context.workspace.template matrix<T>(batch, head_dist.outputs());
    head(class_rows, logits, context);
    head_dist(distillation_rows, second, context);
    if (trace != nullptr) {
      trace->record("pooled_dist", distillation_rows, {batch, D});
      trace->record("logits_cls", logits, {batch, logits.extent(1)});
      trace->record("logits_dist", second, {batch, logits.extent(1)});
    }
    average(class_rows, distillation_rows, features_out);
    average(logits, second, logits);
  }

  static void average(MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> mean) {
    for (Index i = 0; i < mean.extent(0); ++i)
      for (Index j = 0; j < mean.extent(1); ++j) mean(i, j) = (a(i, j) + b(i, j)) / 2;
  }
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_NN_HEAD_HPP
