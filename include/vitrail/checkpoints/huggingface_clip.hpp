// The picture towers of Hugging Face's CLIP, SigLIP and BLIP: vision_model.* of their files. Text
// towers are left alone.
//
// Facts: transformers models/{clip,siglip,blip,blip_2}/modeling_*.py. CLIP: eps 1e-5, QuickGELU;
// SigLIP: eps 1e-6, tanh GELU, pooled by attention; BLIP: eps 1e-5, BLIP-2: eps 1e-6, erf GELU,
// q, k and v in one product. Positions resampled by torch's bicubic; config.json overrides.
#ifndef VITRAIL_CHECKPOINTS_HUGGINGFACE_CLIP_HPP
#define VITRAIL_CHECKPOINTS_HUGGINGFACE_CLIP_HPP

#include <vitrail/checkpoints/clip.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

inline constexpr NameRule huggingface_clip_rules[] = {
    {"cls_token", "vision_model.embeddings.class_embedding"},
    {"patch_embed.proj.weight", "vision_model.embeddings.patch_embedding.weight"},
    {"patch_embed.proj.bias", "vision_model.embeddings.patch_embedding.bias"},
    {"norm_pre.weight", "vision_model.pre_layrnorm.weight"},
    {"norm_pre.bias", "vision_model.pre_layrnorm.bias"},
    {"blocks.{}.norm1.weight", "vision_model.encoder.layers.{}.layer_norm1.weight"},
    {"blocks.{}.norm1.bias", "vision_model.encoder.layers.{}.layer_norm1.bias"},
    {"blocks.{}.norm2.weight", "vision_model.encoder.layers.{}.layer_norm2.weight"},
    {"blocks.{}.norm2.bias", "vision_model.encoder.layers.{}.layer_norm2.bias"},
    {"blocks.{}.mlp.fc1.weight", "vision_model.encoder.layers.{}.mlp.fc1.weight"},
    {"blocks.{}.mlp.fc1.bias", "vision_model.encoder.layers.{}.mlp.fc1.bias"},
    {"blocks.{}.mlp.fc2.weight", "vision_model.encoder.layers.{}.mlp.fc2.weight"},
    {"blocks.{}.mlp.fc2.bias", "vision_model.encoder.layers.{}.mlp.fc2.bias"},
    {"norm.weight", "vision_model.post_layernorm.weight"},
    {"norm.bias", "vision_model.post_layernorm.bias"},
    {"head.weight", "visual_projection.weight"},
    {"pos_embed", "vision_model.embeddings.position_embedding.weight"},
    {"blocks.{}.attn.qkv.weight",
     "vision_model.encoder.layers.{}.self_attn.{q_proj,k_proj,v_proj}.weight"},
    {"blocks.{}.attn.qkv.bias",
     "vision_model.encoder.layers.{}.self_attn.{q_proj,k_proj,v_proj}.bias"},
    {"blocks.{}.attn.proj.weight", "vision_model.encoder.layers.{}.self_attn.out_proj.weight"},
    {"blocks.{}.attn.proj.bias", "vision_model.encoder.layers.{}.self_attn.out_proj.bias"}};
inline constexpr NameRule huggingface_blip_rules[] = {
    {"pos_embed", "vision_model.embeddings.position_embedding"},
    {"blocks.{}.attn.qkv.weight", "vision_model.encoder.layers.{}.self_attn.qkv.weight"},
    {"blocks.{}.attn.qkv.bias", "vision_model.encoder.layers.{}.self_attn.qkv.bias"},
    {"blocks.{}.attn.proj.weight", "vision_model.encoder.layers.{}.self_attn.projection.weight"},
    {"blocks.{}.attn.proj.bias", "vision_model.encoder.layers.{}.self_attn.projection.bias"}};
