// lucidrains' vit-pytorch: ViT and SimpleViT, in the layouts of all its releases.
//
// Facts: vit_pytorch/vit_pytorch.py until 0.7, vit_pytorch/vit.py and simple_vit.py at 0.40, 1.6
// and later. eps 1e-5, erf GELU, patches flattened pixel by pixel, heads of any width.
// `pool='mean'` averages over the class token too, but for the newest releases, which then have
// none. SimpleViT computes its positions.
//
// The first releases have one more layer in the classifier, with a GELU behind it, and heads that
// share the width D. Until 0.6.6 attention is scaled by D ** -0.5, as if there were one head; where
// neither that layer nor blocks without dropout date a file, its release has to be told.
#ifndef VITRAIL_CHECKPOINTS_LUCIDRAINS_HPP
#define VITRAIL_CHECKPOINTS_LUCIDRAINS_HPP

#include <vitrail/checkpoints/settle.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

// Releases differ part by part, so each part is looked for by itself.
inline constexpr NameRule lucidrains_residual[] = {

    {"blocks.{}.norm1.weight", "transformer.layers.{}.0.fn.norm.weight"},
    {"blocks.{}.norm1.bias", "transformer.layers.{}.0.fn.norm.bias"},
    {"blocks.{}.attn.qkv.weight", "transformer.layers.{}.0.fn.fn.to_qkv.weight"},
    {"blocks.{}.attn.proj.weight", "transformer.layers.{}.0.fn.fn.to_out.0.weight"},
    {"blocks.{}.attn.proj.bias", "transformer.layers.{}.0.fn.fn.to_out.0.bias"},
    {"blocks.{}.norm2.weight", "transformer.layers.{}.1.fn.norm.weight"},
    {"blocks.{}.norm2.bias", "transformer.layers.{}.1.fn.norm.bias"},
    {"blocks.{}.mlp.fc1.weight", "transformer.layers.{}.1.fn.fn.net.0.weight"},
    {"blocks.{}.mlp.fc1.bias", "transformer.layers.{}.1.fn.fn.net.0.bias"},
    {"blocks.{}.mlp.fc2.weight", "transformer.layers.{}.1.fn.fn.net.3.weight"},
    {"blocks.{}.mlp.fc2.bias", "transformer.layers.{}.1.fn.fn.net.3.bias"}};
inline constexpr NameRule lucidrains_patch_to_embedding[] = {
    {"patch_embed.proj.weight", "patch_to_embedding.weight", Layout::pixels_last},
    {"patch_embed.proj.bias", "patch_to_embedding.bias"}};
inline constexpr NameRule lucidrains_normed_patches[] = {
    {"patch_embed.norm_in.weight", "to_patch_embedding.1.weight", Layout::pixels_last},
    {"patch_embed.norm_in.bias", "to_patch_embedding.1.bias", Layout::pixels_last},
    {"patch_embed.proj.weight", "to_patch_embedding.2.weight", Layout::pixels_last},
    {"patch_embed.proj.bias", "to_patch_embedding.2.bias"},
    {"patch_embed.norm.weight", "to_patch_embedding.3.weight"},
    {"patch_embed.norm.bias", "to_patch_embedding.3.bias"}};
inline constexpr NameRule lucidrains_wrapped_attention[] = {
    {"blocks.{}.attn.qkv.weight", "transformer.layers.{}.0.fn.to_qkv.weight"},
    {"blocks.{}.attn.proj.weight", "transformer.layers.{}.0.fn.to_out.0.weight"},
    {"blocks.{}.attn.proj.bias", "transformer.layers.{}.0.fn.to_out.0.bias"}};
inline constexpr NameRule lucidrains_bare_out[] = {
    {"blocks.{}.attn.proj.weight", "transformer.layers.{}.0.to_out.weight"},
    {"blocks.{}.attn.proj.bias", "transformer.layers.{}.0.to_out.bias"}};
