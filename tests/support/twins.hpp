// Layouts without a golden of their own: a golden's tensors under the names that another publisher
// gives them have to give its twin's answers, bit for bit.
#ifndef VITRAIL_TESTS_SUPPORT_TWINS_HPP
#define VITRAIL_TESTS_SUPPORT_TWINS_HPP

#include <support/tensors.hpp>

namespace vitrail_test {

struct Answer {
  std::string publisher;
  vitrail::PositionRule rule;
  std::vector<float> tokens;  // forward_features
  std::vector<float> logits;  // or the features of a model without classes
};

/// What a checkpoint makes of the pictures of the golden `source`.
[[nodiscard]] inline Answer answer_of(const vitrail::Checkpoint& checkpoint,
                                      const std::string& source) {
  using namespace vitrail;
  const ViT<float> vit = load_vit<float>(checkpoint, {});
  const TensorFile input =
      open_tensor_file((::golden::folder(source) / "input.safetensors").string());
  const Tensor<float, 4> pixels = input.at("pixel_values").to<float, 4>();
  const Index B = pixels.extent(0);
  const Index K = checkpoint.config.classes;
  Tensor<float, 3> tokens(
      {B, vit.tokens_for(pixels.extent(2), pixels.extent(3)), checkpoint.config.embed_dim});
  Tensor<float, 2> out({B, K > 0 ? K : checkpoint.config.feature_dim()});
  SerialExecutor serial;
  Workspace workspace;
  ViTOutputs<float> outputs{.tokens = tokens};
  (K > 0 ? outputs.logits : outputs.features) = out;
  vit.forward(pixels, outputs, {serial, workspace});
  return {checkpoint.publisher,
          checkpoint.config.position_rule,
          {tokens.flat().begin(), tokens.flat().end()},
          {out.flat().begin(), out.flat().end()}};
}

struct Expected {
  std::string source;
  std::string publisher;
  bool logits = true;  // the answers too, not only the tokens
  vitrail::PositionRule rule = vitrail::PositionRule::timm;
};

/// Compares what `files` give with what the golden does whose tensors they hold.
inline void expect_twin(vitrail::CheckpointFiles files, const Expected& expected,
                        vitrail::Index heads = 0) {
  const std::string folder = ::golden::folder(expected.source).string();
  try {
    const Answer found =
        answer_of(open_checkpoint(std::move(files), with_heads(heads)), expected.source);
    const Answer twin = answer_of(vitrail::open_checkpoint(folder, {}), expected.source);
    EXPECT_EQ(found.publisher, expected.publisher);
    EXPECT_EQ(found.rule, expected.rule) << name_of(found.rule);
    EXPECT_EQ(found.tokens, twin.tokens);
    if (expected.logits) {
      EXPECT_EQ(found.logits, twin.logits);
    }
  } catch (const vitrail::Error& error) {
    ADD_FAILURE() << expected.source << ": " << error.what();
  }
}

}  // namespace vitrail_test

#endif  // VITRAIL_TESTS_SUPPORT_TWINS_HPP
