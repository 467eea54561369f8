#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <support/plain_layers.hpp>
#include <vitrail/nn/multi_head_attention.hpp>

namespace {

using namespace vitrail;
using vitrail_test::attended;
using vitrail_test::columns_of;
using vitrail_test::MadeUpParameters;
using vitrail_test::product;
using vitrail_test::Rows;

constexpr Index attn_width = 20;
constexpr Index attn_heads = 3;
constexpr Index attn_inner = 24;  // attn_heads * hd, more than attn_width
constexpr Index attn_tokens = 7;  // tokens of a picture

template <class T>
MultiHeadAttention<T> some_attention(MadeUpParameters<T>& p) {
  MultiHeadAttention<T> attn;
  attn.heads = attn_heads;
  attn.qkv = Dense<T>::load(p, "qkv", 3 * attn_inner, attn_width);
  attn.proj = Dense<T>::load(p, "proj", attn_width, attn_inner);
  return attn;
}

/// Two pictures of attn_tokens tokens through `one(qkv of a picture)`, then the projection.
template <class T, class One>
Rows expected_of(const Rows& x, MadeUpParameters<T>& p, One&& one) {
  const Rows qkv = product(x, p["qkv.weight"], p["qkv.bias"]);
  Rows joined;
  for (std::ptrdiff_t picture = 0; picture < 2; ++picture)
    for (const auto& row :
         one(Rows(qkv.begin() + picture * attn_tokens, qkv.begin() + (picture + 1) * attn_tokens)))
      joined.push_back(row);
  return product(joined, p["proj.weight"], p["proj.bias"]);
}

template <class T>
void expect_plain() {
  MadeUpParameters<T> p;
  const MultiHeadAttention<T> attn = some_attention<T>(p);
  const auto before = LayerNorm<T>::load(p, "norm", attn_width, 1e-5);
  const Rows x = vitrail_test::some_rows(2 * attn_tokens, attn_width);
  Tensor<T, 2> y = vitrail_test::as_tensor<T>(x);
  Tensor<T, 4> maps({2, attn_heads, attn_tokens, attn_tokens});
  vitrail_test::Serial serial;
  attn(y, before, 2, y, serial.context, {.residual = y}, maps);
  const Rows normed = vitrail_test::normed(x, p["norm.weight"], p["norm.bias"], 1e-5);
  Rows expected = expected_of(normed, p, [](const Rows& qkv) { return attended(qkv, attn_heads); });
  vitrail_test::add(expected, x);
  vitrail_test::expect_rows<T>(y.view(), expected);
  const Rows qkv =
      product(Rows(normed.begin() + attn_tokens, normed.end()), p["qkv.weight"], p["qkv.bias"]);
  for (Index head = 0; head < attn_heads; ++head)
    vitrail_test::expect_rows<T>(
        maps.view()[1][head],
        vitrail_test::attention_map(
            columns_of(qkv, 0, attn_inner), columns_of(qkv, attn_inner, 2 * attn_inner), attn_heads,
            static_cast<std::size_t>(head), 1 / std::sqrt(8.0), vitrail_test::no_bias));
}

TEST(MultiHeadAttention, IsItsFormulaForEveryPictureAndShowsItsMaps) {
  expect_plain<float>();
  expect_plain<double>();
}

/// The short way to the answers of the first tokens gives what the long way gives to all.
template <class T>
void expect_answers_of_few(Index asked) {
  MadeUpParameters<T> p;
  MultiHeadAttention<T> attn = some_attention<T>(p);
  const auto before = LayerNorm<T>::load(p, "norm", attn_width, 1e-5);
  const Tensor<T, 2> x =
      vitrail_test::as_tensor<T>(vitrail_test::some_rows(2 * attn_tokens, attn_width));
  Tensor<T, 2> all({2 * attn_tokens, attn_width});
  Tensor<T, 2> few({2 * asked, attn_width});
  vitrail_test::Serial serial;
  attn(x, before, 2, all, serial.context);
  attn.few = FewQueries<T>::of(attn.qkv, attn_inner);
  attn(x, before, 2, few, serial.context);
  for (Index row = 0; row < 2 * asked; ++row)
    for (Index d = 0; d < attn_width; ++d)
      EXPECT_NEAR(few(row, d), all(row / asked * attn_tokens + row % asked, d),
                  sizeof(T) == 4 ? 2e-6 : 1e-14);
}

TEST(MultiHeadAttention, AnswersForFewTokensWithoutKeysAndValuesOfAll) {
  for (const CpuLevel level : vitrail_test::levels()) {
    const ScopedCpuLevel scope(level);
    for (const Index asked : {1, 2}) {
      expect_answers_of_few<float>(asked);
      expect_answers_of_few<double>(asked);
    }
  }
}

TEST(MultiHeadAttention, NormalisesEachHeadOfQAndKAndTheJoinedHeads) {
  MadeUpParameters<double> p;
  MultiHeadAttention<double> attn = some_attention<double>(p);
  attn.q_norm = LayerNorm<double>::load(p, "q_norm", 8, 1e-5, NormKind::rms_norm);
  attn.k_norm = LayerNorm<double>::load(p, "k_norm", 8, 1e-5, NormKind::rms_norm);
  attn.norm = LayerNorm<double>::load(p, "joined", attn_inner, 1e-5);
  attn.scale = 0.75;
  const Rows x = vitrail_test::some_rows(2 * attn_tokens, attn_width);
  Tensor<double, 2> y({2 * attn_tokens, attn_width});
  vitrail_test::Serial serial;
  attn(vitrail_test::as_tensor<double>(x), {}, 2, y, serial.context);
  const auto one = [&](const Rows& qkv) {
    const Rows q =
        vitrail_test::rms_normed(columns_of(qkv, 0, attn_inner), p["q_norm.weight"], 1e-5);
    const Rows k = vitrail_test::rms_normed(columns_of(qkv, attn_inner, 2 * attn_inner),
                                            p["k_norm.weight"], 1e-5);
    const Rows joined = attended(q, k, columns_of(qkv, 2 * attn_inner, 3 * attn_inner), attn_heads,
                                 0.75, vitrail_test::no_bias);
    return vitrail_test::normed(joined, p["joined.weight"], p["joined.bias"], 1e-5);
  };
  vitrail_test::expect_rows<double>(y.view(), expected_of(x, p, one));
}

TEST(MultiHeadAttention, AddsTheBiasOfTheTokensPositions) {
  MadeUpParameters<double> p;
  const MultiHeadAttention<double> attn = some_attention<double>(p);
  Tensor<double, 3> bias({attn_heads, attn_tokens, attn_tokens});
  for (Index i = 0; i < bias.count(); ++i) bias.data()[i] = std::cos(static_cast<double>(i));
  const TokenPositions<double> positions{.bias = bias};
  const Rows x = vitrail_test::some_rows(2 * attn_tokens, attn_width);
  Tensor<double, 2> y({2 * attn_tokens, attn_width});
  vitrail_test::Serial serial;
  attn(vitrail_test::as_tensor<double>(x), {}, 2, y, serial.context, {}, {}, positions);
  const auto one = [&](const Rows& qkv) {
    return attended(columns_of(qkv, 0, attn_inner), columns_of(qkv, attn_inner, 2 * attn_inner),
                    columns_of(qkv, 2 * attn_inner, 3 * attn_inner), attn_heads, 1 / std::sqrt(8.0),
                    [&](std::size_t head, std::size_t i, std::size_t j) {
                      return bias(static_cast<Index>(head), static_cast<Index>(i),
                                  static_cast<Index>(j));
                    });
  };
  vitrail_test::expect_rows<double>(y.view(), expected_of(x, p, one));
}

/// attn_heads quarter turn of the only pair of each head: (a, b) becomes (-b, a), but for the
/// prefix.
TEST(MultiHeadAttention, TurnsQAndKOfThePatchesButNotOfThePrefix) {
  MadeUpParameters<double> p;
  MultiHeadAttention<double> attn;
  attn.heads = attn_heads;
  attn.qkv = Dense<double>::load(p, "qkv", 3 * 2 * attn_heads, attn_width);
  attn.proj = Dense<double>::load(p, "proj", attn_width, 2 * attn_heads);
  Tensor<double, 2> cosine({attn_tokens - 2, 2});
  Tensor<double, 2> sine({attn_tokens - 2, 2});
  for (Index n = 0; n < attn_tokens - 2; ++n) {
    sine(n, 0) = -1;
    sine(n, 1) = 1;
  }
  const TokenPositions<double> positions{.prefix = 2, .rotary = {RotaryKind::dinov3, cosine, sine}};
  const Rows x = vitrail_test::some_rows(2 * attn_tokens, attn_width);
  Tensor<double, 2> y({2 * attn_tokens, attn_width});
  vitrail_test::Serial serial;
  attn(vitrail_test::as_tensor<double>(x), {}, 2, y, serial.context, {}, {}, positions);
  const auto one = [&](Rows qkv) {
    for (std::size_t t = 2; t < qkv.size(); ++t)
      for (std::size_t d = 0; d < 4 * attn_heads; d += 2) {  // q and k
        const double a = qkv[t][d];
        qkv[t][d] = -qkv[t][d + 1];
        qkv[t][d + 1] = a;
      }
    return attended(qkv, attn_heads);
  };
  vitrail_test::expect_rows<double>(y.view(), expected_of(x, p, one));
}

TEST(MultiHeadAttention, WithoutAProjectionScalesAndAddsTheJoinedHeads) {
  MadeUpParameters<double> p;
  MultiHeadAttention<double> attn;
  attn.heads = 4;
  attn.qkv = Dense<double>::load(p, "qkv", 3 * attn_width, attn_width);
  const Tensor<double, 1> scale = p.tensor("gamma", {attn_width});
  const Rows x = vitrail_test::some_rows(attn_tokens, attn_width);
  Tensor<double, 2> y = vitrail_test::as_tensor<double>(x);
  vitrail_test::Serial serial;
  attn(y, {}, 1, y, serial.context, {.scale = scale.data(), .residual = y});
  Rows expected = attended(product(x, p["qkv.weight"], p["qkv.bias"]), 4);
  vitrail_test::scale_columns(expected, p["gamma"]);
  vitrail_test::add(expected, x);
  vitrail_test::expect_rows<double>(y.view(), expected);
}

/// lambda = exp(q1 k1) - exp(q2 k2) + initial, gamma * (1 - initial).
TEST(DifferentialAttention, ReadsItsExponentsAsPairsOfVectorsOrWhole) {
  MadeUpParameters<double> p;
  p.missing = "attn.lambda_a";
  const auto attention = DifferentialAttention<double>::load(p, "attn", 10, 2);
  const double initial = 0.8 - 0.6 * std::exp(-0.6);
  double one = 0;
  for (std::size_t i = 0; i < 5; ++i) one += p["attn.lambda_q1"][i] * p["attn.lambda_k1"][i];
  EXPECT_EQ(p.shapes.at("attn.lambda_q1"), "(5)");
  EXPECT_NEAR(attention.lambda, std::exp(one) - std::exp(p["attn.lambda_b"][0]) + initial, 1e-14);
  for (std::size_t i = 0; i < 10; ++i)
    EXPECT_NEAR(attention.norm.gamma.flat()[i], p["attn.sub_norm.weight"][i] * (1 - initial),
                1e-15);
}

/// The maps of a differential attention are the difference of its halves' maps.
TEST(DifferentialAttention, ShowsTheDifferenceOfItsTwoMaps) {
  MadeUpParameters<double> p;
  MultiHeadAttention<double> attn = some_attention<double>(p);
  attn.differential = DifferentialAttention<double>::load(p, "attn", 8, 0);
  const Rows x = vitrail_test::some_rows(attn_tokens, attn_width);
  Tensor<double, 2> y({attn_tokens, attn_width});
  Tensor<double, 4> maps({1, attn_heads, attn_tokens, attn_tokens});
  vitrail_test::Serial serial;
  attn(vitrail_test::as_tensor<double>(x), {}, 1, y, serial.context, {}, maps);
  const Rows qkv = product(x, p["qkv.weight"], p["qkv.bias"]);
  const Rows q = columns_of(qkv, 0, attn_inner);
  const Rows k = columns_of(qkv, attn_inner, 2 * attn_inner);
  for (std::size_t head = 0; head < attn_heads;
       ++head) {  // halves of heads are heads of half the width
    Rows expected =
        vitrail_test::attention_map(q, k, 2 * attn_heads, 2 * head, 0.5, vitrail_test::no_bias);
    Rows second =
        vitrail_test::attention_map(q, k, 2 * attn_heads, 2 * head + 1, 0.5, vitrail_test::no_bias);
    vitrail_test::scale_columns(second,
                                vitrail_test::Numbers(attn_tokens, -attn.differential.lambda));
    vitrail_test::add(expected, second);
    vitrail_test::expect_rows<double>(maps.view()[0][static_cast<Index>(head)], expected);
  }
}

}  // namespace
