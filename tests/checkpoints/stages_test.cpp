// Stages under their publishers' names and in the parts that they give.
#include <gtest/gtest.h>

#include <support/tensors.hpp>
#include <vitrail/checkpoints/stages.hpp>

namespace {

using namespace vitrail;

/// (1, 4, 2): a class token, a register and two patches.
AnyTensor four_tokens() {
  Tensor<float, 3> x({1, 4, 2});
  for (std::size_t i = 0; i < 8; ++i) x.flat()[i] = static_cast<float>(i);
  return AnyTensor(TensorView<const float, 3>(x));
}

std::vector<float> elements(const AnyTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.shape().count()));
  tensor.view().convert_to(std::span<float>(values));
  return values;
}

TEST(Stages, ARuleRenamesByNumberByEndOrByDepth) {
  const auto renamed = [](const char* ours, const char* theirs, const char* stage) {
    return detail::renamed_stage({ours, theirs}, stage, 12);
  };
  EXPECT_EQ(renamed("logits", "scores", "logits"), "scores");
  EXPECT_EQ(renamed("logits", "scores", "pre_logits"), "");
  EXPECT_EQ(renamed("block.*", "layer.*", "block.3.out"), "layer.3.out");
  EXPECT_EQ(renamed("hidden.{}", "h.{}", "hidden.7"), "h.7");
  EXPECT_EQ(renamed("hidden.{}", "h.{+1}", "hidden.9"), "h.10");
  EXPECT_EQ(renamed("hidden.{}", "h.{-1}", "hidden.1"), "h.0");
  EXPECT_EQ(renamed("hidden.{}", "h.{-1}", "hidden.0"), "");
  EXPECT_EQ(renamed("hidden.{}", "h.{}", "hidden.last"), "");
  EXPECT_EQ(renamed("hidden.{}", "h.{}", "hidden."), "");
  EXPECT_EQ(renamed("hidden.{last}", "x", "hidden.12"), "x");
  EXPECT_EQ(renamed("hidden.{last}", "x", "hidden.1"), "");
}

TEST(Stages, PartsAreRowsOfTokensInTheirOrder) {
  ViTConfig c;
  c.register_tokens = 1;
  const auto part = [&](StagePart which) { return detail::part_of(four_tokens(), which, c); };
  EXPECT_EQ(elements(part(StagePart::class_row)), (std::vector<float>{0, 1}));
  EXPECT_EQ(part(StagePart::class_row).shape(), (Shape{1, 2}));
  EXPECT_EQ(elements(part(StagePart::register_rows)), (std::vector<float>{2, 3}));
  EXPECT_EQ(part(StagePart::prefix_rows).shape(), (Shape{1, 2, 2}));
  EXPECT_EQ(elements(part(StagePart::patch_rows)), (std::vector<float>{4, 5, 6, 7}));
  EXPECT_EQ(elements(part(StagePart::class_and_mean)), (std::vector<float>{0, 1, 5, 6}));
  EXPECT_EQ(part(StagePart::unbatched).shape(), (Shape{4, 2}));
}

TEST(Stages, GridsAreFlattenedAndRowsDividedByTheirLengths) {
  const ViTConfig c;
  const AnyTensor grid(DType::f32, {2, 3, 4, 5});
  EXPECT_EQ(detail::part_of(grid, StagePart::flat_grid, c).shape(), (Shape{2, 12, 5}));
  Tensor<float, 2> rows({1, 2});
  rows(0, 0) = 3;
  rows(0, 1) = -4;
  const AnyTensor unit =
      detail::part_of(AnyTensor(TensorView<const float, 2>(rows)), StagePart::unit_length, c);
  EXPECT_EQ(elements(unit), (std::vector<float>{0.6F, -0.8F}));
}

TEST(Stages, OutputsOfOtherPartsAreKnownByTheirBeginning) {
  Checkpoint checkpoint(vitrail_test::files_of({}), "");
  checkpoint.elsewhere = {"text*", "probs"};
  EXPECT_TRUE(is_elsewhere(checkpoint, "text_embeds"));
  EXPECT_TRUE(is_elsewhere(checkpoint, "probs"));
  EXPECT_FALSE(is_elsewhere(checkpoint, "probs_softmax"));
  EXPECT_FALSE(is_elsewhere(checkpoint, "context"));
}

}  // namespace
