// Adapters laid over a checkpoint, against plain torch (golden/adapters/make.py).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <support/golden_folder.hpp>
#include <support/temporary_folder.hpp>
#include <vitrail/checkpoints/verify.hpp>
#include <vitrail/vitrail.hpp>

namespace {

using namespace vitrail;
using vitrail_test::TemporaryFolder;
namespace fs = std::filesystem;

std::string base_of(const std::string& name) {
  return (golden::folder(name.starts_with("hub_") ? "hf_vit_eps" : "timm_vit_eps")).string();
}

/// The largest difference of the tokens with the overlay `folder` from `expected`.
template <Scalar T>
double difference(const std::string& base, const fs::path& folder, const LoadOptions& extra = {}) {
  LoadOptions options = extra;
  options.overlays = {(folder / "overlay.safetensors").string()};
  const Checkpoint checkpoint = open_checkpoint(base, options);
  const ViT<T> vit = load_vit<T>(checkpoint, options);
  const TensorFile input = open_tensor_file(base + "/input.safetensors");
  const TensorFile expected = open_tensor_file((folder / "expected.safetensors").string());
  const Tensor<T, 4> pixels = input.at("pixel_values").to<T, 4>();
  Tensor<T, 3> tokens({pixels.extent(0), vit.tokens_for(32, 32), checkpoint.config.embed_dim});
  SerialExecutor serial;
  Workspace workspace;
  vit.forward(pixels, {.tokens = tokens}, {serial, workspace});
  return largest_difference(AnyTensor(TensorView<const T, 3>(tokens)).view(),
                            expected.at("tokens"));
}

class Adapters : public testing::TestWithParam<std::string> {};

TEST_P(Adapters, GiveWhatPlainTorchGives) {
  const fs::path folder = golden::folder("adapters") / GetParam();
  EXPECT_LT(difference<float>(base_of(GetParam()), folder), 2e-5);
  EXPECT_LT(difference<double>(base_of(GetParam()), folder), 2e-5);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Adapters,
                         testing::Values("adaptformer", "adaptformer_in", "adaptformer_out",
                                         "adaptformer_sequential", "hub_seq_bn",
                                         "hub_double_seq_bn", "hub_par_bn", "hub_norms",
                                         "hub_norm_of_sum"),
                         [](const auto& instance) { return instance.param; });

/// What laying `tensors` of an adapter over its base says.
std::string message_of(const std::string& name, const std::vector<NamedTensor>& tensors,
                       bool with_config = true) {
  const TemporaryFolder folder;
  const std::string file = folder / "overlay.safetensors";
  write_safetensors(file, tensors);
  if (const fs::path config = golden::folder("adapters") / name / "adapter_config.json";
      with_config && fs::exists(config))
    fs::copy_file(config, folder / "adapter_config.json");
  LoadOptions options;
  options.overlays = {file};
  try {
    (void)load_vit<float>(open_checkpoint(base_of(name), options), options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::vector<NamedTensor> tensors_of(const TensorFile& file, const std::string& but) {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, view] : file)
    if (name.find(but) == std::string::npos) tensors.push_back({name, view});
  return tensors;
}

TEST(AdapterErrors, NameTheTensorThatIsMissingOrMisshaped) {
  const TensorFile whole =
      open_tensor_file(golden::folder("adapters/adaptformer/overlay.safetensors").string());
  EXPECT_EQ(message_of("adaptformer", tensors_of(whole, "none of these")), "");
  const std::string up = "blocks.1.adaptmlp.up_proj.weight";
  EXPECT_NE(message_of("adaptformer", tensors_of(whole, up)).find(up), std::string::npos);
  EXPECT_NE(message_of("adaptformer", tensors_of(whole, "blocks.1.")).find("block 1"),
            std::string::npos);
  std::vector<NamedTensor> wide = tensors_of(whole, up);
  const Tensor<float, 2> wrong({24, 6});
  wide.push_back({up, AnyView{DType::f32, wrong.shape(), std::as_bytes(wrong.flat())}});
  const std::string message = message_of("adaptformer", wide);
  EXPECT_NE(message.find(up + " is (24, 6), config needs (24, 5)"), std::string::npos) << message;
}

TEST(AdapterErrors, SayWhatAConfigHasToTell) {
  const TensorFile hub =
      open_tensor_file(golden::folder("adapters/hub_seq_bn/overlay.safetensors").string());
  std::string message = message_of("hub_seq_bn", tensors_of(hub, "none of these"), false);
  EXPECT_NE(message.find("adapter_config.json"), std::string::npos) << message;
  const TensorFile norm =
      open_tensor_file(golden::folder("adapters/adaptformer_in/overlay.safetensors").string());
  message = message_of("adaptformer_in", tensors_of(norm, "none of these"), false);
  EXPECT_NE(message.find("ffn_adapter_layernorm_option"), std::string::npos) << message;
}

TEST(Adapters, AreScaledAsAskedWhereTheFileDoesNotTell) {
  const fs::path folder = golden::folder("adapters/adaptformer");
  EXPECT_GT(difference<float>(base_of("adaptformer"), folder, {.adapter_scale = 3.0}), 1e-2);
  EXPECT_LT(difference<float>(base_of("adaptformer"), folder, {.adapter_scale = 0.1}), 2e-5);
}

TEST(Adapters, ReadTheirScaleAsANumberOrAsText) {
  const TemporaryFolder temporary;
  const fs::path folder = temporary / "adapter";
  fs::copy(golden::folder("adapters/adaptformer"), folder);
  const auto with_scale = [&](const char* scalar) {
    std::ofstream(folder / "adapter_config.json") << R"({"ffn_adapter_scalar":)" << scalar << "}";
    return difference<float>(base_of("adaptformer"), folder);
  };
  for (const char* same : {"0.1", R"("0.1")", "null"}) EXPECT_LT(with_scale(same), 2e-5) << same;
  for (const char* other : {"3", R"("3.0")"}) EXPECT_GT(with_scale(other), 1e-2) << other;
  for (const char* wrong : {R"("much")", "[1]", R"("[1]")"})
    EXPECT_THROW((void)with_scale(wrong), Error) << wrong;
}

}  // namespace
