#include <gtest/gtest.h>

#include <vitrail/ops/row_tiles.hpp>

namespace {

using namespace vitrail;
using detail::ProductKernels;
using detail::RowTiles;

TEST(RowTiles, CoverEveryRowOnceInTilesThatDifferByOneUnitAtMost) {
  for (const Index unit : {1, 16}) {
    ProductKernels product{};
    const Index most = unit == 1 ? 9 : 32;
    product.heights[0] = unit;
    for (int i = 1; i < detail::tile_heights; ++i) product.heights[i] = most;
    for (const Index rows : {1, 5, 9, 10, 16, 17, 32, 33, 50, 197, 577}) {
      const RowTiles tiles(product, rows);
      EXPECT_EQ(tiles.count(), (rows + most - 1) / most);
      Index next = 0;
      Index least_units = most;
      Index most_units = 0;
      for (Index t = 0; t < tiles.count(); ++t) {
        EXPECT_EQ(tiles.first_row(t), next);
        EXPECT_GT(tiles.rows(t), 0);
        EXPECT_LE(tiles.rows(t), most);
        const Index units = (tiles.rows(t) + unit - 1) / unit;
        least_units = std::min(least_units, units);
        most_units = std::max(most_units, units);
        next += tiles.rows(t);
      }
      EXPECT_EQ(next, rows);
      EXPECT_LE(most_units - least_units, 1) << rows;
    }
  }
}

TEST(RowTiles, OfNoRowsAreNone) {
  ProductKernels product{};
  for (Index& height : product.heights) height = 4;
  EXPECT_EQ(RowTiles(product, 0).count(), 0);
}

}  // namespace
