// Bottleneck adapters in a checkpoint or in what is laid over it: found by their tensors' names,
// whoever published the model they belong to.
//
//   AdaptFormer   blocks.3.adaptmlp.down_proj.weight, up_proj, scale, adapter_layer_norm_before
//   AdapterHub    vit.encoder.layer.3.output.output_adapters.adapters.NAME.adapter_down.0.weight,
//                 adapter_up, scaling, adapter_norm_before, adapter_norm_after; and the same below
//                 vit.encoder.layer.3.attention_adapters
//
// How they are joined to the blocks is not in the tensors: adapter_config.json tells. AdaptFormer
// ships none; its program's settings are then assumed. Facts: ShoufaChen/AdaptFormer
// models/{adapter,custom_modules}.py and main_image.py; adapter-hub/adapters
// methods/{modeling,bottleneck}.py, models/vit/modeling_vit.py. The norms' eps is torch's, 1e-5.
#ifndef VITRAIL_CHECKPOINTS_ADAPTERS_HPP
#define VITRAIL_CHECKPOINTS_ADAPTERS_HPP

#include <vitrail/checkpoints/settle.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// What an adapter's tensors are called below its own name; `norm` may be before or after.
struct AdapterName {
  std::string_view ours;
  std::string_view adaptformer;
  std::string_view hub;
};

inline constexpr AdapterName adapter_names[] = {
    {"down.weight", "down_proj.weight", "adapter_down.0.weight"},
    {"down.bias", "down_proj.bias", "adapter_down.0.bias"},
    {"up.weight", "up_proj.weight", "adapter_up.weight"},
    {"up.bias", "up_proj.bias", "adapter_up.bias"},
    {"scale", "scale", "scaling"},
    {"norm_before.weight", "adapter_layer_norm_before.weight", "adapter_norm_before.weight"},
    {"norm_before.bias", "adapter_layer_norm_before.bias", "adapter_norm_before.bias"},
    {"norm_after.weight", "adapter_layer_norm_before.weight", "adapter_norm_after.weight"},
    {"norm_after.bias", "adapter_layer_norm_before.bias", "adapter_norm_after.bias"}};

/// The adapters at one place of all blocks.
struct FoundAdapters {
  bool hub = false;
  std::string name;                // AdapterHub's: "cifar"
  std::vector<std::string> stems;  // (L) "blocks.3.adaptmlp.", or "" where there is none
};

/// The number between `word` and the next '.' of `name`, or -1.
[[nodiscard]] inline Index number_behind(std::string_view name, std::string_view word) {
  const std::size_t at = name.find(word);
  if (at == std::string_view::npos) return -1;
  Index number = -1;
  for (std::size_t i = at + word.size(); i < name.size() && name[i] != '.'; ++i) {
    if (name[i] < '0' || name[i] > '9' || number > 99999) return -1;
    number = std::max<Index>(number, 0) * 10 + (name[i] - '0');
  }
  return number;
}

/// Adapters beside the attention (`attention`) or beside the MLP, or nothing. Throws Error for two
/// of different names at one place.
[[nodiscard, gnu::cold]] inline std::optional<FoundAdapters> find_adapters(
    const NamedTensors& tensors, Index depth, bool attention) {
  constexpr std::string_view former = ".adaptmlp.";
  const std::string_view hub =
      attention ? ".attention_adapters.adapters." : ".output_adapters.adapters.";
  FoundAdapters found;
  for (const auto& [name, view] : tensors) {
    std::size_t at = attention ? std::string::npos : name.find(former);
    std::size_t end = at + former.size();
    const bool is_hub = at == std::string::npos;
    if (is_hub) {
      at = name.find(hub);
      if (at == std::string::npos) continue;
      const std::size_t begin = at + hub.size();
      end = std::min(name.find('.', begin), name.size() - 1) + 1;
      const std::string own = name.substr(begin, end - 1 - begin);
      if (!found.name.empty() && found.name != own) {
        fail(tensors.path(), "holds the adapters '", found.name, "' and '", own, "', expected one");
      }
      found.name = own;
    }
    const Index block = number_behind(name, is_hub ? ".layer." : "blocks.");
    if (block < 0 || block >= depth) continue;
    found.hub = is_hub;
    found.stems.resize(static_cast<std::size_t>(depth));
    found.stems[static_cast<std::size_t>(block)] = name.substr(0, end);
  }
  if (found.stems.empty()) return std::nullopt;
  return found;
}

