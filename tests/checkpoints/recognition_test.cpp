// Who published a file, what it is, and what the messages say when that stays open.
#include <gtest/gtest.h>

#include <filesystem>
#include <vitrail/vitrail.hpp>

namespace {

using namespace vitrail;
namespace fs = std::filesystem;

const fs::path golden = VITRAIL_GOLDEN_DIR;

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
    const auto preprocess = detail::timm_preprocess(weights.name, "table");
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
    const Checkpoint checkpoint = open_checkpoint((golden / folder).string(), {});
    EXPECT_EQ(checkpoint.publisher, publisher) << folder;
    EXPECT_FALSE(checkpoint.because.empty()) << folder;
  }
}

TEST(Recognition, WithoutAConfigTheMessageNamesTheFlagThatHelps) {
  const fs::path folder = fs::path(testing::TempDir()) / "no_config";
  fs::create_directories(folder);
  for (const char* twin : {"timm_vit_eps", "hf_vit_eps", "vitp_eps", "fb_dinov2", "tv_vit"}) {
    const fs::path file = folder / (std::string(twin) + ".safetensors");
    fs::copy_file(golden / twin / "model.safetensors", file, fs::copy_options::overwrite_existing);
    EXPECT_NE(message_of(file.string()).find("--heads"), std::string::npos) << twin;
    LoadOptions options;
    options.heads = std::string(twin) == "vitp_eps" ? 4 : 3;
    EXPECT_EQ(message_of(file.string(), options), "") << twin;
  }
}

TEST(Recognition, TensorsOfTwoPublishersAreRefusedByBothNames) {
  const fs::path folder = fs::path(testing::TempDir()) / "two_publishers";
  fs::create_directories(folder);
  const TensorFile one = open_tensor_file((golden / "timm_vit_eps/model.safetensors").string());
  const TensorFile two = open_tensor_file((golden / "tv_vit_repr/model.safetensors").string());
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
  const std::string folder = (golden / "npz_hybrid").string();
  const Checkpoint flax = open_checkpoint(folder, options);
  EXPECT_EQ(flax.config.activation, Activation::gelu_tanh);
  EXPECT_EQ(flax.config.position_rule, PositionRule::google);
  EXPECT_TRUE(flax.config.stem->weight_eps_outside);
  EXPECT_EQ(open_checkpoint(folder, {}).config.activation, Activation::gelu_erf);
}

}  // namespace
