#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <support/plain_layers.hpp>
#include <vitrail/nn/layer_norm.hpp>

namespace {

using namespace vitrail;
using vitrail_test::MadeUpParameters;
using vitrail_test::Rows;

template <class T>
void expect_every_row_normed() {
  MadeUpParameters<T> p;
  const auto norm = LayerNorm<T>::load(p, "norm", 37, 1e-3);
  Rows x = vitrail_test::some_rows(19, 37);
  for (std::size_t m = 0; m < x.size(); ++m)
    for (double& value : x[m]) value = value * 0.1 * static_cast<double>(m + 1) + 4;
  const Tensor<T, 2> in = vitrail_test::as_tensor<T>(x);
  for (std::size_t m = 0; m < x.size(); ++m)  // as T holds them
    x[m].assign(in.view()[static_cast<Index>(m)].flat().begin(),
                in.view()[static_cast<Index>(m)].flat().end());
  Tensor<T, 2> y({19, 37});
  vitrail_test::Serial serial;
  norm(in, y, serial.context);
  // The mean of row 0 is 40 times its deviation: half a digit of the one is 40 times that of the
  // other.
  vitrail_test::expect_rows<T>(y.view(),
                               vitrail_test::normed(x, p["norm.weight"], p["norm.bias"], 1e-3),
                               std::is_same_v<T, float> ? 1e-5 : 1e-12);
}

TEST(LayerNorm, NormalisesEveryRowByItself) {
  expect_every_row_normed<float>();
  expect_every_row_normed<double>();
}

TEST(LayerNorm, OfTheRmsKindReadsNoBiasAndSubtractsNoMean) {
  MadeUpParameters<double> p;
  const auto norm = LayerNorm<double>::load(p, "norm", 13, 1e-2, NormKind::rms_norm);
  EXPECT_EQ(p.seen.count("norm.bias"), 0U);
  EXPECT_EQ(norm.parameters().beta, nullptr);
  const Rows x = vitrail_test::some_rows(5, 13);
  Tensor<double, 2> y = vitrail_test::as_tensor<double>(x);
  vitrail_test::Serial serial;
  norm(y, y, serial.context);  // in place
  vitrail_test::expect_rows<double>(y.view(), vitrail_test::rms_normed(x, p["norm.weight"], 1e-2));
}

TEST(LayerNorm, OverPatchesReadsThemInTheOrderOfTheirPixels) {
  MadeUpParameters<double> p;
  const auto norm = LayerNorm<double>::load_for_patches(p, "norm", 3, 2, 5, 1e-6);
  EXPECT_EQ(p.shapes.at("norm.weight"), "(1, 3, 2, 5)");
  EXPECT_EQ(p.shapes.at("norm.bias"), "(1, 3, 2, 5)");
  EXPECT_EQ(norm.gamma.count(), 30);
  EXPECT_EQ(norm.gamma(29), p["norm.weight"][29]);
}

TEST(LayerNorm, IsEmptyUntilItIsLoaded) {
  MadeUpParameters<float> p;
  EXPECT_TRUE(LayerNorm<float>{}.empty());
  EXPECT_FALSE(LayerNorm<float>::load(p, "norm", 3, 1e-6).empty());
}

}  // namespace
