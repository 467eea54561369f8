// What publishers have in common when they turn a config into a ViTConfig: activations by name,
// overrides, labels.
#ifndef VITRAIL_CHECKPOINTS_SETTLE_HPP
#define VITRAIL_CHECKPOINTS_SETTLE_HPP

#include <vitrail/checkpoints/infer.hpp>
#include <vitrail/image/recipe.hpp>
#include <vitrail/models/imagenet_labels.hpp>
#include <vitrail/models/presets.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// The activation that a config calls `name`, in timm's, Hugging Face's or PyTorch's words. Throws
/// Error for any other.
[[nodiscard]] inline Activation activation_named(std::string_view name, std::string_view where) {
  constexpr std::pair<std::string_view, Activation> known[] = {
      {"gelu", Activation::gelu_erf},
      {"gelu_erf", Activation::gelu_erf},
      {"erf", Activation::gelu_erf},
      {"gelu_tanh", Activation::gelu_tanh},
      {"tanh", Activation::gelu_tanh},
      {"gelu_new", Activation::gelu_tanh},
      {"gelu_fast", Activation::gelu_tanh},
      {"gelu_pytorch_tanh", Activation::gelu_tanh},
      {"quick_gelu", Activation::quick_gelu},
      {"quickgelu", Activation::quick_gelu},
      {"quick", Activation::quick_gelu},
      {"silu", Activation::silu},
      {"swish", Activation::silu},
      {"relu", Activation::relu}};
  for (const auto& [word, activation] : known) {
    if (word == name) return activation;
  }
  fail(where, "unknown activation ", detail::in_quotes(name),
       ", expected gelu, gelu_tanh, quick_gelu, silu or relu");
}

/// Sets image_height and image_width. Throws Error when they are more than a picture may be.
inline void set_image_size(Index height, Index width, std::string_view key, std::string_view where,
                           ViTConfig& c) {
  constexpr Index most_pixels = PreprocessConfig{}.max_pixels;
  if (height < 1 || width < 1 || height > most_pixels / width) {
    fail(where, "'", key, "' is ", height, " x ", width, ", expected between 1 and ", most_pixels,
         " pixels in all");
  }
  c.image_height = height;
  c.image_width = width;
}

/// The same from `value`: a number or [height, width].
inline void set_image_size(const Json& value, std::string_view key, std::string_view where,
                           ViTConfig& c) {
  if (!value.is_array()) {
    const auto side = json_as<Index>(value, key, where);
    return set_image_size(side, side, key, where, c);
  }
  const auto size = json_as<std::vector<Index>>(value, key, where);
  if (size.size() != 2) fail(where, "'", key, "' has ", size.size(), " numbers, expected 2");
  set_image_size(size[0], size[1], key, where, c);
}

namespace detail {

/// Whether two configurations have the same tensors and, where these show it, the same picture.
[[nodiscard]] inline bool same_shape(const ViTConfig& a, const ViTConfig& b) {
  const bool computed = a.positions == PositionCoverage::none && !a.relative_positions;
  return a.embed_dim == b.embed_dim && a.depth == b.depth && a.patch_height == b.patch_height &&
         a.patch_width == b.patch_width && a.mlp_hidden == b.mlp_hidden &&
         a.class_token == b.class_token && a.distillation_token == b.distillation_token &&
         a.register_tokens == b.register_tokens && a.positions == b.positions &&
         (computed || (a.image_height == b.image_height && a.image_width == b.image_width)) &&
         a.pre_norm == b.pre_norm && a.qkv_bias == b.qkv_bias && a.qk_norm == b.qk_norm &&
         a.layer_scale == b.layer_scale && a.norm == b.norm && a.gated_mlp == b.gated_mlp &&
         a.attn_norm == b.attn_norm && a.mlp_norm == b.mlp_norm && a.fc_norm == b.fc_norm &&
         a.final_norm == b.final_norm && a.relative_positions == b.relative_positions &&
         a.patch_norm == b.patch_norm && a.stem.has_value() == b.stem.has_value() &&
         (a.pooling == Pooling::map) == (b.pooling == Pooling::map) &&
         (a.block == BlockKind::parallel_things) == (b.block == BlockKind::parallel_things) &&
         (a.block == BlockKind::parallel_scaling) == (b.block == BlockKind::parallel_scaling) &&
         a.differential_attention == b.differential_attention;
}

}  // namespace detail

/// The published architectures that these tensors fit exactly.
[[nodiscard]] inline std::vector<const Preset*> presets_that_fit(const ViTConfig& c) {
  std::vector<const Preset*> fitting;
  for (const Preset& preset : presets) {
    const ViTConfig p = make_config(preset, preset.name);
    if (detail::same_shape(p, c)) fitting.push_back(&preset);
  }
  return fitting;
}

/// The heads of the published models D wide: of 64 columns, but 16 in the widest. 0: none is.
[[nodiscard]] inline Index published_heads(Index D) {
  for (const Index wide : {1152, 1280, 1408, 1664})
    if (D == wide) return 16;
  for (const Index plain : {192, 256, 320, 384, 512, 640, 768, 896, 1024, 1536})
    if (D == plain) return D / 64;
  return 0;
}

