// timm: our canonical names are its names; the table holds what some of its families call
// otherwise. The work is in config.json and in the presets.
//
// Facts: timm/models/vision_transformer.py and timm/models/deit.py. LayerNorm eps 1e-6 and the erf
// GELU unless the architecture says otherwise; positions resampled by torch's antialiased bicubic;
// preprocessing per weight tag.
#ifndef VITRAIL_CHECKPOINTS_TIMM_HPP
#define VITRAIL_CHECKPOINTS_TIMM_HPP

#include <vitrail/checkpoints/rewritten.hpp>
#include <vitrail/checkpoints/settle.hpp>
#include <vitrail/checkpoints/timm_names.hpp>
#include <vitrail/checkpoints/timm_weights.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

[[nodiscard]] inline Pooling timm_pooling(std::string_view name, std::string_view where) {
  constexpr std::pair<std::string_view, Pooling> known[] = {
      {"token", Pooling::token},   {"avg", Pooling::avg}, {"max", Pooling::max},
      {"avgmax", Pooling::avgmax}, {"map", Pooling::map}, {"", Pooling::none}};
  for (const auto& [word, pooling] : known) {
    if (word == name) return pooling;
  }
  fail(where, "'global_pool' is '", name, "', expected token, avg, max, avgmax, map or ''");
}

/// config.json's architecture, model_args and global_pool over the defaults in `c`. Returns whether
/// the image size was set.
[[gnu::cold]] inline bool read_timm_config(const ConfigFile& file, Checkpoint& checkpoint) {
  ViTConfig& c = checkpoint.config;
  const std::string& where = file.path;
  bool image_known = false;
  if (const Json* cfg = json_find(file.json, "pretrained_cfg");
      cfg != nullptr && json_find(*cfg, "input_size")) {
    const auto size = json_get<std::vector<Index>>(*cfg, "input_size", where);
    if (size.size() != 3) fail(where, "'input_size' has ", size.size(), " numbers, expected 3");
    set_image_size(size[1], size[2], "input_size", where, c);
    image_known = true;
  }
  if (const auto pool = json_get_if<std::string>(file.json, "global_pool", where)) {
    c.pooling = timm_pooling(*pool, where);
    checkpoint.because.set("pooling", where);
  }
  const Json* args = json_find(file.json, "model_args");
  if (args == nullptr) return image_known;
  if (const Json* size = json_find(*args, "img_size")) {
    set_image_size(*size, "img_size", where, c);
    image_known = true;
  }
  const Json* heads = json_find(*args, "num_heads");
  if (heads != nullptr && !heads->is_array()) {  // Swin has an array of them, and tables that tell
    c.heads = json_as<Index>(*heads, "num_heads", where);
    checkpoint.because.set("heads", where);
  }
  if (const auto pool = json_get_if<std::string>(*args, "global_pool", where)) {
    c.pooling = timm_pooling(*pool, where);
    checkpoint.because.set("pooling", where);
  }
  if (const auto only = json_get_if<bool>(*args, "no_embed_class", where)) {
    c.positions = *only ? PositionCoverage::patches : PositionCoverage::all;
  }
  if (const auto prefix = json_get_if<bool>(*args, "pool_include_prefix", where))
    c.pool_includes_prefix = *prefix;
  if (const Json* grid = json_find(*args, "ref_feat_shape"); grid != nullptr && grid->is_array()) {
    const auto shape = json_as<std::vector<Index>>(*grid, "ref_feat_shape", where);
    if (!shape.empty()) c.rotary_reference = shape.front();
  }
  if (const auto rotary = json_get_if<bool>(*args, "use_rot_pos_emb", where)) {
    const bool dinov3 =
        json_get_if<std::string>(*args, "rope_type", where).value_or("cat") == "dinov3";
    c.rotary = !*rotary ? RotaryKind::none : dinov3 ? RotaryKind::dinov3 : RotaryKind::eva;
  }
  if (const auto dynamic = json_get_if<bool>(*args, "dynamic_img_size", where))
    c.patches_keep_grid = *dynamic;
  if (const auto pad = json_get_if<bool>(*args, "dynamic_img_pad", where)) c.pad_to_patch = *pad;
  if (const auto act = json_get_if<std::string>(*args, "act_layer", where)) {
    c.activation = activation_named(*act, where);
    checkpoint.because.set("activation", where);
  }
  return image_known;
}

/// The preset that a user or a config names, with an optional ".tag". Throws Error when there is
/// none.
[[nodiscard]] inline const Preset& timm_preset(std::string_view architecture,
                                               std::string_view where) {
  const std::string_view bare = architecture.substr(0, architecture.find('.'));
  const Preset* preset = find_preset(bare);
  if (preset == nullptr) {
    fail(where, "unknown architecture '", bare,
         "', expected one of timm's, such as vit_base_patch16_224");
  }
  return *preset;
}

