// Meta's repositories: DeiT, DINO, DINOv2, DINOv3, MAE and I-JEPA. timm's tensor names, their own
// habits.
//
// Facts: facebookresearch/deit main.py and models.py, dino vision_transformer.py, dinov2
// models/vision_transformer.py and hub/, mae models_mae.py. eps 1e-6, erf GELU, ImageNet mean and
// std. Positions are resampled by torch's bicubic: DeiT by size, DINO and DINOv2 by a scale of
// (n + 0.1) / N, DINOv2 with registers antialiased. DINOv3 (dinov3 models/vision_transformer.py,
// hub/backbones.py, layers/): eps 1e-5, rotary positions of stored periods, which tell the heads,
// and a norm of its own for small crops, which only training uses.
#ifndef VITRAIL_CHECKPOINTS_META_HPP
#define VITRAIL_CHECKPOINTS_META_HPP

#include <vitrail/checkpoints/timm.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// A config.json that names the framework; without one, such a file is read as timm's twin of the
/// same name.
[[nodiscard]] inline bool is_meta_deit_config(const Json& config) {
  const Json* framework = json_find(config, "framework");
  return framework != nullptr && framework->is_string() &&
         framework->text() == "facebookresearch/deit";
}

[[nodiscard, gnu::cold]] inline Checkpoint open_meta_deit(CheckpointFiles files,
                                                          const LoadOptions& options) {
  Checkpoint checkpoint(std::move(files), "Meta DeiT");
  const ConfigFile& file = *checkpoint.files.config;
  ViTConfig& c = checkpoint.config;
  c.heads = 0;
  const bool image_known = detail::read_timm_config(file, checkpoint);
  c.architecture = json_get_if<std::string>(file.json, "architecture", file.path).value_or("deit");
  checkpoint.because.set("architecture", file.path);
  const Json* args = json_find(file.json, "model_args");
  if (args != nullptr)
    c.norm_eps = json_get_if<double>(*args, "layernorm_eps", file.path).value_or(c.norm_eps);
  const bool is_deit3 = checkpoint.files.tensors.contains("blocks.0.gamma_1");
  checkpoint.names = detail::timm_names(checkpoint.files.tensors, "");
  if (is_deit3) c.positions = PositionCoverage::patches;
  const TensorShapes shapes(checkpoint.files.tensors, checkpoint.names);
  settle_heads(options, c.heads, shapes, checkpoint);
  infer_from_tensors(shapes, checkpoint.names, image_known, c);
  if (c.distillation_token && !c.distilled_head) c.pooling = Pooling::class_and_distillation;
  c.position_rule = PositionRule::huggingface;
  checkpoint.because.set("position_rule", "DeiT's --finetune resamples so");
  if (c.distilled_head)
    checkpoint.stage_names = {{"pooled", "pooled.cls"}, {"pooled_dist", "pooled.dist"}};
  apply_options(options, checkpoint);
  settle_evaluation(0.9, imagenet_mean, imagenet_std, "DeiT's evaluation", checkpoint);
  settle_labels({}, "", checkpoint);
  return checkpoint;
}

