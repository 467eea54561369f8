#include <gtest/gtest.h>

#include <limits>
#include <vitrail/tensor/tensor.hpp>

namespace {

using namespace vitrail;

TEST(Tensor, IsAlignedAndZeroed) {
  const Tensor<float, 2> tensor({3, 5});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data()) % tensor_alignment, 0U);
  for (const float value : tensor.flat()) EXPECT_EQ(value, 0.0F);
}

TEST(Tensor, MovedFromIsEmptyAndTheOtherHoldsTheMemory) {
  Tensor<float, 2> first({3, 5});
  const float* const memory = first.data();
  first(2, 4) = 7;
  Tensor<float, 2> second(std::move(first));
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(second.data(), memory);
  Tensor<float, 2> third;
  third = std::move(second);
  EXPECT_EQ(third(2, 4), 7);
}

TEST(Tensor, CopyOfAStridedViewConvertsItsElements) {
  Tensor<double, 2> source({2, 4});
  for (std::size_t i = 0; i < 8; ++i) source.flat()[i] = static_cast<double>(i) + 0.25;
  const auto copied = Tensor<float, 2>::copy_of(source.view().columns(1, 4));
  EXPECT_EQ(copied.shape(), Shape({2, 3}));
  EXPECT_EQ(copied(1, 2), 7.25F);
  EXPECT_TRUE(copied.view().is_contiguous());
}

TEST(Tensor, RefusesMoreBytesThanCanBeCounted) {
  try {
    (void)Tensor<double, 2>({Index{1} << 31, Index{1} << 30});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "tensor (2147483648, 1073741824): the number of bytes overflows");
  }
}

}  // namespace
