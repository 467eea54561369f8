#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <vitrail/ops/linear.hpp>
#include <vitrail/runtime/thread_pool.hpp>

namespace {

using namespace vitrail;
using vitrail_test::as_double;
using vitrail_test::levels;
using vitrail_test::RandomMatrix;
using vitrail_test::Serial;

struct Case {
  Index M, N, K;
};

// Tails of rows, outputs and inputs; one row, one output, one input; more than one piece of K.
const Case cases[] = {{1, 1, 1},     {1, 1000, 192}, {2, 17, 5},      {3, 16, 16},  {7, 48, 64},
                      {9, 49, 63},   {10, 96, 65},   {13, 31, 129},   {23, 80, 33}, {50, 7, 391},
                      {197, 33, 96}, {19, 64, 770},  {12, 100, 1537}, {6, 47, 400}};

/// The largest difference between linear<float> and linear<double> on the same numbers.
template <class SetUp>
double largest_difference(const Case& c, Precision precision, SetUp set_up) {
  Serial serial;
  RandomMatrix<> x(c.M, c.K, 1);
  RandomMatrix<> w(c.N, c.K, 2, 1, 1.0F / std::sqrt(static_cast<float>(c.K)));
  RandomMatrix<> columns(2, c.N, 3);
  RandomMatrix<> rows(c.M, c.N, 4, 5);
  RandomMatrix<> y(c.M, c.N, 5, 2);
  const std::vector<float> before = y.values();
  const auto packed = PackedMatrix<float>::pack(w.view(), precision, serial.executor);
  Epilogue<float> epilogue;
  set_up(epilogue, columns.view(), MatrixView<const float>(rows.view()));
  linear<float>(x.view(), packed, epilogue, y.view(), serial.context);

  auto dx = as_double(x.view());
  auto dw = as_double(w.view());
  auto dcolumns = as_double(columns.view());
  auto drows = as_double(rows.view());
  Tensor<double, 2> dy({c.M, c.N});
  const auto dpacked = PackedMatrix<double>::pack(dw.view(), precision, serial.executor);
  Epilogue<double> depilogue;
  set_up(depilogue, dcolumns.view(), MatrixView<const double>(drows.view()));
  linear<double>(dx.view(), dpacked, depilogue, dy.view(), serial.context);

  double largest = 0;
  for (Index m = 0; m < c.M; ++m) {
    for (Index n = 0; n < c.N; ++n) {
      largest = std::max(largest, std::abs(static_cast<double>(y.view()(m, n)) - dy(m, n)));
    }
    // The slack between rows is nobody's to write.
    for (Index i = c.N; i < y.view().stride(0) && m + 1 < c.M; ++i) {
      const auto at = static_cast<std::size_t>(1 + m * y.view().stride(0) + i);
      EXPECT_EQ(y.values()[at], before[at]);
    }
  }
  EXPECT_EQ(y.values()[0], before[0]);
  return largest;
}

const auto plain = [](auto&, auto, auto) {};

TEST(Linear, EveryLevelAgreesWithDoublesOverOddSizes) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const Case& c : cases) {
      const double difference = largest_difference(c, Precision::f32, plain);
      EXPECT_LT(difference, 5e-6) << name_of(level) << " " << c.M << " " << c.N << " " << c.K;
    }
  }
}

TEST(Linear, Bf16AgreesWithDoublesOnRoundedNumbers) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const Case& c : cases) {
      const double difference = largest_difference(c, Precision::bf16, plain);
      EXPECT_LT(difference, 1e-5) << name_of(level) << " " << c.M << " " << c.N << " " << c.K;
    }
  }
}

TEST(Linear, Int8AgreesWithDoublesOnQuantisedNumbers) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const Case& c : cases) {
      const double difference = largest_difference(c, Precision::int8, plain);
      EXPECT_LT(difference, 2e-5) << name_of(level) << " " << c.M << " " << c.N << " " << c.K;
    }
  }
}

