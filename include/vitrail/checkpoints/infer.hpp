// Everything that the tensors of a checkpoint show by themselves: sizes, depth, and which optional
// parts there are.
//
// Heads, eps, the kind of GELU and the pooling are not among it; the publisher settles those.
#ifndef VITRAIL_CHECKPOINTS_INFER_HPP
#define VITRAIL_CHECKPOINTS_INFER_HPP

#include <cmath>
#include <vitrail/checkpoints/checkpoint.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// Shapes by our names, whatever the file calls them.
class TensorShapes {
 public:
  TensorShapes(const NamedTensors& tensors, const NameTable& names)
      : tensors_(tensors), names_(names) {}

  [[nodiscard]] VITRAIL_NOINLINE bool has(std::string_view ours) const { return count(ours) > 0; }
  [[nodiscard]] VITRAIL_NOINLINE bool has(std::string_view prefix, std::string_view rest) const {
    return has(join(prefix, rest));
  }

  /// Number of elements of all parts together, or 0 when there is no such tensor.
  [[nodiscard]] Index count(std::string_view ours) const {
    const auto source = names_.find(ours);
    if (!source) return 0;
    Index sum = 0;
    for (const std::string& name : source->names) {
      const AnyView* view = name.empty() ? nullptr : tensors_.find(name);
      if (view == nullptr && !name.empty()) return 0;
      if (view == nullptr) continue;
      const Index rows = view->shape.rank() == 0 ? 1 : view->shape[0];
      sum += source->end == 0 || rows == 0
                 ? view->shape.count()
                 : view->shape.count() / rows *
                       std::max<Index>(std::min(source->end, rows) - source->begin, 0);
    }
    return sum;
  }

  /// count(ours) / by; throws Error unless that is a whole number above 0.
  [[nodiscard]] VITRAIL_NOINLINE Index quotient(std::string_view ours, Index by) const {
    const Index n = count(ours);
    if (n == 0) fail(tensors_.path(), "no tensor ", theirs(ours));
    if (by < 1 || n % by != 0) {
      fail(tensors_.path(), theirs(ours), " has ", n, " elements, expected a multiple of ", by);
    }
    return n / by;
  }

  [[nodiscard]] VITRAIL_NOINLINE Index quotient(std::string_view prefix, std::string_view rest,
                                                Index by) const {
    return quotient(join(prefix, rest), by);
  }

  /// The file's name of one of our tensors, for messages.
  [[nodiscard]] std::string theirs(std::string_view ours) const {
    const auto source = names_.find(ours);
    return source && !source->names.front().empty() ? source->names.front() : std::string(ours);
  }

  /// The stored shape of an unjoined tensor, or nothing.
  [[nodiscard]] VITRAIL_NOINLINE const Shape* shape(std::string_view ours) const {
    const auto source = names_.find(ours);
    const AnyView* view = source ? tensors_.find(source->names.front()) : nullptr;
    return view == nullptr ? nullptr : &view->shape;
  }

  [[nodiscard]] const std::string& path() const { return tensors_.path(); }

 private:
  const NamedTensors& tensors_;
  const NameTable& names_;
};

