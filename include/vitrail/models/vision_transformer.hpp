// The Vision Transformer (Dosovitskiy et al. 2021) and the plain family around it: DeiT, DeiT III,
// DINOv2, CLIP towers.
//
//   pixels (B, C, H, W) -> patch_embed (B, N, D) -> tokens (B, T, D) -> L blocks -> norm -> pooled
//   (B, D) -> logits (B, K)
#ifndef VITRAIL_MODELS_VISION_TRANSFORMER_HPP
#define VITRAIL_MODELS_VISION_TRANSFORMER_HPP

#include <vitrail/models/load_block.hpp>
#include <vitrail/nn/encoder.hpp>
#include <vitrail/nn/position_embedding.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// Where a forward pass writes; an empty view is not written. Logits are empty too when the model
/// has no classifier.
template <Scalar T>
struct ViTOutputs {
  MatrixView<T> logits = {};     // (B, K)
  MatrixView<T> features = {};   // (B, feature_dim()): pre_logits
  TensorView<T, 3> tokens = {};  // (B, T, D): forward_features
};

/// Immutable after load: share one between threads, each with its own Context.
template <Scalar T>
class ViT {
 public:
  VITRAIL_NOINLINE ViT() = default;
  VITRAIL_NOINLINE ViT(ViT&&) noexcept = default;
  VITRAIL_NOINLINE ViT& operator=(ViT&&) noexcept = default;
  VITRAIL_NOINLINE ~ViT() = default;

  /// Reads every tensor that `config` implies. Throws Error when one is missing or mis-shaped.
  [[nodiscard]] static ViT load(const ViTConfig& config, Parameters<T>& parameters);

  [[nodiscard]] const ViTConfig& config() const { return config_; }

  /// Throws Error for pictures of H x W that the patch does not divide (unless
  /// config().pad_to_patch).
  void check_size(Index H, Index W) const;
  /// T for pictures of H x W.
  [[nodiscard]] Index tokens_for(Index H, Index W) const {
    return config_.prefix_tokens() + grid_for(H, W).count();
  }

  /// The patches of pictures of H x W.
  [[nodiscard]] Grid grid_for(Index H, Index W) const {
    if (!config_.stem) return patch_embed_.grid(H, W);
    return patch_embed_.grid(config_.stem->cells(H), config_.stem->cells(W));
  }

  /// One pass over pixels (B, C, H, W), normalised as the checkpoint wants them. H and W may differ
  /// from the config's: positions are then resampled. With a `trace` every stage is copied there.
  /// After the first pass of a size, with a Context that is kept, nothing is allocated (but for the
  /// trace). Throws Error for a size that does not fit the patch and when the context is asked to
  /// stop. Thread safety: any number of threads, a Context each.
  void forward(const TensorView<const T, 4>& pixels, const ViTOutputs<T>& out,
               const Context& context, Trace* trace = nullptr) const;

  /// The same model for pictures of H x W, its positions resampled once; the rest is as before.
  void set_image_size(Index H, Index W);

  /// Takes a patch kernel (D, C * P * P) for patches of P x P pixels, resized by whoever calls.
  /// Positions are resampled to the grid that it makes of a picture.
  void set_patch_kernel(PackedMatrix<T> kernel, Index P) {
    VITRAIL_ASSERT(kernel.inputs() == config_.channels * P * P, "set_patch_kernel: not P x P");
    patch_embed_.proj.weight = std::move(kernel);
    patch_embed_.patch_height = patch_embed_.patch_width = P;
    config_.patch_height = config_.patch_width = P;
  }

 private:
  void forward_chunk(const TensorView<const T, 4>& pixels, const ViTOutputs<T>& out,
                     const Context& context, Trace* trace) const;
  void embed(const TensorView<const T, 4>& pixels, MatrixView<T> tokens, const Context& context,
             Trace* trace) const;
  void record_patches(const TensorView<const T, 4>& maps, const Context& context,
                      Trace& trace) const;
  void record_tables(Grid grid, Workspace& workspace, Trace& trace) const;
  [[nodiscard]] TokenPositions<T> token_positions(Grid grid, Workspace& workspace) const;

  ViTConfig config_;
  ResNetStem<T> stem_;
  PatchEmbedding<T> patch_embed_;
  Tensor<T, 1> prefix_;  // (prefix_tokens() * D): class token, distillation token, registers
  PositionEmbedding<T> pos_embed_;
  RelativePositionBias<T> rel_pos_bias_;  // one for all blocks, or empty
  LayerNorm<T> norm_pre_;
  Encoder<T> encoder_;
  LayerNorm<T> norm_;
  Head<T> head_;
};

