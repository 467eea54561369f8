#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <vitrail/ops/softmax.hpp>

namespace {

using namespace vitrail;
using vitrail_test::levels;
using vitrail_test::RandomMatrix;

TEST(Softmax, AgreesWithDoublesRelatively) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const std::size_t n : {1U, 2U, 15U, 16U, 17U, 197U, 1000U}) {
      RandomMatrix<> x(1, static_cast<Index>(n), 1, 3, 10.0F);
      const std::span<float> row(x.view().data(), n);
      std::vector<double> expected(row.begin(), row.end());
      softmax(row);
      softmax(std::span<double>(expected));
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i) {
        EXPECT_NEAR(static_cast<double>(row[i]), expected[i], expected[i] * 8e-6 + 1e-37) << n;
        sum += static_cast<double>(row[i]);
      }
      EXPECT_NEAR(sum, 1.0, 1e-6);
      EXPECT_EQ(x.values()[n + 1],
                RandomMatrix<>(1, static_cast<Index>(n), 1, 3, 10.0F).values()[n + 1]);
    }
  }
}

TEST(Softmax, ExponentialIsAsGoodAsItsArgument) {
  // softmax of (0, x) has the ratio e^x between its elements; an ulp of x log2(e) is what the
  // exponent cannot know, up to 8e-8 of |x|.
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (float x = -87.0F; x <= 0; x += 0.01F) {
      float row[2] = {0, x};
      softmax(std::span<float>(row));
      const double ratio = static_cast<double>(row[1]) / static_cast<double>(row[0]);
      const double tolerance = 3e-7 - 8e-8 * static_cast<double>(x);
      EXPECT_NEAR(ratio / std::exp(static_cast<double>(x)), 1.0, tolerance) << x;
    }
  }
}

TEST(Softmax, IsItsDefinitionAndDoesNotSeeWhatAllElementsShare) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const float shared : {0.0F, 1000.0F, -1e6F, 3e38F}) {
      // Multiples of 1/8 up to 1e6 are exact beside `shared`; beside 3e38 nothing is.
      float row[5] = {0.5F, -1.25F, 3, 0, 2.125F};
      double expected[5];
      double sum = 0;
      for (int i = 0; i < 5; ++i) {
        row[i] = shared < 1e37F ? row[i] + shared : shared;
        expected[i] = std::exp(static_cast<double>(row[i] - shared));
        sum += expected[i];
      }
      softmax(std::span<float>(row));
      for (int i = 0; i < 5; ++i)
        EXPECT_NEAR(static_cast<double>(row[i]), expected[i] / sum, 1e-6) << shared;
    }
  }
}

TEST(Softmax, OfNothingIsNothingAndOfOneElementIsOne) {
  softmax(std::span<float>());
  double one = -1e300;
  softmax(std::span<double>(&one, 1));
  EXPECT_EQ(one, 1);
}

}  // namespace
