// torchvision: vit_b_16 and its sisters.
//
// Facts: torchvision/models/vision_transformer.py, transforms/_presets.py. eps 1e-6, erf GELU,
// positions resampled by torch's bicubic with align_corners=True. Files up to 0.12 call the MLP's
// layers linear_1 and linear_2.
#ifndef VITRAIL_CHECKPOINTS_TORCHVISION_HPP
#define VITRAIL_CHECKPOINTS_TORCHVISION_HPP

#include <vitrail/checkpoints/settle.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

inline constexpr NameRule torchvision_rules[] = {
    {"cls_token", "class_token"},
    {"pos_embed", "encoder.pos_embedding"},
    {"patch_embed.proj.weight", "conv_proj.weight"},
    {"patch_embed.proj.bias", "conv_proj.bias"},
    {"blocks.{}.norm1.weight", "encoder.layers.encoder_layer_{}.ln_1.weight"},
    {"blocks.{}.norm1.bias", "encoder.layers.encoder_layer_{}.ln_1.bias"},
    {"blocks.{}.attn.qkv.weight", "encoder.layers.encoder_layer_{}.self_attention.in_proj_weight"},
    {"blocks.{}.attn.qkv.bias", "encoder.layers.encoder_layer_{}.self_attention.in_proj_bias"},
    {"blocks.{}.attn.proj.weight",
     "encoder.layers.encoder_layer_{}.self_attention.out_proj.weight"},
    {"blocks.{}.attn.proj.bias", "encoder.layers.encoder_layer_{}.self_attention.out_proj.bias"},
    {"blocks.{}.norm2.weight", "encoder.layers.encoder_layer_{}.ln_2.weight"},
    {"blocks.{}.norm2.bias", "encoder.layers.encoder_layer_{}.ln_2.bias"},
    {"norm.weight", "encoder.ln.weight"},
    {"norm.bias", "encoder.ln.bias"},
    {"pre_logits.weight", "heads.pre_logits.weight"},
    {"pre_logits.bias", "heads.pre_logits.bias"},
    {"head.weight", "heads.head.weight"},
    {"head.bias", "heads.head.bias"},
    {"blocks.{}.mlp.fc1.weight", "encoder.layers.encoder_layer_{}.mlp.0.weight"},
    {"blocks.{}.mlp.fc1.bias", "encoder.layers.encoder_layer_{}.mlp.0.bias"},
    {"blocks.{}.mlp.fc2.weight", "encoder.layers.encoder_layer_{}.mlp.3.weight"},
    {"blocks.{}.mlp.fc2.bias", "encoder.layers.encoder_layer_{}.mlp.3.bias"}};
inline constexpr NameRule torchvision_legacy_mlp[] = {
    {"blocks.{}.mlp.fc1.weight", "encoder.layers.encoder_layer_{}.mlp.linear_1.weight"},
    {"blocks.{}.mlp.fc1.bias", "encoder.layers.encoder_layer_{}.mlp.linear_1.bias"},
    {"blocks.{}.mlp.fc2.weight", "encoder.layers.encoder_layer_{}.mlp.linear_2.weight"},
    {"blocks.{}.mlp.fc2.bias", "encoder.layers.encoder_layer_{}.mlp.linear_2.bias"}};
inline constexpr NameRules torchvision_names[] = {
    {"encoder.layers.encoder_layer_0.mlp.linear_1.weight", torchvision_legacy_mlp},
    {"", torchvision_rules}};

/// The published sizes: vit_b 768 wide with 12 heads, vit_l 1024 with 16, vit_h 1280 with 16.
[[nodiscard]] inline Index torchvision_heads(Index D) {
  return D == 768 ? 12 : D == 1024 || D == 1280 ? 16 : 0;
}

/// The published recipes: V1 weights at 224 are resized to 256 (vit_l_16 to 242) bilinearly, SWAG
/// weights bicubically to their own size.
[[nodiscard]] inline PreprocessConfig torchvision_preprocess(const ViTConfig& c) {
  const bool swag = c.image_height != 224;
  const bool large16 = c.embed_dim == 1024 && c.patch_height == 16;
  const Index resize = swag ? c.image_height : large16 ? 242 : 256;
  return {.height = c.image_height,
          .width = c.image_height,
          .resize_height = resize,
          .resize_width = resize,
          .filter = swag ? Filter::bicubic : Filter::bilinear,
          .mean = imagenet_mean,
          .std = imagenet_std};
}

}  // namespace detail

[[nodiscard]] inline bool is_torchvision(const NamedTensors& tensors) {
  return tensors.contains("conv_proj.weight") &&
         tensors.contains("encoder.layers.encoder_layer_0.ln_1.weight");
}

[[nodiscard, gnu::cold]] inline Checkpoint open_torchvision(CheckpointFiles files,
                                                            const LoadOptions& options) {
  Checkpoint checkpoint(std::move(files), "torchvision");
  const NamedTensors& tensors = checkpoint.files.tensors;
  add_rules(tensors, detail::torchvision_names, checkpoint.names);
  checkpoint.stage_names = {{"forward_features", "encoder_output"},
                            {"pos_embed_resampled", "pos_embedding_resampled"}};
  const TensorShapes shapes(tensors, checkpoint.names);

  ViTConfig& c = checkpoint.config;
  c.architecture = "VisionTransformer";
  c.position_rule = PositionRule::torchvision;
  checkpoint.because = {{"norm_eps", "torchvision's default"},
                        {"activation", "torchvision's default"},
                        {"position_rule", "interpolate_embeddings resamples so"}};
  const std::optional<ConfigFile>& file = checkpoint.files.config;
  const Json* args = file ? json_find(file->json, "model_args") : nullptr;
  bool image_known = false;
  c.heads = 0;
  if (args != nullptr) {
    c.heads = json_get<Index>(*args, "num_heads", file->path);
    checkpoint.because.set("heads", file->path);
    if (const Json* size = json_find(*args, "image_size")) {
      set_image_size(*size, "image_size", file->path, c);
      image_known = true;
    }
  }
  settle_heads(options, c.heads, shapes, checkpoint, detail::torchvision_heads);
  infer_from_tensors(shapes, checkpoint.names, image_known, c);
  apply_options(options, checkpoint);

  settle_preprocess(file, file ? json_find(file->json, "transforms") : nullptr, checkpoint);
  if (!checkpoint.preprocess) {
    checkpoint.preprocess = detail::torchvision_preprocess(c);
    checkpoint.because.set("preprocess", "torchvision's presets");
  }
  settle_labels({}, "", checkpoint);
  return checkpoint;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_TORCHVISION_HPP
