// The picture towers of OpenAI's CLIP and of open_clip: visual.* of their files. Text towers are
// left alone.
//
// Facts: openai/CLIP clip/model.py, open_clip src/open_clip/{model,transformer}.py. eps 1e-5,
// QuickGELU in OpenAI's weights and where an open_clip config says so, else erf; heads of 64 unless
// the config says otherwise; positions resampled antialiased.
#ifndef VITRAIL_CHECKPOINTS_CLIP_HPP
#define VITRAIL_CHECKPOINTS_CLIP_HPP

#include <vitrail/checkpoints/settle.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

[[nodiscard]] inline std::optional<std::string> clip_prefix(const NamedTensors& tensors) {
  constexpr const char* prefixes[] = {"visual.", "module.visual.", "model.visual."};
  return find_prefix(tensors, prefixes, "conv1.weight", "transformer.resblocks.0.ln_1.weight");
}

inline constexpr NameRule clip_rules[] = {
    {"cls_token", "~class_embedding"},
    {"pos_embed", "~positional_embedding"},
    {"patch_embed.proj.weight", "~conv1.weight"},
    {"norm_pre.weight", "~ln_pre.weight"},
    {"norm_pre.bias", "~ln_pre.bias"},
    {"blocks.{}.norm1.weight", "~transformer.resblocks.{}.ln_1.weight"},
    {"blocks.{}.norm1.bias", "~transformer.resblocks.{}.ln_1.bias"},
    {"blocks.{}.attn.qkv.weight", "~transformer.resblocks.{}.attn.in_proj_weight"},
    {"blocks.{}.attn.qkv.bias", "~transformer.resblocks.{}.attn.in_proj_bias"},
    {"blocks.{}.attn.proj.weight", "~transformer.resblocks.{}.attn.out_proj.weight"},
    {"blocks.{}.attn.proj.bias", "~transformer.resblocks.{}.attn.out_proj.bias"},
    {"blocks.{}.ls1.gamma", "~transformer.resblocks.{}.ls_1.gamma"},
    {"blocks.{}.norm2.weight", "~transformer.resblocks.{}.ln_2.weight"},
    {"blocks.{}.norm2.bias", "~transformer.resblocks.{}.ln_2.bias"},
    {"blocks.{}.mlp.fc1.weight", "~transformer.resblocks.{}.mlp.c_fc.weight"},
    {"blocks.{}.mlp.fc1.bias", "~transformer.resblocks.{}.mlp.c_fc.bias"},
    {"blocks.{}.mlp.fc2.weight", "~transformer.resblocks.{}.mlp.c_proj.weight"},
    {"blocks.{}.mlp.fc2.bias", "~transformer.resblocks.{}.mlp.c_proj.bias"},
    {"blocks.{}.ls2.gamma", "~transformer.resblocks.{}.ls_2.gamma"},
    {"head.weight", "~proj", Layout::transposed}};

/// `norm_after_pooling`: open_clip's final_ln_after_pool.
[[nodiscard, gnu::cold]] inline NameTable clip_names(const std::string& prefix,
                                                     bool norm_after_pooling) {
  NameTable names(prefix, clip_rules);
  const std::string norm = norm_after_pooling ? "fc_norm" : "norm";
  names.add(join(norm, ".weight"), {{join(prefix, "ln_post.weight")}});
  names.add(join(norm, ".bias"), {{join(prefix, "ln_post.bias")}});
  return names;
}

/// open_clip's huge, giant and bigG towers: no model of OpenAI's is as wide.
[[nodiscard]] inline bool is_open_clip_width(Index D) {
  return D == 1280 || D == 1408 || D == 1664;
}

/// OpenAI's loader takes heads of 64; open_clip's wide towers have 16 heads.
[[nodiscard]] inline Index clip_heads(Index D) {
  if (is_open_clip_width(D)) return 16;
  return D % 64 == 0 ? D / 64 : 0;
}

/// Tensors that do not begin with `prefix` belong to the text tower and to the loss.
inline void leave_text_tower(std::string_view prefix, Checkpoint& checkpoint) {
  for (const auto& [name, view] : checkpoint.files.tensors)
    if (!name.starts_with(prefix)) checkpoint.unused.push_back(name);
  checkpoint.elsewhere = {"text*", "logits_per_*", "probs*", "get_text_features"};
}

