// Google's npz as flax runs them, against plain torch (golden/flax/make.py), and files of bfloat16.
#include <gtest/gtest.h>

#include <filesystem>
#include <vitrail/checkpoints/verify.hpp>
#include <vitrail/vitrail.hpp>

namespace {

using namespace vitrail;

const std::string goldens = VITRAIL_GOLDEN_DIR "/";

class Flax : public testing::TestWithParam<std::string> {};

/// The largest difference of tokens and logits from what `expected` holds under those names.
double difference(const ViT<float>& vit, const AnyView& pixel_values, const AnyView& tokens,
                  const AnyView& logits) {
  const Tensor<float, 4> pixels = pixel_values.to<float, 4>();
  Tensor<float, 3> found({pixels.extent(0), vit.tokens_for(pixels.extent(2), pixels.extent(3)),
                          vit.config().embed_dim});
  Tensor<float, 2> answers({pixels.extent(0), vit.config().classes});
  SerialExecutor serial;
  Workspace workspace;
  vit.forward(pixels, {.logits = answers, .tokens = found}, {serial, workspace});
  return std::max(
      largest_difference(AnyTensor(TensorView<const float, 3>(found)).view(), tokens),
      largest_difference(AnyTensor(TensorView<const float, 2>(answers)).view(), logits));
}

TEST_P(Flax, IsWhatGooglesFidelityGives) {
  LoadOptions options;
  options.fidelity = Fidelity::google;
  const Checkpoint checkpoint = open_checkpoint(goldens + GetParam(), options);
  const ViT<float> vit = load_vit<float>(checkpoint, options);
  const TensorFile input = open_tensor_file(goldens + GetParam() + "/input.safetensors");
  const TensorFile expected = open_tensor_file(goldens + "flax/" + GetParam() + ".safetensors");
  const AnyView& pixels = input.at("pixel_values");
  EXPECT_LT(difference(vit, pixels, expected.at("forward_features"), expected.at("logits")), 2e-5);
  EXPECT_LT(difference(vit, expected.at("pixels_96x96"), expected.at("forward_features_96x96"),
                       expected.at("logits_96x96")),
            2e-5);
  const ViT<float> timm = load_vit<float>(open_checkpoint(goldens + GetParam(), {}), {});
  EXPECT_GT(difference(timm, pixels, expected.at("forward_features"), expected.at("logits")), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Models, Flax,
                         testing::Values("npz_vit", "npz_vit_prelogits", "npz_hybrid"),
                         [](const auto& instance) { return instance.param; });

TEST(Google, PreparesPicturesAsItsOwnPipelinesDo) {
  LoadOptions options;
  options.fidelity = Fidelity::google;
  const Checkpoint research = open_checkpoint(goldens + "npz_vit", options);
  EXPECT_EQ(research.preprocess->resizer, Resizer::tensorflow);
  EXPECT_EQ(research.preprocess->resize, ResizeMode::squash);
  EXPECT_EQ(with_size(*research.preprocess, 96, 64).resize_width, 64);
  const Checkpoint big_vision = open_checkpoint(goldens + "big_vision", options);
  EXPECT_EQ(big_vision.preprocess->resizer, Resizer::tensorflow_8bit);
  EXPECT_EQ(open_checkpoint(goldens + "npz_vit", {}).preprocess->resizer, Resizer::pillow);
}

TEST(Google, ItsFidelityIsFlaxs) {
  LoadOptions options;
  options.fidelity = Fidelity::google;
  const Checkpoint flax = open_checkpoint(goldens + "npz_hybrid", options);
  EXPECT_EQ(flax.config.activation, Activation::gelu_tanh);
  EXPECT_EQ(flax.config.position_rule, PositionRule::google);
  EXPECT_TRUE(flax.config.stem->weight_eps_outside);
  EXPECT_EQ(open_checkpoint(goldens + "npz_hybrid", {}).config.activation, Activation::gelu_erf);
}

/// bfloat16 is the upper half of a float: the file's answers are those of its weights so rounded.
TEST(Google, ReadsFilesOfBfloat16) {
  const Checkpoint halves = open_checkpoint(goldens + "flax/npz_vit_bf16.npz", {});
  const Checkpoint whole = open_checkpoint(goldens + "npz_vit", {});
  EXPECT_EQ(halves.config.heads, whole.config.heads);
  EXPECT_EQ(halves.config.depth, whole.config.depth);
  for (const auto& [name, view] : halves.files.tensors) {
    EXPECT_EQ(view.dtype, DType::bf16) << name;
    EXPECT_LE(largest_difference(view, whole.files.tensors.at(name)), 1.0 / 256) << name;
  }
  const TensorFile input = open_tensor_file(goldens + "npz_vit/input.safetensors");
  const TensorFile expected = open_tensor_file(goldens + "npz_vit/expected.safetensors");
  EXPECT_LT(difference(load_vit<float>(halves, {}), input.at("pixel_values"),
                       expected.at("forward_features"), expected.at("logits")),
            0.05);
}

}  // namespace
