// Every stage of a forward pass, kept for whoever asks: `vitrail run`, `vitrail verify`, feature
// extraction.
#ifndef VITRAIL_NN_TRACE_HPP
#define VITRAIL_NN_TRACE_HPP

#include <string>
#include <utility>
#include <vector>
#include <vitrail/tensor/any_tensor.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// Pass one to a model's forward() and it holds a copy of each stage afterwards. A pass without one
/// copies nothing.
class Trace {
 public:
  enum class Attention { none, last, all };

  explicit Trace(Attention attention = Attention::last) : attention_(attention) {}

  /// Whether the attention maps of block `block` of `depth` are wanted.
  [[nodiscard]] bool wants_attention(Index block, Index depth) const {
    return attention_ == Attention::all || (attention_ == Attention::last && block + 1 == depth);
  }

  /// Keeps a copy of `rows` (rows, D) under `name`, in `shape` of the same count.
  template <class T>
  VITRAIL_NOINLINE void record(std::string_view name, const TensorView<T, 2>& rows,
                               const Shape& shape) {
    using U = std::remove_const_t<T>;
    AnyTensor tensor(dtype_of<U>(), shape);
    copy(rows, TensorView<U, 2>(reinterpret_cast<U*>(tensor.bytes().data()), rows.extents()));
    record(name, std::move(tensor));
  }
  VITRAIL_NOINLINE void record(std::string_view name, AnyTensor tensor) {
    stages_.emplace_back(name, std::move(tensor));
  }

  /// Puts `tensor` in the place of the stage of that name, if there is one.
  VITRAIL_NOINLINE void replace(std::string_view name, AnyTensor tensor) {
    for (auto& [stage, old] : stages_) {
      if (stage != name) continue;
      old = std::move(tensor);
      return;
    }
  }

  /// (name, tensor) in the order in which the pass met them.
  [[nodiscard]] const std::vector<std::pair<std::string, AnyTensor>>& stages() const {
    return stages_;
  }
  /// The stage of that name, or null.
  [[nodiscard]] const AnyTensor* find(std::string_view name) const {
    for (const auto& [stage, tensor] : stages_) {
      if (stage == name) return &tensor;
    }
    return nullptr;
  }

 private:
  Attention attention_;
  std::vector<std::pair<std::string, AnyTensor>> stages_;
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_NN_TRACE_HPP
