// Partial fine-tunes laid over a checkpoint: heads, biases, LoRA.
#include <gtest/gtest.h>

#include <fstream>
#include <support/temporary_folder.hpp>
#include <vitrail/vitrail.hpp>

namespace {

using namespace vitrail;
using vitrail_test::TemporaryFolder;

const std::string base_folder = VITRAIL_GOLDEN_DIR "/hf_vit_eps";
const std::string query = "vit.encoder.layer.1.attention.attention.query";

NamedTensor named(const std::string& name, const Tensor<float, 2>& tensor) {
  return {name, AnyView{DType::f32, tensor.shape(), std::as_bytes(tensor.flat())}};
}

Tensor<float, 2> filled(Index rows, Index columns, float first) {
  Tensor<float, 2> tensor({rows, columns});
  float value = first;
  for (float& x : tensor.flat()) x = value += 0.25F - (value > 1 ? 2.0F : 0.0F);
  return tensor;
}

std::vector<float> weights_of(const LoadOptions& options, const std::string& name) {
  const Checkpoint checkpoint = open_checkpoint(base_folder, options);
  const AnyView& view = checkpoint.files.tensors.at(name);
  std::vector<float> values(static_cast<std::size_t>(view.shape.count()));
  view.convert_to(std::span<float>(values));
  return values;
}

TEST(Overlay, LoraOfPeftIsMergedWithItsScale) {
  const TemporaryFolder folder;
  const Tensor<float, 2> A = filled(2, 24, 0.1F);
  const Tensor<float, 2> B = filled(24, 2, -0.3F);
  const std::vector<NamedTensor> tensors = {
      named("base_model.model." + query + ".lora_A.weight", A),
      named("base_model.model." + query + ".lora_B.weight", B)};
  write_safetensors(folder / "adapter_model.safetensors", tensors);
  std::ofstream(folder / "adapter_config.json") << R"({"r": 2, "lora_alpha": 8})";
  LoadOptions options;
  options.overlays = {folder.path()};
  const std::vector<float> plain = weights_of({}, query + ".weight");
  const std::vector<float> merged = weights_of(options, query + ".weight");
  for (Index n = 0; n < 24; ++n)
    for (Index k = 0; k < 24; ++k) {
      const auto at = static_cast<std::size_t>(n * 24 + k);
      EXPECT_NEAR(merged[at], plain[at] + 4 * (B(n, 0) * A(0, k) + B(n, 1) * A(1, k)), 1e-6);
    }
  EXPECT_EQ(weights_of(options, "classifier.weight"), weights_of({}, "classifier.weight"));
}

TEST(Overlay, AHeadOfOtherClassesReplacesTheOldOne) {
  const TemporaryFolder folder;
  const Tensor<float, 2> weight = filled(3, 24, 0.0F);
  const Tensor<float, 1> bias({3});
  const std::string file = folder / "head.safetensors";
  const std::vector<NamedTensor> tensors = {
      named("classifier.weight", weight),
      {"classifier.bias", AnyView{DType::f32, bias.shape(), std::as_bytes(bias.flat())}}};
  write_safetensors(file, tensors);
  LoadOptions options;
  options.overlays = {file};
  const Checkpoint checkpoint = open_checkpoint(base_folder, options);
  EXPECT_EQ(checkpoint.config.classes, 3);
  EXPECT_EQ(load_model<float>(checkpoint, options).config().classes, 3);
}

/// W (x - mean) / sqrt(variance + 1e-6) + b, as the probe computes it.
TEST(Overlay, TheHeadOfALinearProbeIsFoldedIntoOneProduct) {
  const TemporaryFolder folder;
  const Tensor<float, 2> mean = filled(1, 24, 0.3F);
  const Tensor<float, 2> variance = filled(1, 24, 2.0F);
  const Tensor<float, 2> weight = filled(3, 24, 0.0F);
  const Tensor<float, 2> bias = filled(1, 3, 0.5F);
  Tensor<float, 2> squared({1, 24});  // above 0
  for (Index d = 0; d < 24; ++d) squared(0, d) = 0.1F + variance(0, d) * variance(0, d);
  const std::string file = folder / "probe.safetensors";
  const std::vector<NamedTensor> tensors = {
      named("head.0.running_mean", mean), named("head.0.running_var", squared),
      named("head.1.weight", weight), named("head.1.bias", bias)};
  write_safetensors(file, tensors);
  LoadOptions options;
  options.overlays = {file};
  const Checkpoint checkpoint = open_checkpoint(VITRAIL_GOLDEN_DIR "/timm_vit_eps", options);
  EXPECT_EQ(checkpoint.config.classes, 3);
  const Tensor<float, 2> W = checkpoint.files.tensors.at("head.weight").to<float, 2>();
  const Tensor<float, 1> b = checkpoint.files.tensors.at("head.bias").to<float, 1>();
  for (Index k = 0; k < 3; ++k) {
    double probe = static_cast<double>(bias(0, k));
    double folded = static_cast<double>(b(k));
    for (Index d = 0; d < 24; ++d) {
      const double x = 0.5 - static_cast<double>(d) / 24;
      probe += static_cast<double>(weight(k, d)) * (x - static_cast<double>(mean(0, d))) /
               std::sqrt(static_cast<double>(squared(0, d)) + 1e-6);
      folded += static_cast<double>(W(k, d)) * x;
    }
    EXPECT_NEAR(folded, probe, 1e-5);
  }
}

TEST(Overlay, ATensorWithoutAPlaceIsNamed) {
  const TemporaryFolder folder;
  const std::string file = folder / "stray.safetensors";
  const Tensor<float, 2> weight = filled(3, 24, 0.0F);
  const std::vector<NamedTensor> tensors = {named("adapter.down.weight", weight)};
  write_safetensors(file, tensors);
  LoadOptions options;
  options.overlays = {file};
  const Checkpoint checkpoint = open_checkpoint(base_folder, options);
  try {
    (void)load_model<float>(checkpoint, options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("adapter.down.weight"), std::string::npos);
  }
}

}  // namespace
