// The comparison itself: what counts as a difference, and which files belong together.
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <support/io_files.hpp>
#include <vitrail/checkpoints/verify.hpp>

namespace {

using namespace vitrail;
using vitrail_test::TemporaryFolder;

AnyTensor row_of(const std::vector<float>& values) {
  AnyTensor tensor(DType::f32, {static_cast<Index>(values.size())});
  std::memcpy(tensor.bytes().data(), values.data(), tensor.bytes().size());
  return tensor;
}
double gap(const std::vector<float>& found, const std::vector<float>& expected) {
  return largest_difference(row_of(found).view(), row_of(expected).view());
}

TEST(Verify, DifferencesAreRelativeToTheLargestValueAboveOne) {
  EXPECT_EQ(gap({1, 2}, {1, 2}), 0);
  EXPECT_EQ(gap({0, 0.5F}, {0, 0.25F}), 0.25);
  EXPECT_EQ(gap({-5, 9}, {-4, 8}), 0.125);
}

TEST(Verify, WhatIsInfiniteOrNotANumberDiffers) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(gap({nan, 1}, {1, 1}), HUGE_VAL);
  EXPECT_EQ(gap({1, nan, 1}, {1, 1, 1}), HUGE_VAL);
  EXPECT_EQ(gap({1}, {nan}), HUGE_VAL);
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(gap({infinity}, {1}), HUGE_VAL);
  EXPECT_EQ(gap({1}, {infinity}), HUGE_VAL);
  EXPECT_EQ(gap({infinity}, {infinity}), HUGE_VAL);
}

TEST(Verify, AnswersAreWhatAUserActsOn) {
  for (const char* answer : {"logits", "logits_dist", "pooler_output", "image_embeds"})
    EXPECT_TRUE(is_answer(answer)) << answer;
  for (const char* stage : {"hidden_states.3", "attn_last", "patch_embed"})
    EXPECT_FALSE(is_answer(stage)) << stage;
}

TEST(Verify, AFilesNameTellsItsResamplerAndItsSize) {
  EXPECT_EQ(detail::words_of("a/expected_zoom_96x96.safetensors", "expected"),
            (std::vector<std::string>{"zoom", "96x96"}));
  EXPECT_TRUE(detail::words_of("expected.safetensors", "expected").empty());
  EXPECT_EQ(detail::rule_of({"zoom", "96x96"}), PositionRule::google);
  EXPECT_EQ(detail::rule_of({"96", "bilinear"}), PositionRule::torchvision_bilinear);
  EXPECT_FALSE(detail::rule_of({"96x96"}).has_value());
}

TEST(Verify, AnInputIsFoundByItsWordsOrByItsSize) {
  const TemporaryFolder folder;
  for (const char* name : {"input.safetensors", "input_96x96.safetensors", "input_notes.txt"})
    (void)folder.file(name, "");
  const std::filesystem::path path(folder / "");
  EXPECT_EQ(detail::input_for(path, {}).filename(), "input.safetensors");
  EXPECT_EQ(detail::input_for(path, {"zoom", "96x96"}).filename(), "input_96x96.safetensors");
  EXPECT_CONTAINS(vitrail_test::error_of([&] { (void)detail::input_for(path, {"48x80"}); }),
                  "no input file for these expected outputs");
  EXPECT_CONTAINS(vitrail_test::error_of([&] { (void)detail::files_named(path, "expected"); }),
                  "no expected*.safetensors in this folder");
}

TEST(Verify, AnAnswerThatIsMissingOrMisshapenFails) {
  const Checkpoint checkpoint(
      CheckpointFiles{
          open_tensor_file(vitrail_test::golden("tv_vit/model.safetensors")), {}, {}, {}, {}},
      "");
  std::vector<PublishedStage> stages;
  stages.push_back({"logits", row_of({1, 2})});
  const auto judged = [&](const char* name, const AnyTensor& expected, double tolerance = 0) {
    return detail::judge(checkpoint, stages, name, expected.view(), tolerance);
  };
  EXPECT_FALSE(judged("logits", row_of({1, 2})).failed);
  EXPECT_EQ(judged("logits", row_of({1, 2})).allowed, 2e-5);
  EXPECT_TRUE(judged("logits", row_of({1, 2.001F})).failed);
  EXPECT_FALSE(judged("logits", row_of({1, 2.001F}), 1e-2).failed);
  EXPECT_EQ(judged("logits", row_of({1})).problem, "is (2)");
  EXPECT_TRUE(judged("logits", row_of({1})).failed);
  EXPECT_TRUE(judged("logits_dist", row_of({1})).failed);
  EXPECT_FALSE(judged("attn_last", row_of({1})).failed);  // a stage may be left out
}

}  // namespace
