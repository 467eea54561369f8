// Checkpoints as torch.save writes them give the bits of their safetensors twins, whatever wraps
// the tensors. golden/torch_checkpoints/make.py made them from the twins.
#include <gtest/gtest.h>

#include <filesystem>
#include <support/golden_folder.hpp>
#include <support/temporary_folder.hpp>
#include <vitrail/vitrail.hpp>

namespace {

using namespace vitrail;
namespace fs = std::filesystem;

/// The answers of a checkpoint to the input of `twin`.
Tensor<float, 2> answers(const fs::path& checkpoint_path, const std::string& twin,
                         const LoadOptions& options) {
  const Checkpoint checkpoint = open_checkpoint(checkpoint_path.string(), options);
  const VisionModel<float> model = load_model<float>(checkpoint, options);
  const TensorFile input = open_tensor_file((golden::folder(twin) / "input.safetensors").string());
  const Index width =
      model.config().classes > 0 ? model.config().classes : model.config().feature_dim();
  Tensor<float, 2> out({1, width});
  SerialExecutor serial;
  Workspace workspace;
  ViTOutputs<float> outputs;
  (model.config().classes > 0 ? outputs.logits : outputs.features) = out.view();
  model.forward(input.at("pixel_values").to<float, 4>(), outputs, {serial, workspace});
  return out;
}

/// Puts a torch file and its twin's configs into `folder`.
void copy_with_configs(const std::string& file, const std::string& twin, const fs::path& folder) {
  fs::copy_file(golden::folder("torch_checkpoints") / file, folder / file);
  for (const auto& entry : fs::directory_iterator(golden::folder(twin))) {
    if (entry.path().extension() == ".json")
      fs::copy_file(entry.path(), folder / entry.path().filename());
  }
}

void expect_twins(const std::string& file, const std::string& twin) {
  const vitrail_test::TemporaryFolder folder;
  copy_with_configs(file, twin, folder.path());
  const Tensor<float, 2> torch = answers(folder.path(), twin, {});
  const Tensor<float, 2> safetensors = answers(golden::folder(twin), twin, {});
  ASSERT_EQ(torch.count(), safetensors.count()) << file;
  for (Index i = 0; i < torch.count(); ++i)
    EXPECT_EQ(torch.flat()[static_cast<std::size_t>(i)],
              safetensors.flat()[static_cast<std::size_t>(i)])
        << file << " at " << i;
}

TEST(TorchTwins, ZippedAndLegacyFilesGiveTheBitsOfTheirSafetensorsTwins) {
  expect_twins("timm_vit_eps.pth", "timm_vit_eps");
  expect_twins("timm_vit_eps_legacy.pth", "timm_vit_eps");
  expect_twins("hf_vit_eps.bin", "hf_vit_eps");
  expect_twins("hf_vit_eps_legacy.bin", "hf_vit_eps");
}

TEST(TorchTwins, NestedAndPrefixedTensorsAreFound) {
  expect_twins("timm_vit_eps_model.pth", "timm_vit_eps");
  expect_twins("timm_vit_eps_module.pth", "timm_vit_eps");
}

TEST(TorchTwins, TheEncoderOfIjepaIsPooledOverItsPatches) {
  LoadOptions options;
  options.heads = 3;
  const std::string path = (golden::folder("torch_checkpoints") / "ijepa.pth").string();
  const Checkpoint checkpoint = open_checkpoint(path, options);
  EXPECT_EQ(checkpoint.config.pooling, Pooling::avg);
  EXPECT_FALSE(checkpoint.config.class_token);
  EXPECT_EQ(answers(path, "timm_vit_eps", options).count(), 24);
}

}  // namespace
