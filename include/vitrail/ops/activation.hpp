// Elementwise nonlinearities, in the exact forms that checkpoints were trained with.
#ifndef VITRAIL_OPS_ACTIVATION_HPP
#define VITRAIL_OPS_ACTIVATION_HPP

#include <cmath>
#include <numbers>
#include <string_view>
#include <vitrail/tensor/dtype.hpp>

VITRAIL_BEGIN_NAMESPACE

/// The largest gap between gelu_erf and gelu_tanh is 4.7e-4, between gelu_erf and
/// quick_gelu 2.0e-2: a checkpoint is right with one of them only.
enum class Activation { none, gelu_erf, gelu_tanh, quick_gelu, silu, relu, tanh };

[[nodiscard]] constexpr std::string_view name_of(Activation activation) {
  constexpr std::string_view names[] = {"none", "gelu_erf", "gelu_tanh", "quick_gelu",
                                        "silu", "relu",     "tanh"};
  return names[static_cast<std::size_t>(activation)];
}

/// The definition of each, one element at a time. erfc keeps the negative tail of the GELU from
/// cancelling.
template <Scalar T>
[[nodiscard]] inline T activate(Activation activation, T x) {
  switch (activation) {
    case Activation::none: break;
    case Activation::gelu_erf: return T(0.5) * x * std::erfc(-x * std::numbers::sqrt2_v<T> / 2);
    case Activation::gelu_tanh: {
      const T root = std::sqrt(T(2) * std::numbers::inv_pi_v<T>);
      return T(0.5) * x * (1 + std::tanh(root * (x + T(0.044715) * x * x * x)));
    }
    case Activation::quick_gelu: return x / (1 + std::exp(T(-1.702) * x));
    case Activation::silu: return x / (1 + std::exp(-x));
    case Activation::relu: return x > 0 ? x : T(0);
    case Activation::tanh: return std::tanh(x);
  }
  return x;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_ACTIVATION_HPP
