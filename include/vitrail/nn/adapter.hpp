// A bottleneck adapter: a small trained branch beside or behind a frozen one (Houlsby et al. 2019,
// Pfeiffer et al. 2021, AdaptFormer, Chen et al. 2022).
//
//   z = x + h + scale * up(act(down(u)))     h: the frozen branch of x, attention or MLP
//
// What u is tells the kinds apart; norms may stand before `down` and behind `scale`.
#ifndef VITRAIL_NN_ADAPTER_HPP
#define VITRAIL_NN_ADAPTER_HPP

#include <optional>
#include <vector>
#include <vitrail/nn/dense.hpp>
#include <vitrail/nn/layer_norm.hpp>

VITRAIL_BEGIN_NAMESPACE

/// What an adapter reads.
///   stream   x, what the branch read before its norm: parallel        (AdaptFormer)
///   branch   h, what the branch gave: serial                          (Houlsby)
///   sum      x + h: serial, behind the residual                       (Pfeiffer)
enum class AdapterInput { stream, branch, sum };

[[nodiscard]] constexpr std::string_view name_of(AdapterInput input) {
  constexpr std::string_view names[] = {"parallel", "serial", "serial, behind the residual"};
  return names[static_cast<std::size_t>(input)];
}

/// The adapters of all blocks at one place: beside the attention, or beside the MLP.
struct AdapterConfig {
  std::vector<Index> hidden = {};  // (L) width of the bottleneck; 0: none in this block
  AdapterInput input = AdapterInput::stream;
  Activation activation = Activation::relu;
  double scale = 1;              // where it is not stored
  bool stored_scale = false;     // learned: one number, or one for each of the D columns
  bool channel_scale = false;    // the latter
  bool norm_before = false;      // a norm on u
  bool norm_after = false;       // a norm on the scaled answer
  bool residual_inside = false;  // ... and on h with it: norm(h + scale * up(...))
  double norm_eps = 1e-5;
};

template <Scalar T>
struct Adapter {
  LayerNorm<T> norm_before;  // (D), or empty
  Dense<T> down;             // (R, D); empty: there is no adapter
  Dense<T> up;               // (D, R)
  Tensor<T, 1> scale;        // (D)
  LayerNorm<T> norm_after;   // (D), or empty
  Activation activation = Activation::relu;
  AdapterInput input = AdapterInput::stream;
  bool residual_inside = false;

  /// Reads `name`.{down,up}.{weight,bias}, and .scale, .norm_before.*, .norm_after.* where the
  /// config has them. Throws Error when one is missing or mis-shaped.
  [[nodiscard]] VITRAIL_NOINLINE static Adapter load(Parameters<T>& parameters,
                                                     std::string_view name, Index D, Index R,
                                                     const AdapterConfig& config) {
    Adapter adapter;
    adapter.activation = config.activation;
    adapter.input = config.input;
    adapter.residual_inside = config.residual_inside;
    adapter.down = Dense<T>::load(parameters, join(name, ".down"), R, D);
    adapter.up = Dense<T>::load(parameters, join(name, ".up"), D, R);
    adapter.scale = Tensor<T, 1>({D});
    if (config.channel_scale) {
      adapter.scale = parameters.tensor(join(name, ".scale"), {D});
    } else {
      const T one = config.stored_scale ? parameters.tensor(join(name, ".scale"), {1})(0)
                                        : static_cast<T>(config.scale);
      for (T& value : adapter.scale.flat()) value = one;
    }
    if (config.norm_before)
      adapter.norm_before =
          LayerNorm<T>::load(parameters, join(name, ".norm_before"), D, config.norm_eps);
    if (config.norm_after)
      adapter.norm_after =
          LayerNorm<T>::load(parameters, join(name, ".norm_after"), D, config.norm_eps);
    return adapter;
  }

  [[nodiscard]] bool empty() const { return down.empty(); }

  /// x (rows, D) becomes x + h + adapter, h (rows, D) being the branch's answer.
  VITRAIL_NOINLINE void operator()(MatrixView<const T> h, MatrixView<T> x,
                                   const Context& context) const {
    const Workspace::Scope scope(context.workspace);
    const Index rows = x.extent(0);
    const Index D = x.extent(1);
    const MatrixView<T> u = context.workspace.template matrix<T>(rows, D);
    const MatrixView<T> hidden = context.workspace.template matrix<T>(rows, down.outputs());
    for (Index row = 0; row < rows; ++row) {
      for (Index d = 0; d < D; ++d) {
        u(row, d) = input == AdapterInput::stream   ? x(row, d)
                    : input == AdapterInput::branch ? h(row, d)
                                                    : x(row, d) + h(row, d);
      }
    }
    if (!norm_before.empty()) norm_before(u, u, context);
    down(u, hidden, context, {.activation = activation});
    Epilogue<T> epilogue{.scale = scale.data()};
    if (residual_inside) epilogue.residual = h;
    up(hidden, u, context, epilogue);
    if (!norm_after.empty()) norm_after(u, u, context);
    for (Index row = 0; row < rows; ++row) {
      for (Index d = 0; d < D; ++d) x(row, d) += (residual_inside ? T(0) : h(row, d)) + u(row, d);
    }
  }
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_NN_ADAPTER_HPP
