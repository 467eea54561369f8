// Every rule against figures computed with PyTorch 1.13 and SciPy 1.10, on the grid ((7 y^2 + 3 x^3
// + 5 x y) mod 11) / 10.
#include <gtest/gtest.h>

#include <vector>
#include <vitrail/ops/resample.hpp>

namespace {

using namespace vitrail;

std::vector<double> resampled(PositionRule rule, Grid to) {
  Tensor<double, 2> source({16, 1});
  for (Index y = 0; y < 4; ++y)
    for (Index x = 0; x < 4; ++x)
      source(y * 4 + x, 0) = static_cast<double>((7 * y * y + 3 * x * x * x + 5 * x * y) % 11) / 10;
  Tensor<double, 2> target({to.count(), 1});
  Workspace workspace;
  resample_grid<double>(source.view(), {4, 4}, target.view(), to, rule, workspace);
  return {target.flat().begin(), target.flat().end()};
}

void expect_near(const std::vector<double>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 8e-6) << i;
}

TEST(Resample, TimmIsAntialiasedBicubic) {
  expect_near(resampled(PositionRule::timm, {6, 5}),
              {-0.060741, 0.207614, 0.233224, 0.218267, 0.410362, 0.335803, 0.314676, 0.415074,
               0.474905,  0.377517, 0.737736, 0.508662, 0.640278, 0.731328, 0.425993, 0.601313,
               0.739875,  0.706944, 0.633448, 0.695749, 0.703818, 0.634433, 0.632721, 0.590442,
               0.444796,  0.832174, 0.473306, 0.546382, 0.578891, 0.143763});
  expect_near(resampled(PositionRule::timm, {3, 2}),
              {0.249287, 0.370120, 0.654377, 0.638675, 0.647837, 0.495598});
}

TEST(Resample, HuggingFaceIsPlainBicubic) {
  expect_near(resampled(PositionRule::huggingface, {6, 5}),
              {-0.082153, 0.208898, 0.228993, 0.202438, 0.415314, 0.362223, 0.302839, 0.425000,
               0.500511,  0.362952, 0.759337, 0.509902, 0.656713, 0.756874, 0.429264, 0.598822,
               0.748031,  0.714120, 0.633560, 0.704594, 0.693852, 0.653011, 0.643750, 0.587839,
               0.468823,  0.844825, 0.453549, 0.546354, 0.592510, 0.123058});
  expect_near(resampled(PositionRule::huggingface, {3, 2}),
              {0.206474, 0.340517, 0.662500, 0.681250, 0.596535, 0.499993});
}

TEST(Resample, TorchvisionAlignsTheCorners) {
  expect_near(resampled(PositionRule::torchvision, {3, 2}),
              {0.0, 0.4, 0.696875, 0.596875, 0.8, 0.2});
  expect_near(resampled(PositionRule::torchvision_bilinear, {3, 2}),
              {0.0, 0.4, 0.65, 0.55, 0.8, 0.2});
}

TEST(Resample, GoogleIsScipysZoomOfOrderOne) {
  expect_near(
      resampled(PositionRule::google, {6, 5}),
      {0.0,  0.225, 0.25, 0.25, 0.4,  0.42, 0.375, 0.46, 0.52,  0.4, 0.68, 0.53, 0.62, 0.685, 0.46,
       0.62, 0.695, 0.68, 0.64, 0.64, 0.68, 0.65,  0.64, 0.605, 0.5, 0.8,  0.5,  0.55, 0.575, 0.2});
}

TEST(Resample, TimmsNpzReaderIsBilinear) {
  expect_near(resampled(PositionRule::timm_npz, {3, 2}),
              {0.216667, 0.350000, 0.625000, 0.625000, 0.616667, 0.483333});
}

TEST(Resample, DinoV2ShiftsTheScaleByATenth) {
  expect_near(resampled(PositionRule::dinov2, {6, 5}),
              {-0.084667, 0.199752, 0.239138, 0.187865, 0.405259, 0.348353, 0.300670, 0.408972,
               0.497759,  0.370037, 0.757940, 0.504869, 0.629288, 0.775361, 0.433684, 0.606346,
               0.736681,  0.721692, 0.639827, 0.695412, 0.679769, 0.672030, 0.653554, 0.594349,
               0.505820,  0.840973, 0.470961, 0.527979, 0.621911, 0.156918});
  expect_near(resampled(PositionRule::dinov2, {3, 2}),
              {0.188041, 0.313903, 0.656116, 0.717791, 0.630968, 0.571266});
}

TEST(Resample, ToTheSameGridIsTheIdentityForEveryRuleButDinoV2) {
  const std::vector<double> same = resampled(PositionRule::timm, {4, 4});
  for (const PositionRule rule : {PositionRule::huggingface, PositionRule::torchvision,
                                  PositionRule::google, PositionRule::timm_npz}) {
    expect_near(resampled(rule, {4, 4}), same);
  }
}

TEST(Resample, ToOneCellIsDefinedForEveryRule) {
  for (std::size_t rule = 0; rule < std::size(position_rule_names); ++rule) {
    EXPECT_TRUE(std::isfinite(resampled(static_cast<PositionRule>(rule), {1, 1})[0]));
  }
}

}  // namespace