inline constexpr NameRule lucidrains_wrapped_mlp[] = {
    {"blocks.{}.norm2.weight", "transformer.layers.{}.1.norm.weight"},
    {"blocks.{}.norm2.bias", "transformer.layers.{}.1.norm.bias"},
    {"blocks.{}.mlp.fc1.weight", "transformer.layers.{}.1.fn.net.0.weight"},
    {"blocks.{}.mlp.fc1.bias", "transformer.layers.{}.1.fn.net.0.bias"},
    {"blocks.{}.mlp.fc2.weight", "transformer.layers.{}.1.fn.net.3.weight"},
    {"blocks.{}.mlp.fc2.bias", "transformer.layers.{}.1.fn.net.3.bias"}};
inline constexpr NameRule lucidrains_mlp_without_dropout[] = {
    {"blocks.{}.mlp.fc2.weight", "transformer.layers.{}.1.net.3.weight"},
    {"blocks.{}.mlp.fc2.bias", "transformer.layers.{}.1.net.3.bias"}};
inline constexpr NameRule lucidrains_rules[] = {
    {"cls_token", "cls_token"},
    {"pos_embed", "pos_embedding"},
    {"blocks.{}.norm1.weight", "transformer.layers.{}.0.norm.weight"},
    {"blocks.{}.norm1.bias", "transformer.layers.{}.0.norm.bias"},
    {"norm.weight", "transformer.norm.weight"},
    {"norm.bias", "transformer.norm.bias"},
    {"patch_embed.proj.weight", "to_patch_embedding.1.weight", Layout::pixels_last},
    {"patch_embed.proj.bias", "to_patch_embedding.1.bias"},
    {"blocks.{}.attn.qkv.weight", "transformer.layers.{}.0.to_qkv.weight"},
    {"blocks.{}.attn.proj.weight", "transformer.layers.{}.0.to_out.0.weight"},
    {"blocks.{}.attn.proj.bias", "transformer.layers.{}.0.to_out.0.bias"},
    {"blocks.{}.norm2.weight", "transformer.layers.{}.1.net.0.weight"},
    {"blocks.{}.norm2.bias", "transformer.layers.{}.1.net.0.bias"},
    {"blocks.{}.mlp.fc1.weight", "transformer.layers.{}.1.net.1.weight"},
    {"blocks.{}.mlp.fc1.bias", "transformer.layers.{}.1.net.1.bias"},
    {"blocks.{}.mlp.fc2.weight", "transformer.layers.{}.1.net.4.weight"},
    {"blocks.{}.mlp.fc2.bias", "transformer.layers.{}.1.net.4.bias"}};

/// The very first ones, without dropout layers.
inline constexpr NameRule lucidrains_first[] = {
    {"blocks.{}.attn.proj.weight", "transformer.layers.{}.0.fn.fn.to_out.weight"},
    {"blocks.{}.attn.proj.bias", "transformer.layers.{}.0.fn.fn.to_out.bias"},
    {"blocks.{}.mlp.fc2.weight", "transformer.layers.{}.1.fn.fn.net.2.weight"},
    {"blocks.{}.mlp.fc2.bias", "transformer.layers.{}.1.fn.fn.net.2.bias"}};

/// Releases differ part by part, so each part is looked for by itself.
inline constexpr NameRules lucidrains_names[] = {
    {"transformer.layers.0.0.fn.fn.to_out.weight", lucidrains_first},
    {"transformer.layers.0.0.fn.fn.to_qkv.weight", lucidrains_residual},  // until 0.7
    {"patch_to_embedding.weight", lucidrains_patch_to_embedding},
    {"to_patch_embedding.2.weight", lucidrains_normed_patches},
    {"transformer.layers.0.0.fn.to_qkv.weight", lucidrains_wrapped_attention},
    {"transformer.layers.0.0.to_out.weight", lucidrains_bare_out},
    {"transformer.layers.0.1.fn.net.0.weight", lucidrains_wrapped_mlp},
    {"transformer.layers.0.1.net.3.weight", lucidrains_mlp_without_dropout},
    {"", lucidrains_rules}};