inline constexpr NameRule huggingface_siglip_rules[] = {
    {"attn_pool.latent", "vision_model.head.probe"},
    {"attn_pool.proj.weight", "vision_model.head.attention.out_proj.weight"},
    {"attn_pool.proj.bias", "vision_model.head.attention.out_proj.bias"},
    {"attn_pool.norm.weight", "vision_model.head.layernorm.weight"},
    {"attn_pool.norm.bias", "vision_model.head.layernorm.bias"},
    {"attn_pool.mlp.fc1.weight", "vision_model.head.mlp.fc1.weight"},
    {"attn_pool.mlp.fc1.bias", "vision_model.head.mlp.fc1.bias"},
    {"attn_pool.mlp.fc2.weight", "vision_model.head.mlp.fc2.weight"},
    {"attn_pool.mlp.fc2.bias", "vision_model.head.mlp.fc2.bias"}};
inline constexpr NameRules huggingface_clip_sets[] = {
    {"vision_model.encoder.layers.0.self_attn.qkv.weight", huggingface_blip_rules},
    {"vision_model.head.probe", huggingface_siglip_rules},
    {"", huggingface_clip_rules}};

[[nodiscard, gnu::cold]] inline NameTable huggingface_clip_names(const NamedTensors& tensors) {
  NameTable names("");
  add_rules(tensors, huggingface_clip_sets, names);
  if (const AnyView* probe = tensors.find("vision_model.head.probe")) {  // SigLIP
    const Index D = probe->shape.count();
    const auto same = Layout::same;
    const NameRule in_proj[] = {
        {"attn_pool.q.weight", "vision_model.head.attention.in_proj_weight", same, 0, D},
        {"attn_pool.q.bias", "vision_model.head.attention.in_proj_bias", same, 0, D},
        {"attn_pool.kv.weight", "vision_model.head.attention.in_proj_weight", same, D, 3 * D},
        {"attn_pool.kv.bias", "vision_model.head.attention.in_proj_bias", same, D, 3 * D}};
    names.add(in_proj);
  }
  return names;
}

/// The stages under transformers' names; `answer` is what the tower gives to the comparison.
[[nodiscard, gnu::cold]] inline std::vector<StageName> huggingface_clip_stages(const ViTConfig& c,
                                                                               bool blip,
                                                                               bool alone) {
  const char* const answer = c.classes > 0 ? "logits" : "pre_logits";
  const char* const last = "hidden_states.{last}";
  // CLIP's last_hidden_state has not seen the last norm, SigLIP's and BLIP's has.
  const bool normed = blip || !c.pre_norm;
  if (alone) {  // a file of the tower only, which hands its outputs out without that prefix
    return {{"hidden_states.{}", "hidden_states.{}"},
            {normed ? "forward_features" : last, "last_hidden_state"},
            {"attn_last", "attentions.last"},
            {"pre_logits", "pooler_output"},
            {answer, "image_embeds"},
            {c.pre_norm ? "embeddings_before_norm_pre" : "hidden_states.0", "embeddings"}};
  }
  return {{"hidden_states.{}", "vision_model_output.hidden_states.{}"},
          {normed ? "forward_features" : last, "vision_model_output.last_hidden_state"},
          {"attn_last", "vision_model_output.attentions.last"},
          {"pre_logits", "vision_model_output.pooler_output"},
          {blip ? "forward_features" : "", "vision_last_hidden_state"},
          {answer, "get_image_features"},
          {answer, "image_features_unnormalised"},
          {answer, "image_embeds", StagePart::unit_length},
          {c.pre_norm ? "embeddings_before_norm_pre" : "hidden_states.0", "embeddings"}};
}

}  // namespace detail

[[nodiscard]] inline bool is_huggingface_clip(const NamedTensors& tensors) {
  return tensors.contains("vision_model.embeddings.patch_embedding.weight") &&
         tensors.contains("vision_model.encoder.layers.0.layer_norm1.weight");
}