/// What open_clip_config.json's vision_cfg says. Returns whether the picture's size is known.
[[gnu::cold]] inline bool read_open_clip_config(const ConfigFile& file, Checkpoint& checkpoint) {
  ViTConfig& c = checkpoint.config;
  const std::string& where = file.path;
  const Json* holder = json_find(file.json, "model_cfg");
  const Json& model = holder == nullptr ? file.json : *holder;
  const bool quick = json_get_if<bool>(model, "quick_gelu", where).value_or(false);
  c.activation = quick ? Activation::quick_gelu : Activation::gelu_erf;
  checkpoint.because.set("activation", where);
  const Json* vision = json_find(model, "vision_cfg");
  if (vision == nullptr) fail(where, "no 'vision_cfg', expected the picture tower's settings");
  if (json_get_if<bool>(*vision, "attentional_pool", where).value_or(false))
    fail(where, "'attentional_pool' is true, which this version does not run");
  if (const Json* act = json_find(*vision, "act_kwargs"); act != nullptr && !quick) {
    if (json_get_if<std::string>(*act, "approximate", where).value_or("none") == "tanh")
      c.activation = Activation::gelu_tanh;
  }
  if (const Json* norm = json_find(*vision, "norm_kwargs"))
    c.norm_eps = json_get_if<double>(*norm, "eps", where).value_or(c.norm_eps);
  const Index head_width = json_get_if<Index>(*vision, "head_width", where).value_or(64);
  if (head_width < 1 || c.embed_dim % head_width != 0)
    fail(where, "'head_width' is ", head_width, ", expected a divisor of ", c.embed_dim);
  c.heads = c.embed_dim / head_width;
  checkpoint.because.set("heads", where);
  const auto pool = json_get_if<std::string>(*vision, "pool_type", where).value_or("tok");
  if (pool != "tok" && pool != "avg" && pool != "none")
    fail(where, "'pool_type' is '", pool, "', expected tok, avg or none");
  c.pooling = pool == "tok" ? Pooling::token : pool == "avg" ? Pooling::avg : Pooling::none;
  checkpoint.because.set("pooling", where);
  const Json* size = json_find(*vision, "image_size");
  if (size != nullptr) set_image_size(*size, "image_size", where, c);
  return size != nullptr;
}

}  // namespace detail

[[nodiscard]] inline bool is_clip(const NamedTensors& tensors) {
  return detail::clip_prefix(tensors).has_value();
}

[[nodiscard, gnu::cold]] inline Checkpoint open_clip(CheckpointFiles files,
                                                     const LoadOptions& options) {
  Checkpoint checkpoint(std::move(files), "OpenAI");
  const NamedTensors& tensors = checkpoint.files.tensors;
  const std::string prefix = *detail::clip_prefix(tensors);
  const std::optional<ConfigFile>& file = checkpoint.files.open_clip_config;
  bool norm_after_pooling = false;
  if (file) {
    checkpoint.publisher = "open_clip";
    const Json* model = json_find(file->json, "model_cfg");
    const Json* vision = json_find(model == nullptr ? file->json : *model, "vision_cfg");
    norm_after_pooling =
        vision != nullptr &&
        json_get_if<bool>(*vision, "final_ln_after_pool", file->path).value_or(false);
  }
  checkpoint.names = detail::clip_names(prefix, norm_after_pooling);
  detail::leave_text_tower(prefix, checkpoint);
  const TensorShapes shapes(tensors, checkpoint.names);

  ViTConfig& c = checkpoint.config;
  c.architecture = "CLIP";
  c.norm_eps = 1e-5;
  c.activation = Activation::quick_gelu;
  c.position_rule = PositionRule::timm;
  c.embed_dim = shapes.quotient("blocks.0.norm1.weight", 1);
  c.heads = 0;
  const bool wide = detail::is_open_clip_width(c.embed_dim);
  if (wide) c.activation = Activation::gelu_erf;
  checkpoint.because = {{"architecture", "the tensors' names"},
                        {"norm_eps", "CLIP's"},
                        {"activation", wide ? "the published model of this width"
                                            : "OpenAI's: no open_clip_config.json is beside it"},
                        {"position_rule", "open_clip resamples so"}};
  bool image_known = false;
  if (file) image_known = detail::read_open_clip_config(*file, checkpoint);
  const std::optional<ConfigFile>& own = checkpoint.files.config;
  if (!file && own) {
    if (const auto heads = json_get_if<Index>(own->json, "vision_heads", own->path)) {
      c.heads = *heads;
      checkpoint.because.set("heads", own->path);
    }
  }
  const bool told = c.heads > 0 || options.heads > 0;
  settle_heads(options, c.heads, shapes, checkpoint, detail::clip_heads);
  if (!told && !wide) checkpoint.because.set("heads", "OpenAI's loader takes heads of 64");
  infer_from_tensors(shapes, checkpoint.names, image_known, c);
  checkpoint.stage_names = {
      {"logits", "image_features"},
      {"logits", "image_features_normalised", StagePart::unit_length},
      {"pre_logits", "vision.ln_post"},
      {"pos_embed_resampled", "pos_embedding_resampled", StagePart::unbatched},
      {"hidden_states.{}", "vision.hidden_states.{}"},
      {"hidden_states.{}", "vision.patch_tokens.{-1}", StagePart::patch_rows},
      {"hidden_states.{}", "vision.prefix_tokens.{-1}", StagePart::prefix_rows}};
  apply_options(options, checkpoint);

  const Json* recipe = file ? json_find(file->json, "preprocess_cfg") : nullptr;
  if (recipe != nullptr && json_find(*recipe, "mean") != nullptr) {
    checkpoint.preprocess = detail::parse_open_clip(detail::RecipeJson(*recipe, file->path),
                                                    {c.image_height, c.image_width, false});
    checkpoint.because.set("preprocess", file->path);
  } else {
    checkpoint.preprocess = clip_preprocess(c.image_height, c.image_height);
    checkpoint.because.set("preprocess", "CLIP's");
  }
  return checkpoint;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_CLIP_HPP
