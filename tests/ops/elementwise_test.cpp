#include <gtest/gtest.h>

#include <limits>
#include <support/levels.hpp>
#include <vitrail/ops/activate_rows.hpp>
#include <vitrail/ops/normalize.hpp>
#include <vitrail/ops/softmax.hpp>

namespace {

using namespace vitrail;
using vitrail_test::levels;
using vitrail_test::RandomMatrix;
using vitrail_test::Serial;

/// The largest |activation(x) - definition in double| over [-10, 10] in steps of 2e-4.
double worst(Activation activation) {
  Serial serial;
  Tensor<float, 2> x({1, 100001});
  Tensor<float, 2> y({1, 100001});
  for (Index i = 0; i < x.count(); ++i) x(0, i) = static_cast<float>(i - 50000) * 2e-4F;
  activate_rows<float>(activation, x, y.view(), serial.context);
  double largest = 0;
  for (Index i = 0; i < x.count(); ++i) {
    const double expected = activate(activation, static_cast<double>(x(0, i)));
    largest = std::max(largest, std::abs(static_cast<double>(y(0, i)) - expected));
  }
  return largest;
}

TEST(Activation, GeluIsExactToAMillionthAndTheOthersToTwo) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (int kind = 0; kind <= static_cast<int>(Activation::tanh); ++kind) {
      const double largest = worst(static_cast<Activation>(kind));
      // One or two roundings of numbers up to 10 for the others.
      const double most = static_cast<Activation>(kind) == Activation::gelu_erf ? 1e-6 : 2e-6;
      EXPECT_LT(largest, most) << name_of(level) << " " << name_of(static_cast<Activation>(kind));
    }
  }
}

TEST(Activation, FarFromZeroGeluIsTheIdentityOrNothing) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    Serial serial;
    Tensor<float, 2> x({1, 20});
    for (Index i = 0; i < 10; ++i) {
      x(0, i) = 6.0F * static_cast<float>(i + 1) * static_cast<float>(i + 1);
      x(0, i + 10) = -x(0, i);
    }
    Tensor<float, 2> y({1, 20});
    activate_rows<float>(Activation::gelu_erf, x, y.view(), serial.context);
    for (Index i = 0; i < 10; ++i) {
      EXPECT_EQ(y(0, i), x(0, i));
      EXPECT_NEAR(y(0, i + 10), 0.0F, 1e-7F);
    }
  }
}

TEST(Activation, GatesOneHalfWithTheOther) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    Serial serial;
    RandomMatrix<> x(3, 46, 1);
    Tensor<float, 2> y({3, 23});
    gate_rows<float>(Activation::silu, x.view(), y.view(), serial.context);
    for (Index m = 0; m < 3; ++m) {
      for (Index d = 0; d < 23; ++d) {
        EXPECT_NEAR(y(m, d), activate(Activation::silu, x.view()(m, d)) * x.view()(m, 23 + d),
                    1e-6F);
      }
    }
  }
}

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

TEST(NormalizeRows, AgreesWithDoublesOverOddSizes) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const NormKind kind : {NormKind::layer_norm, NormKind::rms_norm}) {
      for (const bool with_beta : {true, false}) {
        for (const Index D : {1, 7, 16, 33, 192, 769}) {
          Serial serial;
          RandomMatrix<> x(19, D, 1);
          RandomMatrix<> columns(2, D, 2);
          for (float& value : x.values()) value += 3;  // a mean to subtract
          const float* beta = with_beta ? &columns.view()(1, 0) : nullptr;
          const NormParameters<float> norm{&columns.view()(0, 0), beta, 1e-5, kind};
          const auto doubles = vitrail_test::as_double(x.view());
          const auto dcolumns = vitrail_test::as_double(columns.view());
          const NormParameters<double> dnorm{&dcolumns(0, 0), with_beta ? &dcolumns(1, 0) : nullptr,
                                             1e-5, kind};
          normalize_rows<float>(x.view(), norm, x.view(), serial.context);
          std::vector<double> expected(static_cast<std::size_t>(D));
          for (Index m = 0; m < 19; ++m) {
            normalize_row(&doubles(m, 0), D, dnorm, expected.data());
            for (Index d = 0; d < D; ++d) {
              EXPECT_NEAR(static_cast<double>(x.view()(m, d)),
                          expected[static_cast<std::size_t>(d)], 4e-6)
                  << name_of(level) << " D " << D;
            }
          }
        }
      }
    }
  }
}

}  // namespace
