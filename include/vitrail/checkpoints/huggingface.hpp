// Hugging Face transformers: ViT, DeiT, MAE, BEiT, DINOv2 and DINOv3, with and without a
// classifier.
//
// Facts: transformers models/{vit,deit,beit,dinov2,dinov2_with_registers,dinov3_vit}/modeling_*.py.
// eps 1e-12 (the same weights run at 1e-6 elsewhere) but for DINO's, erf GELU, positions resampled
// by torch's bicubic without antialiasing, with registers with it; config.json overrides.
#ifndef VITRAIL_CHECKPOINTS_HUGGINGFACE_HPP
#define VITRAIL_CHECKPOINTS_HUGGINGFACE_HPP

#include <vitrail/checkpoints/settle.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// How transformers names the layers of one family of models.
enum class HuggingFaceFamily { vit, beit, dinov2, dinov3 };

struct HuggingFaceFile {
  HuggingFaceFamily family = HuggingFaceFamily::vit;
  std::string_view prefix;  // "vit.", "dinov2.", ... or "" for a bare backbone
};

/// Nothing unless these are the tensors of one of the families.
[[nodiscard]] inline std::optional<HuggingFaceFile> huggingface_file(const NamedTensors& tensors) {
  using enum HuggingFaceFamily;
  for (const char* prefix :
       {"vit.", "deit.", "beit.", "dinov2.", "dinov2_with_registers.", "dinov3_vit.", ""}) {
    const auto has = [&](const char* name) { return tensors.contains(prefix, name); };
    if (has("embeddings.patch_embeddings.weight") && has("layer.0.attention.q_proj.weight"))
      return HuggingFaceFile{dinov3, prefix};
    if (!has("embeddings.patch_embeddings.projection.weight")) continue;
    if (has("encoder.layer.0.norm1.weight")) return HuggingFaceFile{dinov2, prefix};
    if (!has("encoder.layer.0.layernorm_before.weight")) continue;
    const bool key_has_bias = has("encoder.layer.0.attention.attention.key.bias");
    const bool query_has_bias = has("encoder.layer.0.attention.attention.query.bias");
    const bool is_beit = has("encoder.layer.0.lambda_1") || (query_has_bias && !key_has_bias);
    return HuggingFaceFile{is_beit ? beit : vit, prefix};
  }
  return std::nullopt;
}

inline constexpr NameRule huggingface_dinov3_gate[] = {
    {"blocks.{}.mlp.fc1.weight", "~layer.{}.mlp.{gate_proj,up_proj}.weight"},
    {"blocks.{}.mlp.fc1.bias", "~layer.{}.mlp.{gate_proj,up_proj}.bias"}};
inline constexpr NameRule huggingface_dinov3_rules[] = {
    {"cls_token", "~embeddings.cls_token"},
    {"reg_token", "~embeddings.register_tokens"},
    {"patch_embed.proj.weight", "~embeddings.patch_embeddings.weight"},
    {"patch_embed.proj.bias", "~embeddings.patch_embeddings.bias"},
    {"blocks.{}.norm1.weight", "~layer.{}.norm1.weight"},
    {"blocks.{}.norm1.bias", "~layer.{}.norm1.bias"},
    {"blocks.{}.attn.qkv.weight", "~layer.{}.attention.{q_proj,k_proj,v_proj}.weight"},
    {"blocks.{}.attn.qkv.bias", "~layer.{}.attention.{q_proj,0,v_proj}.bias"},
    {"blocks.{}.attn.proj.weight", "~layer.{}.attention.o_proj.weight"},
    {"blocks.{}.attn.proj.bias", "~layer.{}.attention.o_proj.bias"},
    {"blocks.{}.ls1.gamma", "~layer.{}.layer_scale1.lambda1"},
    {"blocks.{}.norm2.weight", "~layer.{}.norm2.weight"},
    {"blocks.{}.norm2.bias", "~layer.{}.norm2.bias"},
    {"blocks.{}.mlp.fc2.weight", "~layer.{}.mlp.down_proj.weight"},
    {"blocks.{}.mlp.fc2.bias", "~layer.{}.mlp.down_proj.bias"},
    {"blocks.{}.ls2.gamma", "~layer.{}.layer_scale2.lambda1"},
    {"norm.weight", "~norm.weight"},
    {"norm.bias", "~norm.bias"},
    {"blocks.{}.mlp.fc1.weight", "~layer.{}.mlp.up_proj.weight"},
    {"blocks.{}.mlp.fc1.bias", "~layer.{}.mlp.up_proj.bias"}};