/// AdaptFormer's settings over the defaults of its main_image.py.
[[gnu::cold]] inline void read_adaptformer(const ConfigFile* file, bool has_norm,
                                           const std::string& path, AdapterConfig& adapter) {
  adapter.scale = 0.1;
  std::string norm;
  if (file != nullptr) {
    const std::string& where = file->path;
    const auto option = json_get_if<std::string>(file->json, "ffn_option", where);
    if (option && *option != "parallel" && *option != "sequential")
      fail(where, "'ffn_option' is '", *option, "', expected parallel or sequential");
    if (option && *option == "sequential") adapter.input = AdapterInput::branch;
    norm = json_get_if<std::string>(file->json, "ffn_adapter_layernorm_option", where).value_or("");
    if (const Json* scalar = json_find(file->json, "ffn_adapter_scalar")) {  // 0.1 or "0.1"
      const std::string text = scalar->is_string() ? scalar->text() : "";
      const Json number =
          text.empty() || text == "learnable_scalar" ? *scalar : parse_json(text, where);
      if (!number.is_string() && !number.is_null())
        adapter.scale = json_as<double>(number, "ffn_adapter_scalar", where);
    }
  }
  if (!has_norm) return;
  if (norm != "in" && norm != "out") {
    fail(path,
         "its adapters have a norm, but no adapter_config.json tells where it stands; "
         "expected one whose 'ffn_adapter_layernorm_option' is \"in\" or \"out\"");
  }
  adapter.norm_before = norm == "in";
  adapter.norm_after = norm == "out";
}

/// The bottleneck configuration of AdapterHub's library. Throws Error for what it can express and
/// this library cannot.
[[gnu::cold]] inline void read_adapter_hub(const ConfigFile* file, const std::string& path,
                                           AdapterConfig& adapter) {
  const Json* config = file == nullptr ? nullptr : json_find(file->json, "config");
  if (config == nullptr && file != nullptr) config = &file->json;
  if (config == nullptr || json_find(*config, "non_linearity") == nullptr) {
    fail(file == nullptr ? path : file->path,
         "no adapter_config.json with AdapterHub's 'config' tells how its adapters are joined");
  }
  const std::string& where = file->path;
  const auto flag = [&](const char* key, bool missing) {
    const Json* value = json_find(*config, key);
    if (value != nullptr && value->is_string())  // residual_before_ln may be "post_add"
      fail(where, "'", key, "' is '", value->text(), "', expected true or false");
    return json_get_if<bool>(*config, key, where).value_or(missing);
  };
  const auto word = json_get<std::string>(*config, "non_linearity", where);
  adapter.activation = word == "tanh" ? Activation::tanh : activation_named(word, where);
  if (const Json* scaling = json_find(*config, "scaling"); scaling != nullptr)
    if (scaling->is_number()) adapter.scale = scaling->number();
  for (const char* key : {"use_gating", "phm_layer"})
    if (flag(key, false)) fail(where, "'", key, "' is true, which this version does not run");
  if (!flag("original_ln_after", true))
    fail(where, "'original_ln_after' is false, which leaves out the block's residual");
  adapter.norm_before = flag("ln_before", false);
  adapter.norm_after = flag("ln_after", false);
  adapter.residual_inside = flag("adapter_residual_before_ln", false) && adapter.norm_after;
  if (flag("is_parallel", false)) {
    adapter.input = AdapterInput::stream;
    adapter.residual_inside = false;
    return;
  }
  const bool sum = flag("original_ln_before", false);
  adapter.input = sum ? AdapterInput::sum : AdapterInput::branch;
  if (sum && !flag("residual_before_ln", true)) {
    fail(where,
         "'residual_before_ln' is false, which adds the block's residual twice; expected "
         "true");
  }
}

