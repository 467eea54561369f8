// Swin as Microsoft publishes it, and as timm and Hugging Face name its tensors.
//
// Facts: microsoft/Swin-Transformer models/swin_transformer.py, timm models/swin_transformer.py,
// transformers models/swin/modeling_swin.py. eps 1e-5, erf GELU, ImageNet mean and std. Sizes,
// heads and window show from the tensors. timm merges patches before a stage, the others after it.
#ifndef VITRAIL_CHECKPOINTS_SWIN_HPP
#define VITRAIL_CHECKPOINTS_SWIN_HPP

#include <vitrail/checkpoints/huggingface.hpp>
#include <vitrail/checkpoints/timm.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

enum class SwinDialect { timm, microsoft, huggingface };

struct SwinFile {
  SwinDialect dialect = SwinDialect::timm;
  std::string_view prefix;
};

[[nodiscard]] inline std::optional<SwinFile> swin_file(const NamedTensors& tensors) {
  for (const char* prefix : {"", "swin.", "module.", "model.", "backbone."}) {
    const auto has = [&](const char* name) { return tensors.contains(prefix, name); };
    if (has("encoder.layers.0.blocks.0.attention.self.relative_position_bias_table"))
      return SwinFile{SwinDialect::huggingface, prefix};
    if (!has("layers.0.blocks.0.attn.relative_position_bias_table") ||
        !has("patch_embed.proj.weight")) {
      continue;
    }
    const bool timm = has("layers.1.downsample.reduction.weight") || has("head.fc.weight");
    const bool microsoft = has("layers.0.downsample.reduction.weight") || !timm;
    return SwinFile{microsoft ? SwinDialect::microsoft : SwinDialect::timm, prefix};
  }
  return std::nullopt;
}

inline constexpr NameRule huggingface_swin_rules[] = {
    {"patch_embed.proj.weight", "~embeddings.patch_embeddings.projection.weight"},
    {"patch_embed.proj.bias", "~embeddings.patch_embeddings.projection.bias"},
    {"patch_embed.norm.weight", "~embeddings.norm.weight"},
    {"patch_embed.norm.bias", "~embeddings.norm.bias"},
    {"layers.{}.blocks.{}.norm1.weight", "~encoder.layers.{}.blocks.{}.layernorm_before.weight"},
    {"layers.{}.blocks.{}.norm1.bias", "~encoder.layers.{}.blocks.{}.layernorm_before.bias"},
    {"layers.{}.blocks.{}.attn.qkv.weight",
     "~encoder.layers.{}.blocks.{}.attention.self.{query,key,value}.weight"},
    {"layers.{}.blocks.{}.attn.qkv.bias",
     "~encoder.layers.{}.blocks.{}.attention.self.{query,key,value}.bias"},
    {"layers.{}.blocks.{}.attn.relative_position_bias_table",
     "~encoder.layers.{}.blocks.{}.attention.self.relative_position_bias_table"},
    {"layers.{}.blocks.{}.attn.proj.weight",
     "~encoder.layers.{}.blocks.{}.attention.output.dense.weight"},
    {"layers.{}.blocks.{}.attn.proj.bias",
     "~encoder.layers.{}.blocks.{}.attention.output.dense.bias"},
    {"layers.{}.blocks.{}.norm2.weight", "~encoder.layers.{}.blocks.{}.layernorm_after.weight"},
    {"layers.{}.blocks.{}.norm2.bias", "~encoder.layers.{}.blocks.{}.layernorm_after.bias"},
    {"layers.{}.blocks.{}.mlp.fc1.weight",
     "~encoder.layers.{}.blocks.{}.intermediate.dense.weight"},
    {"layers.{}.blocks.{}.mlp.fc1.bias", "~encoder.layers.{}.blocks.{}.intermediate.dense.bias"},
    {"layers.{}.blocks.{}.mlp.fc2.weight", "~encoder.layers.{}.blocks.{}.output.dense.weight"},
    {"layers.{}.blocks.{}.mlp.fc2.bias", "~encoder.layers.{}.blocks.{}.output.dense.bias"},
    {"layers.{}.downsample.norm.weight", "~encoder.layers.{-1}.downsample.norm.weight"},
    {"layers.{}.downsample.norm.bias", "~encoder.layers.{-1}.downsample.norm.bias"},
    {"layers.{}.downsample.reduction.weight", "~encoder.layers.{-1}.downsample.reduction.weight"},
    {"norm.weight", "~layernorm.weight"},
    {"norm.bias", "~layernorm.bias"},
    {"head.weight", "classifier.weight"},
    {"head.bias", "classifier.bias"}};
