// Tensors that have to be cut or multiplied out before any name can stand for them.
#ifndef VITRAIL_CHECKPOINTS_REWRITTEN_HPP
#define VITRAIL_CHECKPOINTS_REWRITTEN_HPP

#include <cmath>
#include <cstring>
#include <optional>
#include <vector>
#include <vitrail/io/named_tensors.hpp>
#include <vitrail/tensor/tensor.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// A file's tensors, but for those that a derived class puts in the place of others.
class RewrittenTensors : public NamedTensors {
 protected:
  VITRAIL_NOINLINE RewrittenTensors(const NamedTensors& whole, const Limits& limits)
      : NamedTensors(whole.path()), limits_(limits) {
    keep_all_of(whole);
    for (const auto& [key, value] : whole.metadata()) set_metadata(key, value);
    for (const auto& [key, value] : whole.unreadable()) add_unreadable(key, value, limits);
  }

  VITRAIL_NOINLINE void put(const std::string& name, const AnyView& view) {
    add(name, view, limits_);
  }

  /// Room for a tensor of f32, which lives as long as this.
  [[nodiscard]] VITRAIL_NOINLINE std::span<float> floats(Index count) {
    const std::span<std::byte> bytes =
        keep(AlignedBytes(static_cast<std::size_t>(count) * sizeof(float)));
    return {reinterpret_cast<float*>(bytes.data()), static_cast<std::size_t>(count)};
  }

 private:
  Limits limits_;
};

/// A parallel block's one product out, out_proj (D, D + M), as the two that add up to it:
/// attn_out_proj (D, D) and mlp_out_proj (D, M). The bias goes to the first, the second has zeros.
class SplitOutProjections : public RewrittenTensors {
 public:
  /// `prefix`: what stands before "blocks.". Throws Error as NamedTensors::add.
  SplitOutProjections(const NamedTensors& whole, const std::string& prefix, const Limits& limits)
      : RewrittenTensors(whole, limits) {
    for (const auto& [name, view] : whole) {
      const std::size_t at = name.find(".out_proj.");
      const bool block = at != std::string::npos && name.starts_with(join(prefix, "blocks."));
      const std::string stem = block ? name.substr(0, at + 1) : "";
      const Shape& s = view.shape;
      if (block && name.ends_with(".bias")) {
        put(join(stem, "attn_out_proj.bias"), view);
      } else if (block && name.ends_with(".weight") && s.rank() == 2 && 0 < s[0] && s[0] < s[1]) {
        put(join(stem, "attn_out_proj.weight"), columns(view, 0, s[0]));
        put(join(stem, "mlp_out_proj.weight"), columns(view, s[0], s[1]));
        const std::span<float> zeros = floats(s[0]);
        std::fill(zeros.begin(), zeros.end(), 0.0F);
        put(join(stem, "mlp_out_proj.bias"), {DType::f32, {s[0]}, std::as_bytes(zeros)});
      } else {
        put(name, view);
      }
    }
  }

 private:
  /// Columns [begin, end) of a matrix, in memory of its own.
  [[nodiscard]] AnyView columns(const AnyView& view, Index begin, Index end) {
    const std::size_t size = size_of(view.dtype);
    const auto part = static_cast<std::size_t>(end - begin) * size;
    const auto row = static_cast<std::size_t>(view.shape[1]) * size;
    const auto rows = static_cast<std::size_t>(view.shape[0]);
    const std::span<std::byte> bytes = keep(AlignedBytes(rows * part));
    for (std::size_t n = 0; n < rows && part != 0; ++n) {
      std::memcpy(bytes.data() + n * part,
                  view.bytes.data() + n * row + static_cast<std::size_t>(begin) * size, part);
    }
    return {view.dtype, {view.shape[0], end - begin}, bytes};
  }
};

