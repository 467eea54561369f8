#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vitrail/runtime/context.hpp>
#include <vitrail/tensor/any_tensor.hpp>
#include <vitrail/tensor/matrix.hpp>

namespace {

using namespace vitrail;

TEST(DType, Bf16RoundsToNearestEven) {
  EXPECT_EQ(bf16(1.0F).bits, 0x3f80);
  EXPECT_EQ(bf16(1.00390625F).bits, 0x3f80);  // halfway: to even
  EXPECT_EQ(bf16(1.01171875F).bits, 0x3f82);  // halfway: to even
  EXPECT_TRUE(std::isnan(static_cast<float>(bf16(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_EQ(static_cast<float>(bf16(std::numeric_limits<float>::max())),
            std::numeric_limits<float>::infinity());
}

TEST(DType, EveryF16SurvivesTheTripThroughFloat) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    f16 half;
    half.bits = static_cast<std::uint16_t>(bits);
    const float value = static_cast<float>(half);
    if (std::isnan(value)) continue;
    EXPECT_EQ(f16(value).bits, half.bits) << bits;
  }
}

TEST(DType, F16RoundsLikeTheDefinition) {
  EXPECT_EQ(f16(65519.0F).bits, 0x7bff);  // largest half
  EXPECT_EQ(f16(65520.0F).bits, 0x7c00);  // infinity
  EXPECT_EQ(f16(0x1p-25F).bits, 0x0000);  // halfway to the least subnormal: to even
  EXPECT_EQ(f16(0x1.8p-24F).bits, 0x0002);
  EXPECT_EQ(f16(-2.0F).bits, 0xc000);
}

TEST(Shape, CountsWithoutOverflow) {
  EXPECT_EQ(Shape({2, 3, 4}).count(), 24);
  EXPECT_EQ(Shape{}.count(), 1);
  EXPECT_EQ(Shape({0, std::numeric_limits<Index>::max()}).count(), 0);
  EXPECT_FALSE(Shape({Index{1} << 40, Index{1} << 40}).checked_count().has_value());
  EXPECT_THROW((void)Shape({Index{1} << 40, Index{1} << 40}).count(), Error);
  EXPECT_EQ(Shape({2304, 768}).to_string(), "(2304, 768)");
}

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

TEST(Matrix, EigenMapSharesTheMemoryOfAStridedView) {
  Tensor<double, 2> tensor({3, 5});
  as_matrix(tensor.view().columns(1, 3)).setConstant(2.0);
  EXPECT_EQ(as_matrix(tensor.view()).sum(), 12.0);
  EXPECT_EQ(tensor(2, 0), 0.0);
  EXPECT_EQ(tensor(2, 1), 2.0);
}

TEST(Tensor, IsAlignedAndZeroed) {
  const Tensor<float, 2> tensor({3, 5});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data()) % tensor_alignment, 0U);
  for (const float value : tensor.flat()) EXPECT_EQ(value, 0.0F);
}

TEST(AnyView, ConvertsFromMisalignedBytes) {
  std::array<std::byte, 9> raw{};
  const float values[2] = {1.5F, -3.0F};
  std::memcpy(raw.data() + 1, values, sizeof values);
  const AnyView view{DType::f32, {2}, std::span<const std::byte>(raw).subspan(1)};
  const auto doubles = view.to<double, 1>();
  EXPECT_EQ(doubles(1), -3.0);
  EXPECT_THROW((void)(view.to<double, 2>()), Error);
  EXPECT_THROW((void)(view.as<double, 1>()), Error);
}

TEST(Workspace, AllocatesOnceAndGivesBack) {
  Workspace workspace;
  std::size_t warm = 0;
  for (int pass = 0; pass < 3; ++pass) {
    const Workspace::Scope scope(workspace);
    const MatrixView<float> first = workspace.matrix<float>(100, 300);
    EXPECT_EQ(first.stride(0), 304);
    float* inner = nullptr;
    {
      const Workspace::Scope inner_scope(workspace);
      inner = workspace.take<float>(50000);
    }
    EXPECT_EQ(workspace.take<float>(50000), inner);
    if (pass == 1) warm = workspace.capacity();
    if (pass == 2) {
      EXPECT_EQ(workspace.capacity(), warm);
    }
  }
}

}  // namespace
