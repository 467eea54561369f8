#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <support/plain_layers.hpp>
#include <vitrail/ops/normalize.hpp>

namespace {

using namespace vitrail;
using vitrail_test::levels;
using vitrail_test::RandomMatrix;
using vitrail_test::Serial;

TEST(NormalizeRows, AgreesWithDoublesOverOddSizes) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const NormKind kind : {NormKind::layer_norm, NormKind::rms_norm}) {
      for (const bool with_beta : {true, false}) {
        for (const Index D : {1, 7, 16, 33, 192, 769}) {
          Serial serial;
          RandomMatrix<> x(19, D, 1);
          RandomMatrix<> columns(2, D, 2);
          for (float& value : x.values()) value += 3;  // a mean to subtract
          const float* beta = with_beta ? &columns.view()(1, 0) : nullptr;
          const NormParameters<float> norm{&columns.view()(0, 0), beta, 1e-5, kind};
          const auto doubles = vitrail_test::as_double(x.view());
          const auto dcolumns = vitrail_test::as_double(columns.view());
          const NormParameters<double> dnorm{&dcolumns(0, 0), with_beta ? &dcolumns(1, 0) : nullptr,
                                             1e-5, kind};
          normalize_rows<float>(x.view(), norm, x.view(), serial.context);
          std::vector<double> expected(static_cast<std::size_t>(D));
          for (Index m = 0; m < 19; ++m) {
            normalize_row(&doubles(m, 0), D, dnorm, expected.data());
            for (Index d = 0; d < D; ++d) {
              EXPECT_NEAR(static_cast<double>(x.view()(m, d)),
                          expected[static_cast<std::size_t>(d)], 4e-6)
                  << name_of(level) << " D " << D;
            }
          }
        }
      }
    }
  }
}

TEST(NormalizeRow, IsItsFormula) {
  using namespace vitrail_test;
  const Rows x = some_rows(1, 23);
  const Numbers gamma = some_rows(1, 23, 0.3)[0];
  const Numbers beta = some_rows(1, 23, 0.6)[0];
  Tensor<double, 2> y({1, 23});
  normalize_row<double>(x[0].data(), 23, {gamma.data(), beta.data(), 0.1}, y.data());
  expect_rows<double>(y.view(), normed(x, gamma, beta, 0.1));
  normalize_row<double>(x[0].data(), 23, {gamma.data(), nullptr, 0.1, NormKind::rms_norm},
                        y.data());
  expect_rows<double>(y.view(), rms_normed(x, gamma, 0.1));
}

/// The variance of a row that hardly moves around a large mean: 1 / sqrt(eps) bounds the answer.
TEST(NormalizeRows, OfAConstantRowIsBeta) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const Index D : {1, 15, 64, 100}) {
      Serial serial;
      Tensor<float, 2> x({2, D});
      for (float& value : x.flat()) value = 1234.5F;
      RandomMatrix<> columns(2, D, 2);
      const NormParameters<float> norm{&columns.view()(0, 0), &columns.view()(1, 0)};
      normalize_rows<float>(x.view(), norm, x.view(), serial.context);
      for (Index d = 0; d < D; ++d) EXPECT_EQ(x(1, d), columns.view()(1, d)) << name_of(level);
    }
  }
}

}  // namespace
