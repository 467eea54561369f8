// What tensors show by themselves, and the words when they contradict themselves.
#include <gtest/gtest.h>

#include <support/tensors.hpp>

namespace {

using namespace vitrail;
using vitrail_test::error_of;
using vitrail_test::Tensors;

/// What timm's names show, from a config that brings `c`.
ViTConfig inferred(const Tensors& tensors, bool image_known = false, ViTConfig c = {}) {
  const NamedTensors named = tensors.named();
  const NameTable names = detail::timm_names(named, "");
  c.heads = 3;
  infer_from_tensors(TensorShapes(named, names), names, image_known, c);
  return c;
}
std::string inference_error(const Tensors& tensors) {
  return error_of([&] { (void)inferred(tensors); });
}

TEST(Infer, SizesFollowFromShapes) {
  const ViTConfig c = inferred(Tensors("timm_vit_cls"));
  EXPECT_EQ(c.embed_dim, 24);
  EXPECT_EQ(c.depth, 3);
  EXPECT_EQ(c.head_dim, 8);
  EXPECT_EQ(c.mlp_hidden, 96);
  EXPECT_EQ(c.patch_height, 16);
  EXPECT_EQ(c.image_height, 64);
  EXPECT_EQ(c.classes, 10);
  EXPECT_TRUE(c.class_token && c.qkv_bias && c.head_bias && c.final_norm);
  EXPECT_FALSE(c.pre_norm || c.layer_scale || c.gated_mlp || c.qk_norm || c.fc_norm);
  EXPECT_EQ(c.norm, NormKind::layer_norm);
}

TEST(Infer, OptionalPartsAreThereWhenTheirTensorsAre) {
  EXPECT_FALSE(inferred(Tensors("timm_vit_cls").drop("qkv.bias")).qkv_bias);
  EXPECT_EQ(inferred(Tensors("timm_vit_cls").drop("norm1.bias")).norm, NormKind::rms_norm);
  EXPECT_EQ(inferred(Tensors("timm_vit_cls").drop("head.")).classes, 0);
  Tensors gated("timm_vit_cls");
  const ViTConfig c = inferred(gated.add("blocks.0.mlp.fc1.weight", {192, 24}));
  EXPECT_TRUE(c.gated_mlp);
  EXPECT_EQ(c.activation, Activation::silu);
  EXPECT_EQ(inferred(Tensors("timm_vit_cls").drop("norm2.")).block, BlockKind::parallel_scaling);
}

TEST(Infer, AFlatKernelIsOfThreeChannelsWhereThatGivesWholeSides) {
  const std::string weight = "patch_embed.proj.weight";
  EXPECT_EQ(inferred(Tensors("timm_vit_cls").add(weight, {24, 3 * 8 * 8})).patch_height, 8);
  const ViTConfig grey = inferred(Tensors("timm_vit_cls").add(weight, {24, 7 * 7}));
  EXPECT_EQ(grey.channels, 1);
  EXPECT_EQ(grey.patch_width, 7);
  EXPECT_EQ(inference_error(Tensors("timm_vit_cls").add(weight, {24, 10})),
            "in memory: patch_embed.proj.weight is (24, 10), expected (D, C, P, P) with D = 24");
}

TEST(Infer, RowsBeyondASquareArePositionsOfOtherTokens) {
  Tensors tensors("timm_vit_cls");
  EXPECT_EQ(inferred(tensors).positions, PositionCoverage::all);
  EXPECT_EQ(inferred(tensors.add("pos_embed", {1, 16, 24})).positions, PositionCoverage::patches);
  tensors.add("reg_token", {1, 4, 24});
  EXPECT_EQ(inferred(tensors.add("pos_embed", {1, 17, 24})).positions,
            PositionCoverage::class_and_patches);
  EXPECT_EQ(inferred(tensors.add("pos_embed", {1, 21, 24})).positions, PositionCoverage::all);
  EXPECT_EQ(inferred(tensors.drop("pos_embed")).positions, PositionCoverage::none);
}

TEST(Infer, AGridThatIsNotSquareHasToBeTold) {
  Tensors tensors("timm_vit_cls");
  tensors.add("pos_embed", {1, 16, 24}).drop("cls_token");
  ViTConfig wide;
  wide.image_height = 32;
  wide.image_width = 128;
  EXPECT_EQ(inferred(tensors, true, wide).image_width, 128);
  EXPECT_EQ(inferred(tensors).image_width, 64);
  EXPECT_EQ(inference_error(tensors.add("pos_embed", {1, 15, 24})),
            "in memory: pos_embed has 15 rows, expected a square number of patches and at most 0 "
            "other tokens; for pictures that are not square a config.json has to tell the size");
}

TEST(Infer, RefusesTensorsThatContradictThemselves) {
  EXPECT_EQ(inference_error(Tensors("timm_vit_cls").drop("blocks.0.norm1.weight")),
            "in memory: no tensor blocks.0.norm1.weight");
  EXPECT_EQ(inference_error(Tensors("timm_vit_cls").add("blocks.0.attn.qkv.weight", {73, 24})),
            "in memory: blocks.0.attn.qkv.weight has 1752 elements, expected a multiple of 72");
  EXPECT_EQ(inference_error(Tensors("timm_vit_cls").add("blocks.0.attn.qkv.weight", {75, 24})),
            "in memory: 25 attention columns do not divide into 3 heads");
  EXPECT_CONTAINS(
      inference_error(
          Tensors("timm_beit").add("blocks.0.attn.relative_position_bias_table", {50, 3})),
      "has 47 rows of distances, expected the square of an odd number");
}

TEST(TensorShapes, CountTheRowsOfAPart) {
  const NamedTensors tensors = Tensors().add("whole", {6, 4}).add("scalar", {}).named();
  constexpr NameRule rules[] = {{"part", "whole", Layout::same, 2, 6},
                                {"beyond", "whole", Layout::same, 4, 9},
                                {"joined", "{whole,0,whole}"},
                                {"half", "{whole,missing}"},
                                {"one", "scalar"}};
  const NameTable names("", rules);
  const TensorShapes shapes(tensors, names);
  EXPECT_EQ(shapes.count("part"), 16);
  EXPECT_EQ(shapes.count("beyond"), 8);
  EXPECT_EQ(shapes.count("joined"), 48);
  EXPECT_EQ(shapes.count("half"), 0);
  EXPECT_EQ(shapes.count("one"), 1);
  EXPECT_FALSE(shapes.has("unknown"));
  EXPECT_EQ(shapes.theirs("part"), "whole");
  EXPECT_EQ(error_of([&] { (void)shapes.quotient("part", 5); }),
            "in memory: whole has 16 elements, expected a multiple of 5");
}

}  // namespace