namespace detail {

/// Class token, distillation token and registers one below the other: (prefix_tokens() * D).
template <Scalar T>
Tensor<T, 1> load_prefix(const ViTConfig& c, Parameters<T>& parameters) {
  Tensor<T, 1> prefix({c.prefix_tokens() * c.embed_dim});
  Index filled = 0;
  const auto append = [&](const char* name, Index rows) {
    if (rows == 0) return;
    const Tensor<T, 1> token = parameters.tensor(name, {1, rows, c.embed_dim});
    copy(token.view(), prefix.view().slice(filled, filled + token.count()));
    filled += token.count();
  };
  append("cls_token", c.class_token ? 1 : 0);
  append("dist_token", c.distillation_token ? 1 : 0);
  append("reg_token", c.register_tokens);
  return prefix;
}

}  // namespace detail

template <Scalar T>
[[gnu::cold]] ViT<T> ViT<T>::load(const ViTConfig& c, Parameters<T>& parameters) {
  const Index D = c.embed_dim;
  ViT vit;
  vit.config_ = c;
  if (c.rotary != RotaryKind::none && c.head_dim % 4 != 0) {
    fail(c.architecture, "rotary positions need heads of a multiple of 4 columns, found ",
         c.head_dim);
  }
  if (const auto periods = static_cast<Index>(c.rotary_periods.size());
      periods > 0 && periods != c.head_dim / 4) {
    fail(c.architecture, "has ", periods, " periods of rotary positions, expected ", c.head_dim / 4,
         ", a quarter of a head's columns");
  }
  if (c.differential_attention && (c.rotary != RotaryKind::none || c.head_dim % 2 != 0)) {
    fail(c.architecture,
         "differential attention needs heads of an even number of columns and no rotary positions");
  }
  if ((c.attn_adapter || c.mlp_adapter) && c.block != BlockKind::sequential)
    fail(c.architecture, "adapters need blocks of one branch after the other");
  if (c.stem) {
    vit.stem_ = ResNetStem<T>::load(parameters, "patch_embed.backbone", c.channels, *c.stem);
  }
  const Index patch_channels = c.stem ? c.stem->channels() : c.channels;
  vit.patch_embed_ = PatchEmbedding<T>::load(parameters, "patch_embed.proj", D, patch_channels,
                                             c.patch_height, c.patch_width, c.patch_bias);
  if (c.patch_input_norm) {
    vit.patch_embed_.input_norm = LayerNorm<T>::load_for_patches(
        parameters, "patch_embed.norm_in", c.channels, c.patch_height, c.patch_width, c.norm_eps);
  }
  if (c.patch_norm)
    vit.patch_embed_.norm =
        LayerNorm<T>::load(parameters, "patch_embed.norm", D, c.norm_eps, c.norm);
  vit.prefix_ = detail::load_prefix(c, parameters);
  if (c.positions != PositionCoverage::none) {
    vit.pos_embed_ = PositionEmbedding<T>::load(parameters, "pos_embed", c.position_prefix(),
                                                c.grid(), D, c.position_rule);
  }
  if (c.sincos_positions) vit.pos_embed_ = PositionEmbedding<T>::sincos(c.grid(), D);
  if (c.shared_relative_positions) {
    vit.rel_pos_bias_ =
        RelativePositionBias<T>::load(parameters, "rel_pos_bias.relative_position_bias_table",
                                      c.grid(), c.class_token ? 3 : 0, c.heads, c.relative_rule);
  }
  if (c.pre_norm) vit.norm_pre_ = LayerNorm<T>::load(parameters, "norm_pre", D, c.norm_eps, c.norm);
  vit.encoder_.blocks = std::vector<EncoderBlock<T>>(static_cast<std::size_t>(c.depth));
  for (Index i = 0; i < c.depth; ++i) {
    detail::load_block<T>(c, parameters, i, vit.encoder_.blocks[static_cast<std::size_t>(i)]);
  }
  if (c.final_norm) {
    const double eps = c.final_norm_eps > 0 ? c.final_norm_eps : c.norm_eps;
    vit.norm_ = LayerNorm<T>::load(parameters, "norm", D, eps, c.norm);
  }
  vit.head_.pooling = c.pooling;
  vit.head_.first_pooled = c.pool_includes_prefix ? 0 : c.prefix_tokens();
  if (c.pooling == Pooling::map) {
    vit.head_.attn_pool = AttentionPool<T>::load(parameters, "attn_pool", D, c.heads, c.mlp_hidden,
                                                 c.norm_eps, c.norm, c.activation);
  }
  if (c.fc_norm)
    vit.head_.fc_norm = LayerNorm<T>::load(parameters, "fc_norm", D, c.norm_eps, c.norm);
  if (c.representation_size > 0) {
    vit.head_.pre_logits = Dense<T>::load(parameters, "pre_logits", c.representation_size, D);
    vit.head_.pre_logits_activation = c.representation_activation;
  }
  if (c.classes > 0)
    vit.head_.head = Dense<T>::load(parameters, "head", c.classes, c.feature_dim(), c.head_bias);
  if (c.distilled_head) vit.head_.head_dist = Dense<T>::load(parameters, "head_dist", c.classes, D);
  return vit;
}