/// The rules that ViT, DeiT, BEiT and DINOv2 share.
inline constexpr NameRule huggingface_common_rules[] = {
    {"cls_token", "~embeddings.cls_token"},
    {"dist_token", "~embeddings.distillation_token"},
    {"reg_token", "~embeddings.register_tokens"},
    {"pos_embed", "~embeddings.position_embeddings"},
    {"patch_embed.proj.weight", "~embeddings.patch_embeddings.projection.weight"},
    {"patch_embed.proj.bias", "~embeddings.patch_embeddings.projection.bias"},
    {"blocks.{}.attn.qkv.weight", "~encoder.layer.{}.attention.attention.{query,key,value}.weight"},
    {"blocks.{}.attn.proj.weight", "~encoder.layer.{}.attention.output.dense.weight"},
    {"blocks.{}.attn.proj.bias", "~encoder.layer.{}.attention.output.dense.bias"},
    {"norm.weight", "~layernorm.weight"},
    {"norm.bias", "~layernorm.bias"},
    {"blocks.{}.attn.qkv.bias", "~encoder.layer.{}.attention.attention.{query,key,value}.bias"}};
inline constexpr NameRule huggingface_dinov2_gate[] = {
    {"blocks.{}.mlp.fc1.weight", "~encoder.layer.{}.mlp.weights_in.weight"},
    {"blocks.{}.mlp.fc1.bias", "~encoder.layer.{}.mlp.weights_in.bias"},
    {"blocks.{}.mlp.fc2.weight", "~encoder.layer.{}.mlp.weights_out.weight"},
    {"blocks.{}.mlp.fc2.bias", "~encoder.layer.{}.mlp.weights_out.bias"}};
inline constexpr NameRule huggingface_dinov2_rules[] = {
    {"blocks.{}.norm1.weight", "~encoder.layer.{}.norm1.weight"},
    {"blocks.{}.norm1.bias", "~encoder.layer.{}.norm1.bias"},
    {"blocks.{}.ls1.gamma", "~encoder.layer.{}.layer_scale1.lambda1"},
    {"blocks.{}.norm2.weight", "~encoder.layer.{}.norm2.weight"},
    {"blocks.{}.norm2.bias", "~encoder.layer.{}.norm2.bias"},
    {"blocks.{}.ls2.gamma", "~encoder.layer.{}.layer_scale2.lambda1"},
    {"blocks.{}.mlp.fc1.weight", "~encoder.layer.{}.mlp.fc1.weight"},
    {"blocks.{}.mlp.fc1.bias", "~encoder.layer.{}.mlp.fc1.bias"},
    {"blocks.{}.mlp.fc2.weight", "~encoder.layer.{}.mlp.fc2.weight"},
    {"blocks.{}.mlp.fc2.bias", "~encoder.layer.{}.mlp.fc2.bias"}};
inline constexpr NameRule huggingface_vit_rules[] = {
    {"blocks.{}.norm1.weight", "~encoder.layer.{}.layernorm_before.weight"},
    {"blocks.{}.norm1.bias", "~encoder.layer.{}.layernorm_before.bias"},
    {"blocks.{}.norm2.weight", "~encoder.layer.{}.layernorm_after.weight"},
    {"blocks.{}.norm2.bias", "~encoder.layer.{}.layernorm_after.bias"},
    {"blocks.{}.mlp.fc1.weight", "~encoder.layer.{}.intermediate.dense.weight"},
    {"blocks.{}.mlp.fc1.bias", "~encoder.layer.{}.intermediate.dense.bias"},
    {"blocks.{}.mlp.fc2.weight", "~encoder.layer.{}.output.dense.weight"},
    {"blocks.{}.mlp.fc2.bias", "~encoder.layer.{}.output.dense.bias"}};
// BEiT: k has no bias.
inline constexpr NameRule huggingface_beit_rules[] = {
    {"blocks.{}.attn.qkv.bias", "~encoder.layer.{}.attention.attention.{query,0,value}.bias"},
    {"blocks.{}.ls1.gamma", "~encoder.layer.{}.lambda_1"},
    {"blocks.{}.ls2.gamma", "~encoder.layer.{}.lambda_2"},
    {"blocks.{}.attn.relative_position_bias_table",
     "~encoder.layer.{}.attention.attention.relative_position_bias."
     "relative_position_bias_table"},
    {"rel_pos_bias.relative_position_bias_table",
     "~encoder.relative_position_bias.relative_position_bias_table"},
    {"fc_norm.weight", "~pooler.layernorm.weight"},
    {"fc_norm.bias", "~pooler.layernorm.bias"}};
inline constexpr NameRule huggingface_two_heads[] = {
    {"head.weight", "cls_classifier.weight"},
    {"head.bias", "cls_classifier.bias"},
    {"head_dist.weight", "distillation_classifier.weight"},
    {"head_dist.bias", "distillation_classifier.bias"}};
inline constexpr NameRule huggingface_head[] = {{"head.weight", "classifier.weight"},
                                                {"head.bias", "classifier.bias"}};
