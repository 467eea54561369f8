// google-research's and big_vision's npz: flax names and layouts, the number of heads in the
// tensors themselves.
//
// Facts: vit_jax/models_vit.py, models_resnet.py, checkpoint.py; big_vision/models/vit.py. eps
// 1e-6. Run as timm runs these files (erf GELU, positions resampled bilinearly, its ResNet's eps)
// or, with Fidelity::google, as flax does (tanh GELU, scipy's zoom, TensorFlow's resize of
// pictures).
#ifndef VITRAIL_CHECKPOINTS_GOOGLE_HPP
#define VITRAIL_CHECKPOINTS_GOOGLE_HPP

#include <vitrail/checkpoints/timm.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// How a file of flax parameters is laid out.
struct GoogleFile {
  std::string_view prefix;  // "", "opt/target/", "params/", "params/img/"
  bool big_vision = false;  // its numbering of the layers, its positions
  bool scan = false;        // all blocks stacked in one tensor each
};

[[nodiscard]] inline std::optional<GoogleFile> google_file(const NamedTensors& tensors) {
  for (const char* prefix : {"", "opt/target/", "params/", "params/img/", "opt/params/", "img/"}) {
    const auto has = [&](const char* name) { return tensors.contains(prefix, name); };
    if (!has("embedding/kernel")) continue;
    const bool scan = has("Transformer/encoderblock/LayerNorm_0/scale");
    if (!scan && !has("Transformer/encoderblock_0/LayerNorm_0/scale")) continue;
    const bool big_vision = scan || has("Transformer/encoderblock_0/LayerNorm_1/scale");
    return GoogleFile{prefix, big_vision, scan};
  }
  return std::nullopt;
}

/// A block's tensors: layers are numbered in the order of all layers (google-research) ...
inline constexpr NameRule google_research_block[] = {
    {"blocks.{}.norm1.weight", "~^LayerNorm_0/scale"},
    {"blocks.{}.norm1.bias", "~^LayerNorm_0/bias"},
    {"blocks.{}.attn.qkv.weight", "~^MultiHeadDotProductAttention_1/{query,key,value}/kernel",
     Layout::transposed},
    {"blocks.{}.attn.qkv.bias", "~^MultiHeadDotProductAttention_1/{query,key,value}/bias"},
    {"blocks.{}.attn.proj.weight", "~^MultiHeadDotProductAttention_1/out/kernel",
     Layout::transposed},
    {"blocks.{}.attn.proj.bias", "~^MultiHeadDotProductAttention_1/out/bias"},
    {"blocks.{}.norm2.weight", "~^LayerNorm_2/scale"},
    {"blocks.{}.norm2.bias", "~^LayerNorm_2/bias"},
    {"blocks.{}.mlp.fc1.weight", "~^MlpBlock_3/Dense_0/kernel", Layout::transposed},
    {"blocks.{}.mlp.fc1.bias", "~^MlpBlock_3/Dense_0/bias"},
    {"blocks.{}.mlp.fc2.weight", "~^MlpBlock_3/Dense_1/kernel", Layout::transposed},
    {"blocks.{}.mlp.fc2.bias", "~^MlpBlock_3/Dense_1/bias"}};

/// ... or of their kind (big_vision).
inline constexpr NameRule big_vision_block[] = {
    {"blocks.{}.norm1.weight", "~^LayerNorm_0/scale"},
    {"blocks.{}.norm1.bias", "~^LayerNorm_0/bias"},
    {"blocks.{}.attn.qkv.weight", "~^MultiHeadDotProductAttention_0/{query,key,value}/kernel",
     Layout::transposed},
    {"blocks.{}.attn.qkv.bias", "~^MultiHeadDotProductAttention_0/{query,key,value}/bias"},
    {"blocks.{}.attn.proj.weight", "~^MultiHeadDotProductAttention_0/out/kernel",
     Layout::transposed},
    {"blocks.{}.attn.proj.bias", "~^MultiHeadDotProductAttention_0/out/bias"},
    {"blocks.{}.norm2.weight", "~^LayerNorm_1/scale"},
    {"blocks.{}.norm2.bias", "~^LayerNorm_1/bias"},
    {"blocks.{}.mlp.fc1.weight", "~^MlpBlock_0/Dense_0/kernel", Layout::transposed},
    {"blocks.{}.mlp.fc1.bias", "~^MlpBlock_0/Dense_0/bias"},
    {"blocks.{}.mlp.fc2.weight", "~^MlpBlock_0/Dense_1/kernel", Layout::transposed},
    {"blocks.{}.mlp.fc2.bias", "~^MlpBlock_0/Dense_1/bias"}};

