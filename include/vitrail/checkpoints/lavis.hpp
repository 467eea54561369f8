// The picture towers in salesforce's LAVIS and BLIP files: visual_encoder.* with timm's names, or
// with CLIP's.
//
// Facts: LAVIS lavis/models/{eva_vit,clip_vit}.py, blip2_models/blip2.py; BLIP models/vit.py.
// timm's names: eps 1e-6, erf GELU, positions resampled by torch's bicubic. CLIP's: eps 1e-5,
// QuickGELU, positions resampled with align_corners=True. BLIP-2's towers have lost their last
// block and their last norm; `ln_vision`, of eps 1e-5, stands in its place.
#ifndef VITRAIL_CHECKPOINTS_LAVIS_HPP
#define VITRAIL_CHECKPOINTS_LAVIS_HPP

#include <vitrail/checkpoints/clip.hpp>
#include <vitrail/checkpoints/timm.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// What stands before the names of a LAVIS tower of CLIP's making.
[[nodiscard]] inline std::optional<std::string> lavis_clip_prefix(const NamedTensors& tensors) {
  constexpr const char* prefixes[] = {"visual_encoder.", "module.visual_encoder."};
  return find_prefix(tensors, prefixes, "conv1.weight", "transformer.resblocks.0.ln_1.weight");
}

}  // namespace detail

[[nodiscard]] inline bool is_lavis(const NamedTensors& tensors) {
  const auto prefix = detail::timm_prefix(tensors);
  return (prefix && prefix->ends_with("visual_encoder.")) || detail::lavis_clip_prefix(tensors);
}

[[nodiscard, gnu::cold]] inline Checkpoint open_lavis(CheckpointFiles files,
                                                      const LoadOptions& options) {
  Checkpoint checkpoint(std::move(files), "LAVIS");
  const NamedTensors& tensors = checkpoint.files.tensors;
  const std::optional<std::string> clip = detail::lavis_clip_prefix(tensors);
  const std::string prefix = clip ? *clip : *detail::timm_prefix(tensors);
  checkpoint.names = clip ? detail::clip_names(prefix, false) : detail::timm_names(tensors, prefix);
  const std::string outside = prefix.substr(0, prefix.size() - 15);  // without "visual_encoder."
  const std::string last_norm = join(outside, "ln_vision.");
  const bool blip2 = clip || tensors.contains(last_norm, "weight");
  for (const auto& [name, view] : tensors) {
    if (!name.starts_with(prefix) && !name.starts_with(last_norm))
      checkpoint.unused.push_back(name);
  }
  ViTConfig& c = checkpoint.config;
  c.architecture = blip2 ? "BLIP-2's picture tower" : "BLIP's picture tower";
  c.position_rule = PositionRule::huggingface;
  c.pooling = blip2 ? Pooling::none : Pooling::token;
  if (blip2) {
    checkpoint.names.add("norm.weight", {{join(last_norm, "weight")}});
    checkpoint.names.add("norm.bias", {{join(last_norm, "bias")}});
    c.final_norm_eps = 1e-5;
    checkpoint.stage_names = {{"forward_features", "image_embeds"},
                              {"hidden_states.{}", "hidden_states.{}"}};
    checkpoint.elsewhere = {"*"};
  }
  if (clip) {
    c.norm_eps = 1e-5;
    c.activation = Activation::quick_gelu;
    c.position_rule = PositionRule::torchvision;
  }
  for (const char* field : {"architecture", "norm_eps", "activation", "position_rule", "pooling"})
    checkpoint.because.set(field, clip ? "LAVIS's clip_vit.py" : "LAVIS's models");
  const TensorShapes shapes(tensors, checkpoint.names);
  c.heads = 0;
  bool image_known = false;
  if (const std::optional<ConfigFile>& file = checkpoint.files.config) {
    if (const Json* vit = json_find(file->json, "vit")) {
      if (const auto heads = json_get_if<Index>(*vit, "num_heads", file->path)) {
        c.heads = *heads;
        checkpoint.because.set("heads", file->path);
      }
      if (const Json* size = json_find(*vit, "img_size")) {
        set_image_size(*size, "img_size", file->path, c);
        image_known = true;
      }
    }
  }
  settle_heads(options, c.heads, shapes, checkpoint);
  infer_from_tensors(shapes, checkpoint.names, image_known, c);
  if (blip2) checkpoint.stage_names.push_back({"hidden_states.{last}", "vit_features"});
  apply_options(options, checkpoint);
  settle_evaluation(1, clip_mean, clip_std, "LAVIS's BlipImageEvalProcessor", checkpoint,
                    ResizeMode::squash);
  return checkpoint;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_LAVIS_HPP
