#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <vitrail/ops/product_plan.hpp>

namespace {

using namespace vitrail;
using detail::Kernels;
using detail::Panels;
using detail::plan_product;
using detail::ProductPlan;
using vitrail_test::levels;

template <class Check>
void for_every_plan(Check check) {
  for (const CpuLevel level : levels()) {
    const Kernels* const kernels = detail::kernels_for(level);
    if (kernels == nullptr) continue;
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8})
      for (const auto& [N, K] : {std::pair<Index, Index>{1, 1}, {192, 192}, {100, 770}, {96, 3072}})
        for (const Index M : {1, 17, 50, 197, 1576})
          for (const Index workers : {1, 2, 7}) {
            const Panels weight(*kernels, precision, N, K);
            check(weight, plan_product(weight, M, N, workers), M);
            check(weight, plan_product(weight, M, (N + 2) / 3, workers), M);
            check(weight, plan_product(weight, M, N, workers, true), M);
          }
  }
}

TEST(ProductPlan, PutsEveryTileAndEveryPanelIntoOneUnit) {
  for_every_plan([](const Panels& weight, const ProductPlan& plan, Index M) {
    ASSERT_GE(plan.groups, 1);
    ASSERT_LE(plan.groups, plan.tiles.count());
    EXPECT_EQ(plan.tiles.first_row(plan.tiles.count()), M);
    ASSERT_GE(plan.bunches, 1);
    EXPECT_EQ(plan.first_panel(0), 0);
    EXPECT_EQ(plan.first_panel(plan.bunches), plan.panels);
    EXPECT_TRUE(plan.panels == weight.count() ||
                plan.panels == ((weight.outputs() + 2) / 3 + weight.width() - 1) / weight.width());
    for (Index bunch = 0; bunch < plan.bunches; ++bunch)
      EXPECT_LT(plan.first_panel(bunch), plan.first_panel(bunch + 1));
  });
}

TEST(ProductPlan, CutsKIntoPiecesOfWholeBlocks) {
  for_every_plan([](const Panels& weight, const ProductPlan& plan, Index) {
    EXPECT_EQ(plan.first_block(0), 0);
    EXPECT_EQ(plan.first_block(plan.pieces), plan.blocks);
    for (Index panel = 0; panel < weight.count(); ++panel) {
      Index rows = 0;
      for (Index piece = 0; piece < plan.pieces; ++piece) {
        const detail::Slab slab = detail::slab_of(weight, plan, panel, piece);
        EXPECT_EQ(slab.begin, weight.panel(panel) + rows * slab.row_bytes);
        EXPECT_GT(slab.rows, 0);
        EXPECT_LE(plan.first_block(piece + 1) - plan.first_block(piece),
                  weight.product().piece_blocks);
        rows += slab.rows;
      }
      EXPECT_EQ(rows, weight.steps());
    }
  });
}

TEST(ProductPlan, CutsTheSameWeightsIntoTheSamePartsWhateverElseThereIs) {
  for_every_plan([](const Panels& weight, const ProductPlan& plan, Index) {
    EXPECT_EQ(plan.parts, plan_product(weight, 1, 1, 1).parts);
    EXPECT_EQ(plan.pieces % plan.parts, 0);
    Index begun = 0;
    for (Index piece = 0; piece < plan.pieces; ++piece) {
      if (plan.begins_part(piece)) ++begun;
      EXPECT_EQ(plan.part_of(piece), begun - 1);
    }
    EXPECT_EQ(begun, plan.parts);
    if (!plan.parts_apart) return;
    EXPECT_EQ(plan.parts, 2);
    EXPECT_EQ(plan.groups, 1);
    EXPECT_EQ(plan.units() % 2, 0);
    EXPECT_LE(plan.bunches, detail::WorkRanges::most_workers);
  });
}

TEST(ProductPlan, KeepsRowsThatAreUsedUpFastInTheSecondCache) {
  for_every_plan([](const Panels& weight, const ProductPlan& plan, Index) {
    if (!weight.product().rows_in_cache) return;
    const Index tiles = (plan.tiles.count() + plan.groups - 1) / plan.groups;
    EXPECT_TRUE(tiles == 1 || tiles * plan.tile_bytes / plan.pieces <= cpu().level2_bytes);
  });
}

}  // namespace