namespace detail {

/// What only Meta's self-supervised encoders leave in their files.
[[nodiscard]] inline bool is_dinov2(const NamedTensors& tensors, const std::string& prefix) {
  return tensors.contains(prefix, "mask_token") && tensors.contains(prefix, "blocks.0.ls1.gamma");
}
[[nodiscard]] inline bool is_mae(const NamedTensors& tensors, const std::string& prefix) {
  return tensors.contains(prefix, "decoder_embed.weight");
}
[[nodiscard]] inline bool is_dino(const NamedTensors& tensors) {
  for (const char* name : {"head.last_layer.weight_g", "module.head.last_layer.weight_g",
                           "head.last_layer.weight_v", "module.head.last_layer.weight_v"}) {
    if (tensors.contains(name)) return true;
  }
  return false;
}
/// I-JEPA's encoder: no class token, a position for every patch, no classifier.
[[nodiscard]] inline bool is_ijepa(const NamedTensors& tensors, const std::string& prefix) {
  return (prefix == "encoder." || prefix == "module.encoder.") &&
         !tensors.contains(prefix, "cls_token") && tensors.contains(prefix, "pos_embed") &&
         !tensors.contains(prefix, "head.weight");
}

/// Chunked blocks, as in training: "blocks.<chunk>.<block>." instead of "blocks.<block>.".
[[gnu::cold]] inline void add_chunked_blocks(const NamedTensors& tensors, NameTable& names) {
  const std::string stem = join(names.prefix(), "blocks.");
  for (const auto& [name, view] : tensors) {
    if (!name.starts_with(stem)) continue;
    const std::size_t block = name.find('.', stem.size());
    const std::size_t rest = block == std::string::npos ? block : name.find('.', block + 1);
    if (rest == std::string::npos) continue;
    const std::string number = name.substr(block + 1, rest - block - 1);
    if (number.empty() || number.find_first_not_of("0123456789") != std::string::npos) continue;
    std::string ours = join("blocks.", number, name.substr(rest));
    for (const auto& [theirs, canonical] :
         {std::pair("mlp.w12", "mlp.fc1"), std::pair("mlp.w3", "mlp.fc2")}) {
      if (const std::size_t at = ours.find(theirs); at != std::string::npos)
        ours.replace(at, std::string_view(theirs).size(), canonical);
    }
    names.add(std::move(ours), TensorSource{{name}});
  }
}

/// What DINOv3's stored periods tell: one for each four columns of a head.
[[gnu::cold]] inline void settle_dinov3(const TensorShapes& shapes, Checkpoint& checkpoint) {
  ViTConfig& c = checkpoint.config;
  const AnyView& stored =
      checkpoint.files.tensors.at(join(checkpoint.names.prefix(), "rope_embed.periods"));
  std::vector<float> periods(static_cast<std::size_t>(stored.shape.count()));
  stored.convert_to(std::span<float>(periods));
  c.rotary = RotaryKind::dinov3;
  c.rotary_periods.assign(periods.begin(), periods.end());
  c.norm_eps = 1e-5;
  if (c.heads == 0 && !periods.empty()) {
    c.heads = shapes.quotient("blocks.0.norm1.weight", 4 * stored.shape.count());
    checkpoint.because.set("heads", "its rotary positions");
    checkpoint.because.set("size", "dinov3's repository");
  }
  for (const char* name : {"rope_embed.periods", "local_cls_norm.*"})
    checkpoint.unused.push_back(join(checkpoint.names.prefix(), name));
}

}  // namespace detail

/// DINO, DINOv2, DINOv3, MAE and I-JEPA by what only their files hold.
[[nodiscard]] inline bool is_meta(const NamedTensors& tensors) {
  for (const char* prefix : {"", "module.", "backbone.", "teacher.backbone."}) {
    if (tensors.contains(prefix, "mask_token") &&
        tensors.contains(prefix, "blocks.0.0.norm1.weight")) {
      return true;  // DINOv2 in training's chunks
    }
  }
  const auto prefix = detail::timm_prefix(tensors);
  if (!prefix) return false;
  return detail::is_dinov2(tensors, *prefix) || detail::is_mae(tensors, *prefix) ||
         detail::is_dino(tensors) || detail::is_ijepa(tensors, *prefix);
}

