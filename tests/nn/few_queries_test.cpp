#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <support/plain_layers.hpp>
#include <vitrail/nn/few_queries.hpp>

namespace {

using namespace vitrail;
using vitrail_test::columns_of;
using vitrail_test::MadeUpParameters;
using vitrail_test::Rows;

constexpr Index few_width = 20;
constexpr Index few_heads = 3;
constexpr Index few_inner = 24;
constexpr std::ptrdiff_t few_tokens = 7;
constexpr std::ptrdiff_t few_asked = 2;

/// joined = attention(q, x W_k^T + b_k, x W_v^T + b_v) of two pictures.
template <class T>
void expect_attention(double scale) {
  MadeUpParameters<T> p;
  const auto kv = Dense<T>::load(p, "kv", 2 * few_inner, few_width);
  const auto few = FewQueries<T>::of(kv, few_inner);
  const Rows q = vitrail_test::some_rows(2 * few_asked, few_inner);
  const Rows x = vitrail_test::some_rows(2 * few_tokens, few_width);
  Tensor<T, 2> joined({2 * few_asked, few_inner});
  vitrail_test::Serial serial;
  few(vitrail_test::as_tensor<T>(q), vitrail_test::as_tensor<T>(x), 2, few_heads,
      static_cast<T>(scale), joined, serial.context);
  Rows expected;
  for (std::ptrdiff_t b = 0; b < 2; ++b) {
    const Rows seen(x.begin() + b * few_tokens, x.begin() + (b + 1) * few_tokens);
    const Rows asking(q.begin() + b * few_asked, q.begin() + (b + 1) * few_asked);
    const Rows both = vitrail_test::product(seen, p["kv.weight"], p["kv.bias"]);
    for (const auto& row : vitrail_test::attended(asking, columns_of(both, 0, few_inner),
                                                  columns_of(both, few_inner, 2 * few_inner),
                                                  few_heads, scale, vitrail_test::no_bias))
      expected.push_back(row);
  }
  vitrail_test::expect_rows<T>(joined.view(), expected);
}

TEST(FewQueries, IsAttentionToTheKeysAndValuesItDoesNotMake) {
  for (const CpuLevel level : vitrail_test::levels()) {
    const ScopedCpuLevel scope(level);
    expect_attention<float>(1 / std::sqrt(8.0));
    expect_attention<double>(0.5);
  }
}

TEST(FewQueries, KeepsTheWeightsOfAnInt8ModelInBf16) {
  vitrail_test::Serial serial;
  vitrail_test::RandomMatrix<> weight(2 * few_inner, few_width, 1);
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
    Dense<float> kv;
    kv.weight = PackedMatrix<float>::pack(weight.view(), precision, serial.executor);
    const auto few = FewQueries<float>::of(kv, few_inner);
    const Precision kept = precision == Precision::int8 ? Precision::bf16 : precision;
    EXPECT_EQ(few.keys.weight.precision(), kept);
    EXPECT_EQ(few.values.weight.precision(), kept);
    EXPECT_TRUE(few.values.bias.empty());
  }
  EXPECT_TRUE(FewQueries<float>::of({}, few_inner).empty());
}

}  // namespace
