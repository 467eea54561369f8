#include <gtest/gtest.h>

#include <vitrail/ops/activation.hpp>

namespace {

using namespace vitrail;

/// From tables of the normal distribution and of exp.
TEST(Activation, HasTheKnownValues) {
  EXPECT_NEAR(activate(Activation::gelu_erf, 1.0), 0.8413447460685429, 1e-15);
  EXPECT_NEAR(activate(Activation::gelu_erf, 2.0), 2 * 0.9772498680518208, 1e-15);
  EXPECT_NEAR(activate(Activation::gelu_erf, -1.0), -0.15865525393145707, 1e-15);
  EXPECT_NEAR(activate(Activation::gelu_tanh, 1.0), 0.8411919906082768, 1e-15);
  EXPECT_NEAR(activate(Activation::quick_gelu, 1.0), 1 / (1 + std::exp(-1.702)), 1e-15);
  EXPECT_NEAR(activate(Activation::silu, 1.0), 0.7310585786300049, 1e-15);
  EXPECT_NEAR(activate(Activation::silu, -1.0), -0.2689414213699951, 1e-15);
  EXPECT_NEAR(activate(Activation::tanh, 1.0), 0.7615941559557649, 1e-15);
  EXPECT_EQ(activate(Activation::relu, -1.5), 0.0);
  EXPECT_EQ(activate(Activation::relu, 1.5), 1.5);
  EXPECT_EQ(activate(Activation::none, -1.5), -1.5);
}

/// The tail of the normal distribution at -10, which 1 + erf would give as 0.
TEST(Activation, KeepsTheNegativeTailOfTheGelu) {
  EXPECT_NEAR(activate(Activation::gelu_erf, -10.0) / (-10 * 7.619853024160526e-24), 1, 1e-12);
}

TEST(Activation, FormsOfTheGeluLieAsFarApartAsIsSaid) {
  double tanh_gap = 0;
  double quick_gap = 0;
  for (double x = -10; x < 10; x += 1e-3) {
    const double exact = activate(Activation::gelu_erf, x);
    tanh_gap = std::max(tanh_gap, std::abs(activate(Activation::gelu_tanh, x) - exact));
    quick_gap = std::max(quick_gap, std::abs(activate(Activation::quick_gelu, x) - exact));
  }
  EXPECT_NEAR(tanh_gap, 4.7e-4, 0.1e-4);
  EXPECT_NEAR(quick_gap, 2.0e-2, 0.1e-2);
}

}  // namespace
