// A second file laid over a checkpoint: what a partial fine-tune saves.
//
//   a tensor of a name that the checkpoint has   replaces it: a head, the last blocks, biases
//   a tensor of a new name                       is added: a head for a backbone without one
//   X.lora_A.weight (r, K), X.lora_B.weight (N, r)   X.weight += alpha / r * B A   (Hu et al. 2021)
//   tensors of an adapter                        are added; adapters.hpp makes branches of them
//
// PEFT's prefix "base_model.model." and its "modules_to_save" are taken off the names; alpha comes
// from the adapter_config.json beside the file, else it is r.
#ifndef VITRAIL_CHECKPOINTS_OVERLAY_HPP
#define VITRAIL_CHECKPOINTS_OVERLAY_HPP

#include <cmath>
#include <vitrail/checkpoints/files.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

class OverlaidTensors : public NamedTensors {
 public:
  /// `over` on `base`. `config` is PEFT's adapter_config.json, or null. Throws Error when a LoRA
  /// pair is incomplete, mis-shaped or for a tensor that `base` does not have.
  OverlaidTensors(const NamedTensors& base, const NamedTensors& over, const ConfigFile* config,
                  const Limits& limits)
      : NamedTensors(base.path()), base_(base), over_(over) {
    keep_all_of(base);
    keep_all_of(over);
    for (const auto& [key, value] : base.metadata()) set_metadata(key, value);
    Table table;
    for (const auto& [name, view] : base) put(name, view, table);
    for (const auto& [name, view] : over) {
      const std::string plain = base_name(name);
      if (plain.ends_with(".lora_A.weight")) {
        const std::string stem = plain.substr(0, plain.size() - 14);
        put(join(stem, ".weight"), merged(stem, name, view, config), table);
      } else if (!plain.ends_with(".lora_B.weight")) {
        put(plain, view, table);
        const auto scale = table.find(std::string_view(join(plain, ".scale")));
        if (scale != table.end()) table.erase(scale);  // of the int8 weights that it replaces
      }
    }
    for (const auto& [name, view] : table) add(name, view, limits);
    for (const auto& [name, reason] : base.unreadable())
      if (!table.contains(std::string_view(name))) add_unreadable(name, reason, limits);
  }

 private:
  /// In the place of what has this name already.
  VITRAIL_NOINLINE static void put(std::string name, const AnyView& view, Table& table) {
    const auto place = table.emplace(std::move(name), view).first;
    place->second = view;
  }

  /// The checkpoint's name for a tensor of the overlay.
  [[nodiscard]] std::string base_name(std::string name) const {
    for (const std::string_view part :
         {".modules_to_save.default", ".modules_to_save", ".base_layer"}) {
      if (const std::size_t at = name.find(part); at != std::string::npos)
        name.erase(at, part.size());
    }
    if (const std::size_t at = name.find(".default.weight"); at != std::string::npos)
      name.erase(at, 8);  // lora_A.default.weight, as the training program holds it
    if (base_.contains(name)) return name;
    for (const std::string_view prefix :
         {"base_model.model.", "module.", "model.", "backbone.", "base_model."}) {
      if (name.starts_with(prefix)) return name.substr(prefix.size());
    }
    return name;
  }

  /// W + scale * B A in f32.
  [[nodiscard]] AnyView merged(const std::string& stem, const std::string& a_name,
                               const AnyView& a_view, const ConfigFile* config) {
    std::string b_name = a_name;
    b_name.replace(b_name.rfind("lora_A"), 6, "lora_B");
    const AnyView& b_view = over_.at(b_name);
    const AnyView& w_view = base_.at(join(stem, ".weight"));
    if (w_view.dtype == DType::i8)
      fail(over_.path(), a_name, " is LoRA for ", stem,
           ".weight, which is int8; lay it over the checkpoint it was converted from");
    const Tensor<float, 2> A = a_view.to<float, 2>();
    const Tensor<float, 2> B = b_view.to<float, 2>();
    const Index r = A.extent(0);
    const Index N = B.extent(0);
    const Index K = A.extent(1);
    if (B.extent(1) != r || w_view.shape.count() != N * K || w_view.shape.rank() < 2 ||
        w_view.shape[0] != N) {
      fail(over_.path(), a_name, " is ", a_view.shape.to_string(), " and ", b_name, " ",
           b_view.shape.to_string(), ", but ", stem, ".weight is ", w_view.shape.to_string());
    }
    const double scale = lora_scale(stem, r, config);
    AlignedBytes memory(static_cast<std::size_t>(N * K) * sizeof(float));
    const std::span<std::byte> bytes = keep(std::move(memory));
    float* W = reinterpret_cast<float*>(bytes.data());
    w_view.convert_to(std::span<float>(W, static_cast<std::size_t>(N * K)));
    for (Index n = 0; n < N; ++n)
      for (Index k = 0; k < K; ++k) {
        double sum = 0;
        for (Index i = 0; i < r; ++i)
          sum += static_cast<double>(B(n, i)) * static_cast<double>(A(i, k));
        W[n * K + k] = static_cast<float>(static_cast<double>(W[n * K + k]) + scale * sum);
      }
    return {DType::f32, w_view.shape, bytes};
  }

  /// alpha / r, or alpha / sqrt(r) with rank-stabilised LoRA.
  [[nodiscard]] static double lora_scale(const std::string& stem, Index r,
                                         const ConfigFile* config) {
    if (config == nullptr) return 1;
    const std::string& where = config->path;
    double alpha =
        json_get_if<double>(config->json, "lora_alpha", where).value_or(static_cast<double>(r));
    if (const Json* pattern = json_find(config->json, "alpha_pattern");
        pattern != nullptr && pattern->is_object()) {
      for (const auto& [key, value] : pattern->members())
        if (stem == key || stem.ends_with(join(".", key)))
          alpha = json_as<double>(value, key, where);
    }
    const bool stabilised = json_get_if<bool>(config->json, "use_rslora", where).value_or(false);
    if (json_get_if<bool>(config->json, "use_dora", where).value_or(false))
      fail(where, "'use_dora' is true, expected plain LoRA");
    if (json_get_if<bool>(config->json, "fan_in_fan_out", where).value_or(false))
      fail(where, "'fan_in_fan_out' is true, expected weights of (outputs, inputs)");
    const auto rank = static_cast<double>(r);
    return alpha / (stabilised ? std::sqrt(rank) : rank);
  }

  const NamedTensors& base_;  // while constructing only
  const NamedTensors& over_;
};

/// `path`, a file or a folder as PEFT saves it, over the tensors of `files`. Throws Error as
/// OverlaidTensors and open_tensor_file do.
[[gnu::cold]] inline void lay_over(const std::string& path, const Limits& limits,
                                   CheckpointFiles& files) {
  std::string file = path;
  if (detail::is_folder(path)) {
    file.clear();
    for (const char* name :
         {"adapter_model.safetensors", "adapter_model.bin", "pytorch_adapter.bin"}) {
      if (file.empty() && detail::is_file(detail::path_in(path, name)))
        file = detail::path_in(path, name);
    }
    if (file.empty()) file = detail::find_weights(path);
  }
  const TensorFile over = open_tensor_file(file, limits);
  std::optional<ConfigFile> config =
      detail::find_config(detail::folder_of(file), "adapter_config.json", limits);
  files.tensors = OverlaidTensors(files.tensors, over, config ? &*config : nullptr, limits);
  if (config) files.adapter_config = std::move(config);
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_OVERLAY_HPP
