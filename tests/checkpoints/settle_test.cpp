// Rules that all publishers share: activations by name, sizes, heads, what a user asked for.
#include <gtest/gtest.h>

#include <support/tensors.hpp>

namespace {

using namespace vitrail;
using vitrail_test::error_of;
using vitrail_test::opened;
using vitrail_test::refusal;
using vitrail_test::Tensors;
using vitrail_test::with_heads;

TEST(Settle, KnowsActivationsByEveryPublishersWord) {
  EXPECT_EQ(activation_named("gelu", ""), Activation::gelu_erf);
  EXPECT_EQ(activation_named("gelu_new", ""), Activation::gelu_tanh);
  EXPECT_EQ(activation_named("gelu_pytorch_tanh", ""), Activation::gelu_tanh);
  EXPECT_EQ(activation_named("quick_gelu", ""), Activation::quick_gelu);
  EXPECT_EQ(activation_named("swish", ""), Activation::silu);
  EXPECT_EQ(error_of([] { (void)activation_named("GELU", "config.json"); }),
            "config.json: unknown activation 'GELU', expected gelu, gelu_tanh, quick_gelu, silu or "
            "relu");
}

TEST(Settle, TakesASizeAsANumberOrAsHeightAndWidth) {
  const auto size = [](const char* json) {
    ViTConfig c;
    set_image_size(parse_json(json, "config.json"), "image_size", "config.json", c);
    return std::pair(c.image_height, c.image_width);
  };
  EXPECT_EQ(size("96"), std::pair(Index{96}, Index{96}));
  EXPECT_EQ(size("[48, 80]"), std::pair(Index{48}, Index{80}));
  EXPECT_EQ(error_of([&] { (void)size("[48, 80, 3]"); }),
            "config.json: 'image_size' has 3 numbers, expected 2");
  for (const char* none : {"0", "-1", "[1, 0]", "[5000000000, 5000000000]"})
    EXPECT_CONTAINS(error_of([&] { (void)size(none); }), "expected between 1 and ");
}

TEST(Settle, KnowsTheHeadsOfPublishedWidths) {
  const std::pair<Index, Index> cases[] = {{192, 3},   {768, 12},  {1024, 16}, {1152, 16},
                                           {1280, 16}, {1408, 16}, {1536, 24}, {24, 0},
                                           {128, 0},   {800, 0}};
  for (const auto& [D, heads] : cases) EXPECT_EQ(published_heads(D), heads) << D;
}

TEST(Settle, HeadsThatTensorsShowNeedNoFlag) {
  const std::pair<const char*, Index> cases[] = {
      {"timm_beit", 3}, {"hf_beit", 3}, {"timm_vit_qknorm", 3}, {"plain_differential", 3}};
  for (const auto& [golden, heads] : cases) {
    const Checkpoint checkpoint = opened(Tensors(golden));
    EXPECT_EQ(checkpoint.config.heads, heads) << golden;
    EXPECT_TRUE(checkpoint.because.says("heads", "the tensors' shapes")) << golden;
  }
}

TEST(Settle, WithoutAConfigTheMessageNamesTheFlagThatHelps) {
  for (const char* golden : {"timm_vit_eps", "hf_vit_eps", "vitp_eps", "fb_dinov2", "tv_vit"}) {
    const Tensors tensors(golden);
    EXPECT_CONTAINS(refusal(tensors), "--heads");
    const Index heads = golden == std::string("vitp_eps") ? 4 : 3;
    EXPECT_EQ(refusal(tensors, "", with_heads(heads)), "no error") << golden;
  }
}

TEST(Settle, WhatTheUserAsksForGoesBeforeTheConfig) {
  LoadOptions options = with_heads(6);
  options.norm_eps = 1e-3;
  options.activation = Activation::relu;
  options.position_rule = PositionRule::google;
  const Checkpoint checkpoint =
      opened(Tensors("hf_vit"), R"({"num_attention_heads": 3, "layer_norm_eps": 1e-5})", options);
  EXPECT_EQ(checkpoint.config.heads, 6);
  EXPECT_EQ(checkpoint.config.norm_eps, 1e-3);
  EXPECT_EQ(checkpoint.config.activation, Activation::relu);
  EXPECT_EQ(checkpoint.config.position_rule, PositionRule::google);
  for (const char* field : {"heads", "norm_eps", "activation", "position_rule"})
    EXPECT_TRUE(checkpoint.because.says(field, "asked for")) << field;
}

TEST(Settle, PoolingIsAsAskedForWhereTensorsLeaveItOpen) {
  LoadOptions options = with_heads(4);
  options.pooling = Pooling::avg;
  const ViTConfig mean = opened(Tensors("vitp_v1_6_5_mean"), "", options).config;
  EXPECT_EQ(mean.pooling, Pooling::avg);
  EXPECT_TRUE(mean.pool_includes_prefix);
  EXPECT_CONTAINS(refusal(Tensors("timm_siglip_map"), "", options),
                  "cannot pool by avg: its tensors are made for map");
  options.pooling = Pooling::token;
  EXPECT_CONTAINS(refusal(Tensors("vitp_head_mean"), "", options), "cannot pool by token");
}

TEST(Settle, LabelsAreTheConfigsWhereTheyAreAsManyAsClasses) {
  const auto labels = [](Index classes, std::vector<std::string> told) {
    Checkpoint checkpoint(vitrail_test::files_of(Tensors()), "");
    checkpoint.config.classes = classes;
    settle_labels(std::move(told), "config.json", checkpoint);
    return checkpoint.labels;
  };
  EXPECT_EQ(labels(2, {"a", "b"}), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(labels(3, {"a", "b"}).empty());
  EXPECT_TRUE(labels(0, {}).empty());
  EXPECT_EQ(labels(1000, {}).front(), "tench, Tinca tinca");
}

}  // namespace