inline constexpr NameRule microsoft_swin_rules[] = {
    {"layers.{}.downsample.norm.weight", "~layers.{-1}.downsample.norm.weight"},
    {"layers.{}.downsample.norm.bias", "~layers.{-1}.downsample.norm.bias"},
    {"layers.{}.downsample.reduction.weight", "~layers.{-1}.downsample.reduction.weight"}};
inline constexpr NameRule swin_fc_head[] = {{"head.weight", "~head.fc.weight"},
                                            {"head.bias", "~head.fc.bias"}};
inline constexpr NameRule swin_others[] = {{"*", "*"}};

[[nodiscard, gnu::cold]] inline NameTable swin_names(const NamedTensors& tensors,
                                                     const SwinFile& file) {
  NameTable names(file.prefix);
  if (file.dialect == SwinDialect::huggingface) {
    names.add(huggingface_swin_rules);
    return names;
  }
  if (file.dialect == SwinDialect::microsoft) names.add(microsoft_swin_rules);
  if (tensors.contains(file.prefix, "head.fc.weight")) names.add(swin_fc_head);
  names.add(swin_others);
  return names;
}

/// Everything but the picture's size and what publishers differ in.
[[gnu::cold]] inline void infer_swin(const TensorShapes& t, ViTConfig& c, SwinConfig& s) {
  const Shape* patch = t.shape("patch_embed.proj.weight");
  if (patch == nullptr || patch->rank() != 4 || (*patch)[0] < 1)
    fail(t.path(), t.theirs("patch_embed.proj.weight"), " is missing or not (D, C, P, P)");
  s = SwinConfig{.width = (*patch)[0], .depths = {}, .heads = {}, .hidden = {}};
  c.channels = (*patch)[1];
  c.patch_height = (*patch)[2];
  c.patch_width = (*patch)[3];
  c.embed_dim = s.width;
  for (Index layer = 0;; ++layer) {
    const std::string stage = join("layers.", layer, ".blocks.");
    Index blocks = 0;
    while (t.has(join(stage, blocks, ".norm1.weight"))) ++blocks;
    if (blocks == 0) break;
    c.embed_dim = t.quotient(stage, "0.norm1.weight", 1);
    const Shape* table = t.shape(join(stage, "0.attn.relative_position_bias_table"));
    if (table == nullptr || table->rank() != 2 || square_side((*table)[0]) % 2 == 0 ||
        c.embed_dim != s.width << layer) {
      fail(t.path(), t.theirs(stage + "0.attn.relative_position_bias_table"),
           " or the stage's width is not Swin's");
    }
    s.depths.push_back(blocks);
    s.heads.push_back((*table)[1]);
    s.hidden.push_back(t.quotient(stage, "0.mlp.fc2.weight", c.embed_dim));
    const Index window = (square_side((*table)[0]) + 1) / 2;
    if (layer == 0 || window > s.window) s.window = window;
    if ((*table)[1] < 1 || c.embed_dim % (*table)[1] != 0)
      fail(t.path(), c.embed_dim, " columns do not divide into ", (*table)[1], " heads");
  }
  if (s.depths.empty())
    fail(t.path(), t.theirs("layers.0.blocks.0.norm1.weight"), " is missing: no stage has a block");
  s.windows.clear();
  for (std::size_t i = 0; i < s.depths.size(); ++i) {
    const Shape* table = t.shape(join("layers.", i, ".blocks.0.attn.relative_position_bias_table"));
    s.windows.push_back((square_side((*table)[0]) + 1) / 2);
  }
  s.patch_norm = t.has("patch_embed.norm.weight");
  c.patch_bias = t.has("patch_embed.proj.bias");
  c.qkv_bias = t.has("layers.0.blocks.0.attn.qkv.bias");
  c.final_norm = t.has("norm.weight");
  c.class_token = false;
  c.positions = PositionCoverage::none;
  c.relative_positions = true;
  c.pooling = Pooling::avg;
  c.mlp_hidden = s.hidden.back();
  c.heads = s.heads.back();
  c.head_dim = c.embed_dim / c.heads;
  c.depth = 0;
  for (const Index blocks : s.depths) c.depth += blocks;
  c.classes = t.has("head.weight") ? t.quotient("head.weight", c.embed_dim) : 0;
  c.head_bias = t.has("head.bias");
}

