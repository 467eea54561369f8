// A checkpoint written in another precision, under its publisher's names and in their layout.
//
//   f32    every floating tensor as f32; the model need not be known
//   bf16   the weights of products as bf16
//   int8   NAME as I8 and NAME.scale (outputs) as F32, so that a row of weights is its numbers
//          times the scale of its output, then each whole block of 64 of them times the Hadamard
//          matrix / 8 (hadamard_blocks); some layers otherwise, as product_precision() says
//
// In bf16 and int8 everything else stays as it is stored, and load() packs what it finds: the model
// is the one that the original gives with that precision, bit for bit.
#ifndef VITRAIL_CHECKPOINTS_CONVERT_HPP
#define VITRAIL_CHECKPOINTS_CONVERT_HPP

#include <numeric>
#include <vitrail/checkpoints/load.hpp>
#include <vitrail/io/safetensors.hpp>

VITRAIL_BEGIN_NAMESPACE

struct Converted {
  std::size_t tensors = 0;   // written
  std::size_t bytes = 0;     // of their elements
  std::size_t products = 0;  // of them: weights in the precision asked for
  std::size_t in_bf16 = 0;   // of them: weights in bf16 where int8 was asked for
};

namespace detail {

/// How a stored tensor holds the weights of a product.
struct StoredProduct {
  Shape shape;  // ours, (N, K...), of all outputs that are stored
  Layout layout = Layout::same;
  Precision precision = Precision::f32;

  friend bool operator==(const StoredProduct&, const StoredProduct&) = default;
};
using StoredProducts = std::map<std::string, StoredProduct, NameLess>;

/// Stands between a model that is loaded and its file, and notes which tensors it multiplies with.
class ProductNames final : public Parameters<float> {
 public:
  ProductNames(const Checkpoint& checkpoint, const LoadOptions& options)
      : checkpoint_(checkpoint),
        precision_(options.precision),
        int8_width_(options.int8_width),
        file_(checkpoint, Precision::f32, executor_) {}

  [[nodiscard]] bool contains(std::string_view name) const override { return file_.contains(name); }
  [[nodiscard]] Tensor<float, 1> tensor(std::string_view name, const Shape& shape) override {
    return file_.tensor(name, shape);
  }
  /// Packs nothing: the model is thrown away.
  [[nodiscard]] PackedMatrix<float> matrix(std::string_view name, const Shape& shape) override {
    const auto source = checkpoint_.names.find(name);
    for (const std::string& stored : source ? source->names : std::vector<std::string>{}) {
      if (stored.empty()) continue;
      const Index outputs = shape[0] / static_cast<Index>(source->names.size());
      const bool stacked = source->end > 0 && source->end - source->begin != outputs;
      const Precision precision = stacked
                                      ? Precision::f32
                                      : product_precision(name, shape[0], shape.count() / shape[0],
                                                          precision_, int8_width_);
      StoredProduct product{{}, source->layout, precision};
      product.shape.push_back(source->end > 0 ? checkpoint_.files.tensors.at(stored).shape[0]
                                              : outputs);
      for (std::size_t d = 1; d < shape.rank(); ++d) product.shape.push_back(shape[d]);
      // A tensor that two products read in different ways stays as it is.
      const auto [known, is_new] = products_.emplace(stored, product);
      if (!is_new && known->second != product) known->second.precision = Precision::f32;
    }
    return {};
  }

  [[nodiscard]] const StoredProducts& products() const { return products_; }