/// The layers with weights of the classifier `name`: a norm or none, one product or two with GELU
/// between; what has no weights (GELU, dropout) counts in their numbers too.
[[gnu::cold]] inline void add_lucidrains_head(const NamedTensors& tensors, const std::string& name,
                                              NameTable& names) {
  std::vector<std::string> layers;
  for (Index i = 0; i < 6; ++i)
    if (tensors.contains(join(name, ".", i, ".weight"))) layers.push_back(join(name, ".", i));
  if (layers.empty()) layers.push_back(name);
  const AnyView* first = tensors.find(join(layers.front(), ".weight"));
  const bool norm = first != nullptr && first->shape.rank() == 1;
  std::vector<std::string> ours;
  if (norm) ours.push_back(std::string("fc_norm"));
  if (layers.size() - norm == 2) ours.push_back(std::string("pre_logits"));
  ours.push_back(std::string("head"));
  for (std::size_t i = 0; i < std::min(layers.size(), ours.size()); ++i)
    for (const char* part : {".weight", ".bias"})
      names.add(ours[i] + part, TensorSource{{layers[i] + part}});
}

/// Whether vit-pytorch `release`, "0.6.6", is older than 0.6.7, which put the attention's scale
/// right. Throws Error when it is no release.
[[nodiscard]] inline bool lucidrains_scales_by_width(std::string_view release,
                                                     std::string_view where) {
  std::array<int, 3> numbers{};
  std::size_t at = 0;
  for (const char c : release) {
    if (c == '.') {
      ++at;
    } else if (c >= '0' && c <= '9' && (at >= numbers.size() || numbers[at] < 10000)) {
      if (at < numbers.size()) numbers[at] = numbers[at] * 10 + (c - '0');
    } else {
      fail(where, "'", release, "' is no release of vit-pytorch, expected one such as 0.6.6");
    }
  }
  return numbers < std::array{0, 6, 7};
}

/// The release that a user (--arch vit-pytorch-0.6.6) or config.json ("version") names, or "".
[[nodiscard]] inline std::string lucidrains_release(const LoadOptions& options,
                                                    const std::optional<ConfigFile>& file) {
  constexpr std::string_view start = "vit-pytorch-";
  if (options.architecture.starts_with(start)) return options.architecture.substr(start.size());
  if (!options.architecture.empty())
    fail("--arch", "is '", options.architecture,
         "', expected a release for vit-pytorch's files, such as vit-pytorch-0.6.6");
  if (!file) return "";
  return json_get_if<std::string>(file->json, "version", file->path).value_or("");
}

/// Sets attention_scale for a file of the releases that had no to_patch_embedding yet. Throws Error
/// when neither the tensors nor a release tell it.
[[gnu::cold]] inline void settle_lucidrains_scale(const LoadOptions& options,
                                                  const TensorShapes& shapes,
                                                  Checkpoint& checkpoint) {
  const NamedTensors& tensors = checkpoint.files.tensors;
  const std::optional<ConfigFile>& file = checkpoint.files.config;
  const std::string release = lucidrains_release(options, file);
  if (!options.architecture.empty()) checkpoint.because.set("architecture", "asked for");
  const bool told = !release.empty();
  const bool dated = shapes.has("pre_logits.weight") ||
                     tensors.contains("transformer.layers.0.0.fn.fn.to_out.weight");
  if (!told && !dated)
    fail(checkpoint.path(),
         "is of one of vit-pytorch's first releases, which scaled attention otherwise until 0.6.6; "
         "name the release with --arch, as in --arch vit-pytorch-0.6.6");
  const std::string where = options.architecture.empty() && file ? file->path : "--arch";
  if (told ? !lucidrains_scales_by_width(release, where) : !dated) return;
  const Index D = shapes.quotient("blocks.0.norm1.weight", 1);
  checkpoint.config.attention_scale = 1 / std::sqrt(static_cast<double>(D));
}

}  // namespace detail

[[nodiscard]] inline bool is_lucidrains(const NamedTensors& tensors) {
  return (tensors.contains("to_patch_embedding.1.weight") ||
          tensors.contains("patch_to_embedding.weight")) &&
         (tensors.contains("transformer.layers.0.0.norm.weight") ||
          tensors.contains("transformer.layers.0.0.fn.norm.weight"));
}