/// The root of the mean square of linear<float>'s differences from linear<double>.
double typical_difference(Index M, Index N, Index K) {
  Serial serial;
  RandomMatrix<> x(M, K, 1);
  RandomMatrix<> w(N, K, 2, 0, 1.0F / std::sqrt(static_cast<float>(K)));
  Tensor<float, 2> y({M, N});
  Tensor<double, 2> exact({M, N});
  const auto packed = PackedMatrix<float>::pack(w.view(), Precision::f32, serial.executor);
  linear<float>(x.view(), packed, {}, y.view(), serial.context);
  auto dx = as_double(x.view());
  auto dw = as_double(w.view());
  const auto dpacked = PackedMatrix<double>::pack(dw.view(), Precision::f32, serial.executor);
  linear<double>(dx.view(), dpacked, {}, exact.view(), serial.context);
  double squares = 0;
  for (Index i = 0; i < y.count(); ++i) {
    const double difference = static_cast<double>(y.data()[i]) - exact.data()[i];
    squares += difference * difference;
  }
  return std::sqrt(squares / static_cast<double>(y.count()));
}

// f32 made of bf16 parts is f32: no less exact than a chain of multiply-adds.
TEST(Linear, F32InPartsIsAsExactAsMultiplyAdds) {
  if (!cpu().supports[static_cast<std::size_t>(CpuLevel::amx)]) GTEST_SKIP() << "no AMX here";
  for (const Index K : {64, 768, 3072}) {
    const auto at_level = [K](CpuLevel level) {
      const ScopedCpuLevel scope(level);
      return typical_difference(33, 50, K);
    };
    EXPECT_LT(at_level(CpuLevel::amx), 1.2 * at_level(CpuLevel::avx512)) << K;
  }
}

// Numbers of very different sizes keep their own digits: nothing is scaled by rows or columns.
TEST(Linear, F32KeepsTheRangeOfF32) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    Serial serial;
    Tensor<float, 2> x({3, 4});
    Tensor<float, 2> w({2, 4});
    const float sizes[] = {1e30F, 1.2345678F, 3e-30F, -7.654321e-3F};
    for (Index k = 0; k < 4; ++k) {
      for (Index m = 0; m < 3; ++m) x(m, k) = m == 0 ? sizes[k] : k == m ? sizes[k] : 0.0F;
      w(0, k) = 1.0F;
      w(1, k) = 1.0F / sizes[k];
    }
    const auto packed = PackedMatrix<float>::pack(w.view(), Precision::f32, serial.executor);
    Tensor<float, 2> y({3, 2});
    linear<float>(x.view(), packed, {}, y.view(), serial.context);
    EXPECT_FLOAT_EQ(y(0, 0), 1e30F) << name_of(level);
    EXPECT_FLOAT_EQ(y(0, 1), 4.0F) << name_of(level);
    EXPECT_FLOAT_EQ(y(1, 0), 1.2345678F) << name_of(level);
    EXPECT_FLOAT_EQ(y(2, 0), 3e-30F) << name_of(level);
    EXPECT_FLOAT_EQ(y(2, 1), 1.0F) << name_of(level);
  }
}

TEST(Linear, EveryEpilogueAgreesWithTheDefinition) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (int kind = 0; kind <= static_cast<int>(Activation::tanh); ++kind) {
      for (int parts = 0; parts < 8; ++parts) {
        const auto set_up = [&](auto& epilogue, auto columns, auto rows) {
          epilogue.activation = static_cast<Activation>(kind);
          if ((parts & 1) != 0) epilogue.bias = &columns(0, 0);
          if ((parts & 2) != 0) epilogue.scale = &columns(1, 0);
          if ((parts & 4) != 0) epilogue.residual = rows;
        };
        for (const Precision precision : {Precision::f32, Precision::int8}) {
          const double difference = largest_difference({11, 53, 40}, precision, set_up);
          EXPECT_LT(difference, 2e-5)
              << name_of(level) << " " << name_of(static_cast<Activation>(kind)) << " " << parts;
        }
      }
    }
  }
}

