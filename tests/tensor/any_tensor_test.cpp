#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vitrail/tensor/any_tensor.hpp>

namespace {

using namespace vitrail;

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

TEST(AnyView, SaysWhatItHoldsAndWhatWasWanted) {
  const AnyTensor tensor(DType::f16, {2, 3});
  const auto said = [](auto&& action) -> std::string {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing";
  };
  EXPECT_EQ(said([&] { (void)tensor.view().as<float, 2>(); }), "tensor: is f16, wanted f32");
  EXPECT_EQ(said([&] { (void)tensor.view().to<float, 1>(); }),
            "tensor: has shape (2, 3), wanted rank 1");
  AnyView view = tensor.view();
  view.bytes = view.bytes.subspan(1);
  EXPECT_EQ(said([&] { (void)view.as<f16, 2>(); }), "tensor: data is not aligned");
}

TEST(AnyView, ConvertsFromEveryTypeThereIs) {
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i) {
    visit_dtype(static_cast<DType>(i), [&](auto zero) {
      using From = decltype(zero);
      Tensor<From, 1> source({3});
      for (Index n = 0; n < 3; ++n) source(n) = convert_element<From>(static_cast<float>(n % 2));
      const AnyTensor any(source.view());
      EXPECT_EQ(any.dtype(), static_cast<DType>(i));
      const auto floats = any.view().to<float, 1>();
      const auto halves = any.view().to<bf16, 1>();
      for (Index n = 0; n < 3; ++n) {
        EXPECT_EQ(floats(n), static_cast<float>(n % 2)) << name_of(any.dtype());
        EXPECT_EQ(static_cast<float>(halves(n)), static_cast<float>(n % 2));
      }
    });
  }
}

TEST(AnyTensor, CopiesAStridedTensorWithoutItsGaps) {
  Tensor<double, 2> tensor({3, 5});
  for (std::size_t n = 0; n < 15; ++n) tensor.flat()[n] = static_cast<double>(n);
  const AnyTensor copied(tensor.view().columns(1, 3));
  EXPECT_EQ(copied.shape(), Shape({3, 2}));
  EXPECT_EQ(copied.view().bytes.size(), 3 * 2 * sizeof(double));
  const auto view = copied.view().as<double, 2>();
  for (Index i = 0; i < 3; ++i)
    for (Index j = 0; j < 2; ++j) EXPECT_EQ(view(i, j), static_cast<double>(i * 5 + j + 1));
}

}  // namespace
