// The published architectures by timm's names: sizes, heads, and what else no tensor shows.
//
// A row is name, picture side, patch side, D, L, A, M and the ways in which it departs from the
// plain ViT (class token, learned positions for every token, pre-norm blocks, GELU, LayerNorm with
// eps 1e-6, pooling by the class token). Facts from timm's model definitions.
#ifndef VITRAIL_MODELS_PRESETS_HPP
#define VITRAIL_MODELS_PRESETS_HPP

#include <optional>
#include <string_view>
#include <vitrail/models/config.hpp>

VITRAIL_BEGIN_NAMESPACE

struct Preset {
  std::string_view name;
  int image;       // pixels, square
  int patch;       // P
  int embed_dim;   // D
  int depth;       // L
  int heads;       // A
  int mlp_hidden;  // M
  std::string_view departures;

  /// Whether `departures` has the word.
  [[nodiscard]] constexpr bool has(std::string_view word) const {
    for (std::string_view rest = departures; !rest.empty();) {
      const std::size_t end = rest.find(' ');
      if (rest.substr(0, end) == word) return true;
      rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    }
    return false;
  }
};

// clang-format off
inline constexpr Preset presets[] = {
    {"aimv2_1b_patch14_224", 224, 14, 2048, 24, 16, 5632,
     "no_class no_qkv_bias rms eps1e-5 silu avg gated embed_norm"},
    {"aimv2_1b_patch14_336", 336, 14, 2048, 24, 16, 5632,
     "no_class no_qkv_bias rms eps1e-5 silu avg gated embed_norm"},
    {"aimv2_1b_patch14_448", 448, 14, 2048, 24, 16, 5632,
     "no_class no_qkv_bias rms eps1e-5 silu avg gated embed_norm"},
    {"aimv2_3b_patch14_224", 224, 14, 3072, 24, 24, 8192,
     "no_class no_qkv_bias rms eps1e-5 silu avg gated embed_norm"},
    {"aimv2_3b_patch14_336", 336, 14, 3072, 24, 24, 8192,
     "no_class no_qkv_bias rms eps1e-5 silu avg gated embed_norm"},
    {"aimv2_3b_patch14_448", 448, 14, 3072, 24, 24, 8192,
     "no_class no_qkv_bias rms eps1e-5 silu avg gated embed_norm"},
    {"aimv2_huge_patch14_224", 224, 14, 1536, 24, 12, 4096,
     "no_class no_qkv_bias rms eps1e-5 silu avg gated embed_norm"},
    {"aimv2_huge_patch14_336", 336, 14, 1536, 24, 12, 4096,
     "no_class no_qkv_bias rms eps1e-5 silu avg gated embed_norm"},
    {"aimv2_huge_patch14_448", 448, 14, 1536, 24, 12, 4096,
     "no_class no_qkv_bias rms eps1e-5 silu avg gated embed_norm"},
    {"aimv2_large_patch14_224", 224, 14, 1024, 24, 8, 2816,
     "no_class no_qkv_bias rms eps1e-5 silu avg gated embed_norm"},
    {"aimv2_large_patch14_336", 336, 14, 1024, 24, 8, 2816,
     "no_class no_qkv_bias rms eps1e-5 silu avg gated embed_norm"},
    {"aimv2_large_patch14_448", 448, 14, 1024, 24, 8, 2816,
     "no_class no_qkv_bias rms eps1e-5 silu avg gated embed_norm"},
    {"beit3_base_patch16_224", 224, 16, 768, 12, 12, 3072,
     "eps1e-5 attn_norm mlp_norm avg fc_norm"},
    {"beit3_giant_patch14_224", 224, 14, 1408, 40, 16, 6144,
     "eps1e-5 attn_norm mlp_norm avg fc_norm"},
    {"beit3_giant_patch14_336", 336, 14, 1408, 40, 16, 6144,
     "eps1e-5 attn_norm mlp_norm avg fc_norm"},
    {"beit3_large_patch16_224", 224, 16, 1024, 24, 16, 4096,
     "eps1e-5 attn_norm mlp_norm avg fc_norm"},
    {"beit_base_patch16_224", 224, 16, 768, 12, 12, 3072,
     "layer_scale avg fc_norm relative_positions"},
    {"beit_base_patch16_384", 384, 16, 768, 12, 12, 3072,
     "layer_scale avg fc_norm relative_positions"},
    {"beit_large_patch16_224", 224, 16, 1024, 24, 16, 4096,
     "layer_scale avg fc_norm relative_positions"},
    {"beit_large_patch16_384", 384, 16, 1024, 24, 16, 4096,
     "layer_scale avg fc_norm relative_positions"},
    {"beit_large_patch16_512", 512, 16, 1024, 24, 16, 4096,
     "layer_scale avg fc_norm relative_positions"},
    {"beitv2_base_patch16_224", 224, 16, 768, 12, 12, 3072,
     "layer_scale avg fc_norm relative_positions"},
    {"beitv2_large_patch16_224", 224, 16, 1024, 24, 16, 4096,
     "layer_scale avg fc_norm relative_positions"},
    {"deit3_base_patch16_224", 224, 16, 768, 12, 12, 3072, "patch_positions layer_scale"},
    {"deit3_base_patch16_384", 384, 16, 768, 12, 12, 3072, "patch_positions layer_scale"},
    {"deit3_huge_patch14_224", 224, 14, 1280, 32, 16, 5120, "patch_positions layer_scale"},
    {"deit3_large_patch16_224", 224, 16, 1024, 24, 16, 4096, "patch_positions layer_scale"},
    {"deit3_large_patch16_384", 384, 16, 1024, 24, 16, 4096, "patch_positions layer_scale"},
    {"deit3_medium_patch16_224", 224, 16, 512, 12, 8, 2048, "patch_positions layer_scale"},
    {"deit3_small_patch16_224", 224, 16, 384, 12, 6, 1536, "patch_positions layer_scale"},
    {"deit3_small_patch16_384", 384, 16, 384, 12, 6, 1536, "patch_positions layer_scale"},
    {"deit_base_distilled_patch16_224", 224, 16, 768, 12, 12, 3072, "distilled"},
    {"deit_base_distilled_patch16_384", 384, 16, 768, 12, 12, 3072, "distilled"},
    {"deit_base_patch16_224", 224, 16, 768, 12, 12, 3072, ""},
    {"deit_base_patch16_384", 384, 16, 768, 12, 12, 3072, ""},
    {"deit_small_distilled_patch16_224", 224, 16, 384, 12, 6, 1536, "distilled"},
    {"deit_small_patch16_224", 224, 16, 384, 12, 6, 1536, ""},
    {"deit_tiny_distilled_patch16_224", 224, 16, 192, 12, 3, 768, "distilled"},
    {"deit_tiny_patch16_224", 224, 16, 192, 12, 3, 768, ""},
    {"eva02_base_patch14_224", 224, 14, 768, 12, 12, 2048, "gated silu mlp_norm avg fc_norm rope"},
    {"eva02_base_patch14_448", 448, 14, 768, 12, 12, 2048, "gated silu mlp_norm avg fc_norm rope"},
    {"eva02_base_patch16_clip_224", 224, 16, 768, 12, 12, 2048,
     "gated silu attn_norm mlp_norm rope"},
    {"eva02_enormous_patch14_clip_224", 224, 14, 1792, 64, 16, 15360, "res_post_norm"},
    {"eva02_large_patch14_224", 224, 14, 1024, 24, 16, 2730,
     "gated silu mlp_norm avg fc_norm rope"},
    {"eva02_large_patch14_448", 448, 14, 1024, 24, 16, 2730,
     "gated silu mlp_norm avg fc_norm rope"},
    {"eva02_large_patch14_clip_224", 224, 14, 1024, 24, 16, 2730,
     "gated silu attn_norm mlp_norm rope"},
    {"eva02_large_patch14_clip_336", 336, 14, 1024, 24, 16, 2730,
     "gated silu attn_norm mlp_norm rope"},
    {"eva02_small_patch14_224", 224, 14, 384, 12, 6, 1024, "gated silu avg fc_norm rope"},
    {"eva02_small_patch14_336", 336, 14, 384, 12, 6, 1024, "gated silu avg fc_norm rope"},
    {"eva02_tiny_patch14_224", 224, 14, 192, 12, 3, 512, "gated silu avg fc_norm rope"},
    {"eva02_tiny_patch14_336", 336, 14, 192, 12, 3, 512, "gated silu avg fc_norm rope"},
    {"eva_giant_patch14_224", 224, 14, 1408, 40, 16, 6144, "avg fc_norm"},
    {"eva_giant_patch14_336", 336, 14, 1408, 40, 16, 6144, "avg fc_norm"},
    {"eva_giant_patch14_560", 560, 14, 1408, 40, 16, 6144, "avg fc_norm"},
    {"eva_giant_patch14_clip_224", 224, 14, 1408, 40, 16, 6144, ""},
    {"eva_giant_patch14_clip_336", 336, 14, 1408, 40, 16, 6144, ""},
    {"eva_large_patch14_196", 196, 14, 1024, 24, 16, 4096, "avg fc_norm"},
    {"eva_large_patch14_336", 336, 14, 1024, 24, 16, 4096, "avg fc_norm"},
    {"flexivit_base", 240, 16, 768, 12, 12, 3072, "patch_positions"},
    {"flexivit_large", 240, 16, 1024, 24, 16, 4096, "patch_positions"},
    {"flexivit_small", 240, 16, 384, 12, 6, 1536, "patch_positions"},
    {"test_vit", 160, 16, 64, 6, 2, 192, ""},
    {"test_vit2", 160, 16, 64, 8, 2, 192, "no_class reg1 layer_scale avg fc_norm"},
    {"test_vit3", 160, 16, 96, 9, 3, 192, "no_class reg1 layer_scale map pool_prefix"},
    {"test_vit4", 160, 16, 96, 9, 3, 288, "no_class reg1 layer_scale rms avg fc_norm"},
    {"vit_base_patch14_dinov2", 518, 14, 768, 12, 12, 3072, "layer_scale"},
    {"vit_base_patch14_reg1_tipsv2", 448, 14, 768, 12, 12, 3072,
     "reg1 patch_positions layer_scale"},
    {"vit_base_patch14_reg4_dinov2", 518, 14, 768, 12, 12, 3072,
     "reg4 patch_positions layer_scale"},
    {"vit_base_patch16_18x2_224", 224, 16, 768, 18, 12, 3072, "layer_scale parallel_things"},
    {"vit_base_patch16_224", 224, 16, 768, 12, 12, 3072, ""},
    {"vit_base_patch16_224_miil", 224, 16, 768, 12, 12, 3072, "no_qkv_bias"},
    {"vit_base_patch16_384", 384, 16, 768, 12, 12, 3072, ""},
    {"vit_base_patch16_clip_224", 224, 16, 768, 12, 12, 3072, "pre_norm eps1e-5"},
    {"vit_base_patch16_clip_384", 384, 16, 768, 12, 12, 3072, "pre_norm eps1e-5"},
    {"vit_base_patch16_gap_224", 224, 16, 768, 12, 16, 3072, "no_class avg"},
    {"vit_base_patch16_plus_240", 240, 16, 896, 12, 14, 3584, "layer_scale"},
    {"vit_base_patch16_plus_clip_240", 240, 16, 896, 12, 14, 3584, "pre_norm eps1e-5"},
    {"vit_base_patch16_reg4_gap_256", 256, 16, 768, 12, 12, 3072,
     "no_class reg4 patch_positions avg fc_norm"},
    {"vit_base_patch16_rpn_224", 224, 16, 768, 12, 12, 3072,
     "no_class no_qkv_bias layer_scale avg fc_norm res_post_norm"},
    {"vit_base_patch16_siglip_224", 224, 16, 768, 12, 12, 3072, "no_class map"},
    {"vit_base_patch16_siglip_256", 256, 16, 768, 12, 12, 3072, "no_class map"},
    {"vit_base_patch16_siglip_384", 384, 16, 768, 12, 12, 3072, "no_class map"},
    {"vit_base_patch16_siglip_512", 512, 16, 768, 12, 12, 3072, "no_class map"},
    {"vit_base_patch16_siglip_gap_224", 224, 16, 768, 12, 12, 3072, "no_class avg"},
    {"vit_base_patch16_siglip_gap_256", 256, 16, 768, 12, 12, 3072, "no_class avg"},
    {"vit_base_patch16_siglip_gap_384", 384, 16, 768, 12, 12, 3072, "no_class avg"},
    {"vit_base_patch16_siglip_gap_512", 512, 16, 768, 12, 12, 3072, "no_class avg"},
    {"vit_base_patch16_xp_224", 224, 16, 768, 12, 12, 3072,
     "patch_positions pre_norm no_qkv_bias qk_norm rms parallel_scaling"},
    {"vit_base_patch32_224", 224, 32, 768, 12, 12, 3072, ""},
    {"vit_base_patch32_384", 384, 32, 768, 12, 12, 3072, ""},
    {"vit_base_patch32_clip_224", 224, 32, 768, 12, 12, 3072, "pre_norm eps1e-5"},
    {"vit_base_patch32_clip_256", 256, 32, 768, 12, 12, 3072, "pre_norm eps1e-5"},
    {"vit_base_patch32_clip_384", 384, 32, 768, 12, 12, 3072, "pre_norm eps1e-5"},
    {"vit_base_patch32_clip_448", 448, 32, 768, 12, 12, 3072, "pre_norm eps1e-5"},
    {"vit_base_patch32_plus_256", 256, 32, 896, 12, 14, 3584, "layer_scale"},
    {"vit_base_patch32_siglip_256", 256, 32, 768, 12, 12, 3072, "no_class gelu_tanh map"},
    {"vit_base_patch32_siglip_gap_256", 256, 32, 768, 12, 12, 3072, "no_class gelu_tanh avg"},
    {"vit_base_patch8_224", 224, 8, 768, 12, 12, 3072, ""},
    {"vit_betwixt_patch16_gap_256", 256, 16, 640, 12, 10, 2560,
     "no_class no_qkv_bias layer_scale avg"},
    {"vit_betwixt_patch16_reg1_gap_256", 256, 16, 640, 12, 10, 2560,
     "no_class reg1 patch_positions layer_scale avg fc_norm"},
    {"vit_betwixt_patch16_reg4_gap_256", 256, 16, 640, 12, 10, 2560,
     "no_class reg4 patch_positions layer_scale avg fc_norm"},
    {"vit_betwixt_patch16_reg4_gap_384", 384, 16, 640, 12, 10, 2560,
     "no_class reg4 patch_positions layer_scale avg fc_norm"},
    {"vit_betwixt_patch32_clip_224", 224, 32, 640, 12, 10, 2560, "pre_norm eps1e-5"},
    {"vit_dlittle_patch16_reg1_gap_256", 256, 16, 320, 14, 5, 1792,
     "no_class reg1 patch_positions layer_scale avg fc_norm diff_attention"},
    {"vit_dpwee_patch16_reg1_gap_256", 256, 16, 256, 16, 4, 1280,
     "no_class reg1 patch_positions layer_scale avg fc_norm diff_parallel_scaling"},
    {"vit_dwee_patch16_reg1_gap_256", 256, 16, 256, 14, 4, 1280,
     "no_class reg1 patch_positions layer_scale avg fc_norm diff_attention"},
    {"vit_giant_patch14_224", 224, 14, 1408, 40, 16, 6144, ""},
    {"vit_giant_patch14_clip_224", 224, 14, 1408, 40, 16, 6144, "pre_norm eps1e-5"},
    {"vit_giant_patch14_dinov2", 518, 14, 1536, 40, 24, 4096, "layer_scale silu gated"},
    {"vit_giant_patch14_reg1_tipsv2", 448, 14, 1536, 40, 24, 4096,
     "reg1 patch_positions layer_scale silu gated"},
    {"vit_giant_patch14_reg4_dinov2", 518, 14, 1536, 40, 24, 4096,
     "reg4 patch_positions layer_scale silu gated"},
    {"vit_giant_patch16_gap_224", 224, 16, 1408, 40, 16, 6144, "no_class avg"},
    {"vit_giantopt_patch16_siglip_256", 256, 16, 1536, 40, 16, 6144, "no_class gelu_tanh map"},
    {"vit_giantopt_patch16_siglip_384", 384, 16, 1536, 40, 16, 6144, "no_class gelu_tanh map"},
    {"vit_giantopt_patch16_siglip_gap_256", 256, 16, 1536, 40, 16, 6144, "no_class gelu_tanh avg"},
    {"vit_giantopt_patch16_siglip_gap_384", 384, 16, 1536, 40, 16, 6144, "no_class gelu_tanh avg"},
    {"vit_gigantic_patch14_224", 224, 14, 1664, 48, 16, 8192, ""},
    {"vit_gigantic_patch14_clip_224", 224, 14, 1664, 48, 16, 8192, "pre_norm eps1e-5"},
    {"vit_gigantic_patch14_clip_378", 378, 14, 1664, 48, 16, 8192, "pre_norm eps1e-5"},
    {"vit_huge_patch14_224", 224, 14, 1280, 32, 16, 5120, ""},
    {"vit_huge_patch14_clip_224", 224, 14, 1280, 32, 16, 5120, "pre_norm eps1e-5"},
    {"vit_huge_patch14_clip_336", 336, 14, 1280, 32, 16, 5120, "pre_norm eps1e-5"},
    {"vit_huge_patch14_clip_378", 378, 14, 1280, 32, 16, 5120, "pre_norm eps1e-5"},
    {"vit_huge_patch14_gap_224", 224, 14, 1280, 32, 16, 5120, "no_class avg"},
    {"vit_huge_patch14_xp_224", 224, 14, 1280, 32, 16, 5120,
     "patch_positions pre_norm no_qkv_bias qk_norm rms parallel_scaling"},
    {"vit_huge_patch16_gap_448", 448, 16, 1280, 32, 16, 5120, "no_class avg"},
    {"vit_intern300m_patch14_448", 448, 14, 1024, 24, 16, 4096, "layer_scale no_final_norm"},
    {"vit_large_patch14_224", 224, 14, 1024, 24, 16, 4096, ""},
    {"vit_large_patch14_clip_224", 224, 14, 1024, 24, 16, 4096, "pre_norm eps1e-5"},
    {"vit_large_patch14_clip_336", 336, 14, 1024, 24, 16, 4096, "pre_norm eps1e-5"},
    {"vit_large_patch14_dinov2", 518, 14, 1024, 24, 16, 4096, "layer_scale"},
    {"vit_large_patch14_reg1_tipsv2", 448, 14, 1024, 24, 16, 4096,
     "reg1 patch_positions layer_scale"},
    {"vit_large_patch14_reg4_dinov2", 518, 14, 1024, 24, 16, 4096,
     "reg4 patch_positions layer_scale"},
    {"vit_large_patch14_xp_224", 224, 14, 1024, 24, 16, 4096,
     "patch_positions pre_norm no_qkv_bias qk_norm rms parallel_scaling"},
    {"vit_large_patch16_224", 224, 16, 1024, 24, 16, 4096, ""},
    {"vit_large_patch16_384", 384, 16, 1024, 24, 16, 4096, ""},
    {"vit_large_patch16_siglip_256", 256, 16, 1024, 24, 16, 4096, "no_class map"},
    {"vit_large_patch16_siglip_384", 384, 16, 1024, 24, 16, 4096, "no_class map"},
    {"vit_large_patch16_siglip_512", 512, 16, 1024, 24, 16, 4096, "no_class gelu_tanh map"},
    {"vit_large_patch16_siglip_gap_256", 256, 16, 1024, 24, 16, 4096, "no_class avg"},
    {"vit_large_patch16_siglip_gap_384", 384, 16, 1024, 24, 16, 4096, "no_class avg"},
    {"vit_large_patch16_siglip_gap_512", 512, 16, 1024, 24, 16, 4096, "no_class gelu_tanh avg"},
    {"vit_large_patch32_224", 224, 32, 1024, 24, 16, 4096, ""},
    {"vit_large_patch32_384", 384, 32, 1024, 24, 16, 4096, ""},
    {"vit_little_patch16_reg1_gap_256", 256, 16, 320, 14, 5, 1792,
     "no_class reg1 patch_positions layer_scale avg fc_norm"},
    {"vit_little_patch16_reg4_gap_256", 256, 16, 320, 14, 5, 1792,
     "no_class reg4 patch_positions layer_scale avg fc_norm"},
    {"vit_medium_patch16_clip_224", 224, 16, 512, 12, 8, 2048, "pre_norm eps1e-5"},
    {"vit_medium_patch16_gap_240", 240, 16, 512, 12, 8, 2048,
     "no_class no_qkv_bias layer_scale avg"},
    {"vit_medium_patch16_gap_256", 256, 16, 512, 12, 8, 2048,
     "no_class no_qkv_bias layer_scale avg"},
    {"vit_medium_patch16_gap_384", 384, 16, 512, 12, 8, 2048,
     "no_class no_qkv_bias layer_scale avg"},
    {"vit_medium_patch16_reg1_gap_256", 256, 16, 512, 12, 8, 2048,
     "no_class reg1 patch_positions layer_scale avg fc_norm"},
    {"vit_medium_patch16_reg4_gap_256", 256, 16, 512, 12, 8, 2048,
     "no_class reg4 patch_positions layer_scale avg fc_norm"},
    {"vit_medium_patch32_clip_224", 224, 32, 512, 12, 8, 2048, "pre_norm eps1e-5"},
    {"vit_mediumd_patch16_reg4_gap_256", 256, 16, 512, 20, 8, 2048,
     "no_class reg4 patch_positions layer_scale avg fc_norm"},
    {"vit_mediumd_patch16_reg4_gap_384", 384, 16, 512, 20, 8, 2048,
     "no_class reg4 patch_positions layer_scale avg fc_norm"},
    {"vit_pwee_patch16_reg1_gap_256", 256, 16, 256, 16, 4, 1280,
     "no_class reg1 patch_positions layer_scale avg fc_norm parallel_scaling"},
    {"vit_small_patch14_dinov2", 518, 14, 384, 12, 6, 1536, "layer_scale"},
    {"vit_small_patch14_reg4_dinov2", 518, 14, 384, 12, 6, 1536,
     "reg4 patch_positions layer_scale"},
    {"vit_small_patch16_18x2_224", 224, 16, 384, 18, 6, 1536, "layer_scale parallel_things"},
    {"vit_small_patch16_224", 224, 16, 384, 12, 6, 1536, ""},
    {"vit_small_patch16_36x1_224", 224, 16, 384, 36, 6, 1536, "layer_scale"},
    {"vit_small_patch16_384", 384, 16, 384, 12, 6, 1536, ""},
    {"vit_small_patch32_224", 224, 32, 384, 12, 6, 1536, ""},
    {"vit_small_patch32_384", 384, 32, 384, 12, 6, 1536, ""},
    {"vit_small_patch8_224", 224, 8, 384, 12, 6, 1536, ""},
    {"vit_so150m2_patch16_reg1_gap_256", 256, 16, 832, 21, 13, 2176,
     "no_class reg1 no_qkv_bias layer_scale avg fc_norm"},
    {"vit_so150m2_patch16_reg1_gap_384", 384, 16, 832, 21, 13, 2176,
     "no_class reg1 no_qkv_bias layer_scale avg fc_norm"},
    {"vit_so150m2_patch16_reg1_gap_448", 448, 16, 832, 21, 13, 2176,
     "no_class reg1 no_qkv_bias layer_scale avg fc_norm"},
    {"vit_so150m_patch16_reg4_gap_256", 256, 16, 896, 18, 14, 2304, "no_class reg4 avg"},
    {"vit_so150m_patch16_reg4_gap_384", 384, 16, 896, 18, 14, 2304, "no_class reg4 avg"},
    {"vit_so150m_patch16_reg4_map_256", 256, 16, 896, 18, 14, 2304, "no_class reg4 map"},
    {"vit_so400m_patch14_reg1_tipsv2", 448, 14, 1152, 27, 16, 4304,
     "reg1 patch_positions layer_scale"},
    {"vit_so400m_patch14_siglip_224", 224, 14, 1152, 27, 16, 4304, "no_class map"},
    {"vit_so400m_patch14_siglip_378", 378, 14, 1152, 27, 16, 4304, "no_class map"},
    {"vit_so400m_patch14_siglip_384", 384, 14, 1152, 27, 16, 4304, "no_class map"},
    {"vit_so400m_patch14_siglip_gap_224", 224, 14, 1152, 27, 16, 4304, "no_class avg"},
    {"vit_so400m_patch14_siglip_gap_378", 378, 14, 1152, 27, 16, 4304, "no_class avg"},
    {"vit_so400m_patch14_siglip_gap_384", 384, 14, 1152, 27, 16, 4304, "no_class avg"},
    {"vit_so400m_patch14_siglip_gap_448", 448, 14, 1152, 27, 16, 4304, "no_class avg"},
    {"vit_so400m_patch14_siglip_gap_896", 896, 14, 1152, 27, 16, 4304, "no_class avg"},
    {"vit_so400m_patch16_siglip_256", 256, 16, 1152, 27, 16, 4304, "no_class gelu_tanh map"},
    {"vit_so400m_patch16_siglip_384", 384, 16, 1152, 27, 16, 4304, "no_class gelu_tanh map"},
    {"vit_so400m_patch16_siglip_512", 512, 16, 1152, 27, 16, 4304, "no_class gelu_tanh map"},
    {"vit_so400m_patch16_siglip_gap_256", 256, 16, 1152, 27, 16, 4304, "no_class gelu_tanh avg"},
    {"vit_so400m_patch16_siglip_gap_384", 384, 16, 1152, 27, 16, 4304, "no_class gelu_tanh avg"},
    {"vit_so400m_patch16_siglip_gap_512", 512, 16, 1152, 27, 16, 4304, "no_class gelu_tanh avg"},
    {"vit_tiny_patch16_224", 224, 16, 192, 12, 3, 768, ""},
    {"vit_tiny_patch16_384", 384, 16, 192, 12, 3, 768, ""},
    {"vit_wee_patch16_reg1_gap_256", 256, 16, 256, 14, 4, 1280,
     "no_class reg1 patch_positions layer_scale avg fc_norm"},
    {"vit_xsmall_patch16_clip_224", 224, 16, 256, 10, 4, 1024, "pre_norm eps1e-5"},
    {"vit_base_patch16_dinov3", 256, 16, 768, 12, 12, 3072,
     "reg4 no_qkv_bias layer_scale avg eps1e-5 dinov3"},
    {"vit_base_patch16_dinov3_qkvb", 256, 16, 768, 12, 12, 3072,
     "reg4 layer_scale avg eps1e-5 dinov3"},
    {"vit_base_r26_s32_224", 224, 1, 768, 12, 12, 3072, "r26"},
    {"vit_base_r50_s16_224", 224, 1, 768, 12, 12, 3072, "r50_s16"},
    {"vit_base_r50_s16_384", 384, 1, 768, 12, 12, 3072, "r50_s16"},
    {"vit_huge_plus_patch16_dinov3", 256, 16, 1280, 32, 20, 5120,
     "reg4 no_qkv_bias layer_scale gated silu avg eps1e-5 dinov3"},
    {"vit_huge_plus_patch16_dinov3_qkvb", 256, 16, 1280, 32, 20, 5120,
     "reg4 layer_scale gated silu avg eps1e-5 dinov3"},
    {"vit_large_patch16_dinov3", 256, 16, 1024, 24, 16, 4096,
     "reg4 no_qkv_bias layer_scale avg eps1e-5 dinov3"},
    {"vit_large_patch16_dinov3_qkvb", 256, 16, 1024, 24, 16, 4096,
     "reg4 layer_scale avg eps1e-5 dinov3"},
    {"vit_large_r50_s32_224", 224, 1, 1024, 24, 16, 4096, "r50_s32"},
    {"vit_large_r50_s32_384", 384, 1, 1024, 24, 16, 4096, "r50_s32"},
    {"vit_small_patch16_dinov3", 256, 16, 384, 12, 6, 1536,
     "reg4 no_qkv_bias layer_scale avg eps1e-5 dinov3"},
    {"vit_small_patch16_dinov3_qkvb", 256, 16, 384, 12, 6, 1536,
     "reg4 layer_scale avg eps1e-5 dinov3"},
    {"vit_small_plus_patch16_dinov3", 256, 16, 384, 12, 6, 1536,
     "reg4 no_qkv_bias layer_scale gated silu avg eps1e-5 dinov3"},
    {"vit_small_plus_patch16_dinov3_qkvb", 256, 16, 384, 12, 6, 1536,
     "reg4 layer_scale gated silu avg eps1e-5 dinov3"},
    {"vit_small_r26_s32_224", 224, 1, 384, 12, 6, 1536, "r26"},
    {"vit_small_r26_s32_384", 384, 1, 384, 12, 6, 1536, "r26"},
    {"vit_7b_patch16_dinov3", 256, 16, 4096, 40, 32, 8192,
     "reg4 no_qkv_bias layer_scale gated silu avg eps1e-5 dinov3"},
    {"vit_tiny_r_s16_p8_224", 224, 8, 192, 12, 3, 768, "stem"},
    {"vit_tiny_r_s16_p8_384", 384, 8, 192, 12, 3, 768, "stem"},
};
// clang-format on