// A backbone: its pooler is a tanh layer on the class token.
inline constexpr NameRule huggingface_pooler[] = {{"pre_logits.weight", "~pooler.dense.weight"},
                                                  {"pre_logits.bias", "~pooler.dense.bias"}};

inline constexpr NameRules huggingface_dinov3_names[] = {
    {"layer.0.mlp.gate_proj.weight", huggingface_dinov3_gate}, {"", huggingface_dinov3_rules}};
inline constexpr NameRules huggingface_dinov2_names[] = {
    {"encoder.layer.0.mlp.weights_in.weight", huggingface_dinov2_gate},
    {"", huggingface_dinov2_rules},
    {"", huggingface_common_rules}};
inline constexpr NameRules huggingface_beit_names[] = {
    {"", huggingface_beit_rules}, {"", huggingface_vit_rules}, {"", huggingface_common_rules}};
inline constexpr NameRules huggingface_vit_names[] = {{"", huggingface_vit_rules},
                                                      {"", huggingface_common_rules}};

[[nodiscard, gnu::cold]] inline NameTable huggingface_names(const NamedTensors& tensors,
                                                            const HuggingFaceFile& file) {
  NameTable names(file.prefix);
  switch (file.family) {
    case HuggingFaceFamily::vit: add_rules(tensors, huggingface_vit_names, names); break;
    case HuggingFaceFamily::beit: add_rules(tensors, huggingface_beit_names, names); break;
    case HuggingFaceFamily::dinov2: add_rules(tensors, huggingface_dinov2_names, names); break;
    case HuggingFaceFamily::dinov3: add_rules(tensors, huggingface_dinov3_names, names); break;
  }
  if (tensors.contains("distillation_classifier.weight")) {
    names.add(huggingface_two_heads);
  } else if (tensors.contains("classifier.weight")) {
    names.add(huggingface_head);
  } else {
    names.add(huggingface_pooler);
  }
  return names;
}

/// What each family does that neither tensors nor config.json show.
[[gnu::cold]] inline void huggingface_family_rules(const HuggingFaceFile& file, bool has_classifier,
                                                   Checkpoint& checkpoint) {
  using enum HuggingFaceFamily;
  ViTConfig& c = checkpoint.config;
  const bool dino = file.family == dinov2 || file.family == dinov3;
  c.norm_eps = file.family == dinov2 ? 1e-6 : file.family == dinov3 ? 1e-5 : 1e-12;
  c.position_rule = PositionRule::huggingface;
  if (checkpoint.files.tensors.contains(file.prefix, "embeddings.register_tokens")) {
    c.position_rule = PositionRule::timm;
    c.positions = PositionCoverage::class_and_patches;
  }
  if (file.family == dinov2 && has_classifier) c.pooling = Pooling::token_and_avg;
  if (file.family == dinov3) c.rotary = RotaryKind::dinov3;
  c.relative_rule = RelativeRule::huggingface;
  checkpoint.unused = {join(file.prefix, "embeddings.mask_token"), "decoder.*",
                       "*.relative_position_index"};
  if (has_classifier && file.family != beit)
    checkpoint.unused.push_back(join(file.prefix, "pooler.*"));
  checkpoint.stage_names = {{"forward_features", "last_hidden_state"},
                            {"attn_last", "attentions.last"},
                            {"logits_cls", "cls_logits"},
                            {"logits_dist", "distillation_logits"}};
  if (dino)
    checkpoint.stage_names.push_back({"forward_features", "pooler_output", StagePart::class_row});
  if (file.family == beit) checkpoint.stage_names.push_back({"pre_logits", "pooler_output"});
  checkpoint.elsewhere = {"logits_with_registers_in_mean_4_49"};
}

/// DINOv3's base of the rotary periods, where a config.json has another than 100.
[[gnu::cold]] inline void read_huggingface_rope(const ConfigFile& file, ViTConfig& c) {
  const Json* newer = json_find(file.json, "rope_parameters");
  const double theta =
      json_get_if<double>(newer == nullptr ? file.json : *newer, "rope_theta", file.path)
          .value_or(100);
  if (!(theta > 0))
    fail(file.path, "'rope_theta' is ", std::to_string(theta), ", expected more than 0");
  c.rotary_periods.clear();
  for (Index k = 0; k < c.head_dim / 4 && theta != 100; ++k)
    c.rotary_periods.push_back(
        std::pow(theta, 4 * static_cast<double>(k) / static_cast<double>(c.head_dim)));
}

