// The taps of an axis against the definition, and Pillow's fixed point.
#include <gtest/gtest.h>

#include <numeric>
#include <vitrail/image/resize_taps.hpp>

namespace {

using namespace vitrail;
using detail::filter_value;
using detail::TapTable;

constexpr Filter smooth_filters[] = {Filter::box, Filter::bilinear, Filter::hamming,
                                     Filter::bicubic, Filter::lanczos};
constexpr double tap_unit = 1 << TapTable::precision;

TEST(Filters, AreOneAtZeroAndZeroBeyondTheirSupport) {
  for (const Filter filter : smooth_filters) {
    const double support = detail::filter_support(filter);
    EXPECT_EQ(filter_value(filter, 0), 1) << name_of(filter);
    for (const double beyond : {support + 1e-9, support + 1, -support - 1e-9})
      EXPECT_EQ(filter_value(filter, beyond), 0) << name_of(filter) << " at " << beyond;
  }
}

TEST(Filters, HaveTheValuesOfTheirFormulas) {
  EXPECT_EQ(filter_value(Filter::bilinear, -0.25), 0.75);
  EXPECT_DOUBLE_EQ(filter_value(Filter::bicubic, 0.5), 0.5625);
  EXPECT_DOUBLE_EQ(filter_value(Filter::bicubic, 1.5), -0.0625);
  EXPECT_NEAR(filter_value(Filter::lanczos, 0.5), 0.6079271, 1e-7);
  EXPECT_NEAR(filter_value(Filter::hamming, 0.5), 0.54 * 2 / std::numbers::pi, 1e-7);
  EXPECT_EQ(filter_value(Filter::box, 0.5), 1);  // half open, as in Pillow
  EXPECT_EQ(filter_value(Filter::box, -0.5), 0);
}

TEST(TapTable, WeightsOfEveryOutputAddUpToOne) {
  for (const Filter filter : smooth_filters)
    for (const auto& [in, out] : {std::pair<Index, Index>{7, 19}, {19, 7}, {1, 5}, {100, 3}}) {
      const TapTable table(filter, in, out, 0, out);
      for (Index i = 0; i < out; ++i) {
        const std::int32_t* w = table.weights(i);
        const double sum = std::accumulate(w, w + table.stride(), 0.0);
        EXPECT_NEAR(sum / tap_unit, 1, 1e-5) << name_of(filter) << " " << in << " -> " << out;
        EXPECT_GE(table.first(i), 0);
        EXPECT_LE(table.first(i) + table.count(i), in);
      }
    }
}

TEST(TapTable, KeepingTheSizeKeepsThePixels) {
  const TapTable table(Filter::bicubic, 6, 6, 0, 6);
  for (Index i = 0; i < 6; ++i) {
    for (Index j = 0; j < table.count(i); ++j)
      EXPECT_EQ(table.weights(i)[j], table.first(i) + j == i ? 1 << TapTable::precision : 0);
  }
}

TEST(TapTable, HalvingBilinearlyWeighsTheFourNeighboursByDistance) {
  const TapTable table(Filter::bilinear, 8, 4, 0, 4);
  EXPECT_EQ(table.first(1), 1);
  ASSERT_EQ(table.count(1), 4);
  const double expected[] = {0.125, 0.375, 0.375, 0.125};
  for (Index j = 0; j < 4; ++j) EXPECT_EQ(table.weights(1)[j], expected[j] * tap_unit);
  EXPECT_EQ(table.count(0), 3);  // the border has no left neighbour
}

TEST(TapTable, APartIsThePartOfTheWhole) {
  const TapTable whole(Filter::lanczos, 50, 23, 0, 23);
  const TapTable part(Filter::lanczos, 50, 23, 9, 5);
  EXPECT_EQ(part.outputs(), 5);
  EXPECT_EQ(part.stride() % 4, 0);
  EXPECT_EQ(part.source_begin(), whole.first(9));
  EXPECT_EQ(part.source_end(), whole.first(13) + whole.count(13));
  for (Index i = 0; i < 5; ++i)
    EXPECT_TRUE(std::equal(part.weights(i), part.weights(i) + part.stride(), whole.weights(9 + i)));
}

}  // namespace
