// Hugging Face transformers: ViT and DeiT, with and without a classifier.
//
// Facts: transformers models/vit/modeling_vit.py and models/deit/modeling_deit.py. eps 1e-12 (the
// same weights run at 1e-6 elsewhere), erf GELU, positions resampled by torch's bicubic without
// antialiasing; config.json overrides.
#ifndef VITRAIL_CHECKPOINTS_HUGGINGFACE_HPP
#define VITRAIL_CHECKPOINTS_HUGGINGFACE_HPP

#include <vitrail/checkpoints/settle.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// "vit.", "deit." or "" when these are Hugging Face's ViT tensors, else nothing.
[[nodiscard]] inline std::optional<std::string> huggingface_prefix(const NamedTensors& tensors) {
  for (const char* prefix : {"vit.", "deit.", ""}) {
    if (tensors.contains(prefix + std::string("embeddings.patch_embeddings.projection.weight")) &&
        tensors.contains(prefix + std::string("encoder.layer.0.layernorm_before.weight"))) {
      return prefix;
    }
  }
  return std::nullopt;
}

/// `~` is the prefix; `head` and `head_dist` are the names of the classifiers in this file, if any.
[[nodiscard]] inline NameTable huggingface_names(const std::string& prefix, bool has_classifier,
                                                 bool has_teacher) {
  std::vector<NameRule> rules = {
      {"cls_token", "~embeddings.cls_token"},
      {"dist_token", "~embeddings.distillation_token"},
      {"pos_embed", "~embeddings.position_embeddings"},
      {"patch_embed.proj.weight", "~embeddings.patch_embeddings.projection.weight"},
      {"patch_embed.proj.bias", "~embeddings.patch_embeddings.projection.bias"},
      {"blocks.{}.norm1.weight", "~encoder.layer.{}.layernorm_before.weight"},
      {"blocks.{}.norm1.bias", "~encoder.layer.{}.layernorm_before.bias"},
      {"blocks.{}.attn.qkv.weight",
       "~encoder.layer.{}.attention.attention.{query,key,value}.weight"},
      {"blocks.{}.attn.qkv.bias", "~encoder.layer.{}.attention.attention.{query,key,value}.bias"},
      {"blocks.{}.attn.proj.weight", "~encoder.layer.{}.attention.output.dense.weight"},
      {"blocks.{}.attn.proj.bias", "~encoder.layer.{}.attention.output.dense.bias"},
      {"blocks.{}.norm2.weight", "~encoder.layer.{}.layernorm_after.weight"},
      {"blocks.{}.norm2.bias", "~encoder.layer.{}.layernorm_after.bias"},
      {"blocks.{}.mlp.fc1.weight", "~encoder.layer.{}.intermediate.dense.weight"},
      {"blocks.{}.mlp.fc1.bias", "~encoder.layer.{}.intermediate.dense.bias"},
      {"blocks.{}.mlp.fc2.weight", "~encoder.layer.{}.output.dense.weight"},
      {"blocks.{}.mlp.fc2.bias", "~encoder.layer.{}.output.dense.bias"},
      {"norm.weight", "~layernorm.weight"},
      {"norm.bias", "~layernorm.bias"}};
  if (has_teacher) {
    rules.insert(rules.end(), {{"head.weight", "cls_classifier.weight"},
                               {"head.bias", "cls_classifier.bias"},
                               {"head_dist.weight", "distillation_classifier.weight"},
                               {"head_dist.bias", "distillation_classifier.bias"}});
  } else if (has_classifier) {
    rules.insert(rules.end(),
                 {{"head.weight", "classifier.weight"}, {"head.bias", "classifier.bias"}});
  } else {  // a backbone: its pooler is a tanh layer on the class token
    rules.insert(rules.end(), {{"pre_logits.weight", "~pooler.dense.weight"},
                               {"pre_logits.bias", "~pooler.dense.bias"}});
  }
  return NameTable(prefix, std::move(rules));
}