template <Scalar T>
void ViT<T>::check_size(Index H, Index W) const {
  const auto text = [](Index h, Index w) { return join(h, " x ", w); };
  const Index Ph = config_.pixels_per_patch_row();
  const Index Pw = config_.pixels_per_patch_column();
  if (H < 1 || W < 1) fail("picture", "is ", text(H, W), " pixels, expected at least one");
  if (!config_.pad_to_patch && (H % Ph != 0 || W % Pw != 0)) {
    fail("picture", "is ", text(H, W),
         " pixels (height x width), expected multiples of the patch, ", text(Ph, Pw),
         "; ask for padding to allow other sizes");
  }
}

template <Scalar T>
void ViT<T>::set_image_size(Index H, Index W) {
  check_size(H, W);
  const Grid wanted = grid_for(H, W);
  config_.image_height = wanted.height * config_.pixels_per_patch_row();
  config_.image_width = wanted.width * config_.pixels_per_patch_column();
  rel_pos_bias_.set_grid(wanted);
  for (EncoderBlock<T>& block : encoder_.blocks) block.attn.relative.set_grid(wanted);
  if (pos_embed_.empty() || wanted == pos_embed_.grid) return;
  Workspace workspace;
  const Workspace::Scope scope(workspace);
  const MatrixView<const T> rows = pos_embed_.rows_for(wanted, workspace);
  pos_embed_.table = Tensor<T, 1>::copy_of(rows.template reshape<1>({rows.count()}));
  pos_embed_.grid = wanted;
}

template <Scalar T>
void ViT<T>::embed(const TensorView<const T, 4>& pixels, MatrixView<T> tokens,
                   const Context& context, Trace* trace) const {
  const Index B = pixels.extent(0);
  const Index D = config_.embed_dim;
  const Index P = config_.prefix_tokens();
  const Index N = grid_for(pixels.extent(2), pixels.extent(3)).count();
  const Workspace::Scope scope(context.workspace);
  const TensorView<const T, 4> maps =
      stem_.empty() ? pixels : TensorView<const T, 4>(stem_(pixels, context));
  if (trace != nullptr) record_patches(maps, context, *trace);

  MatrixView<const T> positions;  // (covered prefix rows + N, D)
  MatrixView<const T> of_patches;
  const Index covered = pos_embed_.empty() ? 0 : config_.position_prefix();
  if (!pos_embed_.empty()) {
    const Grid grid = grid_for(pixels.extent(2), pixels.extent(3));
    positions = pos_embed_.rows_for(grid, context.workspace);
    of_patches = positions.slice(covered, covered + N);
    if (trace != nullptr && grid != pos_embed_.grid)
      trace->record("pos_embed_resampled", positions, {1, positions.extent(0), D});
  }
  const MatrixView<const T> prefix(prefix_.data(), {P, D});
  // eq. 1: z = [class; patches E] + positions, where positions cover the first `covered` prefix
  // rows and all patches
  for (Index b = 0; b < B; ++b) {
    const MatrixView<T> of_picture = tokens.slice(b * (P + N), (b + 1) * (P + N));
    for (Index t = 0; t < P; ++t) {
      for (Index d = 0; d < D; ++d)
        of_picture(t, d) = prefix(t, d) + (t < covered ? positions(t, d) : T(0));
    }
    patch_embed_(maps[b], of_picture.slice(P, P + N), context, of_patches);
  }
}

/// The patches before positions are added.
template <Scalar T>
void ViT<T>::record_patches(const TensorView<const T, 4>& maps, const Context& context,
                            Trace& trace) const {
  const Grid grid = patch_embed_.grid(maps.extent(2), maps.extent(3));
  const Index B = maps.extent(0);
  const Index N = grid.count();
  const Index D = config_.embed_dim;
  const Workspace::Scope scope(context.workspace);
  const MatrixView<T> patches = context.workspace.template matrix<T>(B * N, D);
  for (Index b = 0; b < B; ++b) patch_embed_(maps[b], patches.slice(b * N, (b + 1) * N), context);
  trace.record("patch_embed", patches,
               config_.patches_keep_grid ? Shape{B, grid.height, grid.width, D} : Shape{B, N, D});
}