TEST(Linear, ResidualMayBeTheResultItself) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    Serial serial;
    RandomMatrix<> x(20, 70, 1);
    RandomMatrix<> w(60, 70, 2);
    RandomMatrix<> y(20, 60, 3);
    const auto packed = PackedMatrix<float>::pack(w.view(), Precision::f32, serial.executor);
    Tensor<float, 2> expected({20, 60});
    linear<float>(x.view(), packed, {.residual = y.view()}, expected.view(), serial.context);
    linear<float>(x.view(), packed, {.residual = y.view()}, y.view(), serial.context);
    for (Index m = 0; m < 20; ++m) {
      for (Index n = 0; n < 60; ++n) EXPECT_EQ(y.view()(m, n), expected(m, n));
    }
  }
}

TEST(Linear, NormalisesOnTheWayIn) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
      Serial serial;
      RandomMatrix<> x(21, 77, 1);
      RandomMatrix<> w(60, 77, 2);
      RandomMatrix<> columns(2, 77, 3);
      const NormParameters<float> norm{&columns.view()(0, 0), &columns.view()(1, 0), 1e-6,
                                       NormKind::layer_norm};
      const auto packed = PackedMatrix<float>::pack(w.view(), precision, serial.executor);
      Tensor<float, 2> normalised({21, 77});
      Tensor<float, 2> expected({21, 60});
      Tensor<float, 2> y({21, 60});
      normalize_rows<float>(x.view(), norm, normalised.view(), serial.context);
      linear<float>(normalised, packed, {}, expected.view(), serial.context);
      linear<float>(x.view(), norm, packed, {}, y.view(), serial.context);
      for (Index i = 0; i < y.count(); ++i) EXPECT_EQ(y.data()[i], expected.data()[i]);
    }
  }
}

/// feed_forward, in place on its residual, against the two products one after the other.
void expect_two_products(Index M, Index D, Index hidden, Precision precision, int threads) {
  ThreadPool pool(threads);
  Workspace workspace;
  const Context context{pool, workspace};
  RandomMatrix<> x(M, D, 1);
  RandomMatrix<> w1(hidden, D, 2, 1, 1.0F / std::sqrt(static_cast<float>(D)));
  RandomMatrix<> w2(D, hidden, 3, 1, 1.0F / std::sqrt(static_cast<float>(hidden)));
  RandomMatrix<> columns(3, D, 4);
  RandomMatrix<> bias(1, hidden, 5);
  const auto first = PackedMatrix<float>::pack(w1.view(), precision, pool);
  const auto then = PackedMatrix<float>::pack(w2.view(), precision, pool);
  const NormParameters<float> norm{&columns.view()(0, 0), &columns.view()(1, 0), 1e-6,
                                   NormKind::layer_norm};
  const Epilogue<float> between{.bias = bias.view().data(), .activation = Activation::gelu_erf};
  const Epilogue<float> end{.scale = &columns.view()(2, 0), .residual = x.view()};
  Tensor<float, 2> middle({M, hidden});
  Tensor<float, 2> expected({M, D});
  linear<float>(x.view(), norm, first, between, middle.view(), context);
  linear<float>(middle, then, end, expected.view(), context);
  feed_forward<float>(x.view(), &norm, first, between, then, end, x.view(), context);
  for (Index m = 0; m < M; ++m) {
    for (Index d = 0; d < D; ++d) {
      ASSERT_EQ(x.view()(m, d), expected(m, d)) << M << " " << D << " " << hidden << " " << m;
    }
  }
}

