// Where modules get their weights from: by canonical name, in canonical shape, whoever published
// them.
//
// The canonical names are timm's ("blocks.3.attn.qkv.weight"). A checkpoint implements this
// interface over its file and translates; random weights for benchmarks implement it over a
// generator.
#ifndef VITRAIL_NN_PARAMETERS_HPP
#define VITRAIL_NN_PARAMETERS_HPP

#include <algorithm>
#include <string_view>
#include <vitrail/ops/packed_matrix.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// Products of fewer inputs or outputs stay in bf16 or f32 where a model is loaded in int8, unless
/// asked otherwise.
inline constexpr Index default_int8_width = 256;

/// Whether `name` is the weight of a model's first layer, which sees pixels, or of its last, which
/// writes the logits.
[[nodiscard]] constexpr bool is_first_or_last_layer(std::string_view name) {
  return name == "patch_embed.proj.weight" || name == "head.weight" || name == "head_dist.weight";
}

/// What the weight `name` (N, K) is held in when a model is loaded in `asked`. In int8 the first
/// layer and the last stay in f32, the first projection, of which all later blocks read, in bf16.
/// Narrow products, where int8 gains least and its errors average out least, stay in bf16, those of
/// the first block and of attention's projections in f32: README, "int8".
[[nodiscard]] constexpr Precision product_precision(std::string_view name, Index N, Index K,
                                                    Precision asked,
                                                    Index int8_width = default_int8_width) {
  if (asked != Precision::int8) return asked;
  if (is_first_or_last_layer(name)) return Precision::f32;
  const bool narrow = std::min(N, K) < int8_width;
  if (narrow && (name.starts_with("blocks.0.") || name.ends_with("attn.proj.weight")))
    return Precision::f32;
  return narrow || name == "blocks.0.attn.proj.weight" ? Precision::bf16 : asked;
}

namespace detail {

/// Whether the product of `name`, held in `held`, is multiplied in int8 after all where a model is
/// loaded in `asked`: in int8, on a CPU level that has instructions for int8 and none for bf16. It
/// is four times as fast there.
[[nodiscard]] inline bool goes_to_int8(std::string_view name, Precision asked, Precision held) {
  if (asked != Precision::int8 || held == Precision::int8 || is_first_or_last_layer(name))
    return false;
  const Kernels* const cpu = kernels();
  return cpu != nullptr && cpu->int8.left == LeftFormat::s8 && cpu->bf16.left != LeftFormat::bf16;
}

/// Packs `rows` (N, K) for goes_to_int8(): out of `held`, as converted files hold them.
template <Scalar T>
[[nodiscard]] PackedMatrix<T> pack_as_int8(Tensor<T, 1> rows, Index N, Index K, Precision held,
                                           Executor& executor, WeightMemory* memory) {
  round_weights(held, rows.data(), rows.count());
  return PackedMatrix<T>::pack({rows.data(), {N, K}}, Precision::int8, executor, memory);
}

}  // namespace detail

template <Scalar T>
class Parameters {
 public:
  virtual ~Parameters() = default;

  /// Whether there is a tensor of that name.
  [[nodiscard]] virtual bool contains(std::string_view name) const = 0;
  /// All elements of `name`, row-major, as one vector. Throws Error if it is missing or its shape
  /// is not `shape`.
  [[nodiscard]] virtual Tensor<T, 1> tensor(std::string_view name, const Shape& shape) = 0;
  /// The weight (N, K...) of a product, packed; trailing extents are flattened into K. Throws like
  /// tensor().
  [[nodiscard]] virtual PackedMatrix<T> matrix(std::string_view name, const Shape& shape) = 0;
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_NN_PARAMETERS_HPP
