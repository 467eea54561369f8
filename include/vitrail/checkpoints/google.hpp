// google-research's npz: flax names and layouts, the number of heads in the tensors themselves.
//
// Facts: vit_jax/models_vit.py, vit_jax/checkpoint.py. eps 1e-6. Run as timm runs these files: erf
// GELU, positions resampled bilinearly; google's own tanh GELU and scipy zoom are asked for with
// `activation` and `position_rule`.
#ifndef VITRAIL_CHECKPOINTS_GOOGLE_HPP
#define VITRAIL_CHECKPOINTS_GOOGLE_HPP

#include <vitrail/checkpoints/timm.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

[[nodiscard]] inline std::optional<std::string> google_prefix(const NamedTensors& tensors) {
  for (const char* prefix : {"", "opt/target/", "params/"}) {
    if (tensors.contains(prefix + std::string("embedding/kernel")) &&
        tensors.contains(prefix + std::string("Transformer/encoderblock_0/LayerNorm_0/scale"))) {
      return prefix;
    }
  }
  return std::nullopt;
}

[[nodiscard]] inline NameTable google_names(const std::string& prefix) {
  using enum Layout;
  return NameTable(
      prefix,
      {{"cls_token", "~cls"},
       {"pos_embed", "~Transformer/posembed_input/pos_embedding"},
       {"patch_embed.proj.weight", "~embedding/kernel", hwio},
       {"patch_embed.proj.bias", "~embedding/bias"},
       {"blocks.{}.norm1.weight", "~Transformer/encoderblock_{}/LayerNorm_0/scale"},
       {"blocks.{}.norm1.bias", "~Transformer/encoderblock_{}/LayerNorm_0/bias"},
       {"blocks.{}.attn.qkv.weight",
        "~Transformer/encoderblock_{}/MultiHeadDotProductAttention_1/{query,key,value}/kernel",
        transposed},
       {"blocks.{}.attn.qkv.bias",
        "~Transformer/encoderblock_{}/MultiHeadDotProductAttention_1/{query,key,value}/bias"},
       {"blocks.{}.attn.proj.weight",
        "~Transformer/encoderblock_{}/MultiHeadDotProductAttention_1/out/kernel", transposed},
       {"blocks.{}.attn.proj.bias",
        "~Transformer/encoderblock_{}/MultiHeadDotProductAttention_1/out/bias"},
       {"blocks.{}.norm2.weight", "~Transformer/encoderblock_{}/LayerNorm_2/scale"},
       {"blocks.{}.norm2.bias", "~Transformer/encoderblock_{}/LayerNorm_2/bias"},
       {"blocks.{}.mlp.fc1.weight", "~Transformer/encoderblock_{}/MlpBlock_3/Dense_0/kernel",
        transposed},
       {"blocks.{}.mlp.fc1.bias", "~Transformer/encoderblock_{}/MlpBlock_3/Dense_0/bias"},
       {"blocks.{}.mlp.fc2.weight", "~Transformer/encoderblock_{}/MlpBlock_3/Dense_1/kernel",
        transposed},
       {"blocks.{}.mlp.fc2.bias", "~Transformer/encoderblock_{}/MlpBlock_3/Dense_1/bias"},
       {"norm.weight", "~Transformer/encoder_norm/scale"},
       {"norm.bias", "~Transformer/encoder_norm/bias"},
       {"pre_logits.weight", "~pre_logits/kernel", transposed},
       {"pre_logits.bias", "~pre_logits/bias"},
       {"head.weight", "~head/kernel", transposed},
       {"head.bias", "~head/bias"}});
}

}  // namespace detail

[[nodiscard]] inline bool is_google(const NamedTensors& tensors) {
  return detail::google_prefix(tensors).has_value();
}

[[nodiscard]] inline Checkpoint open_google(CheckpointFiles files, const LoadOptions& options) {
  Checkpoint checkpoint{.files = std::move(files), .publisher = "google-research"};
  const NamedTensors& tensors = checkpoint.files.tensors;
  const std::string prefix = *detail::google_prefix(tensors);
  checkpoint.names = detail::google_names(prefix);
  const TensorShapes shapes(tensors, checkpoint.names);

  ViTConfig& c = checkpoint.config;
  c.architecture = "vit";
  const Shape* query = shapes.shape("blocks.0.attn.qkv.weight");
  if (query == nullptr || query->rank() != 3) {
    fail(checkpoint.path(),
         shapes.theirs("blocks.0.attn.qkv.weight") + " is missing or not (D, A, hd)");
  }
  c.heads = (*query)[1];
  c.position_rule = PositionRule::timm_npz;
  checkpoint.because = {{"heads", "the query's shape"},
                        {"activation", "as timm runs these files"},
                        {"position_rule", "as timm's reader of npz resamples"},
                        {"norm_eps", "flax's default"}};
  bool image_known = false;
  const std::optional<ConfigFile>& file = checkpoint.files.config;
  if (file) {
    if (const auto name = json_get_if<std::string>(file->json, "model_name", file->path)) {
      c.architecture = *name;
      checkpoint.because["architecture"] = file->path;
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
    checkpoint.because["architecture"] = "asked for";
  }
  infer_from_tensors(shapes, checkpoint.names, image_known, c);
  if (!c.class_token) c.pooling = Pooling::avg;
  apply_options(options, checkpoint);

  const Json augreg = {{"input_size", {3, c.image_height, c.image_width}},
                       {"interpolation", "bicubic"},
                       {"crop_pct", c.image_height > 224 ? 1.0 : 0.9},
                       {"mean", {0.5, 0.5, 0.5}},
                       {"std", {0.5, 0.5, 0.5}}};
  checkpoint.preprocess = parse_recipe(augreg, checkpoint.path());
  checkpoint.because["preprocess"] = "as timm evaluates these files";
  settle_labels({}, "", checkpoint);
  return checkpoint;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_GOOGLE_HPP