inline constexpr NameRule google_rules[] = {
    {"cls_token", "~cls"},
    {"patch_embed.proj.weight", "~embedding/kernel", Layout::hwio},
    {"patch_embed.proj.bias", "~embedding/bias"},
    {"norm.weight", "~Transformer/encoder_norm/scale"},
    {"norm.bias", "~Transformer/encoder_norm/bias"},
    {"pre_logits.weight", "~pre_logits/kernel", Layout::transposed},
    {"pre_logits.bias", "~pre_logits/bias"},
    {"head.weight", "~head/kernel", Layout::transposed},
    {"head.bias", "~head/bias"},
    {"attn_pool.latent", "~MAPHead_0/probe"},
    {"attn_pool.q.weight", "~MAPHead_0/MultiHeadDotProductAttention_0/query/kernel",
     Layout::transposed},
    {"attn_pool.q.bias", "~MAPHead_0/MultiHeadDotProductAttention_0/query/bias"},
    {"attn_pool.kv.weight", "~MAPHead_0/MultiHeadDotProductAttention_0/{key,value}/kernel",
     Layout::transposed},
    {"attn_pool.kv.bias", "~MAPHead_0/MultiHeadDotProductAttention_0/{key,value}/bias"},
    {"attn_pool.proj.weight", "~MAPHead_0/MultiHeadDotProductAttention_0/out/kernel",
     Layout::transposed},
    {"attn_pool.proj.bias", "~MAPHead_0/MultiHeadDotProductAttention_0/out/bias"},
    {"attn_pool.norm.weight", "~MAPHead_0/LayerNorm_0/scale"},
    {"attn_pool.norm.bias", "~MAPHead_0/LayerNorm_0/bias"},
    {"attn_pool.mlp.fc1.weight", "~MAPHead_0/MlpBlock_0/Dense_0/kernel", Layout::transposed},
    {"attn_pool.mlp.fc1.bias", "~MAPHead_0/MlpBlock_0/Dense_0/bias"},
    {"attn_pool.mlp.fc2.weight", "~MAPHead_0/MlpBlock_0/Dense_1/kernel", Layout::transposed},
    {"attn_pool.mlp.fc2.bias", "~MAPHead_0/MlpBlock_0/Dense_1/bias"},
    {"patch_embed.backbone.stages.{}.blocks.{}.conv1.weight", "~block{+1}/unit{+1}/conv1/kernel",
     Layout::hwio},
    {"patch_embed.backbone.stages.{}.blocks.{}.norm1.weight", "~block{+1}/unit{+1}/gn1/scale"},
    {"patch_embed.backbone.stages.{}.blocks.{}.norm1.bias", "~block{+1}/unit{+1}/gn1/bias"},
    {"patch_embed.backbone.stages.{}.blocks.{}.conv2.weight", "~block{+1}/unit{+1}/conv2/kernel",
     Layout::hwio},
    {"patch_embed.backbone.stages.{}.blocks.{}.norm2.weight", "~block{+1}/unit{+1}/gn2/scale"},
    {"patch_embed.backbone.stages.{}.blocks.{}.norm2.bias", "~block{+1}/unit{+1}/gn2/bias"},
    {"patch_embed.backbone.stages.{}.blocks.{}.conv3.weight", "~block{+1}/unit{+1}/conv3/kernel",
     Layout::hwio},
    {"patch_embed.backbone.stages.{}.blocks.{}.norm3.weight", "~block{+1}/unit{+1}/gn3/scale"},
    {"patch_embed.backbone.stages.{}.blocks.{}.norm3.bias", "~block{+1}/unit{+1}/gn3/bias"},
    {"patch_embed.backbone.stages.{}.blocks.{}.downsample.conv.weight",
     "~block{+1}/unit{+1}/conv_proj/kernel", Layout::hwio},
    {"patch_embed.backbone.stages.{}.blocks.{}.downsample.norm.weight",
     "~block{+1}/unit{+1}/gn_proj/scale"},
    {"patch_embed.backbone.stages.{}.blocks.{}.downsample.norm.bias",
     "~block{+1}/unit{+1}/gn_proj/bias"}};

[[nodiscard, gnu::cold]] inline NameTable google_names(const NamedTensors& tensors,
                                                       const GoogleFile& file) {
  NameTable names(file.prefix, google_rules,
                  file.scan ? "Transformer/encoderblock/" : "Transformer/encoderblock_{}/");
  if (file.big_vision) {
    names.add(big_vision_block);
  } else {
    names.add(google_research_block);
  }
  const bool inside = tensors.contains(file.prefix, "Transformer/posembed_input/pos_embedding");
  names.add("pos_embed",
            {{join(file.prefix, inside ? "Transformer/posembed_input/" : "", "pos_embedding")}});
  const bool stages = tensors.contains(file.prefix, "block1/unit1/conv1/kernel");
  const std::string root = std::string("patch_embed.backbone.") + (stages ? "stem." : "");
  names.add(join(root, "conv.weight"), {{join(file.prefix, "conv_root/kernel")}, Layout::hwio});
  names.add(join(root, "norm.weight"), {{join(file.prefix, "gn_root/scale")}});
  names.add(join(root, "norm.bias"), {{join(file.prefix, "gn_root/bias")}});
  return names;
}

