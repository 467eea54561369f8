#include <gtest/gtest.h>

#include <algorithm>
#include <support/levels.hpp>
#include <support/plain_layers.hpp>
#include <vitrail/nn/head.hpp>

namespace {

using namespace vitrail;
using vitrail_test::MadeUpParameters;
using vitrail_test::Numbers;
using vitrail_test::product;
using vitrail_test::Rows;

constexpr std::size_t tokens_each = 7;

/// What a head without layers makes of two pictures of 7 tokens of 5 numbers.
Rows pooled(Pooling pooling, Index first_pooled) {
  Head<double> head;
  head.pooling = pooling;
  head.first_pooled = first_pooled;
  const Index F = pooling == Pooling::token_and_avg ? 10 : 5;
  Tensor<double, 2> features({2, F});
  vitrail_test::Serial serial;
  head(vitrail_test::as_tensor<double>(vitrail_test::some_rows(2 * tokens_each, 5)), 2, features,
       {}, serial.context, nullptr);
  Rows rows;
  for (Index b = 0; b < 2; ++b)
    rows.emplace_back(features.view()[b].flat().begin(), features.view()[b].flat().end());
  return rows;
}

/// The same by `column(the numbers of one column, first token first)`.
template <class Column>
Rows by_columns(Column&& column) {
  const Rows tokens = vitrail_test::some_rows(2 * tokens_each, 5);
  Rows rows(2, Numbers(5));
  for (std::size_t b = 0; b < 2; ++b)
    for (std::size_t d = 0; d < 5; ++d) {
      Numbers values;
      for (std::size_t t = 0; t < tokens_each; ++t)
        values.push_back(tokens[b * tokens_each + t][d]);
      rows[b][d] = column(values);
    }
  return rows;
}

double mean_from(const Numbers& values, std::size_t first) {
  double sum = 0;
  for (std::size_t t = first; t < values.size(); ++t) sum += values[t];
  return sum / static_cast<double>(values.size() - first);
}

void expect_same(const Rows& found, const Rows& expected) {
  vitrail_test::expect_rows<double>(vitrail_test::as_tensor<double>(found), expected);
}

TEST(Head, PoolsEachPictureByItsOwnRule) {
  const auto first = [](const Numbers& v) { return v[0]; };
  const auto largest = [](const Numbers& v) { return *std::max_element(v.begin() + 2, v.end()); };
  const auto mean = [](const Numbers& v) { return mean_from(v, 2); };
  expect_same(pooled(Pooling::token, 2), by_columns(first));
  expect_same(pooled(Pooling::avg, 2), by_columns(mean));
  expect_same(pooled(Pooling::avg, 0),
              by_columns([](const Numbers& v) { return mean_from(v, 0); }));
  expect_same(pooled(Pooling::max, 2), by_columns(largest));
  expect_same(pooled(Pooling::avgmax, 2),
              by_columns([&](const Numbers& v) { return (mean(v) + largest(v)) / 2; }));
  expect_same(pooled(Pooling::class_and_distillation, 2),
              by_columns([](const Numbers& v) { return (v[0] + v[1]) / 2; }));
  Rows both = by_columns(first);
  const Rows means = by_columns(mean);
  for (std::size_t b = 0; b < 2; ++b)
    both[b].insert(both[b].end(), means[b].begin(), means[b].end());
  expect_same(pooled(Pooling::token_and_avg, 2), both);
}

TEST(Head, NormalisesThePooledRowAndActivatesThePreLogits) {
  MadeUpParameters<double> p;
  Head<double> head;
  head.fc_norm = LayerNorm<double>::load(p, "fc_norm", 5, 1e-6);
  head.pre_logits = Dense<double>::load(p, "pre_logits", 9, 5);
  head.head = Dense<double>::load(p, "head", 3, 9);
  Tensor<double, 2> features({2, 9});
  Tensor<double, 2> logits({2, 3});
  vitrail_test::Serial serial;
  Trace trace;
  head(vitrail_test::as_tensor<double>(vitrail_test::some_rows(2 * tokens_each, 5)), 2, features,
       logits, serial.context, &trace);
  const Rows token = by_columns([](const Numbers& v) { return v[0]; });
  const Rows hidden = vitrail_test::each(
      product(vitrail_test::normed(token, p["fc_norm.weight"], p["fc_norm.bias"], 1e-6),
              p["pre_logits.weight"], p["pre_logits.bias"]),
      [](double v) { return std::tanh(v); });
  vitrail_test::expect_rows<double>(features.view(), hidden);
  vitrail_test::expect_rows<double>(logits.view(),
                                    product(hidden, p["head.weight"], p["head.bias"]));
  ASSERT_NE(trace.find("pooled"), nullptr);  // before the norm
  vitrail_test::expect_rows<double>(trace.find("pooled")->view().as<double, 2>(), token);
}

TEST(Head, AveragesWhatItsTwoHeadsSayOfTheirOwnTokens) {
  MadeUpParameters<double> p;
  Head<double> head;
  head.head = Dense<double>::load(p, "head", 3, 5);
  head.head_dist = Dense<double>::load(p, "head_dist", 3, 5);
  Tensor<double, 2> features({2, 5});
  Tensor<double, 2> logits({2, 3});
  vitrail_test::Serial serial;
  Trace trace;
  head(vitrail_test::as_tensor<double>(vitrail_test::some_rows(2 * tokens_each, 5)), 2, features,
       logits, serial.context, &trace);
  const Rows of_class =
      product(by_columns([](const Numbers& v) { return v[0]; }), p["head.weight"], p["head.bias"]);
  const Rows of_teacher = product(by_columns([](const Numbers& v) { return v[1]; }),
                                  p["head_dist.weight"], p["head_dist.bias"]);
  Rows mean = of_class;
  vitrail_test::add(mean, of_teacher);
  vitrail_test::expect_rows<double>(logits.view(),
                                    vitrail_test::each(mean, [](double v) { return v / 2; }));
  vitrail_test::expect_rows<double>(features.view(),
                                    by_columns([](const Numbers& v) { return (v[0] + v[1]) / 2; }));
  vitrail_test::expect_rows<double>(trace.find("logits_cls")->view().as<double, 2>(), of_class);
  vitrail_test::expect_rows<double>(trace.find("logits_dist")->view().as<double, 2>(), of_teacher);
}

}  // namespace