/// The row of that name, or null. CLIP towers trained with QuickGELU share the row of their twin:
/// vit_base_patch16_clip_quickgelu_224 finds vit_base_patch16_clip_224.
[[nodiscard]] inline const Preset* find_preset(std::string_view name) {
  std::string plain(name);
  constexpr std::string_view infix = "quickgelu_";
  if (const auto at = plain.find(infix); at != std::string::npos) plain.erase(at, infix.size());
  for (const Preset& preset : presets) {
    if (preset.name == plain) return &preset;
  }
  return nullptr;
}

/// The configuration of a preset, with 1000 classes. `name` is kept, and a "quickgelu" in it
/// decides the activation.
[[nodiscard]] inline ViTConfig make_config(const Preset& preset, std::string_view name) {
  ViTConfig c;
  c.architecture = name;
  c.image_height = c.image_width = preset.image;
  c.patch_height = c.patch_width = preset.patch;
  c.embed_dim = preset.embed_dim;
  c.depth = preset.depth;
  c.heads = preset.heads;
  c.head_dim = preset.embed_dim / preset.heads;
  c.mlp_hidden = preset.mlp_hidden;
  c.class_token = !preset.has("no_class");
  c.distillation_token = c.distilled_head = preset.has("distilled");
  c.register_tokens = preset.has("reg4") ? 4 : preset.has("reg1") ? 1 : 0;
  if (preset.has("patch_positions")) c.positions = PositionCoverage::patches;
  c.pre_norm = preset.has("pre_norm");
  c.patch_bias = !c.pre_norm;
  c.qkv_bias = !preset.has("no_qkv_bias");
  c.qk_norm = preset.has("qk_norm");
  c.layer_scale = preset.has("layer_scale");
  if (preset.has("rms")) c.norm = NormKind::rms_norm;
  if (preset.has("eps1e-5")) c.norm_eps = 1e-5;
  if (preset.has("gelu_tanh")) c.activation = Activation::gelu_tanh;
  if (preset.has("silu")) c.activation = Activation::silu;
  if (name.find("quickgelu") != std::string_view::npos) c.activation = Activation::quick_gelu;
  c.gated_mlp = preset.has("gated");
  c.attn_norm = preset.has("attn_norm");
  c.mlp_norm = preset.has("mlp_norm");
  c.patch_norm = preset.has("embed_norm");
  c.relative_positions = preset.has("relative_positions");
  if (preset.has("relative_positions") || preset.has("dinov3"))
    c.positions = PositionCoverage::none;
  if (preset.has("rope")) c.rotary = RotaryKind::eva;
  if (preset.has("dinov3")) {
    c.rotary = RotaryKind::dinov3;
    c.patches_keep_grid = true;
  }
  if (preset.has("res_post_norm")) c.block = BlockKind::post_norm;
  if (preset.has("parallel_things")) c.block = BlockKind::parallel_things;
  if (preset.has("parallel_scaling")) c.block = BlockKind::parallel_scaling;
  if (preset.has("stem")) c.stem = ResNetConfig{};
  if (preset.has("r26")) c.stem = ResNetConfig{.layers = {2, 2, 2, 2}};
  if (preset.has("r50_s16")) c.stem = ResNetConfig{.layers = {3, 4, 9}};
  if (preset.has("r50_s32")) c.stem = ResNetConfig{.layers = {3, 4, 6, 3}};
  for (std::size_t s = 0; c.stem && s < c.stem->layers.size(); ++s) {
    c.stem->middle.push_back(Index{64} << s);
    c.stem->outputs.push_back(Index{256} << s);
  }
  if (preset.has("avg")) c.pooling = Pooling::avg;
  if (preset.has("map")) c.pooling = Pooling::map;
  c.fc_norm = preset.has("fc_norm");
  c.final_norm = !c.fc_norm && !preset.has("no_final_norm");
  c.pool_includes_prefix = preset.has("pool_prefix");
  return c;
}

/// What `preset` needs that the encoder does not have, or "".
[[nodiscard]] inline std::string_view missing_capability(const Preset& preset) {
  constexpr std::pair<std::string_view, std::string_view> unsupported[] = {
      {"diff_attention", "differential attention"},
      {"diff_parallel_scaling", "differential attention"}};
  for (const auto& [word, capability] : unsupported) {
    if (preset.has(word)) return capability;
  }
  return "";
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_MODELS_PRESETS_HPP
