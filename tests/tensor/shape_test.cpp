#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>
#include <vitrail/tensor/shape.hpp>

namespace {

using namespace vitrail;

std::string shape_error(const std::vector<Index>& extents) {
  try {
    return std::to_string(Shape(std::span<const Index>(extents)).count());
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Shape, CountsWithoutOverflow) {
  EXPECT_EQ(Shape({2, 3, 4}).count(), 24);
  EXPECT_EQ(Shape{}.count(), 1);
  EXPECT_EQ(Shape({0, std::numeric_limits<Index>::max()}).count(), 0);
  EXPECT_FALSE(Shape({Index{1} << 40, Index{1} << 40}).checked_count().has_value());
  EXPECT_THROW((void)Shape({Index{1} << 40, Index{1} << 40}).count(), Error);
  EXPECT_EQ(Shape({2304, 768}).to_string(), "(2304, 768)");
}

TEST(Shape, SaysWhatItRefuses) {
  EXPECT_EQ(shape_error({2, -3}), "shape: negative extent -3");
  EXPECT_EQ(shape_error({1, 1, 1, 1, 1, 1, 1, 1, 1}), "shape: more than 8 dimensions");
  EXPECT_EQ(shape_error({1, 1, 1, 1, 1, 1, 1, 5}), "5");
  EXPECT_EQ(shape_error({Index{1} << 32, Index{1} << 31}),
            "shape (4294967296, 2147483648): the number of elements overflows");
  EXPECT_EQ(shape_error({(Index{1} << 32) - 1, Index{1} << 31}), "9223372034707292160");
}

TEST(Shape, EqualsOnlyTheSameExtentsInTheSameOrder) {
  EXPECT_EQ(Shape({2, 3}), Shape({2, 3}));
  EXPECT_NE(Shape({2, 3}), Shape({3, 2}));
  EXPECT_NE(Shape({2, 3}), Shape({2, 3, 1}));
  EXPECT_EQ(Shape({2, 3})[1], 3);
  EXPECT_EQ(Shape({2, 3}).rank(), 2U);
  EXPECT_EQ(Shape{}.to_string(), "()");
}

}  // namespace
