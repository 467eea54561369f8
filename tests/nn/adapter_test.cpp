#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <support/plain_layers.hpp>
#include <vitrail/nn/adapter.hpp>

namespace {

using namespace vitrail;
using vitrail_test::MadeUpParameters;
using vitrail_test::product;
using vitrail_test::Rows;

/// x + h + norm_after(scale * up(relu(down(norm_before(u))))), or with h inside the last norm.
void expect_formula(const AdapterConfig& config) {
  MadeUpParameters<double> p;
  const auto adapter = Adapter<double>::load(p, "adapter", 13, 5, config);
  const auto of = p.below("adapter.");
  const Rows x = vitrail_test::some_rows(6, 13);
  const Rows h = vitrail_test::some_rows(6, 13, 0.7);
  Tensor<double, 2> found = vitrail_test::as_tensor<double>(x);
  vitrail_test::Serial serial;
  adapter(vitrail_test::as_tensor<double>(h), found, serial.context);

  Rows sum = x;
  vitrail_test::add(sum, h);
  Rows u = config.input == AdapterInput::stream   ? x
           : config.input == AdapterInput::branch ? h
                                                  : sum;
  if (config.norm_before)
    u = vitrail_test::normed(u, of("norm_before.weight"), of("norm_before.bias"), config.norm_eps);
  const Rows hidden = vitrail_test::each(product(u, of("down.weight"), of("down.bias")),
                                         [](double v) { return v > 0 ? v : 0; });
  Rows up = product(hidden, of("up.weight"), of("up.bias"));
  vitrail_test::Numbers scale(13, config.scale);
  if (config.stored_scale) scale.assign(13, of("scale")[0]);
  if (config.channel_scale) scale = of("scale");
  vitrail_test::scale_columns(up, scale);
  if (config.residual_inside) vitrail_test::add(up, h);
  if (config.norm_after)
    up = vitrail_test::normed(up, of("norm_after.weight"), of("norm_after.bias"), config.norm_eps);
  Rows expected = config.residual_inside ? x : sum;
  vitrail_test::add(expected, up);
  vitrail_test::expect_rows<double>(found.view(), expected);
}

TEST(Adapter, ReadsTheStreamTheBranchOrTheirSum) {
  for (const AdapterInput input : {AdapterInput::stream, AdapterInput::branch, AdapterInput::sum})
    expect_formula({.input = input, .scale = 0.25});
}

TEST(Adapter, NormalisesBeforeItBehindItAndAroundTheBranch) {
  for (const bool residual_inside : {false, true}) {
    expect_formula({.norm_before = true, .residual_inside = residual_inside, .norm_eps = 1e-3});
    expect_formula({.norm_after = true, .residual_inside = residual_inside, .norm_eps = 1e-3});
  }
}

TEST(Adapter, ReadsOneScaleOrOneForEachColumn) {
  expect_formula({.scale = 3, .stored_scale = true});
  expect_formula({.scale = 3, .stored_scale = true, .channel_scale = true});
}

TEST(Adapter, WithoutLayersIsEmpty) { EXPECT_TRUE(Adapter<float>{}.empty()); }

}  // namespace