TEST(FeedForward, IsBitEqualToItsTwoProducts) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
      for (const int threads : {1, 2, 3}) {
        for (const Index M : {1, 5, 9, 13, 50, 197}) {
          expect_two_products(M, 24, 96, precision, threads);
          expect_two_products(M, 192, 96, precision, threads);  // in pairs, where that is faster
        }
        expect_two_products(7, 33, 70, precision, threads);     // outputs that are no whole blocks
        expect_two_products(20, 49, 1552, precision, threads);  // more than one piece of K
      }
    }
  }
}

// Whoever multiplies the second half of K last joins both; which of the two that is, and when it
// notices, changes from run to run.
TEST(FeedForward, JoinsTheHalvesOfALongKWhoeverComesLast) {
  for (const Index M : {1, 20, 33}) {
    for (int run = 0; run < 50; ++run) expect_two_products(M, 49, 1552, Precision::f32, 2);
    for (const int threads : {4, 8}) expect_two_products(M, 300, 1552, Precision::f32, threads);
  }
}

/// `Epilogue` for the rows from `first`.
using MakeEpilogue = Epilogue<float> (*)(Index first, MatrixView<const float> rows,
                                         const float* columns);

void expect_bit_equal(CpuLevel level, Precision precision, Index N, Index K, MakeEpilogue make) {
  RandomMatrix<> x(197, K, 1);
  RandomMatrix<> w(N, K, 2);
  RandomMatrix<> rows(197, N, 3);
  RandomMatrix<> columns(1, N, 4);
  const auto epilogue = [&](Index first) {
    return make(first, MatrixView<const float>(rows.view()), columns.view().data());
  };
  Serial serial;
  const auto packed = PackedMatrix<float>::pack(w.view(), precision, serial.executor);
  Tensor<float, 2> expected({197, N});
  linear<float>(x.view(), packed, epilogue(0), expected.view(), serial.context);
  for (const int threads : {2, 3, 8}) {
    ThreadPool pool(threads);
    Workspace workspace;
    const Context context{pool, workspace};
    const auto packed_by_many = PackedMatrix<float>::pack(w.view(), precision, pool);
    Tensor<float, 2> y({197, N});
    linear<float>(x.view(), packed_by_many, epilogue(0), y.view(), context);
    EXPECT_EQ(
        std::memcmp(y.data(), expected.data(), sizeof(float) * 197 * static_cast<std::size_t>(N)),
        0)
        << name_of(level) << " " << name_of(precision) << " " << threads;
  }
  if (level == CpuLevel::generic) return;  // Eigen promises no such thing over M
  for (const Index M : {Index{1}, Index{2}, Index{5}, Index{50}}) {
    Tensor<float, 2> y({M, N});
    linear<float>(x.view().slice(3, 3 + M), packed, epilogue(3), y.view(), serial.context);
    EXPECT_EQ(
        std::memcmp(y.data(), &expected(3, 0), sizeof(float) * static_cast<std::size_t>(M * N)), 0)
        << name_of(level) << " " << name_of(precision) << " " << M;
  }
}

TEST(Linear, IsBitEqualForAnyNumberOfThreadsAndAnyBatch) {
  const MakeEpilogue makers[] = {
      [](Index, MatrixView<const float>, const float*) {
        return Epilogue<float>{.activation = Activation::gelu_erf};
      },
      [](Index, MatrixView<const float>, const float* columns) {
        return Epilogue<float>{.bias = columns};
      },
      [](Index, MatrixView<const float>, const float* columns) {
        return Epilogue<float>{.scale = columns};
      },
      [](Index first, MatrixView<const float> rows, const float* columns) {
        return Epilogue<float>{
            .bias = columns, .scale = columns, .residual = rows.slice(first, rows.extent(0))};
      }};
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8})
      for (const auto& [N, K] : {std::pair<Index, Index>{70, 200}, {290, 777}})
        for (const MakeEpilogue make : makers) expect_bit_equal(level, precision, N, K, make);
  }
}

}  // namespace
