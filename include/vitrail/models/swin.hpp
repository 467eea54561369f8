// Swin, the transformer with shifted windows (Liu et al. 2021): four stages of halving size.
//
//   pixels (B, C, H, W) -> patch_embed (B, h, w, D) -> stage 0 -> merge 2x2 -> stage 1 -> ... ->
//   norm -> mean (B, D * 2^(S-1)) -> logits (B, K)
#ifndef VITRAIL_MODELS_SWIN_HPP
#define VITRAIL_MODELS_SWIN_HPP

#include <vitrail/models/swin_config.hpp>
#include <vitrail/models/vision_transformer.hpp>
#include <vitrail/nn/swin_block.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// Four neighbours to one token of twice the width.
template <Scalar T>
struct PatchMerging {
  LayerNorm<T> norm;   // (4C)
  Dense<T> reduction;  // (2C, 4C)

  /// y (B * ceil(H/2) * ceil(W/2), 2C) of x (B * H * W, C); odd sides are padded with zeros.
  void operator()(MatrixView<const T> x, Index batch, Grid map, MatrixView<T> y,
                  const Context& context) const {
    const Workspace::Scope scope(context.workspace);
    const Index C = x.extent(1);
    const Index h = (map.height + 1) / 2;
    const Index w = (map.width + 1) / 2;
    const MatrixView<T> joined = context.workspace.template matrix<T>(batch * h * w, 4 * C);
    for (Index row = 0; row < joined.extent(0); ++row) {
      const Index b = row / (h * w);
      for (Index part = 0; part < 4; ++part) {  // (0,0), (1,0), (0,1), (1,1) as (row, column)
        const Index sy = row / w % h * 2 + part % 2;
        const Index sx = row % w * 2 + part / 2;
        T* to = joined[row].data() + part * C;
        if (sy >= map.height || sx >= map.width) {
          std::fill_n(to, C, T(0));
        } else {
          std::copy_n(x[(b * map.height + sy) * map.width + sx].data(), C, to);
        }
      }
    }
    norm(joined, joined, context);
    reduction(joined, y, context);
  }
};

template <Scalar T>
struct SwinStage {
  PatchMerging<T> downsample;  // before the blocks; of no weights in the first stage
  std::vector<SwinBlock<T>> blocks;
};

/// Immutable after load: share one between threads, each with its own Context.
template <Scalar T>
class Swin {
 public:
  VITRAIL_NOINLINE Swin() = default;
  VITRAIL_NOINLINE Swin(Swin&&) noexcept = default;
  VITRAIL_NOINLINE Swin& operator=(Swin&&) noexcept = default;
  VITRAIL_NOINLINE ~Swin() = default;

  /// Reads every tensor that the two configs imply. Throws Error when one is missing or mis-shaped.
  [[nodiscard]] static Swin load(const ViTConfig& config, const SwinConfig& swin,
                                 Parameters<T>& parameters);

  [[nodiscard]] const ViTConfig& config() const { return config_; }
  /// Throws Error for pictures of H x W that the patch does not divide (unless pad_to_patch).
  void check_size(Index H, Index W) const;
  /// Tokens of the last stage.
  [[nodiscard]] Index tokens_for(Index H, Index W) const {
    Grid map = patch_embed_.grid(H, W);
    for (std::size_t i = 1; i < stages_.size(); ++i)
      map = {(map.height + 1) / 2, (map.width + 1) / 2};
    return map.count();
  }
  /// One pass, as ViT's. `tokens` of the outputs is (B, tokens of the last stage, embed_dim).
  void forward(const TensorView<const T, 4>& pixels, const ViTOutputs<T>& out,
               const Context& context, Trace* trace = nullptr) const;
  void set_image_size(Index H, Index W);

 private:
  static Grid halved(Grid nominal) {
    return {std::max<Index>(nominal.height / 2, 1), std::max<Index>(nominal.width / 2, 1)};
  }
  [[nodiscard]] WindowPartition partition_for(Grid map, Grid nominal, bool shift) const;
  void record_tables(Grid patches, Workspace& workspace, Trace& trace) const;

  ViTConfig config_;
  SwinConfig swin_;
  PatchEmbedding<T> patch_embed_;
  std::vector<SwinStage<T>> stages_;
  LayerNorm<T> norm_;
  Dense<T> head_;
};

