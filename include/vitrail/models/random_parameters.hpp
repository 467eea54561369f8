// Random weights for any configuration: benchmarks of published sizes, and tests without a file.
#ifndef VITRAIL_MODELS_RANDOM_PARAMETERS_HPP
#define VITRAIL_MODELS_RANDOM_PARAMETERS_HPP

#include <cmath>
#include <vitrail/models/vision_transformer.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// Weights uniform with variance 1 / K, so that activations keep their scale through any depth;
/// vectors near 1 where they scale and near 0 where they shift. The same seed gives the same model,
/// of either scalar: all values are floats.
template <Scalar T>
class RandomParameters final : public Parameters<T> {
 public:
  /// `model_bytes`: what the weights will take, about; see WeightMemory. `int8_width`: see
  /// product_precision().
  RandomParameters(std::uint64_t seed, Precision precision, Executor& executor,
                   std::size_t model_bytes = WeightMemory::large_model,
                   Index int8_width = default_int8_width)
      : state_(seed),
        precision_(precision),
        executor_(executor),
        memory_(model_bytes),
        int8_width_(int8_width) {}

  [[nodiscard]] bool contains(std::string_view) const override { return true; }

  [[nodiscard]] Tensor<T, 1> tensor(std::string_view name, const Shape& shape) override {
    const bool is_scale =
        name.ends_with("gamma") || (name.ends_with(".weight") && shape.rank() == 1);
    const double center = is_scale ? 1 : 0;
    return uniform(shape.count(), center, 0.05);
  }

  [[nodiscard]] PackedMatrix<T> matrix(std::string_view name, const Shape& shape) override {
    const Index K = shape.count() / shape[0];
    Tensor<T, 1> values = uniform(shape.count(), 0, std::sqrt(3.0 / static_cast<double>(K)));
    const Precision held = product_precision(name, shape[0], K, precision_, int8_width_);
    if (detail::goes_to_int8(name, precision_, held))
      return detail::pack_as_int8(std::move(values), shape[0], K, held, executor_, &memory_);
    return PackedMatrix<T>::pack({values.data(), {shape[0], K}}, held, executor_, &memory_);
  }

 private:
  /// `count` values in center +- reach.
  Tensor<T, 1> uniform(Index count, double center, double reach) {
    Tensor<T, 1> values({count});
    for (T& value : values.flat()) {
      state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
      const double unit = static_cast<double>(state_ >> 11) * 0x1p-53;
      value = static_cast<T>(static_cast<float>(center + reach * (2 * unit - 1)));
    }
    return values;
  }

  std::uint64_t state_;
  Precision precision_;
  Executor& executor_;
  WeightMemory memory_;
  Index int8_width_;
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_MODELS_RANDOM_PARAMETERS_HPP
