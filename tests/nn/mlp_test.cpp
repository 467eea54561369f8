#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <support/plain_layers.hpp>
#include <vitrail/nn/mlp.hpp>

namespace {

using namespace vitrail;
using vitrail_test::MadeUpParameters;
using vitrail_test::product;
using vitrail_test::Rows;

/// D = 19 -> `hidden` -> 19, with a norm of `between` columns in the middle where that is not 0.
template <class T>
Mlp<T> some_mlp(MadeUpParameters<T>& p, Index outputs, Index inputs, Index between = 0) {
  Mlp<T> mlp;
  mlp.fc1 = Dense<T>::load(p, "fc1", outputs, 19);
  mlp.fc2 = Dense<T>::load(p, "fc2", 19, inputs);
  if (between > 0) mlp.norm = LayerNorm<T>::load(p, "norm", between, 1e-5);
  return mlp;
}

template <class T>
void expect_two_layers() {
  MadeUpParameters<T> p;
  const Mlp<T> mlp = some_mlp<T>(p, 45, 45);
  const auto before = LayerNorm<T>::load(p, "before", 19, 1e-6);
  const Tensor<T, 1> scale = p.tensor("gamma", {19});
  const Rows x = vitrail_test::some_rows(7, 19);
  Tensor<T, 2> y = vitrail_test::as_tensor<T>(x);
  vitrail_test::Serial serial;
  mlp(y, before, y, serial.context, {.scale = scale.data(), .residual = y});
  const Rows hidden = product(vitrail_test::normed(x, p["before.weight"], p["before.bias"], 1e-6),
                              p["fc1.weight"], p["fc1.bias"]);
  Rows expected =
      product(vitrail_test::each(hidden, vitrail_test::gelu), p["fc2.weight"], p["fc2.bias"]);
  vitrail_test::scale_columns(expected, p["gamma"]);
  vitrail_test::add(expected, x);
  vitrail_test::expect_rows<T>(y.view(), expected);
}

TEST(Mlp, IsTwoLayersWithTheActivationBetween) {
  expect_two_layers<float>();
  expect_two_layers<double>();
}

/// fc2(norm(silu(first half) * second half)): the gate's rows of fc1 come first.
template <class T>
void expect_gate(bool with_norm) {
  MadeUpParameters<T> p;
  Mlp<T> mlp = some_mlp<T>(p, 2 * 21, 21, with_norm ? 21 : 0);
  mlp.gated = true;
  mlp.activation = Activation::silu;
  const Rows x = vitrail_test::some_rows(7, 19);
  Tensor<T, 2> y({7, 19});
  vitrail_test::Serial serial;
  mlp(vitrail_test::as_tensor<T>(x), {}, y, serial.context);
  const Rows both = product(x, p["fc1.weight"], p["fc1.bias"]);
  Rows hidden = vitrail_test::each(vitrail_test::columns_of(both, 0, 21), vitrail_test::silu);
  for (std::size_t m = 0; m < 7; ++m)
    for (std::size_t d = 0; d < 21; ++d) hidden[m][d] *= both[m][21 + d];
  if (with_norm) hidden = vitrail_test::normed(hidden, p["norm.weight"], p["norm.bias"], 1e-5);
  vitrail_test::expect_rows<T>(y.view(), product(hidden, p["fc2.weight"], p["fc2.bias"]));
}

TEST(Mlp, GatedMultipliesTheActivatedHalfWithTheOther) {
  for (const bool with_norm : {false, true}) {
    expect_gate<float>(with_norm);
    expect_gate<double>(with_norm);
  }
}

TEST(Mlp, NormalisesBetweenItsLayersWhereItHasANorm) {
  MadeUpParameters<double> p;
  Mlp<double> mlp = some_mlp<double>(p, 33, 33, 33);
  mlp.activation = Activation::relu;
  const Rows x = vitrail_test::some_rows(4, 19);
  Tensor<double, 2> y({4, 19});
  vitrail_test::Serial serial;
  mlp(vitrail_test::as_tensor<double>(x), {}, y, serial.context);
  const Rows hidden = vitrail_test::each(product(x, p["fc1.weight"], p["fc1.bias"]),
                                         [](double v) { return v > 0 ? v : 0; });
  const Rows normed = vitrail_test::normed(hidden, p["norm.weight"], p["norm.bias"], 1e-5);
  vitrail_test::expect_rows<double>(y.view(), product(normed, p["fc2.weight"], p["fc2.bias"]));
}

}  // namespace