 private:
  const Checkpoint& checkpoint_;
  Precision precision_;
  Index int8_width_;
  SerialExecutor executor_;
  FileParameters<float> file_;
  StoredProducts products_;
};

inline StoredProducts stored_products(const Checkpoint& checkpoint, const LoadOptions& options) {
  ProductNames names(checkpoint, options);
  if (checkpoint.swin) {
    (void)Swin<float>::load(checkpoint.config, *checkpoint.swin, names);
  } else {
    (void)ViT<float>::load(checkpoint.config, names);
  }
  return names.products();
}

inline bool is_floating(DType dtype) {
  return dtype == DType::f64 || dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

template <Element To>
AnyTensor converted_to(const AnyView& view) {
  AnyTensor result(dtype_of<To>(), view.shape);
  view.convert_to(std::span<To>(reinterpret_cast<To*>(result.bytes().data()),
                                static_cast<std::size_t>(view.shape.count())));
  return result;
}

/// The whole numbers and the scales (outputs) of `view`, as Panels quantises.
inline std::pair<AnyTensor, AnyTensor> quantised(const AnyView& view,
                                                 const StoredProduct& product) {
  const Index N = product.shape[0];
  const Index K = view.shape.count() / N;
  std::vector<Index> places(static_cast<std::size_t>(N * K));  // of our elements in the file
  std::iota(places.begin(), places.end(), Index{0});
  if (product.layout != Layout::same) {
    const std::vector<Index> stored = places;
    reorder<Index>(stored, product.shape, product.layout, places.data());
  }
  Tensor<float, 1> values({N * K});
  view.convert_to(values.flat());
  AnyTensor numbers(DType::i8, view.shape);
  auto* const to = reinterpret_cast<std::int8_t*>(numbers.bytes().data());
  Tensor<float, 1> scales({N});
  std::vector<float> row(static_cast<std::size_t>(K));
  for (Index n = 0; n < N; ++n) {
    const Index* const place = places.data() + n * K;
    for (std::size_t k = 0; k < row.size(); ++k) row[k] = values(place[k]);
    hadamard_blocks(row.data(), K);
    scales(n) = weight_scale(row.data(), K);
    for (std::size_t k = 0; k < row.size(); ++k)
      to[place[k]] = static_cast<std::int8_t>(quantised_weight(row[k], scales(n)));
  }
  return {std::move(numbers), AnyTensor(scales.view())};
}

/// Whether `tensors` holds what the file itself does under `name`: readers put some tensors
/// together first, and look for the original's names when they read the converted file.
inline bool is_as_stored(const NamedTensors& tensors, const std::string& name,
                         const AnyView& view) {
  const AnyView* const read = tensors.find(name);
  return read != nullptr && read->dtype == view.dtype && read->shape == view.shape &&
         std::equal(read->bytes.begin(), read->bytes.end(), view.bytes.begin());
}

}  // namespace detail

/// Writes the checkpoint at `path` to the safetensors file `output` in `options.precision`. Throws
/// Error as open_checkpoint, load and write_safetensors do, and for int8 weights: they are rounded
/// already.
[[gnu::cold]] inline Converted convert_checkpoint(const std::string& path,
                                                  const LoadOptions& options,
                                                  const std::string& output) {
  const CheckpointFiles files =
      open_checkpoint_files(path, options.limits, {.group = options.group});
  NamedTensors::Strings metadata = files.tensors.metadata();
  if (const auto known = metadata.find(converted_key);
      known != metadata.end() && known->second == name_of(Precision::int8))
    fail(files.tensors.path(), "holds int8 weights, expected the checkpoint they were made from");
  const bool to_f32 = options.precision == Precision::f32;
  std::optional<Checkpoint> checkpoint;
  detail::StoredProducts products;
  if (to_f32) {
    metadata.erase(converted_key);
    metadata.erase(converted_mixing_key);
  } else {
    checkpoint = open_checkpoint(path, options);
    products = detail::stored_products(*checkpoint, options);
    metadata.insert_or_assign(converted_key, std::string(name_of(options.precision)));
    if (options.precision == Precision::int8)
      metadata.insert_or_assign(converted_mixing_key, std::string(converted_mixing));
  }

  Converted result;
  std::vector<std::pair<std::string, AnyTensor>> made;
  std::vector<NamedTensor> tensors;
  for (const auto& [name, view] : files.tensors) {
    files.tensors.check_size(view);
    const auto found = products.find(name);
    const Precision precision = found != products.end() && detail::is_floating(view.dtype) &&
                                        detail::is_as_stored(checkpoint->files.tensors, name, view)
                                    ? found->second.precision
                                    : Precision::f32;
    if (precision == Precision::int8) {
      auto [numbers, scales] = detail::quantised(view, found->second);
      made.emplace_back(name, std::move(numbers));
      made.emplace_back(join(name, ".scale"), std::move(scales));
    } else if (precision == Precision::bf16) {
      made.emplace_back(name, detail::converted_to<bf16>(view));
    } else if (to_f32 && detail::is_floating(view.dtype) && view.dtype != DType::f32) {
      made.emplace_back(name, detail::converted_to<float>(view));
    } else {
      tensors.push_back({name, view});
    }
    if (!to_f32 && precision == options.precision) ++result.products;
    if (precision == Precision::bf16 && options.precision == Precision::int8) ++result.in_bf16;
  }
  for (const auto& [name, tensor] : made) tensors.push_back({name, tensor.view()});
  write_safetensors(output, tensors, metadata);
  result.tensors = tensors.size();
  for (const NamedTensor& tensor : tensors) result.bytes += tensor.view.bytes.size();
  return result;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_CONVERT_HPP