[[nodiscard, gnu::cold]] inline Checkpoint open_huggingface_clip(CheckpointFiles files,
                                                                 const LoadOptions& options) {
  Checkpoint checkpoint(std::move(files), "Hugging Face");
  const NamedTensors& tensors = checkpoint.files.tensors;
  checkpoint.names = detail::huggingface_clip_names(tensors);
  for (const auto& [name, view] : tensors) {
    if (!name.starts_with("vision_model.") && name != "visual_projection.weight")
      checkpoint.unused.push_back(name);
  }
  checkpoint.unused.emplace_back("vision_model.embeddings.position_ids");
  checkpoint.elsewhere = {"text*", "logits_per_*", "probs*", "get_text_features", "itc_*", "itm_*"};
  bool alone = true;
  for (const auto& [name, view] : tensors)
    alone = alone && (name.starts_with("vision_model.") || name == "visual_projection.weight");
  const bool siglip = tensors.contains("vision_model.head.probe");
  const bool blip = tensors.contains("vision_model.encoder.layers.0.self_attn.qkv.weight");
  const TensorShapes shapes(tensors, checkpoint.names);

  ViTConfig& c = checkpoint.config;
  c.architecture = siglip ? "siglip_vision_model"
                   : blip ? "blip_vision_model"
                          : "clip_vision_model";
  c.norm_eps = siglip ? 1e-6 : 1e-5;
  c.activation = siglip ? Activation::gelu_tanh
                 : blip ? Activation::gelu_erf
                        : Activation::quick_gelu;
  c.position_rule = PositionRule::huggingface;
  c.heads = 0;
  for (const char* field : {"norm_eps", "activation", "position_rule"})
    checkpoint.because.set(field, "transformers' default");
  checkpoint.because.set("architecture", "the tensors' names");
  bool image_known = false;
  if (const std::optional<ConfigFile>& file = checkpoint.files.config) {
    const std::string& where = file->path;
    const Json* tower = json_find(file->json, "vision_config");
    const Json& vision = tower == nullptr ? file->json : *tower;
    c.architecture = json_get_if<std::string>(vision, "model_type", where).value_or(c.architecture);
    // transformers leaves settings out that are its defaults.
    c.heads = json_get_if<Index>(vision, "num_attention_heads", where)
                  .value_or(c.architecture == "blip_2_vision_model" ? 16 : 12);
    checkpoint.because.set("heads", where);
    if (c.architecture == "blip_2_vision_model") c.norm_eps = 1e-6;
    if (const auto eps = json_get_if<double>(vision, "layer_norm_eps", where)) {
      c.norm_eps = *eps;
      checkpoint.because.set("norm_eps", where);
    }
    if (const auto act = json_get_if<std::string>(vision, "hidden_act", where)) {
      c.activation = activation_named(*act, where);
      checkpoint.because.set("activation", where);
    }
    if (const Json* size = json_find(vision, "image_size")) {
      set_image_size(*size, "image_size", where, c);
      image_known = true;
    }
  }
  settle_heads(options, c.heads, shapes, checkpoint);
  infer_from_tensors(shapes, checkpoint.names, image_known, c);
  checkpoint.stage_names = detail::huggingface_clip_stages(c, blip, alone);
  apply_options(options, checkpoint);

  const std::optional<ConfigFile>& recipe = checkpoint.files.preprocessor_config;
  settle_preprocess(recipe, recipe ? &recipe->json : nullptr, checkpoint);
  if (!checkpoint.preprocess) {
    checkpoint.preprocess = siglip ? PreprocessConfig{.height = c.image_height,
                                                      .width = c.image_width,
                                                      .resize = ResizeMode::squash,
                                                      .resize_height = c.image_height,
                                                      .resize_width = c.image_width,
                                                      .rounding = RoundingRule::huggingface,
                                                      .mean = standard_mean,
                                                      .std = standard_std}
                                   : clip_preprocess(c.image_height, c.image_height);
    checkpoint.because.set("preprocess", siglip ? "SiglipImageProcessor's defaults" : "CLIP's");
  }
  return checkpoint;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_HUGGINGFACE_CLIP_HPP
