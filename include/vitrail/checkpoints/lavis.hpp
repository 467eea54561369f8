// The picture towers in salesforce's LAVIS and BLIP files: visual_encoder.* with timm's names.
//
// Facts: LAVIS lavis/models/{eva_vit,clip_vit}.py, blip2_models/blip2.py; BLIP models/vit.py. eps
// 1e-6, erf GELU, positions resampled by torch's bicubic. BLIP-2's towers have lost their last
// block and their last norm; `ln_vision`, of eps 1e-5, stands in its place.
#ifndef VITRAIL_CHECKPOINTS_LAVIS_HPP
#define VITRAIL_CHECKPOINTS_LAVIS_HPP

#include <vitrail/checkpoints/timm.hpp>

VITRAIL_BEGIN_NAMESPACE

[[nodiscard]] inline bool is_lavis(const NamedTensors& tensors) {
  const auto prefix = detail::timm_prefix(tensors);
  return prefix && prefix->ends_with("visual_encoder.");
}

[[nodiscard, gnu::cold]] inline Checkpoint open_lavis(CheckpointFiles files,
                                                      const LoadOptions& options) {
  Checkpoint checkpoint{.files = std::move(files), .publisher = "LAVIS"};
  const NamedTensors& tensors = checkpoint.files.tensors;
  const std::string prefix = *detail::timm_prefix(tensors);
  checkpoint.names = detail::timm_names(tensors, prefix);
  const bool blip2 = tensors.contains("ln_vision.weight");
  for (const auto& [name, view] : tensors) {
    if (!name.starts_with(prefix) && !name.starts_with("ln_vision."))
      checkpoint.unused.push_back(name);
  }
  ViTConfig& c = checkpoint.config;
  c.architecture = blip2 ? "BLIP-2's picture tower" : "BLIP's picture tower";
  c.position_rule = PositionRule::huggingface;
  c.pooling = blip2 ? Pooling::none : Pooling::token;
  if (blip2) {
    checkpoint.names.add("norm.weight", {{"ln_vision.weight"}});
    checkpoint.names.add("norm.bias", {{"ln_vision.bias"}});
    c.final_norm_eps = 1e-5;
    checkpoint.stage_names = {{"forward_features", "image_embeds"},
                              {"hidden_states.{}", "hidden_states.{}"}};
    checkpoint.elsewhere = {"*"};
  }
  for (const char* field : {"architecture", "norm_eps", "activation", "position_rule", "pooling"})
    checkpoint.because.set(field, "LAVIS's models");
  const TensorShapes shapes(tensors, checkpoint.names);
  const Index D = shapes.quotient("blocks.0.norm1.weight", 1);
  c.heads = D == 1408 ? 16 : D % 64 == 0 ? D / 64 : 0;  // EVA's giant: heads of 88
  checkpoint.because.set("heads", "the published model of this width");
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
  if (options.heads > 0) {
    c.heads = options.heads;
    checkpoint.because.set("heads", "asked for");
  }
  if (c.heads == 0)
    fail(checkpoint.path(), "is as wide as no published model; name the heads with --heads");
  infer_from_tensors(shapes, checkpoint.names, image_known, c);
  if (blip2) checkpoint.stage_names.push_back({"hidden_states.{last}", "vit_features"});
  apply_options(options, checkpoint);
  checkpoint.preprocess = completed_as_timm({.height = c.image_height,
                                             .width = c.image_width,
                                             .resize = ResizeMode::squash,
                                             .crop_fraction = 1,
                                             .mean = clip_mean,
                                             .std = clip_std});
  checkpoint.because.set("preprocess", "LAVIS's BlipImageEvalProcessor");
  return checkpoint;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_LAVIS_HPP