[[nodiscard, gnu::cold]] inline std::optional<AdapterConfig> settle_adapters_at(
    bool attention, const LoadOptions& options, Checkpoint& checkpoint) {
  const NamedTensors& tensors = checkpoint.files.tensors;
  const ViTConfig& c = checkpoint.config;
  const std::optional<FoundAdapters> found = find_adapters(tensors, c.depth, attention);
  if (!found) return std::nullopt;
  const std::string& path = checkpoint.path();
  if (checkpoint.swin) fail(path, "holds adapters for a Swin, which this version does not run");
  const ConfigFile* file =
      checkpoint.files.adapter_config ? &*checkpoint.files.adapter_config : nullptr;
  const auto first = std::find_if(found->stems.begin(), found->stems.end(),
                                  [](const std::string& stem) { return !stem.empty(); });
  AdapterConfig adapter;
  std::vector<Index> left_out;
  if (found->hub) {
    read_adapter_hub(file, path, adapter);
    const Json* config = json_find(file->json, "config");
    left_out = json_get_if<std::vector<Index>>(config == nullptr ? file->json : *config,
                                               "leave_out", file->path)
                   .value_or(std::vector<Index>{});
  } else {
    read_adaptformer(file, tensors.contains(*first, "adapter_layer_norm_before.weight"), path,
                     adapter);
  }
  const char* place = attention ? ".attn_adapter." : ".mlp_adapter.";
  for (std::size_t i = 0; i < found->stems.size(); ++i) {
    const std::string& stem = found->stems[i];
    const auto block = static_cast<Index>(i);
    if (stem.empty()) {
      if (std::find(left_out.begin(), left_out.end(), block) == left_out.end())
        fail(path, "block ", block, " has no adapter as the others do, such as ", *first);
      adapter.hidden.push_back(0);
      continue;
    }
    for (const AdapterName& name : adapter_names) {
      std::string theirs = join(stem, found->hub ? name.hub : name.adaptformer);
      if (found->hub && adapter.norm_before && name.ours.starts_with("down"))
        theirs.replace(stem.size(), 14, "adapter_down.1");  // the norm goes first
      checkpoint.names.add(join("blocks.", block, place, name.ours), {{std::move(theirs)}});
    }
    if (found->hub && adapter.norm_before) {  // stored twice
      checkpoint.unused.push_back(join(stem, "adapter_down.0.weight"));
      checkpoint.unused.push_back(join(stem, "adapter_down.0.bias"));
    }
    const TensorShapes shapes(tensors, checkpoint.names);
    const std::string ours = join("blocks.", block, place);
    adapter.hidden.push_back(shapes.quotient(ours, "down.weight", c.embed_dim));
    const Index scales = shapes.count(join(ours, "scale"));
    adapter.stored_scale = scales > 0;
    adapter.channel_scale = scales > 1;
  }
  std::string because = file != nullptr ? file->path : "AdaptFormer's main_image.py";
  if (options.adapter_scale && !adapter.stored_scale) {
    adapter.scale = *options.adapter_scale;
    because += ", the scale asked for";
  }
  checkpoint.because.set("adapters", because);
  return adapter;
}

}  // namespace detail

/// Finds the adapters that the checkpoint's tensors hold in its blocks. Throws Error when a block
/// has none though the others do, and when what joins them is not known or not run here.
[[gnu::cold]] inline void settle_adapters(const LoadOptions& options, Checkpoint& checkpoint) {
  checkpoint.config.attn_adapter = detail::settle_adapters_at(true, options, checkpoint);
  checkpoint.config.mlp_adapter = detail::settle_adapters_at(false, options, checkpoint);
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_ADAPTERS_HPP