template <Scalar T>
[[gnu::cold]] Swin<T> Swin<T>::load(const ViTConfig& c, const SwinConfig& s,
                                    Parameters<T>& parameters) {
  Swin swin;
  swin.config_ = c;
  swin.swin_ = s;
  const auto norm = [&](std::string_view name, Index width) {
    return LayerNorm<T>::load(parameters, name, width, c.norm_eps, c.norm);
  };
  swin.patch_embed_ = PatchEmbedding<T>::load(parameters, "patch_embed.proj", s.width, c.channels,
                                              c.patch_height, c.patch_width, c.patch_bias);
  if (s.patch_norm) swin.patch_embed_.norm = norm("patch_embed.norm", s.width);
  Index C = s.width;
  swin.stages_ = std::vector<SwinStage<T>>(s.depths.size());
  for (std::size_t i = 0; i < s.depths.size(); ++i) {
    const std::string layer = join("layers.", i);
    SwinStage<T>& stage = swin.stages_[i];
    if (i > 0) {
      stage.downsample.norm = norm(join(layer, ".downsample.norm"), 4 * C);
      stage.downsample.reduction =
          Dense<T>::load(parameters, join(layer, ".downsample.reduction"), 2 * C, 4 * C, false);
      C *= 2;
    }
    stage.blocks = std::vector<SwinBlock<T>>(static_cast<std::size_t>(s.depths[i]));
    for (Index b = 0; b < s.depths[i]; ++b) {
      const std::string name = join(layer, ".blocks.", b);
      SwinBlock<T>& block = stage.blocks[static_cast<std::size_t>(b)];
      block.heads = s.heads[i];
      block.norm1 = norm(join(name, ".norm1"), C);
      block.qkv = Dense<T>::load(parameters, join(name, ".attn.qkv"), 3 * C, C, c.qkv_bias);
      block.proj = Dense<T>::load(parameters, join(name, ".attn.proj"), C, C);
      block.relative = RelativePositionBias<T>::load(
          parameters, join(name, ".attn.relative_position_bias_table"),
          Grid{s.windows[i], s.windows[i]}, 0, s.heads[i], c.relative_rule);
      block.norm2 = norm(join(name, ".norm2"), C);
      block.mlp.activation = c.activation;
      block.mlp.fc1 = Dense<T>::load(parameters, join(name, ".mlp.fc1"), s.hidden[i], C);
      block.mlp.fc2 = Dense<T>::load(parameters, join(name, ".mlp.fc2"), C, s.hidden[i]);
    }
  }
  if (c.final_norm) swin.norm_ = norm("norm", C);
  if (c.classes > 0) swin.head_ = Dense<T>::load(parameters, "head", c.classes, C, c.head_bias);
  return swin;
}

template <Scalar T>
void Swin<T>::check_size(Index H, Index W) const {
  const Index Ph = config_.patch_height;
  const Index Pw = config_.patch_width;
  if (H >= 1 && W >= 1 && (config_.pad_to_patch || (H % Ph == 0 && W % Pw == 0))) return;
  fail("picture", "is ", H, " x ", W, " pixels (height x width), expected multiples of the patch, ",
       Ph, " x ", Pw, "; ask for padding to allow other sizes");
}

template <Scalar T>
void Swin<T>::set_image_size(Index H, Index W) {
  check_size(H, W);
  config_.image_height = H;
  config_.image_width = W;
}

/// `nominal` is the map's size by halving with the remainder dropped: by it, not by the map that
/// odd sides make larger, timm decides on window and shift. A side of 1 stays.
template <Scalar T>
WindowPartition Swin<T>::partition_for(Grid map, Grid nominal, bool shift) const {
  const Index window = swin_.window;
  WindowPartition partition{.map = map,
                            .window = {window, window},
                            .shift = {shift ? window / 2 : 0, shift ? window / 2 : 0},
                            .pad_before_shift = swin_.pad_before_shift};
  if (swin_.sides_alone) {
    if (nominal.height <= window) partition.window.height = nominal.height;
    if (nominal.height <= window) partition.shift.height = 0;
    if (nominal.width <= window) partition.window.width = nominal.width;
    if (nominal.width <= window) partition.shift.width = 0;
  } else if (const Index least = std::min(nominal.height, nominal.width); least <= window) {
    partition.window = {least, least};
    partition.shift = {0, 0};
  }
  return partition;
}

