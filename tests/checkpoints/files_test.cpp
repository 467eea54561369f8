// Which files of a folder are the weights, and which configs are read beside them.
#include <gtest/gtest.h>

#include <filesystem>
#include <support/io_files.hpp>
#include <vitrail/checkpoints/files.hpp>

namespace {

using namespace vitrail;
using vitrail_test::TemporaryFolder;

std::string weights_in(const TemporaryFolder& folder) {
  return std::filesystem::path(detail::find_weights(folder / ".")).filename().string();
}

TEST(CheckpointFolder, TheUsualNamesGoFirst) {
  const TemporaryFolder folder;
  (void)folder.file("pytorch_model.bin", "");
  (void)folder.file("training_args.bin", "");
  EXPECT_EQ(weights_in(folder), "pytorch_model.bin");
  (void)folder.file("open_clip_model.safetensors", "");
  EXPECT_EQ(weights_in(folder), "open_clip_model.safetensors");
  (void)folder.file("model.safetensors.index.json", "");
  EXPECT_EQ(weights_in(folder), "model.safetensors.index.json");
  (void)folder.file("model.safetensors", "");
  EXPECT_EQ(weights_in(folder), "model.safetensors");
}

TEST(CheckpointFolder, AnotherNameHasToBeTheOnlyOne) {
  const TemporaryFolder folder;
  (void)folder.file("config.json", "{}");
  (void)folder.file(".pth", "");  // an ending without a name
  EXPECT_CONTAINS(vitrail_test::error_of([&] { (void)weights_in(folder); }),
                  "no model.safetensors, model.npz or pytorch_model.bin in this folder");
  (void)folder.file("vit_b_16.pth", "");
  EXPECT_EQ(weights_in(folder), "vit_b_16.pth");
  (void)folder.file("ema.pth", "");
  EXPECT_CONTAINS(vitrail_test::error_of([&] { (void)weights_in(folder); }),
                  "several weight files in this folder, expected one; name the file itself");
}

TEST(CheckpointFolder, ConfigsCountBesideAFileToo) {
  const TemporaryFolder folder;
  const std::string weights = folder / "weights.safetensors";
  std::filesystem::copy_file(vitrail_test::golden("timm_vit_eps/model.safetensors"), weights);
  EXPECT_FALSE(open_checkpoint_files(weights, {}).config.has_value());
  const std::string config = folder.file("config.json", R"({"architecture": "a"})");
  (void)folder.file("open_clip_config.json", "{}");
  const CheckpointFiles files = open_checkpoint_files(weights, {});
  EXPECT_EQ(files.config->path, config);
  EXPECT_TRUE(files.open_clip_config.has_value());
  EXPECT_FALSE(files.preprocessor_config.has_value());
  EXPECT_FALSE(files.adapter_config.has_value());
}

TEST(CheckpointFolder, AConfigThatIsNoJsonIsNamed) {
  const TemporaryFolder folder;
  std::filesystem::copy_file(vitrail_test::golden("timm_vit_eps/model.safetensors"),
                             folder / "model.safetensors");
  (void)folder.file("preprocessor_config.json", "{");
  EXPECT_CONTAINS(vitrail_test::error_of([&] { (void)open_checkpoint_files(folder / "", {}); }),
                  "preprocessor_config.json: not valid JSON");
}

}  // namespace
