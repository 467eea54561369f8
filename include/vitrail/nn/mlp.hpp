// The MLP of a block: fc2(activation(fc1(x))), or gated, fc2(silu(gate) * value) (Shazeer 2020).
#ifndef VITRAIL_NN_MLP_HPP
#define VITRAIL_NN_MLP_HPP

#include <vitrail/nn/dense.hpp>
#include <vitrail/ops/activate_rows.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

template <Scalar T>
struct Mlp {
  Dense<T> fc1;       // (M, D); gated: (2M, D), the gate's rows first
  LayerNorm<T> norm;  // (M) between activation and fc2, or empty
  Dense<T> fc2;       // (D, M)
  Activation activation = Activation::gelu_erf;
  bool gated = false;

  /// y (rows, D) = residual + scale * mlp(before(x (rows, D))); see Epilogue. `before` may be
  /// empty.
  VITRAIL_NOINLINE void operator()(MatrixView<const T> x, const LayerNorm<T>& before,
                                   MatrixView<T> y, const Context& context,
                                   Epilogue<T> epilogue = {}) const {
    if (!gated && norm.empty()) {
      const NormParameters<T> parameters = before.parameters();
      epilogue.bias = fc2.bias_or_null();
      return feed_forward<T>(x, before.empty() ? nullptr : &parameters, fc1.weight,
                             {.bias = fc1.bias_or_null(), .activation = activation}, fc2.weight,
                             epilogue, y, context);
    }
    const Workspace::Scope scope(context.workspace);
    const MatrixView<T> hidden = context.workspace.template matrix<T>(x.extent(0), fc1.outputs());
    fc1(x, before, hidden, context, {.activation = gated ? Activation::none : activation});
    if (!gated) return fc2(hidden, norm, y, context, epilogue);
    // Gates and the norm are applied while fc2 packs its rows.
    const auto make = [&](Index begin, Index end, T* rows) {
      const MatrixView<T> made(rows, {end - begin, fc1.outputs() / 2});
      gate_rows<T>(activation, hidden.slice(begin, end), made);
      if (!norm.empty()) normalize_rows<T>(made, norm.parameters(), made);
    };
    fc2.of_rows(make, y, context, epilogue);
  }
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_NN_MLP_HPP
