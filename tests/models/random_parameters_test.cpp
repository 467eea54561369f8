// Random weights keep the scale of activations, and the same seed gives the same ones.
#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <vitrail/models/random_parameters.hpp>

namespace {

using namespace vitrail;

std::vector<float> drawn(std::uint64_t seed, const char* name, const Shape& shape) {
  SerialExecutor serial;
  RandomParameters<float> parameters(seed, Precision::f32, serial);
  const Tensor<float, 1> values = parameters.tensor(name, shape);
  return {values.flat().begin(), values.flat().end()};
}

TEST(RandomParameters, AreTheSameForTheSameSeed) {
  EXPECT_EQ(drawn(1, "pos_embed", {50}), drawn(1, "pos_embed", {50}));
  EXPECT_NE(drawn(1, "pos_embed", {50}), drawn(2, "pos_embed", {50}));
}

TEST(RandomParameters, LieNearOneWhereTheyScaleAndNearZeroWhereTheyShift) {
  const auto lie_near = [](float center, const char* name, const Shape& shape) {
    for (const float value : drawn(3, name, shape)) EXPECT_NEAR(value, center, 0.0501F) << name;
  };
  lie_near(1, "norm.weight", {100});
  lie_near(1, "blocks.0.ls1.gamma", {100});
  lie_near(0, "norm.bias", {100});
  lie_near(0, "cls_token", {1, 1, 100});
}

TEST(RandomParameters, ProductsKeepTheVarianceOfTheirInputs) {
  SerialExecutor serial;
  Workspace workspace;
  RandomParameters<double> parameters(5, Precision::f32, serial);
  const Index K = 256, N = 256;
  const Dense<double> dense = Dense<double>::load(parameters, "fc1", N, K, false);
  Tensor<double, 2> x({1, K});
  Tensor<double, 2> y({1, N});
  for (double& value : x.flat()) value = 1;
  dense(x, y, {serial, workspace});
  double squares = 0;
  for (const double value : y.flat()) squares += value * value;
  EXPECT_NEAR(squares / static_cast<double>(N), 1, 0.3);
}

/// bf16 without instructions for it takes four times as long as int8 with them.
TEST(RandomParameters, InInt8TakeItForNarrowProductsWhereItAloneHasInstructions) {
  for (const CpuLevel level : vitrail_test::levels()) {
    const ScopedCpuLevel scope(level);
    SerialExecutor serial;
    RandomParameters<float> parameters(1, Precision::int8, serial);
    const bool alone = level == CpuLevel::avx2_vnni || level == CpuLevel::avx512_vnni ||
                       level == CpuLevel::neon_dotprod;
    EXPECT_EQ(parameters.matrix("blocks.2.mlp.fc1.weight", {256, 192}).precision(),
              alone ? Precision::int8 : Precision::bf16)
        << name_of(level);
    EXPECT_EQ(parameters.matrix("blocks.2.mlp.fc1.weight", {256, 256}).precision(),
              Precision::int8);
  }
}

}  // namespace
