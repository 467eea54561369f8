#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <vitrail/ops/activate_rows.hpp>

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

TEST(ActivateRows, GeluIsExactToAMillionthAndTheOthersToTwo) {
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

TEST(ActivateRows, FarFromZeroGeluIsTheIdentityOrNothing) {
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

TEST(ActivateRows, GatesOneHalfWithTheOther) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    Serial serial;
    RandomMatrix<> x(3, 46, 1);
    Tensor<float, 2> y({3, 23});
    gate_rows<float>(Activation::silu, x.view(), y.view());
    for (Index m = 0; m < 3; ++m) {
      for (Index d = 0; d < 23; ++d) {
        EXPECT_NEAR(y(m, d), activate(Activation::silu, x.view()(m, d)) * x.view()(m, 23 + d),
                    1e-6F);
      }
    }
  }
}

TEST(ActivateRows, WritesStridedRowsInPlaceAndNothingBetweenThem) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const Index D : {1, 7, 16, 19, 33}) {
      Serial serial;
      RandomMatrix<> x(5, D, 1);
      const std::vector<float> before = x.values();
      activate_rows<float>(Activation::relu, x.view(), x.view(), serial.context);
      for (std::size_t i = 0; i < before.size(); ++i) {
        const Index column = (static_cast<Index>(i) - 1) % (D + 3);
        const bool inside = i > 0 && column < D;
        EXPECT_EQ(x.values()[i], inside ? std::max(before[i], 0.0F) : before[i]) << i;
      }
    }
  }
}

}  // namespace