/// CLIP towers that are published with QuickGELU too, which tensors do not show.
inline constexpr std::string_view published_quickgelu[] = {
    "vit_base_patch16_clip_224",  "vit_base_patch32_clip_224", "vit_large_patch14_clip_224",
    "vit_large_patch14_clip_336", "vit_huge_patch14_clip_224", "vit_huge_patch14_clip_378"};

/// The one preset that a bare file's tensors fit. Throws Error that names the flag which settles it
/// otherwise.
[[nodiscard]] inline const Preset& timm_preset_by_shape(const ViTConfig& c,
                                                        const std::string& path) {
  const std::vector<const Preset*> fitting = presets_that_fit(c);
  std::string names;
  bool quick_twin = false;
  for (const Preset* preset : fitting) {
    std::string name(preset->name);
    names += (names.empty() ? "" : ", ") + name;
    for (const std::string_view twin : published_quickgelu) {
      if (name != twin) continue;
      names += ", " + name.insert(name.find("clip_") + 5, "quickgelu_");
      quick_twin = true;
    }
  }
  if (fitting.size() == 1 && !quick_twin) return *fitting.front();
  if (fitting.empty()) {
    fail(path, "D = ", c.embed_dim, ", L = ", c.depth, ", P = ", c.patch_height,
         " fits no published architecture and no config.json is beside it; ",
         "name one with --arch or the number of heads with --heads");
  }
  fail(path, "fits several published architectures (", names,
       ") and no config.json is beside it; name one with --arch");
}

/// Preprocessing of the published weights "architecture.tag" (or of the architecture's first tag).
[[nodiscard]] inline std::optional<PreprocessConfig> timm_preprocess(std::string_view name) {
  const TimmWeights* weights = find_timm_weights(name);
  if (weights == nullptr) return std::nullopt;
  PreprocessConfig config{.height = weights->image,
                          .width = weights->image,
                          .crop_fraction = weights->crop_pct,
                          .mean = standard_mean,
                          .std = standard_std};
  if (weights->departures.starts_with("squash")) config.resize = ResizeMode::squash;
  if (weights->departures.ends_with("bilinear")) config.filter = Filter::bilinear;
  if (weights->mean_std == "imagenet") {
    config.mean = imagenet_mean;
    config.std = imagenet_std;
  } else if (weights->mean_std == "clip") {
    config.mean = clip_mean;
    config.std = clip_std;
  } else if (weights->mean_std == "zero_one") {
    config.mean = {0, 0, 0};
    config.std = {1, 1, 1};
  }
  return completed_as_timm(config);
}

inline std::vector<std::string> timm_labels(const std::optional<ConfigFile>& file) {
  if (!file) return {};
  for (const Json* holder : {&file->json, json_find(file->json, "pretrained_cfg")}) {
    if (holder == nullptr) continue;
    if (auto names = json_get_if<std::vector<std::string>>(*holder, "label_names", file->path))
      return std::move(*names);
  }
  return {};
}

/// What the tensors of a model without a name tell about eps, and whether they leave too much open.
[[gnu::cold]] inline void settle_unnamed(const TensorShapes& shapes, Checkpoint& checkpoint) {
  ViTConfig& c = checkpoint.config;
  const auto eps = [&](const char* because) {
    c.norm_eps = 1e-5;
    checkpoint.because.set("norm_eps", because);
  };
  if (shapes.has("norm_pre.weight")) eps("the norm before the blocks, as in CLIP");
  if (shapes.has("patch_embed.norm.weight")) eps("the norm of the patches, as in AIMv2");
  const bool relative = shapes.has("rel_pos_bias.relative_position_bias_table") ||
                        shapes.has("blocks.0.attn.relative_position_bias_table");
  const NamedTensors& tensors = checkpoint.files.tensors;
  const std::string block = join(checkpoint.names.prefix(), "blocks.0.");
  const bool gated =
      shapes.count("blocks.0.mlp.fc1.weight") == 2 * shapes.count("blocks.0.mlp.fc2.weight");
  const bool eva02 = gated && (tensors.contains(block, "attn.k_proj.weight") ||
                               tensors.contains(block, "attn.q_bias"));
  if ((!shapes.has("pos_embed") && !relative) || eva02) {
    fail(checkpoint.path(),
         "may have rotary positions (EVA-02, DINOv3), which tensors do not show; name the "
         "architecture with --arch");
  }
}

/// Tensors outside of `prefix` belong to other parts of the file: text towers, decoders.
inline void leave_other_parts(const std::string& prefix, Checkpoint& checkpoint) {
  if (prefix.empty()) return;
  for (const auto& [name, view] : checkpoint.files.tensors)
    if (!name.starts_with(prefix)) checkpoint.unused.push_back(name);
}

}  // namespace detail

[[nodiscard]] inline bool is_timm(const NamedTensors& tensors) {
  return detail::timm_prefix(tensors).has_value();
}

