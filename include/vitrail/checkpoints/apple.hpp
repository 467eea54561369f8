// Apple's AIMv2 as Apple ships it.
//
// Facts: apple/ml-aim aim/v2 and timm's conversion of it. RMSNorm of eps 1e-5, SwiGLU whose gate is
// fc1 and whose value is fc3, no biases, heads of 128, the mean of all patches.
#ifndef VITRAIL_CHECKPOINTS_APPLE_HPP
#define VITRAIL_CHECKPOINTS_APPLE_HPP

#include <vitrail/checkpoints/settle.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

[[nodiscard]] inline std::optional<std::string> aimv2_prefix(const NamedTensors& tensors) {
  constexpr const char* prefixes[] = {"", "module.", "image_encoder.", "model."};
  return find_prefix(tensors, prefixes, "preprocessor.patchifier.proj.weight",
                     "trunk.blocks.0.norm_1.weight");
}

inline constexpr NameRule aimv2_rules[] = {
    {"pos_embed", "~preprocessor.pos_embed"},
    {"patch_embed.proj.weight", "~preprocessor.patchifier.proj.weight"},
    {"patch_embed.proj.bias", "~preprocessor.patchifier.proj.bias"},
    {"patch_embed.norm.weight", "~preprocessor.patchifier.norm.weight"},
    {"blocks.{}.norm1.weight", "~trunk.blocks.{}.norm_1.weight"},
    {"blocks.{}.attn.qkv.weight", "~trunk.blocks.{}.attn.qkv.weight"},
    {"blocks.{}.attn.proj.weight", "~trunk.blocks.{}.attn.proj.weight"},
    {"blocks.{}.norm2.weight", "~trunk.blocks.{}.norm_2.weight"},
    {"blocks.{}.mlp.fc1.weight", "~trunk.blocks.{}.mlp.{fc1,fc3}.weight"},
    {"blocks.{}.mlp.fc2.weight", "~trunk.blocks.{}.mlp.fc2.weight"},
    {"norm.weight", "~trunk.post_trunk_norm.weight"}};

}  // namespace detail

[[nodiscard]] inline bool is_apple(const NamedTensors& tensors) {
  return detail::aimv2_prefix(tensors).has_value();
}

[[nodiscard, gnu::cold]] inline Checkpoint open_apple(CheckpointFiles files,
                                                      const LoadOptions& options) {
  Checkpoint checkpoint(std::move(files), "Apple");
  const NamedTensors& tensors = checkpoint.files.tensors;
  checkpoint.names = NameTable(*detail::aimv2_prefix(tensors), detail::aimv2_rules);
  const TensorShapes shapes(tensors, checkpoint.names);
  ViTConfig& c = checkpoint.config;
  c.architecture = "aimv2";
  c.norm_eps = 1e-5;
  c.pooling = Pooling::avg;
  settle_heads(options, heads_in_config(checkpoint), shapes, checkpoint,
               [](Index D) { return D % 128 == 0 ? D / 128 : Index{0}; });
  for (const char* field : {"architecture", "norm_eps", "activation", "pooling", "position_rule"})
    checkpoint.because.set(field, "AIMv2's");
  infer_from_tensors(shapes, checkpoint.names, false, c);
  apply_options(options, checkpoint);
  settle_evaluation(1, clip_mean, clip_std, "AIMv2's", checkpoint);
  return checkpoint;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_APPLE_HPP
