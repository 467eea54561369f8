// Meta's DeiT and DeiT III repositories: timm's tensor names, and their own habits.
//
// Facts: facebookresearch/deit main.py and models.py. eps 1e-6, erf GELU, ImageNet mean and std;
// `--finetune` resamples positions by torch's bicubic without antialiasing.
#ifndef VITRAIL_CHECKPOINTS_META_HPP
#define VITRAIL_CHECKPOINTS_META_HPP

#include <vitrail/checkpoints/timm.hpp>

VITRAIL_BEGIN_NAMESPACE

/// A config.json that names the framework; without one, such a file is read as timm's twin of the
/// same name.
[[nodiscard]] inline bool is_meta_deit_config(const Json& config) {
  const Json* framework = json_find(config, "framework");
  return framework != nullptr && framework->is_string() && *framework == "facebookresearch/deit";
}

[[nodiscard]] inline Checkpoint open_meta_deit(CheckpointFiles files, const LoadOptions& options) {
  Checkpoint checkpoint{.files = std::move(files), .publisher = "Meta DeiT"};
  const ConfigFile& file = *checkpoint.files.config;
  ViTConfig& c = checkpoint.config;
  const bool image_known = detail::read_timm_config(file, checkpoint);
  c.architecture = json_get_if<std::string>(file.json, "architecture", file.path).value_or("deit");
  const Json* args = json_find(file.json, "model_args");
  if (args != nullptr)
    c.norm_eps = json_get_if<double>(*args, "layernorm_eps", file.path).value_or(c.norm_eps);
  if (options.heads > 0) c.heads = options.heads;
  const bool is_deit3 = checkpoint.files.tensors.contains("blocks.0.gamma_1");
  if (is_deit3) {
    checkpoint.names = NameTable("", {{"blocks.{}.ls1.gamma", "blocks.{}.gamma_1"},
                                      {"blocks.{}.ls2.gamma", "blocks.{}.gamma_2"},
                                      {"*", "*"}});
    c.positions = PositionCoverage::patches;
  }
  infer_from_tensors(TensorShapes(checkpoint.files.tensors, checkpoint.names), checkpoint.names,
                     image_known, c);
  c.position_rule = PositionRule::huggingface;
  checkpoint.because["position_rule"] = "DeiT's --finetune resamples so";
  if (c.distilled_head)
    checkpoint.stage_names = {{"pooled", "pooled.cls"}, {"pooled_dist", "pooled.dist"}};
  apply_options(options, checkpoint);
  const Json recipe = {{"input_size", {3, c.image_height, c.image_width}},
                       {"interpolation", "bicubic"},
                       {"crop_pct", 0.9},
                       {"mean", {0.485, 0.456, 0.406}},
                       {"std", {0.229, 0.224, 0.225}}};
  checkpoint.preprocess = parse_recipe(recipe, file.path);
  checkpoint.because["preprocess"] = "DeiT's evaluation";
  settle_labels({}, "", checkpoint);
  return checkpoint;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_META_HPP
