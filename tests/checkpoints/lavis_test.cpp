// LAVIS: towers of two makings inside other models.
#include <gtest/gtest.h>

#include <support/twins.hpp>

namespace {

using namespace vitrail;
using vitrail_test::opened;
using vitrail_test::Tensors;

TEST(Lavis, ReadsBlipsTower) {
  Tensors blip("timm_vit_eps");
  blip.drop("head.").prefix("visual_encoder.").add("text_encoder.embeddings.weight", {5, 8});
  blip.add("visual_encoder_m.cls_token", {1, 1, 24}).add("vision_proj.weight", {8, 24});
  vitrail_test::expect_twin(vitrail_test::files_of(blip),
                            {"timm_vit_eps", "LAVIS", false, PositionRule::huggingface}, 3);
}

TEST(Lavis, LnVisionIsTheLastNormOfBlip2) {
  Tensors blip2("timm_vit_eps");
  blip2.drop("head.").prefix("visual_encoder.");
  const ViTConfig blip = opened(blip2, "", vitrail_test::with_heads(3)).config;
  EXPECT_EQ(blip.pooling, Pooling::token);
  EXPECT_EQ(blip.final_norm_eps, 0);
  blip2.rename("visual_encoder.norm.weight", "ln_vision.weight");
  blip2.rename("visual_encoder.norm.bias", "ln_vision.bias");
  const Checkpoint checkpoint = opened(blip2, R"({"vit": {"num_heads": 3, "img_size": 32}})");
  EXPECT_EQ(checkpoint.names.find("norm.bias")->names.front(), "ln_vision.bias");
  EXPECT_EQ(checkpoint.config.pooling, Pooling::none);
  EXPECT_EQ(checkpoint.config.norm_eps, 1e-6);
  EXPECT_EQ(checkpoint.config.final_norm_eps, 1e-5);
  EXPECT_TRUE(checkpoint.because.says("heads", "config.json"));
}

TEST(Lavis, ATowerOfClipsMakingHasClipsHabits) {
  Tensors clip("lavis_clip");
  const Checkpoint checkpoint = opened(clip.prefix("module."), R"({"vit": {"num_heads": 3}})");
  EXPECT_EQ(checkpoint.config.norm_eps, 1e-5);
  EXPECT_EQ(checkpoint.config.activation, Activation::quick_gelu);
  EXPECT_EQ(checkpoint.config.position_rule, PositionRule::torchvision);
  EXPECT_EQ(checkpoint.names.find("norm.weight")->names.front(), "module.ln_vision.weight");
  EXPECT_EQ(checkpoint.preprocess->resize, ResizeMode::squash);
  EXPECT_EQ(checkpoint.preprocess->mean, clip_mean);
}

}  // namespace
