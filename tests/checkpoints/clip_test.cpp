// CLIP: what OpenAI's weights are without a config, and what open_clip's config says.
#include <gtest/gtest.h>

#include <support/tensors.hpp>

namespace {

using namespace vitrail;
using vitrail_test::Tensors;

/// openclip_gelu, 64 wide, beside the settings `vision` of its tower and `model` of the whole.
Checkpoint open_clip_with(const std::string& vision, const std::string& model = "") {
  const std::string config = R"({"model_cfg": {"vision_cfg": {)" + vision + "}" + model + "}}";
  return open_checkpoint(vitrail_test::files_of(Tensors("openclip_gelu"), "", config), {});
}
std::string open_clip_refusal(const std::string& vision) {
  return vitrail_test::error_of([&] { (void)open_clip_with(vision); });
}

TEST(Clip, WithoutAConfigIsOpenAis) {
  const Checkpoint checkpoint = vitrail_test::opened(Tensors("openclip_gelu"));
  EXPECT_EQ(checkpoint.publisher, "OpenAI");
  EXPECT_EQ(checkpoint.config.activation, Activation::quick_gelu);
  EXPECT_EQ(checkpoint.config.heads, 1);
  EXPECT_TRUE(checkpoint.because.says("heads", "OpenAI's loader takes heads of 64"));
  EXPECT_EQ(checkpoint.config.norm_eps, 1e-5);
  EXPECT_EQ(checkpoint.config.classes, 40);  // the projection
  EXPECT_EQ(checkpoint.preprocess->resize_height, 64);
  EXPECT_EQ(checkpoint.preprocess->mean, clip_mean);
}

TEST(Clip, HeadsAre64WideButInOpenClipsWideTowers) {
  EXPECT_EQ(detail::clip_heads(128), 2);
  EXPECT_EQ(detail::clip_heads(1024), 16);
  for (const Index wide : {1280, 1408, 1664}) EXPECT_EQ(detail::clip_heads(wide), 16) << wide;
  EXPECT_EQ(detail::clip_heads(100), 0);
}

TEST(Clip, OpenClipsConfigTellsTheActivation) {
  EXPECT_EQ(open_clip_with("").config.activation, Activation::gelu_erf);
  EXPECT_EQ(open_clip_with("").publisher, "open_clip");
  EXPECT_EQ(open_clip_with("", R"(, "quick_gelu": true)").config.activation,
            Activation::quick_gelu);
  const std::string tanh = R"("act_kwargs": {"approximate": "tanh"})";
  EXPECT_EQ(open_clip_with(tanh).config.activation, Activation::gelu_tanh);
  EXPECT_EQ(open_clip_with(tanh, R"(, "quick_gelu": true)").config.activation,
            Activation::quick_gelu);
}

TEST(Clip, OpenClipsConfigTellsHeadsEpsSizeAndPooling) {
  const ViTConfig c = open_clip_with(R"("head_width": 16, "image_size": [64, 64],
      "norm_kwargs": {"eps": 1e-6}, "pool_type": "avg")")
                          .config;
  EXPECT_EQ(c.heads, 4);
  EXPECT_EQ(c.norm_eps, 1e-6);
  EXPECT_EQ(c.pooling, Pooling::avg);
  EXPECT_EQ(c.image_height, 64);
}

TEST(Clip, ANormBehindThePoolingIsTheConfigs) {
  const ViTConfig before = open_clip_with("").config;
  EXPECT_TRUE(before.final_norm);
  EXPECT_FALSE(before.fc_norm);
  const Checkpoint after = open_clip_with(R"("final_ln_after_pool": true)");
  EXPECT_FALSE(after.config.final_norm);
  EXPECT_EQ(after.names.find("fc_norm.weight")->names.front(), "visual.ln_post.weight");
}

TEST(Clip, RefusesSettingsThatItDoesNotRun) {
  EXPECT_CONTAINS(open_clip_refusal(R"("attentional_pool": true)"), "'attentional_pool' is true");
  EXPECT_CONTAINS(open_clip_refusal(R"("pool_type": "last")"),
                  "'pool_type' is 'last', expected tok, avg or none");
  for (const char* width : {"0", "-8", "48"}) {
    EXPECT_CONTAINS(open_clip_refusal(join(R"("head_width": )", width)),
                    join("'head_width' is ", width, ", expected a divisor of 64"));
  }
  EXPECT_CONTAINS(vitrail_test::error_of([] {
                    (void)open_checkpoint(
                        vitrail_test::files_of(Tensors("openclip_gelu"), "", "{}"), {});
                  }),
                  "open_clip_config.json: no 'vision_cfg'");
}

TEST(Clip, LeavesTheTextTowerAlone) {
  const Checkpoint checkpoint =
      vitrail_test::opened(Tensors("openclip_gelu"), R"({"vision_heads": 2})");
  EXPECT_EQ(checkpoint.config.heads, 2);
  for (const std::string& name : checkpoint.unused)
    EXPECT_FALSE(name.starts_with("visual.")) << name;
  EXPECT_TRUE(is_clip(Tensors("openclip_gelu").prefix("module.").named()));
  EXPECT_FALSE(is_clip(Tensors("openclip_gelu").drop("visual.").named()));
}

}  // namespace