/// The tables that smaller windows make the pass resample.
template <Scalar T>
void Swin<T>::record_tables(Grid patches, Workspace& workspace, Trace& trace) const {
  if (patches == config_.grid()) return;
  Grid nominal = patches;
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    if (i > 0) nominal = halved(nominal);
    const Grid window = partition_for(nominal, nominal, false).window;
    for (std::size_t b = 0; b < stages_[i].blocks.size(); ++b) {
      const Workspace::Scope scope(workspace);
      const MatrixView<const T> rows = stages_[i].blocks[b].relative.rows_for(window, workspace);
      trace.record(
          join("resampled.layers.", i, ".blocks.", b, ".attn.relative_position_bias_table"), rows,
          {rows.extent(0), rows.extent(1)});
    }
  }
}

template <Scalar T>
void Swin<T>::forward(const TensorView<const T, 4>& pixels, const ViTOutputs<T>& out,
                      const Context& context, Trace* trace) const {
  if (pixels.extent(1) != config_.channels) {
    fail("picture", "has ", pixels.extent(1), " channels, the model needs ", config_.channels);
  }
  check_size(pixels.extent(2), pixels.extent(3));
  Workspace& workspace = context.workspace;
  const Workspace::Scope scope(workspace);
  const Index B = pixels.extent(0);
  Index C = swin_.width;
  Grid map = patch_embed_.grid(pixels.extent(2), pixels.extent(3));
  Grid nominal = map;
  MatrixView<T> x = workspace.matrix<T>(B * map.count(), C);
  for (Index b = 0; b < B; ++b)
    patch_embed_(pixels[b], x.slice(b * map.count(), (b + 1) * map.count()), context);
  // A stage, or its i-th, or the b-th of that.
  const auto record = [&](const char* stage, Index i = -1, Index b = -1) {
    if (trace == nullptr) return;
    std::string name = stage;
    if (i >= 0) name = join(name, ".", i);
    if (b >= 0) name = join(name, ".", b);
    trace->record(name, x, {B, map.height, map.width, C});
  };
  record("patch_embed");
  record("hidden_states", 0);
  if (trace != nullptr) record_tables(map, workspace, *trace);
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    const auto index = static_cast<Index>(i);
    if (i > 0) {
      const Grid half{(map.height + 1) / 2, (map.width + 1) / 2};
      const MatrixView<T> merged = workspace.matrix<T>(B * half.count(), 2 * C);
      stages_[i].downsample(x, B, map, merged, context);
      x = merged;
      map = half;
      nominal = halved(nominal);
      C *= 2;
      record("merged_output", index - 1);
    }
    const std::vector<SwinBlock<T>>& blocks = stages_[i].blocks;
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      context.check_stop();
      blocks[b](x, B, partition_for(map, swin_.sides_alone ? nominal : map, b % 2 == 1), context);
      record("block_output", index, static_cast<Index>(b));
    }
    record("stage_output", index);
    if (i + 1 == stages_.size()) record("merged_output", index);
  }
  if (!norm_.empty()) norm_(x, x, context);
  record("forward_features");
  if (out.tokens.data() != nullptr) copy(x, out.tokens.template reshape<2>({B * map.count(), C}));

  const MatrixView<T> features = workspace.matrix<T>(B, C);
  for (Index b = 0; b < B; ++b) {
    for (Index c = 0; c < C; ++c) {
      T sum = 0;
      for (Index t = 0; t < map.count(); ++t) sum += x(b * map.count() + t, c);
      features(b, c) = sum / static_cast<T>(map.count());
    }
  }
  if (trace != nullptr) trace->record("pre_logits", features, {B, C});
  if (out.features.data() != nullptr) copy(features, out.features);
  if (head_.empty()) return;
  const MatrixView<T> logits = workspace.matrix<T>(B, config_.classes);
  head_(features, logits, context);
  if (trace != nullptr) trace->record("logits", logits, {B, config_.classes});
  if (out.logits.data() != nullptr) copy(logits, out.logits);
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_MODELS_SWIN_HPP