[[nodiscard, gnu::cold]] inline std::vector<StageName> swin_stages(SwinDialect dialect) {
  const StagePart flat = StagePart::flat_grid;
  if (dialect == SwinDialect::microsoft) {
    return {{"patch_embed", "patch_embed", flat},
            {"block_output.*", "block_output.*", flat},
            {"stage_output.*", "stage_output_before_merging.*", flat},
            {"merged_output.*", "stage_output.*", flat},
            {"forward_features", "norm_output", flat},
            {"pre_logits", "pooled"}};
  }
  if (dialect == SwinDialect::huggingface) {
    return {{"hidden_states.0", "hidden_states.0", flat},
            {"merged_output.{}", "hidden_states.{+1}", flat},
            {"forward_features", "last_hidden_state", flat},
            {"pre_logits", "pooler_output"}};
  }
  return {};
}

}  // namespace detail

[[nodiscard]] inline bool is_swin(const NamedTensors& tensors) {
  return detail::swin_file(tensors).has_value();
}

[[nodiscard, gnu::cold]] inline Checkpoint open_swin(CheckpointFiles files,
                                                     const LoadOptions& options) {
  using detail::SwinDialect;
  const detail::SwinFile kind = *detail::swin_file(files.tensors);
  const char* publisher = kind.dialect == SwinDialect::timm          ? "timm"
                          : kind.dialect == SwinDialect::huggingface ? "Hugging Face"
                                                                     : "Microsoft";
  Checkpoint checkpoint(std::move(files), publisher);
  const NamedTensors& tensors = checkpoint.files.tensors;
  checkpoint.names = detail::swin_names(tensors, kind);
  checkpoint.unused = {"*.relative_position_index", "*.attn_mask"};
  checkpoint.stage_names = detail::swin_stages(kind.dialect);
  ViTConfig& c = checkpoint.config;
  SwinConfig& swin = checkpoint.swin.emplace();
  detail::infer_swin(TensorShapes(tensors, checkpoint.names), c, swin);
  c.architecture = "swin";
  c.norm_eps = 1e-5;
  c.relative_rule = kind.dialect == SwinDialect::timm ? RelativeRule::beit : RelativeRule::swin;
  swin.sides_alone = kind.dialect == SwinDialect::timm;
  swin.pad_before_shift = kind.dialect == SwinDialect::huggingface;
  for (const char* field : {"architecture", "heads"})
    checkpoint.because.set(field, "the tensors' names and shapes");
  for (const char* field : {"norm_eps", "activation", "pooling"})
    checkpoint.because.set(field, "Swin's");

  if (const std::optional<ConfigFile>& file = checkpoint.files.config) {
    const std::string& where = file->path;
    if (kind.dialect == SwinDialect::timm) {
      (void)detail::read_timm_config(*file, checkpoint);
      c.heads = swin.heads.back();
      c.architecture =
          json_get_if<std::string>(file->json, "architecture", where).value_or(c.architecture);
      if (json_find(file->json, "pretrained_cfg") != nullptr)
        settle_preprocess(file, &file->json, checkpoint);
    } else if (const Json* data = json_find(file->json, "DATA")) {
      if (const Json* size = json_find(*data, "IMG_SIZE"))
        set_image_size(*size, "IMG_SIZE", where, c);
    } else {
      if (const Json* size = json_find(file->json, "image_size"))
        set_image_size(*size, "image_size", where, c);
      c.norm_eps = json_get_if<double>(file->json, "layer_norm_eps", where).value_or(c.norm_eps);
      if (const auto act = json_get_if<std::string>(file->json, "hidden_act", where))
        c.activation = activation_named(*act, where);
    }
  }
  apply_options(options, checkpoint);
  if (!checkpoint.files.config && swin.window == 12) c.image_height = c.image_width = 384;
  const std::optional<ConfigFile>& recipe = checkpoint.files.preprocessor_config;
  settle_preprocess(recipe, recipe ? &recipe->json : nullptr, checkpoint);
  if (!checkpoint.preprocess) {
    settle_evaluation(c.image_height > 224 ? 1.0 : 0.875, imagenet_mean, imagenet_std,
                      "Swin's evaluation", checkpoint);
  }
  const std::optional<ConfigFile>& file = checkpoint.files.config;
  settle_labels(file && kind.dialect == SwinDialect::huggingface ? detail::huggingface_labels(*file)
                                                                 : detail::timm_labels(file),
                file ? file->path : "", checkpoint);
  return checkpoint;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_SWIN_HPP