[[nodiscard, gnu::cold]] inline Checkpoint open_lucidrains(CheckpointFiles files,
                                                           const LoadOptions& options) {
  Checkpoint checkpoint(std::move(files), "lucidrains");
  const NamedTensors& tensors = checkpoint.files.tensors;
  add_rules(tensors, detail::lucidrains_names, checkpoint.names);
  const bool linear =
      tensors.contains("linear_head.weight") || tensors.contains("linear_head.0.weight");
  detail::add_lucidrains_head(tensors, linear ? "linear_head" : "mlp_head", checkpoint.names);
  checkpoint.unused = {"cls_token"};  // of no rows in the newest releases with pool='mean'
  checkpoint.stage_names = {{"forward_features", "transformer_output"}};
  const TensorShapes shapes(tensors, checkpoint.names);

  ViTConfig& c = checkpoint.config;
  const bool simple = !tensors.contains("pos_embedding");
  c.architecture = simple ? "SimpleViT" : "ViT";
  c.norm_eps = 1e-5;
  c.position_rule = PositionRule::timm;
  c.sincos_positions = simple;
  if (simple) c.positions = PositionCoverage::none;
  checkpoint.because = {{"architecture", "the tensors' names"},
                        {"norm_eps", "torch's default"},
                        {"activation", "torch's default"},
                        {"heads", "heads of 64, vit-pytorch's default"},
                        {"pooling", "vit-pytorch's default"}};
  const bool first = tensors.contains("patch_to_embedding.weight");
  if (first) detail::settle_lucidrains_scale(options, shapes, checkpoint);
  c.representation_activation = Activation::gelu_erf;
  const Index D = shapes.quotient("blocks.0.norm1.weight", 1);
  const Index inner = shapes.quotient("blocks.0.attn.qkv.weight", 3 * D);
  c.heads = !shapes.has("blocks.0.attn.proj.weight")    ? 1
            : inner % 64 == 0 && !(first && inner == D) ? inner / 64
                                                        : 0;
  if (c.heads == 1 && inner != 64)
    checkpoint.because.set("heads", "no product behind the heads: there is one");
  c.pooling = simple || !shapes.has("cls_token") ? Pooling::avg : Pooling::token;
  bool image_known = false;
  const std::optional<ConfigFile>& file = checkpoint.files.config;
  if (const Json* args = file ? json_find(file->json, "model_args") : nullptr) {
    if (const auto heads = json_get_if<Index>(*args, "heads", file->path)) {
      c.heads = *heads;
      checkpoint.because.set("heads", file->path);
    }
    if (const auto pool = json_get_if<std::string>(*args, "pool", file->path)) {
      if (*pool != "cls" && *pool != "mean")
        fail(file->path, "'pool' is '", *pool, "', expected cls or mean");
      c.pooling = *pool == "cls" ? Pooling::token : Pooling::avg;
      checkpoint.because.set("pooling", file->path);
    }
    if (const Json* size = json_find(*args, "image_size")) {
      set_image_size(*size, "image_size", file->path, c);
      image_known = true;
    }
  }
  if (options.heads > 0) {
    c.heads = options.heads;
    checkpoint.because.set("heads", "asked for");
  }
  if (c.heads == 0)
    fail(checkpoint.path(),
         "no config.json beside it tells the number of heads; name it with --heads");
  if (simple && !image_known && options.image_height > 0) {
    c.image_height = options.image_height;
    c.image_width = options.image_width;
  }
  infer_from_tensors(shapes, checkpoint.names, image_known, c);
  apply_options(options, checkpoint);
  c.pool_includes_prefix = c.pooling == Pooling::avg;
  settle_evaluation(1, standard_mean, standard_std, "a guess: vit-pytorch leaves it to its users",
                    checkpoint, ResizeMode::squash, Filter::bilinear);
  settle_labels({}, "", checkpoint);
  return checkpoint;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_LUCIDRAINS_HPP
