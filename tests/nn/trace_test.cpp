#include <gtest/gtest.h>

#include <vitrail/nn/trace.hpp>

namespace {

using namespace vitrail;

TEST(Trace, KeepsACopyOfStridedRowsInTheShapeAskedFor) {
  Tensor<double, 2> rows({6, 5});
  for (std::size_t i = 0; i < 30; ++i) rows.flat()[i] = static_cast<double>(i);
  Trace trace;
  trace.record("tokens", rows.view().columns(1, 4), {2, 3, 3});
  rows(0, 1) = -1;  // the copy does not see it
  const AnyTensor* const found = trace.find("tokens");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->dtype(), DType::f64);
  const auto copy = found->view().as<double, 3>();
  for (Index i = 0; i < 18; ++i)
    EXPECT_EQ(copy.flat()[static_cast<std::size_t>(i)], i / 3 * 5 + 1 + i % 3);
}

TEST(Trace, KeepsTheStagesInTheOrderInWhichTheyCame) {
  Trace trace;
  for (const char* name : {"b", "a", "c"}) trace.record(name, AnyTensor(DType::f32, {1}));
  ASSERT_EQ(trace.stages().size(), 3U);
  EXPECT_EQ(trace.stages()[0].first, "b");
  EXPECT_EQ(trace.stages()[1].first, "a");
  EXPECT_EQ(trace.find("d"), nullptr);
}

TEST(Trace, WantsTheMapsOfNoneTheLastOrEveryBlock) {
  for (Index block = 0; block < 3; ++block) {
    EXPECT_FALSE(Trace(Trace::Attention::none).wants_attention(block, 3));
    EXPECT_EQ(Trace().wants_attention(block, 3), block == 2);
    EXPECT_TRUE(Trace(Trace::Attention::all).wants_attention(block, 3));
  }
}

}  // namespace
