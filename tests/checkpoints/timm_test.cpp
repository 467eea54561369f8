// timm: what its configs, its architectures' names and, where there are neither, tensors tell.
#include <gtest/gtest.h>

#include <support/twins.hpp>

namespace {

using namespace vitrail;
using vitrail_test::error_of;
using vitrail_test::expect_twin;
using vitrail_test::files_of;
using vitrail_test::opened;
using vitrail_test::refusal;
using vitrail_test::Tensors;
using vitrail_test::with_heads;

TEST(Timm, AMaskedAutoencoderFinetunedPoolsItsPatches) {
  expect_twin(files_of(Tensors("timm_vit_gap_fcnorm")), {"timm_vit_gap_fcnorm", "timm"}, 4);
}

TEST(Timm, ReadsOpenClipsTowersOfTimms) {
  Tensors tower("timm_vit_clip_quickgelu");
  tower.drop("head.bias").prefix("visual.trunk.");
  tower.replace("visual.trunk.head.weight", "visual.head.proj.weight");
  tower.add("logit_scale", {1}).add("text.transformer.resblocks.0.ln_1.weight", {8});
  const std::string config = R"({"model_cfg": {"embed_dim": 12, "vision_cfg": {
      "timm_model_name": "vit_base_patch16_clip_quickgelu_224", "image_size": 64}}})";
  expect_twin(files_of(tower, "", config), {"timm_vit_clip_quickgelu", "timm", false}, 3);
  Tensors siglip("timm_siglip_map");
  siglip.drop("head.").prefix("visual.trunk.").add("logit_bias", {1});
  const std::string siglip_config = R"({"model_cfg": {"embed_dim": 24, "vision_cfg": {
      "timm_model_name": "vit_base_patch16_siglip_224", "image_size": 64}}})";
  expect_twin(files_of(siglip, "", siglip_config), {"timm_siglip_map", "timm", false}, 3);
}

TEST(Timm, ReadsEva02AsItsAuthorsShipIt) {
  Tensors eva("timm_eva02_base_subln");
  eva.replace("mlp.fc1_g", "mlp.w1")
      .replace("mlp.fc1_x", "mlp.w2")
      .replace("mlp.fc2", "mlp.w3")
      .replace("mlp.norm", "mlp.ffn_ln")
      .replace("attn.q_proj.bias", "attn.q_bias")
      .replace("attn.v_proj.bias", "attn.v_bias")
      .add("rope.freqs_cos", {16, 8})
      .add("blocks.0.attn.rope.freqs_sin", {16, 8});
  const std::string config =
      vitrail_test::read_whole(vitrail_test::golden("timm_eva02_base_subln/config.json"));
  expect_twin(files_of(eva, config), {"timm_eva02_base_subln", "timm"});
}

TEST(Timm, RotaryPositionsAreNotLeftOutInSilence) {
  for (const char* golden : {"timm_dinov3", "timm_eva02_base_subln", "timm_eva02_tiny"})
    EXPECT_CONTAINS(refusal(Tensors(golden), "", with_heads(3)), "--arch");
}

TEST(Timm, WhatTensorsTellOfAModelWithoutANameIsUsed) {
  const auto config = [](const char* golden) {
    return opened(Tensors(golden), "", with_heads(3)).config;
  };
  EXPECT_EQ(config("timm_vit_clip_prenorm").norm_eps, 1e-5);
  EXPECT_EQ(config("plain_aimv2").norm_eps, 1e-5);
  EXPECT_EQ(config("timm_vit_cls").norm_eps, 1e-6);
  EXPECT_EQ(config("timm_beit").pooling, Pooling::avg);
  EXPECT_EQ(config("timm_vit_reg4_gap").pooling, Pooling::avg);
  EXPECT_EQ(config("timm_vit_cls").pooling, Pooling::token);
}

TEST(Timm, AClipTowerWithoutANameMayHaveEitherActivation) {
  const Preset& preset = detail::timm_preset("vit_base_patch32_clip_224", "");
  const std::string message = error_of(
      [&] { (void)detail::timm_preset_by_shape(make_config(preset, preset.name), "bare"); });
  EXPECT_CONTAINS(message, "vit_base_patch32_clip_224");
  EXPECT_CONTAINS(message, "vit_base_patch32_clip_quickgelu_224");
}

TEST(Timm, Dinov3IsKnownByItsShapesThoughTheyDoNotShowAPictures) {
  const Preset& preset = detail::timm_preset("vit_small_patch16_dinov3", "");
  ViTConfig config = make_config(preset, preset.name);
  config.image_height = config.image_width = 224;
  EXPECT_EQ(detail::timm_preset_by_shape(config, "bare").name, preset.name);
}

TEST(Timm, AnArchitectureMayCarryATagAndHasToBePublished) {
  EXPECT_EQ(detail::timm_preset("vit_tiny_patch16_224.augreg_in21k", "").name,
            "vit_tiny_patch16_224");
  EXPECT_EQ(refusal(Tensors("timm_vit_cls"), R"({"architecture": "vit_minute.tag"})"),
            "config.json: unknown architecture 'vit_minute', expected one of timm's, such as "
            "vit_base_patch16_224");
}

TEST(Timm, AnArchitecturesWeightsMayBeOfAnotherSize) {
  const ViTConfig c =
      opened(Tensors("timm_vit_cls"), R"({"architecture": "vit_tiny_patch16_224"})").config;
  EXPECT_EQ(c.image_height, 64);  // as its positions show
  EXPECT_EQ(c.heads, 3);
  EXPECT_CONTAINS(refusal(Tensors("timm_vit_cls"), R"({"architecture": "vit_tiny_patch16_224",
                           "model_args": {"img_size": 80}})"),
                  "pos_embed has 17 rows, expected 25 patches and at most 1 other tokens");
}