/// id2label of a config.json, in the order of the ids; empty when there is none.
[[nodiscard]] inline std::vector<std::string> huggingface_labels(const ConfigFile& file) {
  const Json* table = json_find(file.json, "id2label");
  if (table == nullptr || !table->is_object()) return {};
  std::vector<std::string> labels(table->members().size());
  for (const auto& [id, label] : table->members()) {
    std::size_t index = labels.size();
    for (std::size_t i = 0, n = 0; i < id.size(); ++i) {
      if (id[i] < '0' || id[i] > '9' || n > labels.size()) break;
      n = n * 10 + static_cast<std::size_t>(id[i] - '0');
      if (i + 1 == id.size()) index = n;
    }
    if (index >= labels.size())
      fail(file.path, "'id2label' has the id '", id, "', expected 0 to ", labels.size() - 1);
    labels[index] = json_as<std::string>(label, "id2label", file.path);
  }
  return labels;
}

}  // namespace detail

[[nodiscard]] inline bool is_huggingface(const NamedTensors& tensors) {
  return detail::huggingface_file(tensors).has_value();
}

[[nodiscard, gnu::cold]] inline Checkpoint open_huggingface(CheckpointFiles files,
                                                            const LoadOptions& options) {
  Checkpoint checkpoint(std::move(files), "Hugging Face");
  const NamedTensors& tensors = checkpoint.files.tensors;
  const detail::HuggingFaceFile kind = *detail::huggingface_file(tensors);
  const bool has_classifier =
      tensors.contains("classifier.weight") || tensors.contains("distillation_classifier.weight");
  checkpoint.names = detail::huggingface_names(tensors, kind);
  ViTConfig& c = checkpoint.config;
  detail::huggingface_family_rules(kind, has_classifier, checkpoint);
  checkpoint.because = {{"norm_eps", "transformers' default"},
                        {"activation", "transformers' default"},
                        {"position_rule", "interpolate_pos_encoding resamples so"}};
  bool image_known = false;
  const std::optional<ConfigFile>& file = checkpoint.files.config;
  c.heads = 0;
  if (file) {
    const std::string& where = file->path;
    c.architecture = json_get_if<std::string>(file->json, "model_type", where).value_or("vit");
    checkpoint.because.set("architecture", where);
    c.heads = json_get<Index>(file->json, "num_attention_heads", where);
    checkpoint.because.set("heads", where);
    if (const auto eps = json_get_if<double>(file->json, "layer_norm_eps", where)) {
      c.norm_eps = *eps;
      checkpoint.because.set("norm_eps", where);
    }
    if (const auto act = json_get_if<std::string>(file->json, "hidden_act", where)) {
      c.activation = activation_named(*act, where);
      checkpoint.because.set("activation", where);
    }
    if (const Json* size = json_find(file->json, "image_size")) {
      set_image_size(*size, "image_size", where, c);
      image_known = true;
    }
    if (const auto mean = json_get_if<bool>(file->json, "use_mean_pooling", where);
        mean && *mean && kind.family == detail::HuggingFaceFamily::beit) {
      c.pooling = Pooling::avg;
      checkpoint.because.set("pooling", where);
    }
  }
  const TensorShapes shapes(tensors, checkpoint.names);
  settle_heads(options, c.heads, shapes, checkpoint);
  infer_from_tensors(shapes, checkpoint.names, image_known, c);
  if (file && kind.family == detail::HuggingFaceFamily::dinov3)
    detail::read_huggingface_rope(*file, c);
  if (c.fc_norm && c.pooling == Pooling::token) c.pooling = Pooling::avg;  // BEiT's pooler
  if (c.representation_size > 0) checkpoint.stage_names.push_back({"pre_logits", "pooler_output"});
  apply_options(options, checkpoint);

  const std::optional<ConfigFile>& recipe = checkpoint.files.preprocessor_config;
  settle_preprocess(recipe, recipe ? &recipe->json : nullptr, checkpoint);
  if (!checkpoint.preprocess) {
    if (kind.family == detail::HuggingFaceFamily::dinov2) {
      checkpoint.preprocess = PreprocessConfig{.resize_height = 256,
                                               .resize_width = 256,
                                               .rounding = RoundingRule::huggingface,
                                               .mean = imagenet_mean,
                                               .std = imagenet_std};
      checkpoint.because.set("preprocess", "BitImageProcessor's defaults");
    } else {
      checkpoint.preprocess = PreprocessConfig{.height = c.image_height,
                                               .width = c.image_width,
                                               .resize = ResizeMode::squash,
                                               .resize_height = c.image_height,
                                               .resize_width = c.image_width,
                                               .filter = Filter::bilinear,
                                               .rounding = RoundingRule::huggingface,
                                               .mean = standard_mean,
                                               .std = standard_std};
      checkpoint.because.set("preprocess", "ViTImageProcessor's defaults");
    }
  }
  settle_labels(file ? detail::huggingface_labels(*file) : std::vector<std::string>{},
                file ? file->path : "", checkpoint);
  return checkpoint;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_HUGGINGFACE_HPP
