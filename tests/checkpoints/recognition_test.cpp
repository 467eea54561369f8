// Who published a file, what it is, and what the messages say when that stays open.
#include <gtest/gtest.h>

#include <filesystem>
#include <support/golden_folder.hpp>
#include <vitrail/vitrail.hpp>

namespace {

using namespace vitrail;
namespace fs = std::filesystem;

std::string message_of(const std::string& path, const LoadOptions& options = {}) {
  try {
    (void)load_model<float>(open_checkpoint(path, options), options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Recognition, EveryPublishedWeightOfTimmIsKnownByNameWithItsPreprocessing) {
  EXPECT_EQ(std::size(timm_weights), 343U);
  for (const TimmWeights& weights : timm_weights) {
    const std::string architecture(weights.name.substr(0, weights.name.find('.')));
    const Preset* preset = find_preset(architecture);
    ASSERT_NE(preset, nullptr) << weights.name;
    const ViTConfig config = make_config(*preset, architecture);
    EXPECT_EQ(config.architecture, architecture);
    EXPECT_GT(config.grid().count(), 0) << weights.name;
    const auto preprocess = detail::timm_preprocess(weights.name);
    ASSERT_TRUE(preprocess.has_value()) << weights.name;
    EXPECT_EQ(preprocess->height, weights.image) << weights.name;
  }
}

TEST(Recognition, NamesThePublisherAndWhatDecidedIt) {
  const std::pair<const char*, const char*> cases[] = {
      {"timm_vit_cls", "timm"},      {"timm_swin", "timm"},
      {"hf_vit", "Hugging Face"},    {"hf_siglip", "Hugging Face"},
      {"hf_swin", "Hugging Face"},   {"ms_swin", "Microsoft"},
      {"fb_dinov2", "Meta"},         {"fb_deit3", "Meta DeiT"},
      {"tv_vit", "torchvision"},     {"openclip_gelu", "open_clip"},
      {"vitp_simple", "lucidrains"}, {"npz_vit", "google-research"}};
  for (const auto& [folder, publisher] : cases) {
    const Checkpoint checkpoint = open_checkpoint(golden::folder(folder).string(), {});
    EXPECT_EQ(checkpoint.publisher, publisher) << folder;
    EXPECT_FALSE(checkpoint.because.empty()) << folder;
  }
}

TEST(Recognition, WithoutAConfigTheMessageNamesTheFlagThatHelps) {
  const fs::path folder = fs::path(testing::TempDir()) / "no_config";
  fs::create_directories(folder);
  for (const char* twin : {"timm_vit_eps", "hf_vit_eps", "vitp_eps", "fb_dinov2", "tv_vit"}) {
    const fs::path file = folder / (std::string(twin) + ".safetensors");
    fs::copy_file(golden::folder(twin) / "model.safetensors", file,
                  fs::copy_options::overwrite_existing);
    EXPECT_NE(message_of(file.string()).find("--heads"), std::string::npos) << twin;
    LoadOptions options;
    options.heads = std::string(twin) == "vitp_eps" ? 4 : 3;
    EXPECT_EQ(message_of(file.string(), options), "") << twin;
  }
}

/// A golden's weights alone.
fs::path bare(const std::string& twin) {
  const fs::path folder = fs::path(testing::TempDir()) / "bare";
  fs::create_directories(folder);
  fs::path file = folder / (twin + ".safetensors");
  fs::copy_file(golden::folder(twin) / "model.safetensors", file,
                fs::copy_options::overwrite_existing);
  return file;
}

TEST(Recognition, RotaryPositionsAreNotLeftOutInSilence) {
  LoadOptions options;
  options.heads = 3;
  for (const char* twin : {"timm_dinov3", "timm_eva02_base_subln", "timm_eva02_tiny"})
    EXPECT_NE(message_of(bare(twin).string(), options).find("--arch"), std::string::npos) << twin;
}

TEST(Recognition, TheFirstVitPytorchsSayThatTheReleaseSettlesTheirScale) {
  LoadOptions options;
  options.heads = 3;
  const std::string file = bare("vitp_v0_6_7").string();
  EXPECT_NE(message_of(file, options).find("--arch vit-pytorch-0.6.6"), std::string::npos);
  options.architecture = "vit-pytorch-0.6.7";
  EXPECT_EQ(open_checkpoint(file, options).config.attention_scale, 0);
  options.architecture = "vit-pytorch-0.6.6";
  EXPECT_NEAR(open_checkpoint(file, options).config.attention_scale, 1 / std::sqrt(24.0), 1e-12);
  options.architecture = "vit-pytorch-newest";
  EXPECT_NE(message_of(file, options).find("newest"), std::string::npos);
  const std::string dated = bare("vitp_first").string();  // by its tensors; so are its heads not
  EXPECT_NE(message_of(dated).find("--heads"), std::string::npos);
  options.architecture = "";
  EXPECT_EQ(message_of(dated, options), "");
}

TEST(Recognition, PoolingIsAsAskedForWhereTensorsLeaveItOpen) {
  LoadOptions options;
  options.heads = 4;
  options.pooling = Pooling::avg;
  const ViTConfig mean = open_checkpoint(bare("vitp_v1_6_5_mean").string(), options).config;
  EXPECT_EQ(mean.pooling, Pooling::avg);
  EXPECT_TRUE(mean.pool_includes_prefix);
  options.heads = 0;
  const std::string map = message_of(golden::folder("timm_siglip_map").string(), options);
  EXPECT_NE(map.find("map"), std::string::npos) << map;
}

TEST(Recognition, AnArchitectureThatNothingReadsIsRefused) {
  LoadOptions options;
  options.architecture = "vit_base_patch16_224";
  const std::string message = message_of(golden::folder("tv_vit").string(), options);
  EXPECT_NE(message.find("--arch"), std::string::npos) << message;
}

TEST(Recognition, HeadsThatTensorsShowNeedNoFlag) {
  const std::pair<const char*, Index> cases[] = {
      {"timm_beit", 3}, {"hf_beit", 3}, {"timm_vit_qknorm", 3}, {"plain_differential", 3}};
  for (const auto& [twin, heads] : cases) {
    const Checkpoint checkpoint = open_checkpoint(bare(twin).string(), {});
    EXPECT_EQ(checkpoint.config.heads, heads) << twin;
    EXPECT_TRUE(checkpoint.because.says("heads", "the tensors' shapes")) << twin;
  }
}

TEST(Recognition, ACLIPTowerWithoutANameMayHaveEitherActivation) {
  const Preset& preset = detail::timm_preset("vit_base_patch32_clip_224", "");
  try {
    (void)detail::timm_preset_by_shape(make_config(preset, preset.name), "bare");
    FAIL() << "took one of two";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("vit_base_patch32_clip_224"), std::string::npos) << message;
    EXPECT_NE(message.find("vit_base_patch32_clip_quickgelu_224"), std::string::npos) << message;
  }
}

TEST(Recognition, Dinov3IsKnownByItsShapesThoughTheyDoNotShowAPictures) {
  const Preset& preset = detail::timm_preset("vit_small_patch16_dinov3", "");
  ViTConfig config = make_config(preset, preset.name);
  config.image_height = config.image_width = 224;
  EXPECT_EQ(detail::timm_preset_by_shape(config, "bare").name, preset.name);
}

TEST(Recognition, Dinov3sPeriodsTellItsHeads) {
  const Checkpoint checkpoint = open_checkpoint(bare("fb_dinov3").string(), {});
  EXPECT_EQ(checkpoint.publisher, "Meta");
  EXPECT_EQ(checkpoint.config.heads, 3);
  EXPECT_EQ(checkpoint.config.norm_eps, 1e-5);
  EXPECT_EQ(checkpoint.config.register_tokens, 4);
}

TEST(Recognition, WhatTensorsTellOfAModelWithoutANameIsUsed) {
  LoadOptions options;
  options.heads = 3;
  const auto config = [&](const char* twin) {
    return open_checkpoint(bare(twin).string(), options).config;
  };
  EXPECT_EQ(config("timm_vit_clip_prenorm").norm_eps, 1e-5);
  EXPECT_EQ(config("plain_aimv2").norm_eps, 1e-5);
  EXPECT_EQ(config("timm_vit_cls").norm_eps, 1e-6);
  EXPECT_EQ(config("timm_beit").pooling, Pooling::avg);
  EXPECT_EQ(config("timm_vit_reg4_gap").pooling, Pooling::avg);
  EXPECT_EQ(config("timm_vit_cls").pooling, Pooling::token);
}

TEST(Recognition, HeadsOfPublishedWidthsAreKnown) {
  const std::pair<Index, Index> cases[] = {{192, 3},   {768, 12},  {1024, 16}, {1152, 16},
                                           {1280, 16}, {1408, 16}, {1536, 24}, {24, 0},
                                           {128, 0},   {800, 0}};
  for (const auto& [D, heads] : cases) EXPECT_EQ(published_heads(D), heads) << D;
  EXPECT_EQ(detail::clip_heads(128), 2);
  EXPECT_EQ(detail::clip_heads(1664), 16);
}

TEST(Recognition, EverythingThatInfoShowsSaysWhereItCameFrom) {
  for (const auto& entry : fs::directory_iterator(VITRAIL_GOLDEN_DIR)) {
    if (!fs::exists(entry.path() / "config.json") ||
        !fs::exists(entry.path() / "expected.safetensors"))
      continue;
    if (fs::exists(entry.path() / "overlay.safetensors")) continue;
    const Checkpoint checkpoint = open_checkpoint(entry.path().string(), {});
    for (const char* field : {"architecture", "heads", "norm_eps", "activation", "position_rule",
                              "pooling", "preprocess", "tokens", "size"}) {
      const std::string* const reason = checkpoint.because.find(field);
      EXPECT_TRUE(reason != nullptr && !reason->empty()) << entry.path() << " " << field;
    }
  }
}

/// timm and Meta average the class and the distillation token also where no head stands behind
/// them.
TEST(Recognition, ADistilledModelWithoutHeadsGivesTheMeanOfItsTokens) {
  const fs::path folder = fs::path(testing::TempDir()) / "distilled_headless";
  fs::create_directories(folder);
  const fs::path source = golden::folder("timm_deit_distilled");
  const TensorFile file = open_tensor_file((source / "model.safetensors").string());
  std::vector<NamedTensor> tensors;
  for (const auto& [name, view] : file)
    if (!name.starts_with("head")) tensors.push_back({name, view});
  write_safetensors((folder / "model.safetensors").string(), tensors);
  fs::copy_file(source / "config.json", folder / "config.json",
                fs::copy_options::overwrite_existing);
  const Checkpoint checkpoint = open_checkpoint(folder.string(), {});
  const TensorFile input = open_tensor_file((source / "input.safetensors").string());
  const TensorFile expected = open_tensor_file((source / "expected.safetensors").string());
  const Tensor<float, 4> pixels = input.at("pixel_values").to<float, 4>();
  Tensor<float, 2> features({pixels.extent(0), checkpoint.config.embed_dim});
  SerialExecutor serial;
  Workspace workspace;
  load_vit<float>(checkpoint, {}).forward(pixels, {.features = features}, {serial, workspace});
  const Tensor<float, 2> wanted = expected.at("pre_logits").to<float, 2>();
  for (std::size_t i = 0; i < wanted.flat().size(); ++i)
    EXPECT_NEAR(features.flat()[i], wanted.flat()[i], 2e-5);
}

TEST(Recognition, TensorsOfTwoPublishersAreRefusedByBothNames) {
  const fs::path folder = fs::path(testing::TempDir()) / "two_publishers";
  fs::create_directories(folder);
  const TensorFile one =
      open_tensor_file(golden::folder("timm_vit_eps/model.safetensors").string());
  const TensorFile two = open_tensor_file(golden::folder("tv_vit_repr/model.safetensors").string());
  std::vector<NamedTensor> tensors;
  for (const TensorFile* file : {&one, &two})
    for (const auto& [name, view] : *file) tensors.push_back({name, view});
  write_safetensors((folder / "both.safetensors").string(), tensors);
  const std::string message = message_of((folder / "both.safetensors").string());
  EXPECT_NE(message.find("timm"), std::string::npos) << message;
  EXPECT_NE(message.find("torchvision"), std::string::npos) << message;
}

TEST(Recognition, GooglesFidelityIsFlaxs) {
  LoadOptions options;
  options.fidelity = Fidelity::google;
  const std::string folder = golden::folder("npz_hybrid").string();
  const Checkpoint flax = open_checkpoint(folder, options);
  EXPECT_EQ(flax.config.activation, Activation::gelu_tanh);
  EXPECT_EQ(flax.config.position_rule, PositionRule::google);
  EXPECT_TRUE(flax.config.stem->weight_eps_outside);
  EXPECT_EQ(open_checkpoint(folder, {}).config.activation, Activation::gelu_erf);
}

}  // namespace