/// Heads where tensors show them: a table of relative positions has a column for each, norms of q
/// and of differential attention are as wide as one. 0: nothing shows them.
[[nodiscard, gnu::cold]] inline Index heads_in_tensors(const TensorShapes& t) {
  for (const char* name : {"blocks.0.attn.relative_position_bias_table",
                           "rel_pos_bias.relative_position_bias_table"}) {
    const Shape* const table = t.shape(name);
    if (table != nullptr && table->rank() == 2) return (*table)[1];
  }
  const Index inner = t.count("blocks.0.attn.qkv.weight") /
                      std::max<Index>(3 * t.count("blocks.0.norm1.weight"), 1);
  for (const char* name : {"blocks.0.attn.sub_norm.weight", "blocks.0.attn.q_norm.weight"}) {
    const Index hd = t.count(name);
    if (hd > 0) return hd < inner && inner % hd == 0 ? inner / hd : 0;
  }
  return 0;
}

/// Heads: those asked for, else those that a config told (`told`, 0: none did), else those that
/// tensors show, else those of the published model of this width. Throws Error that names the flag
/// when there is none.
inline void settle_heads(const LoadOptions& options, Index told, const TensorShapes& shapes,
                         Checkpoint& checkpoint, Index (*by_width)(Index D) = published_heads) {
  ViTConfig& c = checkpoint.config;
  c.heads = told;
  if (options.heads > 0) {
    c.heads = options.heads;
    checkpoint.because.set("heads", "asked for");
  } else if (const Index shown = told == 0 ? heads_in_tensors(shapes) : 0; shown > 0) {
    c.heads = shown;
    checkpoint.because.set("heads", "the tensors' shapes");
  } else if (told == 0) {
    const Index D = shapes.quotient("blocks.0.norm1.weight", 1);
    c.heads = by_width(D);
    checkpoint.because.set("heads", "the published model of this width");
    if (c.heads == 0)
      fail(checkpoint.path(), "is ", D,
           " wide, as no published model is, and no config beside it "
           "tells the number of heads; name it with --heads");
  }
}

/// The number of heads in config.json, at its top or among the model's arguments; 0: none is told.
[[nodiscard]] inline Index heads_in_config(Checkpoint& checkpoint) {
  const std::optional<ConfigFile>& file = checkpoint.files.config;
  if (!file) return 0;
  const Json* args = json_find(file->json, "model_args");
  for (const Json* holder : {args, &file->json}) {
    for (const char* key : {"num_heads", "num_attention_heads"}) {
      if (holder == nullptr || json_find(*holder, key) == nullptr) continue;
      checkpoint.because.set("heads", file->path);
      return json_get<Index>(*holder, key, file->path);
    }
  }
  return 0;
}

/// Applies what the user asked for over what the checkpoint says, and notes it.
[[gnu::cold]] inline void apply_options(const LoadOptions& options, Checkpoint& checkpoint) {
  ViTConfig& c = checkpoint.config;
  const auto set = [&](auto& field, const auto& wanted, const char* name) {
    if (!wanted) return;
    field = *wanted;
    checkpoint.because.set(name, "asked for");
  };
  set(c.position_rule, options.position_rule, "position_rule");
  set(c.activation, options.activation, "activation");
  set(c.norm_eps, options.norm_eps, "norm_eps");
  if (options.pooling) {
    const bool fixed = checkpoint.swin || c.pooling == Pooling::map ||
                       c.pooling == Pooling::token_and_avg ||
                       c.pooling == Pooling::class_and_distillation;
    if (fixed || (*options.pooling == Pooling::token && !c.class_token))
      fail(checkpoint.path(), "cannot pool by ", name_of(*options.pooling),
           ": its tensors are made for ", name_of(c.pooling));
    set(c.pooling, options.pooling, "pooling");
  }
  if (!(c.norm_eps >= 0 && c.norm_eps <= 1))
    fail(checkpoint.path(), "the norms' eps is ", detail::shown(c.norm_eps), ", expected 0 to 1");
  c.pad_to_patch = c.pad_to_patch || options.pad_to_patch;
}

/// Labels of a model with `c.classes` classes: the config's, else ImageNet's where there are 1000.
inline void settle_labels(std::vector<std::string> from_config, const std::string& where,
                          Checkpoint& checkpoint) {
  const auto K = static_cast<std::size_t>(checkpoint.config.classes);
  if (from_config.size() == K && K > 0) {
    checkpoint.labels = std::move(from_config);
    checkpoint.because.set("labels", where);
  } else if (K == 1000) {
    checkpoint.labels = imagenet_labels();
    checkpoint.because.set("labels", "ImageNet-1k, built in");
  }
}

/// Preprocessing in timm's words, at the checkpoint's own size; `because` says who has it so.
VITRAIL_NOINLINE inline void settle_evaluation(double crop_fraction,
                                               const std::array<float, 3>& mean,
                                               const std::array<float, 3>& std,
                                               std::string_view because, Checkpoint& checkpoint,
                                               ResizeMode resize = ResizeMode::shortest_edge,
                                               Filter filter = Filter::bicubic) {
  checkpoint.preprocess = completed_as_timm({.height = checkpoint.config.image_height,
                                             .width = checkpoint.config.image_width,
                                             .resize = resize,
                                             .filter = filter,
                                             .crop_fraction = crop_fraction,
                                             .mean = mean,
                                             .std = std});
  checkpoint.because.set("preprocess", because);
}

/// Preprocessing from `file`'s JSON, if it holds a recipe.
inline void settle_preprocess(const std::optional<ConfigFile>& file, const Json* recipe,
                              Checkpoint& checkpoint) {
  if (!file || recipe == nullptr) return;
  checkpoint.preprocess = parse_recipe(*recipe, file->path);
  checkpoint.because.set("preprocess", file->path);
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_SETTLE_HPP
