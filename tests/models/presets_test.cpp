// From a published name to a configuration.
#include <gtest/gtest.h>

#include <vitrail/models/presets.hpp>

namespace {

using namespace vitrail;

ViTConfig published(std::string_view name) { return make_config(*find_preset(name), name); }

TEST(Presets, AreFoundByTheWholeNameOnly) {
  EXPECT_EQ(find_preset("vit_base_patch16_224")->embed_dim, 768);
  EXPECT_EQ(find_preset("vit_base_patch16"), nullptr);
  EXPECT_EQ(find_preset("vit_base_patch16_224.tag"), nullptr);
  EXPECT_EQ(find_preset(""), nullptr);
}

TEST(Presets, ThePlainVitIsTheDefault) {
  const ViTConfig c = published("vit_small_patch16_224");
  EXPECT_EQ(c.embed_dim, 384);
  EXPECT_EQ(c.heads, 6);
  EXPECT_EQ(c.head_dim, 64);
  EXPECT_EQ(c.grid().count(), 196);
  EXPECT_EQ(c.classes, 1000);
  EXPECT_EQ(c.norm_eps, 1e-6);
  EXPECT_EQ(c.activation, Activation::gelu_erf);
  EXPECT_EQ(c.pooling, Pooling::token);
  EXPECT_TRUE(c.class_token && c.qkv_bias && c.final_norm && c.patch_bias);
}

TEST(Presets, ATwinOfQuickGeluSharesTheRow) {
  const ViTConfig plain = published("vit_base_patch16_clip_224");
  const ViTConfig quick = published("vit_base_patch16_clip_quickgelu_224");
  EXPECT_EQ(find_preset("vit_base_patch16_clip_quickgelu_224")->name, "vit_base_patch16_clip_224");
  EXPECT_EQ(quick.architecture, "vit_base_patch16_clip_quickgelu_224");
  EXPECT_EQ(plain.activation, Activation::gelu_erf);
  EXPECT_EQ(quick.activation, Activation::quick_gelu);
  EXPECT_TRUE(quick.pre_norm);
  EXPECT_FALSE(quick.patch_bias);
  EXPECT_EQ(quick.norm_eps, 1e-5);
}

TEST(Presets, FamiliesDepartAsTimmDefinesThem) {
  const ViTConfig distilled = published("deit_base_distilled_patch16_224");
  EXPECT_TRUE(distilled.distillation_token && distilled.distilled_head);
  const ViTConfig siglip = published("vit_base_patch16_siglip_224");
  EXPECT_EQ(siglip.pooling, Pooling::map);
  EXPECT_FALSE(siglip.class_token);
  const ViTConfig dinov3 = published("vit_small_plus_patch16_dinov3");
  EXPECT_EQ(dinov3.rotary, RotaryKind::dinov3);
  EXPECT_EQ(dinov3.positions, PositionCoverage::none);
  EXPECT_EQ(dinov3.register_tokens, 4);
  EXPECT_TRUE(dinov3.gated_mlp && dinov3.layer_scale);
  EXPECT_FALSE(dinov3.qkv_bias);
  const ViTConfig beit = published("beit_base_patch16_224");
  EXPECT_TRUE(beit.relative_positions && beit.fc_norm);
  EXPECT_FALSE(beit.final_norm);
  EXPECT_EQ(beit.pooling, Pooling::avg);
  const ViTConfig aimv2 = published("aimv2_large_patch14_224");
  EXPECT_EQ(aimv2.norm, NormKind::rms_norm);
  EXPECT_EQ(aimv2.head_dim, 128);
}

TEST(Presets, AHybridsPatchesAreCellsOfItsStem) {
  const ViTConfig hybrid = published("vit_small_r26_s32_224");
  EXPECT_EQ(hybrid.stem->layers, (std::vector<Index>{2, 2, 2, 2}));
  EXPECT_EQ(hybrid.stem->outputs, (std::vector<Index>{256, 512, 1024, 2048}));
  EXPECT_EQ(hybrid.pixels_per_patch_row(), 32);
  EXPECT_EQ(hybrid.grid().count(), 49);
  EXPECT_EQ(published("vit_tiny_r_s16_p8_224").grid().count(), 49);  // 4 * 8
}

}  // namespace