namespace detail {

[[gnu::cold]] inline void infer_patch(const TensorShapes& t, const NameTable& names, ViTConfig& c) {
  const std::string weight = "patch_embed.proj.weight";
  const Index per_output = t.quotient(weight, c.embed_dim);  // C * Ph * Pw
  const Shape& shape = *t.shape(weight);
  if (c.stem && shape.rank() == 4) {
    const bool flax = names.find(weight)->layout == Layout::hwio;
    c.channels = 3;
    c.patch_height = shape[flax ? 0 : 2];
    c.patch_width = shape[flax ? 1 : 3];
    if (c.stem->channels() * c.patch_height * c.patch_width == per_output) return;
    fail(t.path(), t.theirs(weight), " is ", shape.to_string(), ", expected ", c.stem->channels(),
         " channels of the stem");
  }
  if (shape.rank() == 4) {
    const bool hwio = names.find(weight)->layout == Layout::hwio;
    c.channels = shape[hwio ? 2 : 1];
    c.patch_height = shape[hwio ? 0 : 2];
    c.patch_width = shape[hwio ? 1 : 3];
  } else {
    for (const Index channels : {3, 1, 4}) {  // the first of which P is a whole number
      c.channels = channels;
      c.patch_height = c.patch_width =
          std::lround(std::sqrt(static_cast<double>(per_output) / static_cast<double>(channels)));
      if (channels * c.patch_height * c.patch_width == per_output) break;
    }
  }
  if (c.channels < 1 || c.patch_height < 1 ||
      c.channels * c.patch_height * c.patch_width != per_output) {
    fail(t.path(), t.theirs(weight), " is ", shape.to_string(),
         ", expected (D, C, P, P) with D = ", c.embed_dim);
  }
}

inline Index square_side(Index rows) {
  const Index side = std::lround(std::sqrt(static_cast<double>(rows)));
  return side * side == rows && side > 0 ? side : 0;
}

/// Finds how many rows of the position table are not patches. `image_known`: c.image_* was set by a
/// config, else the grid is taken to be square. The coverage that `c` brings is tried first.
[[gnu::cold]] inline void infer_positions(const TensorShapes& t, bool image_known, ViTConfig& c) {
  if (!t.has("pos_embed")) {
    c.positions = PositionCoverage::none;
    return;
  }
  const Index rows = t.quotient("pos_embed", c.embed_dim);
  const auto cells = [&](Index side, Index patch) {
    return side * patch * (c.stem ? c.stem->stride() : 1);
  };
  for (const PositionCoverage coverage :
       {c.positions, PositionCoverage::all, PositionCoverage::class_and_patches,
        PositionCoverage::patches}) {
    c.positions = coverage;
    if (coverage == PositionCoverage::none) continue;
    const Index patches = rows - c.position_prefix();
    if (image_known && patches == c.grid().count()) return;
    if (!image_known && square_side(patches) > 0) {
      c.image_height = cells(square_side(patches), c.patch_height);
      c.image_width = cells(square_side(patches), c.patch_width);
      return;
    }
  }
  fail(
      t.path(), t.theirs("pos_embed"), " has ", rows, " rows, expected ",
      (image_known ? std::to_string(c.grid().count()) + " patches" : "a square number of patches"),
      " and at most ", c.prefix_tokens(), " other tokens",
      (image_known ? "" : "; for pictures that are not square a config.json has to tell the size"));
}

/// The convolutions before the patches, if there are any: their depth and widths.
[[gnu::cold]] inline void infer_stem(const TensorShapes& t, ViTConfig& c) {
  const std::string root = "patch_embed.backbone.";
  if (!t.has(root, "stem.conv.weight") && !t.has(root, "conv.weight")) {
    c.stem.reset();
    return;
  }
  ResNetConfig stem = c.stem.value_or(ResNetConfig{});
  stem.layers.clear();
  stem.middle.clear();
  stem.outputs.clear();
  const bool bare = !t.has(root, "stem.conv.weight");
  stem.width = t.quotient(root + (bare ? "norm.weight" : "stem.norm.weight"), 1);
  for (Index s = 0;; ++s) {
    const std::string stage = join(root, "stages.", s, ".blocks.");
    Index blocks = 0;
    while (t.has(join(stage, blocks, ".conv1.weight"))) ++blocks;
    if (blocks == 0) break;
    stem.layers.push_back(blocks);
    stem.middle.push_back(t.quotient(stage, "0.norm1.weight", 1));
    stem.outputs.push_back(t.quotient(stage, "0.norm3.weight", 1));
  }
  c.stem = std::move(stem);
}

/// The grid that tables of relative positions were trained on, when no config tells.
[[gnu::cold]] inline void infer_relative_positions(const TensorShapes& t, bool image_known,
                                                   ViTConfig& c) {
  const std::string own = "blocks.0.attn.relative_position_bias_table";
  const std::string shared = "rel_pos_bias.relative_position_bias_table";
  c.shared_relative_positions = t.has(shared);
  c.relative_positions = t.has(own) || c.shared_relative_positions;
  if (!c.relative_positions) return;
  const std::string& name = c.shared_relative_positions ? shared : own;
  const Shape* table = t.shape(name);
  if (table == nullptr || table->rank() != 2 || (*table)[1] < 1)
    fail(t.path(), t.theirs(name), " is not (distances, heads)");
  const Index rows = (*table)[0] - (c.class_token ? 3 : 0);
  if (image_known && distances_of(c.grid()).count() == rows) return;
  const Index side = square_side(rows);
  if (image_known || side % 2 == 0) {
    fail(t.path(), t.theirs(name), " has ", rows, " rows of distances, expected ",
         (image_known ? std::to_string(distances_of(c.grid()).count())
                      : "the square of an odd number"));
  }
  c.image_height = (side + 1) / 2 * c.patch_height;
  c.image_width = (side + 1) / 2 * c.patch_width;
}

/// Parallel blocks by the names that only they have.
[[gnu::cold]] inline void infer_block(const TensorShapes& t, ViTConfig& c) {
  if (t.has("blocks.0.attns.0.norm.weight")) {
    c.block = BlockKind::parallel_things;
    for (c.branches = 1; t.has(join("blocks.0.attns.", c.branches, ".norm.weight"));) ++c.branches;
  } else if (!t.has("blocks.0.norm2.weight")) {
    c.block = BlockKind::parallel_scaling;
  }
}

}  // namespace detail

