// One Vision Transformer, described: everything that distinguishes one published model from
// another.
//
// Variants are fields here, never copies of the encoder. Sizes come from a checkpoint's tensors;
// what tensors cannot show (heads, eps, the kind of GELU) comes from its publisher's config or
// table.
#ifndef VITRAIL_MODELS_CONFIG_HPP
#define VITRAIL_MODELS_CONFIG_HPP

#include <optional>
#include <string>
#include <vector>
#include <vitrail/nn/encoder_block.hpp>
#include <vitrail/nn/head.hpp>
#include <vitrail/nn/resnet_stem.hpp>
#include <vitrail/ops/resample.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// Which rows the position table covers. Tokens are ordered class, distillation, registers,
/// patches.
enum class PositionCoverage { all, class_and_patches, patches, none };

struct ViTConfig {
  std::string architecture;  // "vit_base_patch16_224"

  Index image_height = 224;  // the size it was trained on, in pixels
  Index image_width = 224;
  Index channels = 3;       // C
  Index patch_height = 16;  // P, in pixels or, behind a stem, in cells of its feature map
  Index patch_width = 16;
  Index embed_dim = 768;    // D
  Index depth = 12;         // L
  Index heads = 12;         // A
  Index head_dim = 64;      // hd; A * hd is D in all but a few
  Index mlp_hidden = 3072;  // M
  Index classes = 1000;     // K, 0: no classifier

  bool class_token = true;
  bool distillation_token = false;
  Index register_tokens = 0;
  PositionCoverage positions = PositionCoverage::all;
  PositionRule position_rule = PositionRule::timm;
  bool sincos_positions = false;            // computed, not stored (SimpleViT)
  RotaryKind rotary = RotaryKind::none;     // q and k of the patches are turned by their position
  Index rotary_reference = 16;              // RotaryKind::eva: the grid its angles are measured on
  std::vector<double> rotary_periods = {};  // (hd / 4) of RotaryKind::dinov3; empty: 100^(4 k / hd)
  bool relative_positions = false;          // a bias table in each block, or one for all
  bool shared_relative_positions = false;
  RelativeRule relative_rule = RelativeRule::beit;
  bool pad_to_patch =
      false;  // pad pictures with zeros up to a multiple of the patch, instead of refusing them

  std::optional<ResNetConfig> stem = {};  // convolutions before the patches: a hybrid
  bool patch_bias = true;
  bool patch_input_norm = false;   // a norm on each patch's pixels
  bool patch_norm = false;         // a norm on the embedded patches
  bool patches_keep_grid = false;  // the stage patch_embed is (B, h, w, D), not (B, N, D)
  bool pre_norm = false;           // a norm before the first block (CLIP's ln_pre)
  bool final_norm = true;          // a norm after the last block
  bool fc_norm = false;            // a norm after pooling
  BlockKind block = BlockKind::sequential;
  Index branches = 1;  // of BlockKind::parallel_things
  bool qkv_bias = true;
  double attention_scale = 0;  // of q k^T; 0: 1 / sqrt(hd)
  bool attn_proj = true;       // a product behind the joined heads
  bool proj_bias = true;
  bool mlp_bias = true;
  bool qk_norm = false;    // a norm on each head's q and k
  bool attn_norm = false;  // a norm on the joined heads, before proj
  bool mlp_norm = false;   // a norm on the hidden layer, before fc2
  bool layer_scale = false;
  bool gated_mlp = false;               // fc1 holds gate and value: SwiGLU
  bool differential_attention = false;  // the difference of two softmaxes (Ye et al. 2024)
  std::optional<AdapterConfig> attn_adapter = {};  // a fine-tune's bottlenecks beside the attention
  std::optional<AdapterConfig> mlp_adapter = {};   // ... and beside the MLP
  NormKind norm = NormKind::layer_norm;
  double norm_eps = 1e-6;
  double final_norm_eps = 0;  // of the norm after the last block; 0: norm_eps
  Activation activation = Activation::gelu_erf;

  Pooling pooling = Pooling::token;
  bool pool_includes_prefix = false;  // avg and max over all tokens, not over the patches only
  Index representation_size = 0;      // R: a layer between pooling and classifier; 0: none
  Activation representation_activation = Activation::tanh;  // ... and what follows it
  bool head_bias = true;
  bool distilled_head =
      false;  // a second classifier on the distillation token, averaged with the first

  [[nodiscard]] Index prefix_tokens() const {
    return class_token + distillation_token + register_tokens;
  }
  [[nodiscard]] Grid grid() const {
    const auto cells = [&](Index pixels) { return stem ? stem->cells(pixels) : pixels; };
    return {cells(image_height) / patch_height, cells(image_width) / patch_width};
  }
  [[nodiscard]] Index position_prefix() const {
    switch (positions) {
      case PositionCoverage::all: return prefix_tokens();
      case PositionCoverage::class_and_patches: return class_token + distillation_token;
      case PositionCoverage::patches:
      case PositionCoverage::none: break;
    }
    return 0;
  }
  /// Pixels per patch: those of the patch itself, or what the stem's strides make of it.
  [[nodiscard]] Index pixels_per_patch_row() const {
    return patch_height * (stem ? stem->stride() : 1);
  }
  [[nodiscard]] Index pixels_per_patch_column() const {
    return patch_width * (stem ? stem->stride() : 1);
  }
  /// How many of a picture's T tokens its features and logits depend on after the last block: the
  /// first so many.
  [[nodiscard]] Index pooled_tokens(Index T) const {
    const bool two = distilled_head || pooling == Pooling::class_and_distillation;
    return two ? std::min(Index{2}, T) : pooling == Pooling::token ? 1 : T;
  }
  /// Whether the last block can answer for the pooled tokens alone without keys and values of all:
  /// where nothing happens to these between their product and attention.
  [[nodiscard]] bool last_block_absorbs() const {
    const bool relative = relative_positions || shared_relative_positions;
    const bool pools_few = pooled_tokens(3) < 3;  // one or two of any number
    return block == BlockKind::sequential && pools_few && !qk_norm && !relative &&
           rotary == RotaryKind::none && !differential_attention;
  }
  /// Width of pre_logits: what embed writes.
  [[nodiscard]] Index feature_dim() const {
    if (representation_size > 0) return representation_size;
    return pooling == Pooling::token_and_avg ? 2 * embed_dim : embed_dim;
  }
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_MODELS_CONFIG_HPP
