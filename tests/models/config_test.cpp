// What follows from the fields of a configuration.
#include <gtest/gtest.h>

#include <vitrail/models/config.hpp>

namespace {

using namespace vitrail;

TEST(ViTConfig, CountsTheTokensBeforeThePatches) {
  ViTConfig c;
  EXPECT_EQ(c.prefix_tokens(), 1);
  c.distillation_token = true;
  c.register_tokens = 4;
  EXPECT_EQ(c.prefix_tokens(), 6);
  c.class_token = false;
  EXPECT_EQ(c.prefix_tokens(), 5);
}

TEST(ViTConfig, TheCoverageTellsHowManyOfThemHavePositions) {
  ViTConfig c;
  c.distillation_token = true;
  c.register_tokens = 4;
  EXPECT_EQ(c.position_prefix(), 6);
  c.positions = PositionCoverage::class_and_patches;
  EXPECT_EQ(c.position_prefix(), 2);
  c.positions = PositionCoverage::patches;
  EXPECT_EQ(c.position_prefix(), 0);
  c.positions = PositionCoverage::none;
  EXPECT_EQ(c.position_prefix(), 0);
}

TEST(ViTConfig, TheGridIsOfWholePatchesRowsFirst) {
  ViTConfig c;
  c.image_height = 100;
  c.image_width = 224;
  EXPECT_EQ(c.grid(), (Grid{6, 14}));
  c.patch_width = 32;
  EXPECT_EQ(c.grid(), (Grid{6, 7}));
  EXPECT_EQ(c.pixels_per_patch_row(), 16);
  EXPECT_EQ(c.pixels_per_patch_column(), 32);
}

TEST(ViTConfig, FeaturesAreAsWideAsTheirLastStep) {
  ViTConfig c;
  EXPECT_EQ(c.feature_dim(), 768);
  c.pooling = Pooling::token_and_avg;
  EXPECT_EQ(c.feature_dim(), 1536);
  c.representation_size = 40;
  EXPECT_EQ(c.feature_dim(), 40);
}

}  // namespace
