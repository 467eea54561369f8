#include <gtest/gtest.h>

#include <cmath>
#include <vitrail/tensor/matrix.hpp>
#include <vitrail/tensor/tensor.hpp>

namespace {

using namespace vitrail;

TEST(Matrix, EigenMapSharesTheMemoryOfAStridedView) {
  Tensor<double, 2> tensor({3, 5});
  as_matrix(tensor.view().columns(1, 3)).setConstant(2.0);
  EXPECT_EQ(as_matrix(tensor.view()).sum(), 12.0);
  EXPECT_EQ(tensor(2, 0), 0.0);
  EXPECT_EQ(tensor(2, 1), 2.0);
}

/// a b^T with columns left over on either side of each view; sizes around the tile and one.
TEST(Matrix, PlainProductIsTheSumOfProducts) {
  for (const Index M : {Index{1}, Index{5}, plain_tile, plain_tile + 1, 2 * plain_tile + 7})
    for (const Index N : {Index{1}, plain_tile - 1, plain_tile + 3})
      for (const Index K : {1, 17, 300}) {
        Tensor<double, 2> a({M, K + 3});
        Tensor<double, 2> b({N, K + 2});
        Tensor<double, 2> c({M, N + 4});
        for (Index i = 0; i < a.count(); ++i) a.data()[i] = std::sin(static_cast<double>(i));
        for (Index i = 0; i < b.count(); ++i) b.data()[i] = std::cos(static_cast<double>(3 * i));
        for (double& value : c.flat()) value = 9;  // is overwritten, not added to
        plain_product<double>(a.view().columns(1, K + 1), b.view().columns(2, K + 2),
                              c.view().columns(3, N + 3));
        for (Index m = 0; m < M; ++m) {
          for (Index n = 0; n < N; ++n) {
            double sum = 0;
            for (Index k = 0; k < K; ++k) sum += a(m, k + 1) * b(n, k + 2);
            ASSERT_NEAR(c(m, n + 3), sum, 1e-12) << M << " " << N << " " << K;
          }
          EXPECT_EQ(c(m, 2), 9);
          EXPECT_EQ(c(m, N + 3), 9);
        }
      }
}

}  // namespace