/// What `json` makes of the defaults.
ViTConfig timm_config(const std::string& json) {
  Checkpoint checkpoint(files_of(Tensors()), "timm");
  (void)detail::read_timm_config({"config.json", parse_json(json, "config.json")}, checkpoint);
  return checkpoint.config;
}

TEST(Timm, ModelArgumentsGoBeforeTheRestOfAConfig) {
  const ViTConfig c = timm_config(R"({"global_pool": "avg",
      "pretrained_cfg": {"input_size": [3, 48, 64]},
      "model_args": {"img_size": [80, 96], "global_pool": "avgmax", "num_heads": 6,
        "no_embed_class": true, "pool_include_prefix": true, "act_layer": "gelu_tanh",
        "dynamic_img_size": true, "dynamic_img_pad": true}})");
  EXPECT_EQ(c.image_height, 80);
  EXPECT_EQ(c.image_width, 96);
  EXPECT_EQ(c.pooling, Pooling::avgmax);
  EXPECT_EQ(c.heads, 6);
  EXPECT_EQ(c.positions, PositionCoverage::patches);
  EXPECT_TRUE(c.pool_includes_prefix);
  EXPECT_TRUE(c.patches_keep_grid);
  EXPECT_TRUE(c.pad_to_patch);
  EXPECT_EQ(c.activation, Activation::gelu_tanh);
  EXPECT_EQ(timm_config(R"({"pretrained_cfg": {"input_size": [3, 48, 64]}})").image_width, 64);
}

TEST(Timm, RotaryPositionsAreOfTheKindThatTheArgumentsName) {
  const auto rotary = [](const std::string& arguments) {
    return timm_config(R"({"model_args": {)" + arguments + "}}");
  };
  EXPECT_EQ(rotary("").rotary, RotaryKind::none);
  EXPECT_EQ(rotary(R"("use_rot_pos_emb": true)").rotary, RotaryKind::eva);
  EXPECT_EQ(rotary(R"("use_rot_pos_emb": true, "rope_type": "dinov3")").rotary, RotaryKind::dinov3);
  EXPECT_EQ(rotary(R"("ref_feat_shape": [14, 14])").rotary_reference, 14);
  EXPECT_EQ(rotary(R"("ref_feat_shape": null)").rotary_reference, 16);
}

TEST(Timm, RefusesConfigsByTheKeyThatIsWrong) {
  const auto words = [](const char* json) { return error_of([&] { (void)timm_config(json); }); };
  EXPECT_EQ(words(R"({"pretrained_cfg": {"input_size": [64, 64]}})"),
            "config.json: 'input_size' has 2 numbers, expected 3");
  EXPECT_EQ(words(R"({"global_pool": "mean"})"),
            "config.json: 'global_pool' is 'mean', expected token, avg, max, avgmax, map or ''");
  EXPECT_CONTAINS(words(R"({"model_args": {"act_layer": "mish"}})"), "mish");
}

TEST(Timm, PreparesPicturesAsItsTableOfWeightsSays) {
  const PreprocessConfig augreg = *detail::timm_preprocess("vit_base_patch16_224");
  EXPECT_EQ(augreg.mean, standard_mean);
  EXPECT_EQ(augreg.resize_height, 248);
  const PreprocessConfig deit = *detail::timm_preprocess("deit3_base_patch16_384.fb_in1k");
  EXPECT_EQ(deit.mean, imagenet_mean);
  EXPECT_EQ(deit.resize_height, 384);
  EXPECT_FALSE(detail::timm_preprocess("vit_minute_patch16_224").has_value());
  EXPECT_FALSE(detail::timm_preprocess("vit_base_patch16_224.unheard_of").has_value());
}

TEST(Timm, LabelsStandBesideTheModelOrItsRecipe) {
  const auto labels = [](const char* json) {
    return detail::timm_labels(ConfigFile{"config.json", parse_json(json, "config.json")});
  };
  EXPECT_EQ(labels(R"({"label_names": ["a"]})"), std::vector<std::string>{"a"});
  EXPECT_EQ(labels(R"({"pretrained_cfg": {"label_names": ["b"]}})"), std::vector<std::string>{"b"});
  EXPECT_TRUE(labels("{}").empty());
}

/// timm and Meta average the class and the distillation token also where no head stands behind
/// them.
TEST(Timm, ADistilledModelWithoutHeadsGivesTheMeanOfItsTokens) {
  const std::string source = vitrail_test::golden("timm_deit_distilled");
  const Checkpoint checkpoint = opened(Tensors("timm_deit_distilled").drop("head"),
                                       vitrail_test::read_whole(source + "/config.json"));
  EXPECT_EQ(checkpoint.config.pooling, Pooling::class_and_distillation);
  const TensorFile input = open_tensor_file(source + "/input.safetensors");
  const TensorFile expected = open_tensor_file(source + "/expected.safetensors");
  const Tensor<float, 4> pixels = input.at("pixel_values").to<float, 4>();
  Tensor<float, 2> features({pixels.extent(0), checkpoint.config.embed_dim});
  SerialExecutor serial;
  Workspace workspace;
  load_vit<float>(checkpoint, {}).forward(pixels, {.features = features}, {serial, workspace});
  const Tensor<float, 2> wanted = expected.at("pre_logits").to<float, 2>();
  for (std::size_t i = 0; i < wanted.flat().size(); ++i)
    EXPECT_NEAR(features.flat()[i], wanted.flat()[i], 2e-5);
}

}  // namespace
