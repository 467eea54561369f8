#include <gtest/gtest.h>

#include <vitrail/tensor/tensor.hpp>

namespace {

using namespace vitrail;

TEST(View, SlicesColumnsAndReshapesWithoutCopying) {
  Tensor<float, 2> tensor({4, 6});
  for (Index i = 0; i < 24; ++i) tensor.flat()[static_cast<std::size_t>(i)] = static_cast<float>(i);
  const MatrixView<const float> view = tensor.view();
  EXPECT_EQ(view(2, 3), 15);
  EXPECT_EQ(view[2][3], 15);
  EXPECT_EQ(view.slice(1, 3)(0, 0), 6);
  EXPECT_EQ(view.columns(2, 4)(3, 1), 21);
  EXPECT_FALSE(view.columns(2, 4).is_contiguous());
  EXPECT_EQ(view.reshape<3>({2, 2, 6})(1, 0, 5), 17);
  EXPECT_EQ(view.slice(1, 3).columns(2, 4).data(), tensor.data() + 8);
}

/// The element at (i, j, k) is 100 i + 10 j + k; (3, 4, 5).
Tensor<int, 3> numbered() {
  Tensor<int, 3> tensor({3, 4, 5});
  for (Index n = 0; n < 60; ++n)
    tensor.data()[n] = static_cast<int>(n / 20 * 100 + n / 5 % 4 * 10 + n % 5);
  return tensor;
}

TEST(View, OfThreeDimensionsKeepsItsStridesWhereverItIsCut) {
  Tensor<int, 3> tensor = numbered();
  const TensorView<int, 3> part = tensor.view().slice(1, 3).columns(2, 5);
  EXPECT_EQ(part.shape(), Shape({2, 4, 3}));
  EXPECT_EQ(part.count(), 24);
  for (Index i = 0; i < 2; ++i)
    for (Index j = 0; j < 4; ++j)
      for (Index k = 0; k < 3; ++k) {
        const auto expected = static_cast<int>((i + 1) * 100 + j * 10 + k + 2);
        EXPECT_EQ(part(i, j, k), expected);
        EXPECT_EQ(part[i][j][k], expected);
        EXPECT_EQ(part[i].slice(j, j + 1)(0, k), expected);
      }
  part(1, 3, 0) = -1;
  EXPECT_EQ(tensor(2, 3, 2), -1);
}

TEST(View, IsContiguousWhereNoGapIsSeen) {
  Tensor<int, 3> tensor = numbered();
  EXPECT_TRUE(tensor.view().is_contiguous());
  EXPECT_TRUE(tensor.view().slice(1, 2).is_contiguous());
  EXPECT_FALSE(tensor.view().columns(0, 4).is_contiguous());
  EXPECT_FALSE(tensor.view().columns(0, 1).is_contiguous());
  EXPECT_TRUE(tensor.view()[1].slice(2, 3).columns(1, 4).is_contiguous());  // one row
  EXPECT_EQ(tensor.view()[1].slice(2, 3).columns(1, 4).flat()[2], 123);
  EXPECT_TRUE(tensor.view().slice(1, 1).flat().empty());
}

}  // namespace
