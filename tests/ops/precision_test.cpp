#include <gtest/gtest.h>

#include <bit>
#include <vector>
#include <vitrail/ops/precision.hpp>

namespace {

using namespace vitrail;

/// Some row without order, from low to high.
std::vector<double> some_row(double low, double high) {
  std::vector<double> row(37);
  for (std::size_t i = 0; i < row.size(); ++i)
    row[i] = static_cast<double>(
        static_cast<float>(low + (high - low) * static_cast<double>(i * 17 % row.size()) / 36));
  return row;
}

TEST(Precision, RoundsWeightsToWholeMultiplesOf127thsOfTheLargest) {
  for (const auto& [low, high] : {std::pair<double, double>{-3, 2}, {0.01, 0.7}, {-1e-20, 0}}) {
    const std::vector<double> exact = some_row(low, high);
    std::vector<double> row = exact;
    detail::round_weights(Precision::int8, row.data(), 37);
    const double scale =
        static_cast<double>(static_cast<float>(std::max(std::abs(low), std::abs(high))) / 127.0F);
    for (std::size_t i = 0; i < 37; ++i)
      EXPECT_NEAR(row[i] / scale, std::nearbyint(exact[i] / scale), 1e-4) << i;
  }
}

TEST(Precision, RoundsTiesOfWeightsToEven) {
  float row[] = {127, 0.5F, 1.5F, -0.5F, -2.5F, 3};  // a scale of 1
  detail::round_weights(Precision::int8, row, 6);
  const float expected[] = {127, 0, 2, 0, -2, 3};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(row[i], expected[i]);
}

TEST(Precision, MixesWholeBlocksOf64ByHadamardsMatrix) {
  constexpr Index K = 2 * detail::hadamard_block + 5;
  double row[K];
  for (Index k = 0; k < K; ++k) row[k] = static_cast<double>(k * 31 % 67 - 30);
  double mixed[K];
  std::copy_n(row, K, mixed);
  detail::hadamard_blocks(mixed, K);
  for (Index k = 0; k < K; ++k) {
    const Index block = k / detail::hadamard_block * detail::hadamard_block;
    double expected = k < 2 * detail::hadamard_block ? 0 : row[k];
    for (Index i = 0; i < detail::hadamard_block && k < 2 * detail::hadamard_block; ++i) {
      const bool odd = std::popcount(static_cast<std::size_t>(i & (k - block))) % 2 != 0;
      expected += (odd ? -1 : 1) * row[block + i] / 8;
    }
    EXPECT_EQ(mixed[k], expected) << k;
  }
  detail::hadamard_blocks(mixed, K);
  for (Index k = 0; k < K; ++k) EXPECT_EQ(mixed[k], row[k]) << k;
}

/// One large value no longer decides how coarse the steps are.
TEST(Precision, MixingMakesStepsFiner) {
  const auto error = [](auto round) {
    std::vector<double> row(192);
    for (std::size_t k = 0; k < row.size(); ++k)
      row[k] = k == 70 ? 20 : static_cast<double>(k * 37 % 101) / 50 - 1;
    const std::vector<double> exact = row;
    round(row.data());
    double squares = 0;
    for (std::size_t k = 0; k < row.size(); ++k)
      squares += (row[k] - exact[k]) * (row[k] - exact[k]);
    return std::sqrt(squares);
  };
  const auto in_parts = [](double* row) {  // shorter than a block: not mixed, one scale
    detail::round_activations(Precision::int8, row + 64, 63);
  };
  const auto whole = [](double* row) {
    detail::round_activations(Precision::int8, row, 192);
    detail::hadamard_blocks(row, 192);
  };
  EXPECT_LT(error(whole), 0.5 * error(in_parts));
}

TEST(Precision, LeavesARowOfZerosAsItIs) {
  double row[3] = {0, 0, 0};
  detail::round_weights(Precision::int8, row, 3);
  detail::round_activations(Precision::int8, row, 3);
  for (const double value : row) EXPECT_EQ(value, 0);
}

/// 256 values from the least to the largest, zero among them exactly.
TEST(Precision, RoundsActivationsToTheNearestOf256ThatSpanThemAndZero) {
  for (const auto& [low, high] : {std::pair<double, double>{-3, 2}, {0.5, 0.7}, {-9, -8}}) {
    std::vector<double> exact = some_row(low, high);
    exact[5] = 0;
    std::vector<double> row = exact;
    detail::round_activations(Precision::int8, row.data(), 37);
    const double scale = (std::max(high, 0.0) - std::min(low, 0.0)) / 255;
    for (std::size_t i = 0; i < 37; ++i) {
      // Half a step, and up to another half at the ends, where the zero point was rounded.
      const bool end = exact[i] == exact[0] || std::abs(exact[i] - high) < scale;
      EXPECT_NEAR(row[i], exact[i], scale * (end ? 1.001 : 0.501)) << low << " " << i;
      EXPECT_NEAR(row[i] / scale, std::nearbyint(row[i] / scale), 1e-4);
    }
    EXPECT_EQ(row[5], 0);
  }
}

TEST(Precision, InBf16RoundsBothSidesAndInF32Neither) {
  for (const double value : {1.00390625, 1.01171875, -0.1}) {
    double weight = value;
    double activation = value;
    detail::round_weights(Precision::f32, &weight, 1);
    detail::round_activations(Precision::f32, &activation, 1);
    EXPECT_EQ(weight, value);
    EXPECT_EQ(activation, value);
    detail::round_weights(Precision::bf16, &weight, 1);
    detail::round_activations(Precision::bf16, &activation, 1);
    EXPECT_EQ(weight, static_cast<double>(bf16(static_cast<float>(value))));
    EXPECT_EQ(activation, weight);
  }
}

}  // namespace
