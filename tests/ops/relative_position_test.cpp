#include <gtest/gtest.h>

#include <vitrail/ops/relative_position.hpp>

namespace {

using namespace vitrail;

/// How far from 0 the i-th stored distance of BEiT lies: 1 + q + ... + q^(i-1), `half` of them
/// reaching `reach`.
double geometric_place(Index i, Index half, double reach) {
  const auto sum_to = [](double q, Index terms) {
    double sum = 0;
    for (Index term = 0; term < terms; ++term) sum += std::pow(q, static_cast<double>(term));
    return sum;
  };
  double low = 1;
  double high = 2;
  for (int step = 0; step < 60; ++step) {
    const double q = (low + high) / 2;
    (sum_to(q, half) > reach ? high : low) = q;
  }
  return i < 0 ? -sum_to(low, -i) : sum_to(low, i);
}

/// A table that is linear in its stored distances gives every distance of the larger grid itself.
TEST(RelativePosition, OfBeitIsLinearBetweenDistancesThatGrowGeometrically) {
  const Grid from{4, 5};
  const Grid to{5, 8};
  Tensor<double, 2> table({7 * 9 + 3, 2});
  for (Index n = 0; n < 63; ++n) {
    table(n, 0) = geometric_place(n / 9 - 3, 3, 4);
    table(n, 1) = geometric_place(n % 9 - 4, 4, 7);
  }
  for (Index n = 63; n < 66; ++n) table(n, 0) = 100 + static_cast<double>(n);
  Tensor<double, 2> found({9 * 15 + 3, 2});
  Workspace workspace;
  resample_relative_table<double>(table.view(), from, found.view(), to, RelativeRule::beit,
                                  workspace);
  for (Index n = 0; n < 135; ++n) {
    EXPECT_NEAR(found(n, 0), static_cast<double>(n / 15 - 4), 1e-4) << n;
    EXPECT_NEAR(found(n, 1), static_cast<double>(n % 15 - 7), 1e-4) << n;
  }
  for (Index n = 0; n < 3; ++n) EXPECT_EQ(found(135 + n, 0), table(63 + n, 0));
}

TEST(RelativePosition, OfTheOthersIsTorchsOverTheMapOfDistances) {
  const Grid from{3, 4};
  const Grid to{5, 3};
  Tensor<double, 2> table({5 * 7, 3});
  for (Index i = 0; i < table.count(); ++i) table.data()[i] = std::sin(static_cast<double>(i));
  Workspace workspace;
  for (const auto& [rule, as] : {std::pair(RelativeRule::swin, PositionRule::huggingface),
                                 std::pair(RelativeRule::huggingface, PositionRule::timm_npz)}) {
    Tensor<double, 2> found({9 * 5, 3});
    Tensor<double, 2> expected({9 * 5, 3});
    resample_relative_table<double>(table.view(), from, found.view(), to, rule, workspace);
    resample_grid<double>(table.view(), {5, 7}, expected.view(), {9, 5}, as, workspace);
    for (std::size_t i = 0; i < found.flat().size(); ++i)
      EXPECT_EQ(found.flat()[i], expected.flat()[i]);
  }
}

TEST(RelativePosition, IsGatheredByRowsThenColumnsOfTheDistance) {
  Tensor<double, 2> table({3 * 5, 1});  // grid (2, 3)
  for (Index n = 0; n < 15; ++n) table(n, 0) = static_cast<double>((n / 5 - 1) * 10 + n % 5 - 2);
  Tensor<double, 3> bias({1, 6, 6});
  gather_relative_bias<double>(table.view(), {2, 3}, 0, bias.view());
  EXPECT_EQ(bias(0, 0, 0), 0);
  EXPECT_EQ(bias(0, 3, 0), 10);   // a row below
  EXPECT_EQ(bias(0, 0, 3), -10);  // a row above
  EXPECT_EQ(bias(0, 2, 0), 2);    // two columns to the right
  EXPECT_EQ(bias(0, 2, 3), -8);
}

}  // namespace
