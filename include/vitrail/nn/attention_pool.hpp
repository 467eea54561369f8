// Attention pooling: one learned query looks at all tokens (the MAP head of SigLIP and big_vision).
//
//   y = proj(attention(q(latent), k(x), v(x)))     pooled = y + mlp(norm(y))
#ifndef VITRAIL_NN_ATTENTION_POOL_HPP
#define VITRAIL_NN_ATTENTION_POOL_HPP

#include <vitrail/nn/few_queries.hpp>
#include <vitrail/nn/mlp.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

template <Scalar T>
struct AttentionPool {
  Tensor<T, 1> latent;        // (D), the query before its projection
  Dense<T> q;                 // (D, D)
  FewQueries<T> keys_values;  // of D columns
  Dense<T> proj;              // (D, D)
  LayerNorm<T> norm;          // (D)
  Mlp<T> mlp;                 // D -> M -> D
  Index heads = 1;            // A

  /// Reads `name`.latent (1, 1, D) and the layers below it.
  [[nodiscard]] VITRAIL_NOINLINE static AttentionPool load(Parameters<T>& parameters,
                                                           std::string_view name, Index D, Index A,
                                                           Index M, double eps, NormKind kind,
                                                           Activation activation) {
    AttentionPool pool;
    pool.heads = A;
    pool.latent = parameters.tensor(join(name, ".latent"), {1, 1, D});
    pool.q = Dense<T>::load(parameters, join(name, ".q"), D, D);
    pool.keys_values =
        FewQueries<T>::of(Dense<T>::load(parameters, join(name, ".kv"), 2 * D, D), D);
    pool.proj = Dense<T>::load(parameters, join(name, ".proj"), D, D);
    pool.norm = LayerNorm<T>::load(parameters, join(name, ".norm"), D, eps, kind);
    pool.mlp.activation = activation;
    pool.mlp.fc1 = Dense<T>::load(parameters, join(name, ".mlp.fc1"), M, D);
    pool.mlp.fc2 = Dense<T>::load(parameters, join(name, ".mlp.fc2"), D, M);
    return pool;
  }

  /// pooled (B, D) of tokens (B * T, D), of which the first `skipped` of each picture are not
  /// looked at.
  VITRAIL_NOINLINE void operator()(MatrixView<const T> tokens, Index batch, Index skipped,
                                   MatrixView<T> pooled, const Context& context) const {
    const Workspace::Scope scope(context.workspace);
    const Index D = tokens.extent(1);
    const Index rows = tokens.extent(0) / batch;
    const Index seen = rows - skipped;
    MatrixView<const T> x = tokens;
    if (skipped > 0) {
      const MatrixView<T> kept = context.workspace.template matrix<T>(batch * seen, D);
      for (Index b = 0; b < batch; ++b) {
        copy(tokens.slice(b * rows + skipped, (b + 1) * rows),
             kept.slice(b * seen, (b + 1) * seen));
      }
      x = kept;
    }
    const MatrixView<T> queries = context.workspace.template matrix<T>(batch, D);
    const MatrixView<const T> one(latent.data(), {1, D});
    q(one, queries.slice(0, 1), context);
    for (Index b = 1; b < batch; ++b) copy(queries[0], queries[b]);
    const MatrixView<T> joined = context.workspace.template matrix<T>(batch, D);
    keys_values(queries, x, batch, heads, 1 / std::sqrt(static_cast<T>(D / heads)), joined,
                context);
    proj(joined, pooled, context);
    mlp(pooled, norm, pooled, context, {.residual = pooled});
  }
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_NN_ATTENTION_POOL_HPP