/// id2label of a config.json, in the order of the ids; empty when there is none.
[[nodiscard]] inline std::vector<std::string> huggingface_labels(const ConfigFile& file) {
  const Json* table = json_find(file.json, "id2label");
  if (table == nullptr || !table->is_object()) return {};
  std::vector<std::string> labels(table->size());
  for (const auto& [id, label] : table->items()) {
    std::size_t index = labels.size();
    for (std::size_t i = 0, n = 0; i < id.size(); ++i) {
      if (id[i] < '0' || id[i] > '9' || n > labels.size()) break;
      n = n * 10 + static_cast<std::size_t>(id[i] - '0');
      if (i + 1 == id.size()) index = n;
    }
    if (index >= labels.size())
      fail(file.path, "'id2label' has the id '" + id + "', expected 0 to " +
                          std::to_string(labels.size() - 1));
    labels[index] = json_as<std::string>(label, "id2label", file.path);
  }
  return labels;
}

}  // namespace detail

[[nodiscard]] inline bool is_huggingface(const NamedTensors& tensors) {
  return detail::huggingface_prefix(tensors).has_value();
}

[[nodiscard]] inline Checkpoint open_huggingface(CheckpointFiles files,
                                                 const LoadOptions& options) {
  Checkpoint checkpoint{.files = std::move(files), .publisher = "Hugging Face"};
  const NamedTensors& tensors = checkpoint.files.tensors;
  const std::string prefix = *detail::huggingface_prefix(tensors);
  const bool has_teacher = tensors.contains("distillation_classifier.weight");
  const bool has_classifier = has_teacher || tensors.contains("classifier.weight");
  checkpoint.names = detail::huggingface_names(prefix, has_classifier, has_teacher);
  checkpoint.unused = {prefix + "embeddings.mask_token"};
  if (has_classifier) checkpoint.unused.push_back(prefix + "pooler.*");
  checkpoint.stage_names = {{"forward_features", "last_hidden_state"},
                            {"attn_last", "attentions.last"},
                            {"logits_cls", "cls_logits"},
                            {"logits_dist", "distillation_logits"}};

  ViTConfig& c = checkpoint.config;
  c.norm_eps = 1e-12;
  c.position_rule = PositionRule::huggingface;
  checkpoint.because = {{"norm_eps", "transformers' default"},
                        {"activation", "transformers' default"},
                        {"position_rule", "interpolate_pos_encoding resamples so"}};
  bool image_known = false;
  const std::optional<ConfigFile>& file = checkpoint.files.config;
  c.heads = 0;
  if (file) {
    const std::string& where = file->path;
    c.architecture = json_get_if<std::string>(file->json, "model_type", where).value_or("vit");
    checkpoint.because["architecture"] = where;
    c.heads = json_get<Index>(file->json, "num_attention_heads", where);
    checkpoint.because["heads"] = where;
    if (const auto eps = json_get_if<double>(file->json, "layer_norm_eps", where)) {
      c.norm_eps = *eps;
      checkpoint.because["norm_eps"] = where;
    }
    if (const auto act = json_get_if<std::string>(file->json, "hidden_act", where)) {
      c.activation = activation_named(*act, where);
      checkpoint.because["activation"] = where;
    }
    if (const Json* size = json_find(file->json, "image_size")) {
      set_image_size(*size, "image_size", where, c);
      image_known = true;
    }
  }
  if (options.heads > 0) {
    c.heads = options.heads;
    checkpoint.because["heads"] = "asked for";
  }
  if (c.heads == 0)
    fail(checkpoint.path(),
         "no config.json beside it tells the number of heads; name it with --heads");
  infer_from_tensors(TensorShapes(tensors, checkpoint.names), checkpoint.names, image_known, c);
  if (c.representation_size > 0) checkpoint.stage_names.push_back({"pre_logits", "pooler_output"});
  apply_options(options, checkpoint);

  const std::optional<ConfigFile>& recipe = checkpoint.files.preprocessor_config;
  settle_preprocess(recipe, recipe ? &recipe->json : nullptr, checkpoint);
  if (!checkpoint.preprocess) {
    const Json standard = {{"image_processor_type", "ViTImageProcessor"},
                           {"size", {{"height", c.image_height}, {"width", c.image_width}}}};
    checkpoint.preprocess = parse_recipe(standard, checkpoint.path());
    checkpoint.because["preprocess"] = "ViTImageProcessor's defaults";
  }
  settle_labels(file ? detail::huggingface_labels(*file) : std::vector<std::string>{},
                file ? file->path : "", checkpoint);
  return checkpoint;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_HUGGINGFACE_HPP
