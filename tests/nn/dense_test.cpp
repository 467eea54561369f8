#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <support/plain_layers.hpp>
#include <vitrail/nn/dense.hpp>

namespace {

using namespace vitrail;
using vitrail_test::MadeUpParameters;
using vitrail_test::Rows;

template <class T>
void expect_product_and_bias() {
  for (const bool with_bias : {true, false}) {
    MadeUpParameters<T> p;
    const auto dense = Dense<T>::load(p, "fc", 23, 37, with_bias);
    EXPECT_EQ(dense.outputs(), 23);
    EXPECT_EQ(p.seen.count("fc.bias"), with_bias ? 1U : 0U);
    const Rows x = vitrail_test::some_rows(11, 37);
    Tensor<T, 2> y({11, 23});
    vitrail_test::Serial serial;
    dense(vitrail_test::as_tensor<T>(x), y, serial.context);
    const Rows expected = vitrail_test::product(x, p["fc.weight"],
                                                with_bias ? p["fc.bias"] : vitrail_test::Numbers());
    vitrail_test::expect_rows<T>(y.view(), expected);
  }
}

TEST(Dense, IsTheProductWithTheTransposedWeightAndTheBias) {
  expect_product_and_bias<float>();
  expect_product_and_bias<double>();
}

/// y = residual + scale * activation(norm(x) W^T + b), whatever bias the caller's epilogue names.
TEST(Dense, NormalisesBeforeAndActivatesScalesAndAddsAfter) {
  MadeUpParameters<double> p;
  const auto dense = Dense<double>::load(p, "fc", 7, 19);
  const auto norm = LayerNorm<double>::load(p, "norm", 19, 1e-5);
  const Tensor<double, 1> scale = p.tensor("gamma", {7});
  const Tensor<double, 1> not_used = p.tensor("other", {7});
  const Rows x = vitrail_test::some_rows(6, 19);
  const Rows residual = vitrail_test::some_rows(6, 7, 0.5);
  Tensor<double, 2> y = vitrail_test::as_tensor<double>(residual);
  vitrail_test::Serial serial;
  dense(vitrail_test::as_tensor<double>(x), norm, y, serial.context,
        {.bias = not_used.data(),
         .activation = Activation::relu,
         .scale = scale.data(),
         .residual = y});
  Rows expected =
      vitrail_test::product(vitrail_test::normed(x, p["norm.weight"], p["norm.bias"], 1e-5),
                            p["fc.weight"], p["fc.bias"]);
  expected = vitrail_test::each(expected, [](double v) { return v > 0 ? v : 0; });
  vitrail_test::scale_columns(expected, p["gamma"]);
  vitrail_test::add(expected, residual);
  vitrail_test::expect_rows<double>(y.view(), expected);
}

TEST(Dense, BehindAnEmptyNormTakesItsInputAsItIs) {
  MadeUpParameters<double> p;
  const auto dense = Dense<double>::load(p, "fc", 5, 9);
  const Rows x = vitrail_test::some_rows(3, 9);
  Tensor<double, 2> y({3, 5});
  vitrail_test::Serial serial;
  dense(vitrail_test::as_tensor<double>(x), {}, y, serial.context);
  vitrail_test::expect_rows<double>(y.view(),
                                    vitrail_test::product(x, p["fc.weight"], p["fc.bias"]));
}

}  // namespace
