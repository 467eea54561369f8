#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <support/plain_layers.hpp>
#include <vitrail/nn/position_embedding.hpp>

namespace {

using namespace vitrail;

TEST(PositionEmbedding, ForItsOwnGridIsTheTableItself) {
  vitrail_test::MadeUpParameters<float> p;
  const auto positions =
      PositionEmbedding<float>::load(p, "pos_embed", 2, {3, 5}, 7, PositionRule::timm);
  EXPECT_EQ(p.shapes.at("pos_embed"), "(1, 17, 7)");
  Workspace workspace;
  EXPECT_EQ(positions.rows_for({3, 5}, workspace).data(), positions.table.data());
  EXPECT_EQ(workspace.capacity(), 0U);
}

/// A table that is linear in row and column stays so between the corners of the grid.
TEST(PositionEmbedding, ForAnotherGridKeepsThePrefixAndResamplesTheRest) {
  PositionEmbedding<double> positions{
      .prefix = 2, .grid = {3, 5}, .width = 2, .rule = PositionRule::torchvision_bilinear};
  positions.table = Tensor<double, 1>({17 * 2});
  double* to = positions.table.data();
  for (const double value : {7.0, 8.0, 9.0, 10.0}) *to++ = value;
  for (int n = 0; n < 15; ++n) {
    *to++ = n / 5;  // the row
    *to++ = n % 5;  // the column
  }
  Workspace workspace;
  const Workspace::Scope scope(workspace);
  const MatrixView<const double> rows = positions.rows_for({4, 3}, workspace);
  ASSERT_EQ(rows.extent(0), 2 + 12);
  for (Index i = 0; i < 4; ++i) EXPECT_EQ(rows(i / 2, i % 2), 7.0 + static_cast<double>(i));
  for (Index n = 0; n < 12; ++n) {
    EXPECT_NEAR(rows(2 + n, 0), static_cast<double>(n / 3) * 2 / 3, 1e-12);
    EXPECT_NEAR(rows(2 + n, 1), static_cast<double>(n % 3) * 4 / 2, 1e-12);
  }
}

/// [sin x, cos x, sin y, cos y], of frequencies 10000^(-k / (D/4 - 1)).
TEST(PositionEmbedding, OfSinesIsMadeAnewForEveryGrid) {
  const auto positions = PositionEmbedding<double>::sincos({2, 3}, 20);
  Workspace workspace;
  const Workspace::Scope scope(workspace);
  for (const Grid grid : {Grid{2, 3}, Grid{5, 4}}) {
    const MatrixView<const double> rows = positions.rows_for(grid, workspace);
    ASSERT_EQ(rows.extent(0), grid.count());
    for (Index n = 0; n < grid.count(); ++n)
      for (Index k = 0; k < 5; ++k) {
        const double omega = 1 / std::pow(10000.0, static_cast<double>(k) / 4);
        const double x = static_cast<double>(n % grid.width) * omega;
        const double y = static_cast<double>(n / grid.width) * omega;
        EXPECT_NEAR(rows(n, k), std::sin(x), 1e-14);
        EXPECT_NEAR(rows(n, 5 + k), std::cos(x), 1e-14);
        EXPECT_NEAR(rows(n, 10 + k), std::sin(y), 1e-14);
        EXPECT_NEAR(rows(n, 15 + k), std::cos(y), 1e-14);
      }
  }
}

TEST(PositionEmbedding, OfSinesIsRefusedWhereAConfigAloneWouldFillTheMemory) {
  try {
    (void)PositionEmbedding<float>::sincos({40000, 40000}, 384);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "positions: a table of 1600000000 patches of 384 numbers, the limit is 67108864 "
                 "in all");
  }
}

}  // namespace