[[nodiscard, gnu::cold]] inline Checkpoint open_meta(CheckpointFiles files,
                                                     const LoadOptions& options) {
  const bool masked =
      std::any_of(files.tensors.begin(), files.tensors.end(),
                  [](const auto& tensor) { return tensor.first.ends_with(".bias_mask"); });
  if (masked) files.tensors = MaskedBiases(files.tensors, options.limits);
  Checkpoint checkpoint(std::move(files), "Meta");
  const NamedTensors& tensors = checkpoint.files.tensors;
  const auto plain_prefix = detail::timm_prefix(tensors);
  std::string prefix = plain_prefix.value_or("");
  for (const char* start : {"module.", "backbone.", "teacher.backbone."}) {
    if (!plain_prefix && tensors.contains(start, "blocks.0.0.norm1.weight")) prefix = start;
  }
  checkpoint.names = detail::timm_names(tensors, prefix);
  if (!plain_prefix) detail::add_chunked_blocks(tensors, checkpoint.names);
  const bool dinov2 = !plain_prefix || detail::is_dinov2(tensors, prefix);
  const bool dinov3 = tensors.contains(join(prefix, "rope_embed.periods"));
  const bool mae = !dinov2 && detail::is_mae(tensors, prefix);
  const bool dino = !dinov2 && !mae && detail::is_dino(tensors);
  const bool registers = tensors.contains(prefix, "register_tokens");
  checkpoint.unused = {join(prefix, "mask_token"), join(prefix, "decoder_*")};
  if (dino) checkpoint.unused.insert(checkpoint.unused.end(), {"head.*", "module.head.*"});
  detail::leave_other_parts(prefix, checkpoint);

  ViTConfig& c = checkpoint.config;
  c.architecture = dinov3 ? "dinov3" : dinov2 ? "dinov2" : mae ? "mae" : dino ? "dino" : "ijepa";
  if (registers) c.positions = PositionCoverage::class_and_patches;
  c.position_rule = registers        ? PositionRule::timm
                    : dinov2 || dino ? PositionRule::dinov2
                                     : PositionRule::huggingface;
  const std::string own = join(c.architecture, "'s repository");
  for (const char* field : {"architecture", "norm_eps", "activation", "position_rule", "pooling"})
    checkpoint.because.set(field, own);
  const std::optional<ConfigFile>& file = checkpoint.files.config;
  bool image_known = false;
  c.heads = 0;
  if (file) {
    image_known = detail::read_timm_config(*file, checkpoint);
    if (const Json* args = json_find(file->json, "model_args")) {
      const auto antialias = json_get_if<bool>(*args, "interpolate_antialias", file->path);
      const auto offset = json_get_if<double>(*args, "interpolate_offset", file->path);
      if (antialias && *antialias) c.position_rule = PositionRule::timm;
      if (antialias && !*antialias)
        c.position_rule = offset && *offset == 0 ? PositionRule::huggingface : PositionRule::dinov2;
      if (antialias) checkpoint.because.set("position_rule", file->path);
    }
  }
  const TensorShapes shapes(tensors, checkpoint.names);
  if (dinov3) detail::settle_dinov3(shapes, checkpoint);
  settle_heads(options, c.heads, shapes, checkpoint);
  infer_from_tensors(shapes, checkpoint.names, image_known, c);
  if (!c.class_token) c.pooling = Pooling::avg;
  checkpoint.stage_names = {{"pre_logits", "embedding"},
                            {"forward_features", "x_norm_clstoken", StagePart::class_row},
                            {"forward_features", "x_norm_regtokens", StagePart::register_rows},
                            {"forward_features", "x_norm_patchtokens", StagePart::patch_rows},
                            {"forward_features", "hub_linear_input", StagePart::class_and_mean},
                            {"hidden_states.{last}", "x_prenorm"},
                            {"hidden_states.{}", "hidden_states.{}"}};
  if (dinov3) checkpoint.stage_names[2].theirs = "x_storage_tokens";
  if (!dinov2) checkpoint.stage_names.clear();
  apply_options(options, checkpoint);
  checkpoint.preprocess = completed_as_timm({.height = 224,
                                             .width = 224,
                                             .crop_fraction = 0.875,
                                             .mean = imagenet_mean,
                                             .std = imagenet_std});
  checkpoint.because.set("preprocess", own);
  if (dinov3) {
    checkpoint.preprocess = completed_as_timm({.height = 256,
                                               .width = 256,
                                               .resize = ResizeMode::squash,
                                               .filter = Filter::bilinear,
                                               .crop_fraction = 1,
                                               .mean = imagenet_mean,
                                               .std = imagenet_std});
    checkpoint.because.set("preprocess", join(own, ", of its models for photographs"));
  }
  settle_labels({}, "", checkpoint);
  return checkpoint;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_META_HPP
