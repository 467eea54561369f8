#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <support/plain_layers.hpp>
#include <vitrail/nn/attention_pool.hpp>

namespace {

using namespace vitrail;
using vitrail_test::MadeUpParameters;
using vitrail_test::product;
using vitrail_test::Rows;

/// y = proj(attention(q(latent), k(x), v(x))), pooled = y + mlp(norm(y)), x without `skipped` rows.
template <class T>
void expect_pooled(std::size_t skipped) {
  MadeUpParameters<T> p;
  const auto pool = AttentionPool<T>::load(p, "pool", 18, 3, 29, 1e-5, NormKind::layer_norm,
                                           Activation::gelu_erf);
  EXPECT_EQ(p.shapes.at("pool.latent"), "(1, 1, 18)");
  const Rows tokens = vitrail_test::some_rows(2 * 11, 18);
  Tensor<T, 2> pooled({2, 18});
  vitrail_test::Serial serial;
  pool(vitrail_test::as_tensor<T>(tokens), 2, static_cast<Index>(skipped), pooled, serial.context);

  const auto of = p.below("pool.");
  const Rows q = product({of("latent")}, of("q.weight"), of("q.bias"));
  Rows expected;
  for (std::size_t picture = 0; picture < 2; ++picture) {
    const Rows x(tokens.begin() + static_cast<std::ptrdiff_t>(picture * 11 + skipped),
                 tokens.begin() + static_cast<std::ptrdiff_t>((picture + 1) * 11));
    const Rows kv = product(x, of("kv.weight"), of("kv.bias"));
    const Rows joined = vitrail_test::attended(q, vitrail_test::columns_of(kv, 0, 18),
                                               vitrail_test::columns_of(kv, 18, 36), 3,
                                               1 / std::sqrt(6.0), vitrail_test::no_bias);
    const Rows y = product(joined, of("proj.weight"), of("proj.bias"));
    const Rows hidden = product(vitrail_test::normed(y, of("norm.weight"), of("norm.bias"), 1e-5),
                                of("mlp.fc1.weight"), of("mlp.fc1.bias"));
    Rows sum = product(vitrail_test::each(hidden, vitrail_test::gelu), of("mlp.fc2.weight"),
                       of("mlp.fc2.bias"));
    vitrail_test::add(sum, y);
    expected.push_back(sum[0]);
  }
  vitrail_test::expect_rows<T>(pooled.view(), expected);
}

TEST(AttentionPool, IsItsFormulaForEveryPicture) {
  expect_pooled<float>(0);
  expect_pooled<double>(0);
}

TEST(AttentionPool, DoesNotLookAtTheTokensItSkips) { expect_pooled<double>(4); }

}  // namespace