/// Fills in what the tensors show. `c` brings what is known already (a preset, the defaults of a
/// publisher): heads, when known, fix head_dim. Throws Error when the tensors contradict
/// themselves.
[[gnu::cold]] inline void infer_from_tensors(const TensorShapes& t, const NameTable& names,
                                             bool image_known, ViTConfig& c) {
  detail::infer_block(t, c);
  const bool things = c.block == BlockKind::parallel_things;
  const std::string block = "blocks.0.";
  const std::string attn = block + (things ? "attns.0.attn." : "attn.");
  const std::string mlp = block + (things ? "ffns.0.mlp." : "mlp.");
  const std::string norm1 = things ? ".attns.0.norm.weight" : ".norm1.weight";
  c.embed_dim = t.quotient(join("blocks.0", norm1), 1);
  detail::infer_stem(t, c);
  detail::infer_patch(t, names, c);
  c.depth = 0;
  while (t.has(join("blocks.", c.depth, norm1))) ++c.depth;
  const Index D = c.embed_dim;
  const Index inner = t.quotient(attn, "qkv.weight", 3 * D);  // A * hd
  if (c.heads < 1 || inner % c.heads != 0) {
    fail(t.path(), inner, " attention columns do not divide into ", c.heads, " heads");
  }
  c.head_dim = inner / c.heads;
  c.mlp_hidden = t.quotient(mlp, "fc2.weight", D);
  c.gated_mlp = t.quotient(mlp, "fc1.weight", D) == 2 * c.mlp_hidden;
  if (c.gated_mlp) c.activation = Activation::silu;

  c.class_token = t.has("cls_token");
  c.distillation_token = t.has("dist_token");
  c.register_tokens = t.has("reg_token") ? t.quotient("reg_token", D) : 0;
  c.patch_bias = t.has("patch_embed.proj.bias");
  c.patch_input_norm = t.has("patch_embed.norm_in.weight");
  c.patch_norm = t.has("patch_embed.norm.weight");
  c.pre_norm = t.has("norm_pre.weight");
  c.final_norm = t.has("norm.weight");
  c.fc_norm = t.has("fc_norm.weight");
  c.qkv_bias = t.has(attn, "qkv.bias");
  c.qk_norm = t.has(attn, "q_norm.weight");
  c.attn_norm = t.has(attn, "norm.weight");
  c.differential_attention = t.has(attn, "sub_norm.weight");
  c.attn_proj = t.has(attn, "proj.weight");
  c.proj_bias = t.has(attn, "proj.bias");
  c.mlp_norm = t.has(mlp, "norm.weight");
  c.mlp_bias = t.has(mlp, "fc2.bias");
  c.layer_scale = t.has(block + (things ? "attns.0.ls.gamma" : "ls1.gamma"));
  const std::string norm1_bias = join("blocks.0", norm1.substr(0, norm1.size() - 6), "bias");
  c.norm = t.has(norm1_bias) ? NormKind::layer_norm : NormKind::rms_norm;
  c.representation_size = t.has("pre_logits.weight") ? t.quotient("pre_logits.weight", D) : 0;
  c.distilled_head = t.has("head_dist.weight");
  if (t.has("attn_pool.latent")) {
    c.pooling = Pooling::map;
  } else if (c.pooling == Pooling::map) {
    c.pooling = Pooling::none;
  }
  c.classes = t.has("head.weight") ? t.quotient("head.weight", c.feature_dim()) : 0;
  c.head_bias = t.has("head.bias");
  detail::infer_positions(t, image_known || c.sincos_positions, c);
  detail::infer_relative_positions(t, image_known, c);
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_INFER_HPP
