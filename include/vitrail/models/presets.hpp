// From a published architecture's name to its configuration.
#ifndef VITRAIL_MODELS_PRESETS_HPP
#define VITRAIL_MODELS_PRESETS_HPP

#include <vitrail/models/config.hpp>
#include <vitrail/models/preset_table.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// The row of that name, or null. CLIP towers trained with QuickGELU share the row of their twin:
/// vit_base_patch16_clip_quickgelu_224 finds vit_base_patch16_clip_224.
[[nodiscard]] inline const Preset* find_preset(std::string_view name) {
  std::string plain(name);
  constexpr std::string_view infix = "quickgelu_";
  if (const auto at = plain.find(infix); at != std::string::npos) plain.erase(at, infix.size());
  for (const Preset& preset : presets) {
    if (preset.name == plain) return &preset;
  }
  return nullptr;
}

/// The configuration of a preset, with 1000 classes. `name` is kept, and a "quickgelu" in it
/// decides the activation.
[[nodiscard]] inline ViTConfig make_config(const Preset& preset, std::string_view name) {
  ViTConfig c;
  c.architecture = name;
  c.image_height = c.image_width = preset.image;
  c.patch_height = c.patch_width = preset.patch;
  c.embed_dim = preset.embed_dim;
  c.depth = preset.depth;
  c.heads = preset.heads;
  c.head_dim = preset.embed_dim / preset.heads;
  c.mlp_hidden = preset.mlp_hidden;
  c.class_token = !preset.has("no_class");
  c.distillation_token = c.distilled_head = preset.has("distilled");
  c.register_tokens = preset.has("reg4") ? 4 : preset.has("reg1") ? 1 : 0;
  if (preset.has("patch_positions")) c.positions = PositionCoverage::patches;
  c.pre_norm = preset.has("pre_norm");
  c.patch_bias = !c.pre_norm;
  c.qkv_bias = !preset.has("no_qkv_bias");
  c.qk_norm = preset.has("qk_norm");
  c.layer_scale = preset.has("layer_scale");
  if (preset.has("rms")) c.norm = NormKind::rms_norm;
  if (preset.has("eps1e-5")) c.norm_eps = 1e-5;
  if (preset.has("gelu_tanh")) c.activation = Activation::gelu_tanh;
  if (preset.has("silu")) c.activation = Activation::silu;
  if (name.find("quickgelu") != std::string_view::npos) c.activation = Activation::quick_gelu;
  c.gated_mlp = preset.has("gated");
  c.attn_norm = preset.has("attn_norm");
  c.mlp_norm = preset.has("mlp_norm");
  c.patch_norm = preset.has("embed_norm");
  c.relative_positions = preset.has("relative_positions");
  if (preset.has("relative_positions") || preset.has("dinov3"))
    c.positions = PositionCoverage::none;
  if (preset.has("rope")) c.rotary = RotaryKind::eva;
  if (preset.has("dinov3")) {
    c.rotary = RotaryKind::dinov3;
    c.patches_keep_grid = true;
  }
  if (preset.has("res_post_norm")) c.block = BlockKind::post_norm;
  if (preset.has("parallel_things")) c.block = BlockKind::parallel_things;
  if (preset.has("diff_attention")) c.differential_attention = true;
  if (preset.has("parallel_scaling")) c.block = BlockKind::parallel_scaling;
  if (preset.has("stem")) c.stem = ResNetConfig{};
  if (preset.has("r26")) c.stem = ResNetConfig{.layers = {2, 2, 2, 2}};
  if (preset.has("r50_s16")) c.stem = ResNetConfig{.layers = {3, 4, 9}};
  if (preset.has("r50_s32")) c.stem = ResNetConfig{.layers = {3, 4, 6, 3}};
  for (std::size_t s = 0; c.stem && s < c.stem->layers.size(); ++s) {
    c.stem->middle.push_back(Index{64} << s);
    c.stem->outputs.push_back(Index{256} << s);
  }
  if (preset.has("avg")) c.pooling = Pooling::avg;
  if (preset.has("map")) c.pooling = Pooling::map;
  c.fc_norm = preset.has("fc_norm");
  c.final_norm = !c.fc_norm && !preset.has("no_final_norm");
  c.pool_includes_prefix = preset.has("pool_prefix");
  return c;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_MODELS_PRESETS_HPP