/// Biases beside masks that they are multiplied by, X.bias and X.bias_mask (DINOv3: k has no bias),
/// as the biases that give the same.
class MaskedBiases : public RewrittenTensors {
 public:
  /// Throws Error when a mask has another extent than its bias.
  MaskedBiases(const NamedTensors& whole, const Limits& limits) : RewrittenTensors(whole, limits) {
    for (const auto& [name, view] : whole) {
      if (name.ends_with(".bias_mask")) continue;
      const AnyView* mask = name.ends_with(".bias") ? whole.find(name + "_mask") : nullptr;
      if (mask == nullptr) {
        put(name, view);
        continue;
      }
      if (mask->shape != view.shape)
        fail(whole.path(), name, "_mask is ", mask->shape.to_string(), ", expected ",
             view.shape.to_string(), " as ", name);
      const std::span<float> bias = floats(view.shape.count());
      std::vector<float> factors(bias.size());
      view.convert_to(bias);
      mask->convert_to(std::span<float>(factors));
      for (std::size_t i = 0; i < bias.size(); ++i) bias[i] *= factors[i];
      put(name, {DType::f32, view.shape, std::as_bytes(bias)});
    }
  }
};

/// The head of a linear probe (MAE's main_linprobe.py, AdaptFormer), a BatchNorm1d without gamma
/// and beta and of eps 1e-6 before a Linear: head.0.running_* (D), head.1.weight (K, D) and
/// head.1.bias (K), as the one product head.weight, head.bias that gives the same.
class FoldedProbe : public RewrittenTensors {
 public:
  /// What stands before "head." in a file with such a head, or nothing.
  [[nodiscard]] static std::optional<std::string> prefix_in(const NamedTensors& tensors) {
    for (const auto& [name, view] : tensors) {
      if (!name.ends_with("head.0.running_mean")) continue;
      const std::string prefix = name.substr(0, name.size() - 19);
      if (!tensors.contains(prefix, "head.0.weight") && tensors.contains(prefix, "head.1.weight"))
        return prefix;
    }
    return std::nullopt;
  }

  /// Throws Error when one of the tensors is missing or mis-shaped.
  FoldedProbe(const NamedTensors& whole, const std::string& prefix, const Limits& limits)
      : RewrittenTensors(whole, limits) {
    const std::string head = join(prefix, "head.");
    for (const auto& [name, view] : whole) {
      const bool replaced = name == head + "weight" || name == head + "bias" ||
                            name.starts_with(join(head, "0.")) ||
                            name.starts_with(join(head, "1."));
      if (!replaced) put(name, view);
    }
    const AnyView& stored = whole.at(join(head, "1.weight"));
    const Index K = stored.shape.rank() == 2 ? stored.shape[0] : 0;
    const Index D = stored.shape.rank() == 2 ? stored.shape[1] : 0;
    const auto vector = [&](const std::string& name, Index count) {
      const AnyView& view = whole.at(head + name);
      if (view.shape.count() != count || count == 0)
        fail(whole.path(), head, name, " is ", view.shape.to_string(), ", but ", head,
             "1.weight is ", stored.shape.to_string());
      std::vector<float> values(static_cast<std::size_t>(count));
      view.convert_to(std::span<float>(values));
      return values;
    };
    const std::vector<float> mean = vector("0.running_mean", D);
    const std::vector<float> variance = vector("0.running_var", D);
    const std::vector<float> bias = vector("1.bias", K);
    const std::span<float> W = floats(K * D);
    const std::span<float> b = floats(K);
    stored.convert_to(W);
    for (std::size_t k = 0; k < b.size(); ++k) {
      auto sum = static_cast<double>(bias[k]);
      for (std::size_t d = 0; d < mean.size(); ++d) {
        float& weight = W[k * mean.size() + d];
        const double folded =
            static_cast<double>(weight) / std::sqrt(static_cast<double>(variance[d]) + 1e-6);
        sum -= folded * static_cast<double>(mean[d]);
        weight = static_cast<float>(folded);
      }
      b[k] = static_cast<float>(sum);
    }
    put(join(head, "weight"), {DType::f32, {K, D}, std::as_bytes(W)});
    put(join(head, "bias"), {DType::f32, {K}, std::as_bytes(b)});
  }
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_REWRITTEN_HPP
