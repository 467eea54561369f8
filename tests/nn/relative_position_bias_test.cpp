#include <gtest/gtest.h>

#include <support/plain_layers.hpp>
#include <vitrail/nn/relative_position_bias.hpp>

namespace {

using namespace vitrail;

/// A grid of 2 x 3 has distances of -1 ... 1 rows and -2 ... 2 columns.
RelativePositionBias<double> some_bias(vitrail_test::MadeUpParameters<double>& p, Index extra) {
  return RelativePositionBias<double>::load(p, "table", {2, 3}, extra, 4, RelativeRule::swin);
}

TEST(RelativePositionBias, LooksUpTheDistanceOfEveryPairForEveryHead) {
  for (const Index prefix : {Index{0}, Index{1}}) {
    vitrail_test::MadeUpParameters<double> p;
    const auto relative = some_bias(p, prefix * 3);
    EXPECT_EQ(p.shapes.at("table"), prefix == 0 ? "(15, 4)" : "(18, 4)");
    Workspace workspace;
    const Workspace::Scope scope(workspace);
    const TensorView<const double, 3> bias = relative.bias_for({2, 3}, prefix, workspace);
    ASSERT_EQ(bias.shape(), Shape({4, prefix + 6, prefix + 6}));
    for (Index head = 0; head < 4; ++head)
      for (Index i = 0; i < prefix + 6; ++i)
        for (Index j = 0; j < prefix + 6; ++j) {
          const Index a = i - prefix;
          const Index b = j - prefix;
          Index row = (a / 3 - b / 3 + 1) * 5 + a % 3 - b % 3 + 2;
          if (a < 0) row = 15;  // from the class token
          if (b < 0) row = 16;  // to it
          if (a < 0 && b < 0) row = 17;
          EXPECT_EQ(bias(head, i, j), p["table"][static_cast<std::size_t>(row * 4 + head)]);
        }
  }
}

TEST(RelativePositionBias, SetToAnotherGridGivesWhatItGaveForThatGridBefore) {
  vitrail_test::MadeUpParameters<double> p;
  auto relative = some_bias(p, 3);
  Workspace workspace;
  const Workspace::Scope scope(workspace);
  const TensorView<const double, 3> before = relative.bias_for({3, 2}, 1, workspace);
  relative.set_grid({3, 2});
  EXPECT_EQ(relative.table.count(), (5 * 3 + 3) * 4);
  EXPECT_EQ(relative.rows_for({3, 2}, workspace).data(), relative.table.data());
  const TensorView<const double, 3> after = relative.bias_for({3, 2}, 1, workspace);
  for (std::size_t i = 0; i < before.flat().size(); ++i)
    EXPECT_EQ(after.flat()[i], before.flat()[i]);
}

TEST(RelativePositionBias, WithoutATableStaysEmptyWhateverTheGrid) {
  RelativePositionBias<float> none;
  none.set_grid({3, 2});
  EXPECT_TRUE(none.empty());
}

}  // namespace
