#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vitrail/tensor/dtype.hpp>

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

TEST(DType, Bf16KeepsEveryValueItHasAndRoundsToTheNearer) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    bf16 value;
    value.bits = static_cast<std::uint16_t>(bits);
    const float exact = static_cast<float>(value);
    if (std::isnan(exact)) continue;
    EXPECT_EQ(bf16(exact).bits, bits);
    const float above = std::bit_cast<float>(bits << 16 | 0x7fffU);
    if (std::isfinite(exact)) {
      EXPECT_EQ(bf16(above).bits, bits);
    }
  }
}

TEST(DType, F16IsItsFormula) {
  for (const auto& [bits, value] : {std::pair<std::uint16_t, double>{0x3c00, 1.0},
                                    {0x3555, 1365 * 0x1p-12},  // a third
                                    {0x0001, 0x1p-24},
                                    {0x03ff, 1023 * 0x1p-24},
                                    {0x0400, 0x1p-14},
                                    {0xfbff, -65504.0}}) {
    f16 half;
    half.bits = bits;
    EXPECT_EQ(static_cast<double>(half), value);
  }
}

TEST(DType, EveryTypeVisitedHasItsOwnSizeAndComesBack) {
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i) {
    const auto dtype = static_cast<DType>(i);
    visit_dtype(dtype, [&](auto zero) {
      EXPECT_EQ(dtype_of<decltype(zero)>(), dtype) << name_of(dtype);
      EXPECT_EQ(sizeof(zero), size_of(dtype)) << name_of(dtype);
    });
  }
  EXPECT_EQ(name_of(DType::bf16), "bf16");
  EXPECT_EQ(name_of(DType::u16), "u16");
  EXPECT_EQ(name_of(DType::boolean), "bool");
}

}  // namespace
