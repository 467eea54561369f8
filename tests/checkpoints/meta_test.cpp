// Meta: which of its models a file is shows from what only training leaves in it.
#include <gtest/gtest.h>

#include <support/twins.hpp>

namespace {

using namespace vitrail;
using vitrail_test::expect_twin;
using vitrail_test::files_of;
using vitrail_test::opened;
using vitrail_test::Tensors;
using vitrail_test::with_heads;

TEST(Meta, ReadsDino) {
  Tensors dino("timm_vit_eps");
  dino.drop("head.").prefix("module.backbone.");
  dino.add("module.head.mlp.0.weight", {8, 24}).add("module.head.last_layer.weight_g", {4, 1});
  expect_twin(files_of(dino), {"timm_vit_eps", "Meta", false, PositionRule::dinov2}, 3);
}

TEST(Meta, ReadsTheMaskedAutoencoder) {
  Tensors mae("timm_vit_eps");
  mae.drop("head.").add("mask_token", {1, 1, 16}).add("decoder_pos_embed", {1, 17, 16});
  mae.add("decoder_embed.weight", {16, 24}).add("decoder_blocks.0.norm1.weight", {16});
  mae.add("decoder_norm.weight", {16}).add("decoder_pred.weight", {192, 16});
  expect_twin(files_of(mae), {"timm_vit_eps", "Meta", false, PositionRule::huggingface}, 3);
}

TEST(Meta, ReadsDinov2InTrainingsChunks) {
  for (const char* source : {"fb_dinov2", "fb_dinov2_swiglu"}) {
    Tensors chunks(source);
    chunks.chunk(2);
    expect_twin(files_of(chunks), {source, "Meta", true, PositionRule::dinov2}, 3);
    expect_twin(files_of(chunks.prefix("teacher.backbone.")),
                {source, "Meta", true, PositionRule::dinov2}, 3);
  }
  Tensors registers("fb_dinov2_reg");
  expect_twin(files_of(registers.chunk(1)), {"fb_dinov2_reg", "Meta"}, 3);
}

TEST(Meta, Dinov3sPeriodsTellItsHeads) {
  const Checkpoint checkpoint = opened(Tensors("fb_dinov3"));
  EXPECT_EQ(checkpoint.publisher, "Meta");
  EXPECT_EQ(checkpoint.config.heads, 3);
  EXPECT_EQ(checkpoint.config.norm_eps, 1e-5);
  EXPECT_EQ(checkpoint.config.register_tokens, 4);
  EXPECT_EQ(checkpoint.config.rotary_periods.size(), 2U);  // heads of 8, a period for four columns
  EXPECT_EQ(checkpoint.preprocess->resize, ResizeMode::squash);
  EXPECT_EQ(checkpoint.preprocess->height, 256);
}

TEST(Meta, AConfigTellsHowDinov2ResamplesItsPositions) {
  const auto rule = [](const char* golden, const std::string& arguments) {
    return opened(Tensors(golden), R"({"model_args": {"num_heads": 3)" + arguments + "}}")
        .config.position_rule;
  };
  EXPECT_EQ(rule("fb_dinov2", ""), PositionRule::dinov2);
  EXPECT_EQ(rule("fb_dinov2_reg", ""), PositionRule::timm);
  EXPECT_EQ(rule("fb_dinov2", R"(, "interpolate_antialias": true)"), PositionRule::timm);
  const std::string plain = R"(, "interpolate_antialias": false)";
  EXPECT_EQ(rule("fb_dinov2_reg", plain), PositionRule::dinov2);
  EXPECT_EQ(rule("fb_dinov2_reg", plain + R"(, "interpolate_offset": 0.1)"), PositionRule::dinov2);
  EXPECT_EQ(rule("fb_dinov2_reg", plain + R"(, "interpolate_offset": 0.0)"),
            PositionRule::huggingface);
}

TEST(Meta, PreparesItsEncodersPicturesAsItsEvaluationsDo) {
  const PreprocessConfig preprocess = *opened(Tensors("fb_dinov2"), "", with_heads(3)).preprocess;
  EXPECT_EQ(preprocess.resize_height, 256);
  EXPECT_EQ(preprocess.height, 224);
  EXPECT_EQ(preprocess.filter, Filter::bicubic);
  EXPECT_EQ(preprocess.mean, imagenet_mean);
}

TEST(Meta, AnIjepaHasNoClassTokenAndNoClassifier) {
  Tensors ijepa("timm_vit_gap_nocls");
  ijepa.drop("head.").prefix("encoder.");
  EXPECT_TRUE(is_meta(ijepa.named()));
  EXPECT_FALSE(is_timm_alone(ijepa.named()));
  ijepa.add("encoder.cls_token", {1, 1, 24});
  EXPECT_FALSE(is_meta(ijepa.named()));
  EXPECT_FALSE(is_meta(Tensors("timm_vit_gap_nocls").prefix("encoder.").named()));  // a classifier
}

TEST(MetaDeit, IsWhatItsConfigSays) {
  EXPECT_TRUE(is_meta_deit_config(parse_json(R"({"framework": "facebookresearch/deit"})", "x")));
  for (const char* other : {"{}", R"({"framework": "timm"})", R"({"framework": 3})"})
    EXPECT_FALSE(is_meta_deit_config(parse_json(other, "x"))) << other;
  const std::string config = R"({"framework": "facebookresearch/deit", "model_args": {
      "num_heads": 3, "layernorm_eps": 1e-5}})";
  const Checkpoint checkpoint = opened(Tensors("fb_deit_distilled"), config);
  EXPECT_EQ(checkpoint.publisher, "Meta DeiT");
  EXPECT_EQ(checkpoint.config.norm_eps, 1e-5);
  EXPECT_TRUE(checkpoint.config.distilled_head);
  EXPECT_EQ(checkpoint.config.position_rule, PositionRule::huggingface);
  EXPECT_EQ(checkpoint.preprocess->resize_height, 53);  // 48 / 0.9
  const Checkpoint twin = opened(Tensors("fb_deit_distilled"), "", with_heads(3));
  EXPECT_EQ(twin.publisher, "timm");
}

TEST(MetaDeit, TheThirdHasNoPositionForTheClassToken) {
  const std::string config =
      R"({"framework": "facebookresearch/deit", "model_args": {"num_heads": 3}})";
  EXPECT_EQ(opened(Tensors("fb_deit3"), config).config.positions, PositionCoverage::patches);
  EXPECT_EQ(opened(Tensors("fb_deit_distilled"), config).config.positions, PositionCoverage::all);
}

}  // namespace
