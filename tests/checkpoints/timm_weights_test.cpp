// The table of timm's published weights agrees with the table of architectures.
#include <gtest/gtest.h>

#include <set>
#include <vitrail/vitrail.hpp>

namespace {

using namespace vitrail;

TEST(TimmWeights, EveryRowIsOfAKnownArchitectureWithItsPreprocessing) {
  EXPECT_EQ(std::size(timm_weights), 343U);
  std::set<std::string_view> names;
  for (const TimmWeights& weights : timm_weights) {
    EXPECT_TRUE(names.insert(weights.name).second) << weights.name;
    const std::string architecture(weights.name.substr(0, weights.name.find('.')));
    const Preset* preset = find_preset(architecture);
    ASSERT_NE(preset, nullptr) << weights.name;
    EXPECT_EQ(preset->embed_dim % preset->heads, 0) << weights.name;
    const ViTConfig config = make_config(*preset, architecture);
    EXPECT_EQ(config.architecture, architecture);
    EXPECT_GT(config.grid().count(), 0) << weights.name;
    const auto preprocess = detail::timm_preprocess(weights.name);
    ASSERT_TRUE(preprocess.has_value()) << weights.name;
    EXPECT_EQ(preprocess->height, weights.image) << weights.name;
  }
}

TEST(TimmWeights, HoldNoWordThatNothingReads) {
  const std::set<std::string_view> means = {"half", "imagenet", "clip", "zero_one"};
  const std::set<std::string_view> departures = {"", "squash", "bilinear", "squash bilinear"};
  for (const TimmWeights& weights : timm_weights) {
    EXPECT_TRUE(means.contains(weights.mean_std)) << weights.name;
    EXPECT_TRUE(departures.contains(weights.departures)) << weights.name;
  }
}

TEST(TimmWeights, ABareArchitectureIsItsFirstRow) {
  EXPECT_EQ(find_timm_weights("vit_base_patch16_224")->name,
            "vit_base_patch16_224.augreg2_in21k_ft_in1k");
  EXPECT_EQ(find_timm_weights("vit_base_patch16_224.orig_in21k")->classes, 0);
  EXPECT_EQ(find_timm_weights("vit_base_patch16"), nullptr);  // the beginning of a name
  EXPECT_EQ(find_timm_weights(""), nullptr);
}

}  // namespace