/// As flax computes, where timm differs.
[[gnu::cold]] inline void apply_google_fidelity(Checkpoint& checkpoint) {
  ViTConfig& c = checkpoint.config;
  c.activation = Activation::gelu_tanh;
  c.position_rule = PositionRule::google;
  c.stem = ResNetConfig{.norm_eps = 1e-6, .weight_eps = 1e-5, .weight_eps_outside = true};
  checkpoint.because.set("activation", "flax's default");
  checkpoint.because.set("position_rule", "vit_jax resamples so");
}

}  // namespace detail

[[nodiscard]] inline bool is_google(const NamedTensors& tensors) {
  return detail::google_file(tensors).has_value();
}

[[nodiscard, gnu::cold]] inline Checkpoint open_google(CheckpointFiles files,
                                                       const LoadOptions& options) {
  Checkpoint checkpoint(std::move(files), "google-research");
  const NamedTensors& tensors = checkpoint.files.tensors;
  const detail::GoogleFile kind = *detail::google_file(tensors);
  if (kind.big_vision) checkpoint.publisher = "big_vision";
  checkpoint.names = detail::google_names(tensors, kind);
  checkpoint.stage_names = {{"pos_embed_resampled", "pos_embedding_resampled"}};
  for (const auto& [name, view] : tensors)  // text towers, optimisers
    if (!name.starts_with(kind.prefix)) checkpoint.unused.push_back(name);
  const TensorShapes shapes(tensors, checkpoint.names);

  ViTConfig& c = checkpoint.config;
  c.architecture = "vit";
  const Shape* query = shapes.shape("blocks.0.attn.qkv.weight");
  if (query == nullptr || query->rank() != (kind.scan ? 4 : 3)) {
    fail(checkpoint.path(), shapes.theirs("blocks.0.attn.qkv.weight"),
         " is missing or not (D, A, hd)");
  }
  c.heads = (*query)[kind.scan ? 2 : 1];
  c.position_rule = PositionRule::timm_npz;
  checkpoint.because = {{"heads", "the query's shape"},
                        {"activation", "as timm runs these files"},
                        {"position_rule", "as timm's reader of npz resamples"},
                        {"norm_eps", "flax's default"}};
  // big_vision adds positions before the class token; its oldest files hold a row for it all the
  // same.
  if (kind.big_vision) c.positions = PositionCoverage::patches;
  if (options.fidelity == Fidelity::google) detail::apply_google_fidelity(checkpoint);
  bool image_known = false;
  const std::optional<ConfigFile>& file = checkpoint.files.config;
  if (file) {
    if (const auto name = json_get_if<std::string>(file->json, "model_name", file->path)) {
      c.architecture = *name;
      checkpoint.because.set("architecture", file->path);
    }
    if (const auto eps = json_get_if<double>(file->json, "layernorm_eps", file->path))
      c.norm_eps = *eps;
    if (const Json* size = json_find(file->json, "image_size")) {
      set_image_size(*size, "image_size", file->path, c);
      image_known = true;
    }
  }
  if (!options.architecture.empty()) {
    c.architecture = options.architecture;
    checkpoint.because.set("architecture", "asked for");
  }
  infer_from_tensors(shapes, checkpoint.names, image_known, c);
  if (!c.class_token && c.pooling == Pooling::token) c.pooling = Pooling::avg;
  apply_options(options, checkpoint);

  const bool google = options.fidelity == Fidelity::google;
  settle_evaluation(google || c.image_height > 224 ? 1.0 : 0.9, standard_mean, standard_std,
                    "as timm evaluates these files", checkpoint,
                    google ? ResizeMode::squash : ResizeMode::shortest_edge,
                    google ? Filter::bilinear : Filter::bicubic);
  if (google) {
    checkpoint.preprocess->resizer =
        kind.big_vision ? Resizer::tensorflow_8bit : Resizer::tensorflow;
    checkpoint.because.set("preprocess", kind.big_vision ? "big_vision's resize|value_range(-1, 1)"
                                                         : "vit_jax's input pipeline");
  }
  settle_labels({}, "", checkpoint);
  return checkpoint;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_GOOGLE_HPP