/// Throws Error when neither a config nor `options` nor the shapes settle the architecture.
[[nodiscard, gnu::cold]] inline Checkpoint open_timm(CheckpointFiles files,
                                                     const LoadOptions& options) {
  Checkpoint checkpoint(std::move(files), "timm");
  const std::optional<ConfigFile>& file = checkpoint.files.config;
  ViTConfig& c = checkpoint.config;
  const std::string prefix = *detail::timm_prefix(checkpoint.files.tensors);
  if (checkpoint.files.tensors.contains(prefix, "blocks.0.out_proj.weight")) {
    checkpoint.files.tensors =
        SplitOutProjections(checkpoint.files.tensors, prefix, options.limits);
  }
  checkpoint.names = detail::timm_names(checkpoint.files.tensors, prefix);
  checkpoint.unused = {join(prefix, "mask_token"), join(prefix, "rope.*"),      "*.rope.freqs_cos",
                       "*.rope.freqs_sin",         "*.relative_position_index", "visual.head.*"};
  detail::leave_other_parts(prefix, checkpoint);
  if (checkpoint.files.tensors.contains("visual.head.proj.weight"))  // open_clip's projection
    checkpoint.names.add("head.weight", {{"visual.head.proj.weight"}});
  const TensorShapes shapes(checkpoint.files.tensors, checkpoint.names);

  std::string architecture = options.architecture;
  std::string reason = "asked for";
  if (architecture.empty() && file) {
    architecture = json_get_if<std::string>(file->json, "architecture", file->path).value_or("");
    reason = file->path;
  }
  if (const auto& clip = checkpoint.files.open_clip_config; architecture.empty() && clip) {
    const Json* model = json_find(clip->json, "model_cfg");
    const Json* vision = json_find(model == nullptr ? clip->json : *model, "vision_cfg");
    if (vision != nullptr) {
      architecture = json_get_if<std::string>(*vision, "timm_model_name", clip->path).value_or("");
      reason = clip->path;
    }
  }
  if (architecture.empty() && options.heads == 0) {
    c.heads = 1;  // any number will do for the shapes
    infer_from_tensors(shapes, checkpoint.names, false, c);
    if (heads_in_tensors(shapes) == 0 || !presets_that_fit(c).empty()) {
      architecture = detail::timm_preset_by_shape(c, checkpoint.path()).name;
      reason = "the only published architecture with these shapes";
    }
  }
  c = ViTConfig{};
  if (architecture.empty() && options.heads == 0) {
    c.heads = heads_in_tensors(shapes);
    checkpoint.because.set("heads", "the tensors' shapes");
  }
  if (!architecture.empty()) {
    c = make_config(detail::timm_preset(architecture, file ? file->path : checkpoint.path()),
                    architecture);
    for (const char* field : {"architecture", "heads", "norm_eps", "activation", "pooling"}) {
      checkpoint.because.set(field, field == std::string_view("architecture")
                                        ? reason
                                        : join("timm's ", architecture));
    }
  }
  bool image_known = file && detail::read_timm_config(*file, checkpoint);
  if (options.heads > 0) {
    c.heads = options.heads;
    checkpoint.because.set("heads", "asked for");
  }
  if (architecture.empty()) detail::settle_unnamed(shapes, checkpoint);
  image_known = image_known || !architecture.empty();
  try {
    infer_from_tensors(shapes, checkpoint.names, image_known, c);
  } catch (const Error&) {
    if (!image_known || (file && json_find(file->json, "model_args") != nullptr)) throw;
    infer_from_tensors(shapes, checkpoint.names, false,
                       c);  // weights of the architecture at another size
  }
  const bool told = file && checkpoint.because.says("pooling", file->path);
  if (c.pooling == Pooling::token && (!c.class_token || (c.fc_norm && !c.final_norm && !told))) {
    c.pooling = Pooling::avg;  // the mean is what a norm behind the pooling alone is made for
    checkpoint.because.set(
        "pooling", c.class_token ? "the norm behind the pooling" : "there is no class token");
  }
  if (c.distillation_token && !c.distilled_head && c.pooling == Pooling::token)
    c.pooling = Pooling::class_and_distillation;
  if (c.classes == 0)  // timm's Identity in the place of a classifier
    checkpoint.stage_names = {{"pre_logits", "pre_logits"}, {"pre_logits", "logits"}};
  c.position_rule = PositionRule::timm;
  checkpoint.because.set("position_rule", "timm resamples so");
  apply_options(options, checkpoint);

  if (file && json_find(file->json, "pretrained_cfg") != nullptr)
    settle_preprocess(file, &file->json, checkpoint);
  if (!checkpoint.preprocess && !architecture.empty()) {
    checkpoint.preprocess = detail::timm_preprocess(architecture);
    checkpoint.because.set("preprocess", join(checkpoint.preprocess ? "timm's table for "
                                                                    : "timm's table has none for ",
                                              architecture));
  }
  settle_labels(detail::timm_labels(file), file ? file->path : "", checkpoint);
  return checkpoint;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_TIMM_HPP