template <Scalar T>
TokenPositions<T> ViT<T>::token_positions(Grid grid, Workspace& workspace) const {
  TokenPositions<T> positions{.grid = grid, .prefix = config_.prefix_tokens()};
  positions.rotary = make_rotary<T>(config_.rotary, grid, config_.head_dim,
                                    config_.rotary_reference, config_.rotary_periods, workspace);
  if (!rel_pos_bias_.empty()) {
    positions.bias = rel_pos_bias_.bias_for(grid, positions.prefix, workspace);
  }
  return positions;
}

/// The tables of relative positions that `grid` makes the pass resample.
template <Scalar T>
void ViT<T>::record_tables(Grid grid, Workspace& workspace, Trace& trace) const {
  for (std::size_t i = 0; i < encoder_.blocks.size(); ++i) {
    const RelativePositionBias<T>& relative = encoder_.blocks[i].attn.relative;
    if (relative.empty() || relative.grid == grid) continue;
    const Workspace::Scope scope(workspace);
    const MatrixView<const T> rows = relative.rows_for(grid, workspace);
    trace.record(join("resampled.blocks.", i, ".attn.relative_position_bias_table"), rows,
                 {rows.extent(0), rows.extent(1)});
  }
}

template <Scalar T>
void ViT<T>::forward_chunk(const TensorView<const T, 4>& pixels, const ViTOutputs<T>& out,
                           const Context& context, Trace* trace) const {
  const Index B = pixels.extent(0);
  const Index D = config_.embed_dim;
  const Index T_ = tokens_for(pixels.extent(2), pixels.extent(3));
  const Workspace::Scope scope(context.workspace);
  const MatrixView<T> x = context.workspace.template matrix<T>(B * T_, D);
  embed(pixels, x, context, trace);
  if (!norm_pre_.empty()) {
    if (trace != nullptr) trace->record("embeddings_before_norm_pre", x, {B, T_, D});
    norm_pre_(x, x, context);
  }
  const Grid grid = grid_for(pixels.extent(2), pixels.extent(3));
  if (trace != nullptr) record_tables(grid, context.workspace, *trace);
  const bool all_tokens = trace != nullptr || out.tokens.data() != nullptr;
  const Index asked = all_tokens ? T_ : config_.pooled_tokens(T_);
  MatrixView<T> last = x;
  if (asked < T_) last = context.workspace.template matrix<T>(B * asked, D);
  encoder_(x, B, last, context, trace, token_positions(grid, context.workspace));
  if (!norm_.empty()) norm_(last, last, context);
  if (trace != nullptr) trace->record("forward_features", last, {B, T_, D});
  if (out.tokens.data() != nullptr) copy(last, out.tokens.template reshape<2>({B * T_, D}));
  if (config_.pooling == Pooling::none) return;

  const MatrixView<T> features = context.workspace.template matrix<T>(B, config_.feature_dim());
  const MatrixView<T> logits = context.workspace.template matrix<T>(B, config_.classes);
  head_(last, B, features, logits, context, trace);
  if (trace != nullptr) trace->record("pre_logits", features, {B, config_.feature_dim()});
  if (trace != nullptr && config_.classes > 0)
    trace->record("logits", logits, {B, config_.classes});
  if (out.features.data() != nullptr) copy(features, out.features);
  if (out.logits.data() != nullptr && config_.classes > 0) copy(logits, out.logits);
}

template <Scalar T>
void ViT<T>::forward(const TensorView<const T, 4>& pixels, const ViTOutputs<T>& out,
                     const Context& context, Trace* trace) const {
  if (pixels.extent(1) != config_.channels) {
    fail("picture", "has ", pixels.extent(1), " channels, the model needs ", config_.channels);
  }
  check_size(pixels.extent(2), pixels.extent(3));
  constexpr Index chunk =
      8;  // pictures at once: enough rows for the products, little enough scratch memory
  const Index B = pixels.extent(0);
  if (trace != nullptr) return forward_chunk(pixels, out, context, trace);
  for (Index begin = 0; begin < B; begin += chunk) {
    const Index end = std::min(B, begin + chunk);
    const auto rows = [&](const auto& view) {
      return view.data() == nullptr ? view : view.slice(begin, end);
    };
    forward_chunk(pixels.slice(begin, end),
                  {rows(out.logits), rows(out.features), rows(out.tokens)}, context, nullptr);
  }
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_MODELS_VISION_TRANSFORMER_HPP
