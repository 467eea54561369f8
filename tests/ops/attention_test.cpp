#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <vitrail/ops/attention.hpp>
#include <vitrail/runtime/thread_pool.hpp>

namespace {

using namespace vitrail;
using vitrail_test::as_double;
using vitrail_test::levels;
using vitrail_test::RandomMatrix;
using vitrail_test::Serial;

/// A qkv product (B * T, 3 * A * hd) at an awkward address, as float and as double.
struct Qkv {
  Qkv(Index batch, Index tokens, Index heads, Index hd)
      : floats(batch * tokens, 3 * heads * hd, 1),
        doubles(as_double(floats.view())),
        D(heads * hd),
        B(batch),
        A(heads) {}

  template <class T>
  [[nodiscard]] AttentionInput<T> input(MatrixView<const T> all) const {
    const auto scale = 1 / std::sqrt(static_cast<T>(D / A));
    return {all.columns(0, D), all.columns(D, 2 * D), all.columns(2 * D, 3 * D), B, A, scale};
  }

  RandomMatrix<> floats;
  Tensor<double, 2> doubles;
  Index D, B, A;
};

TEST(Attention, EveryLevelAgreesWithDoublesForAnyHeadDimension) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const Index hd : {1, 6, 8, 31, 32, 48, 64, 72, 80, 88, 96, 104, 128}) {
      for (const Index tokens : {1, 5, 16, 37, 65}) {
        Serial serial;
        Qkv qkv(2, tokens, 3, hd);
        RandomMatrix<> y(2 * tokens, 3 * hd, 2);
        Tensor<double, 2> expected({2 * tokens, 3 * hd});
        attention<float>(qkv.input<float>(qkv.floats.view()), y.view(), serial.context);
        attention<double>(qkv.input<double>(qkv.doubles.view()), expected.view(), serial.context);
        double largest = 0;
        for (Index i = 0; i < 2 * tokens; ++i) {
          for (Index d = 0; d < 3 * hd; ++d) {
            largest =
                std::max(largest, std::abs(static_cast<double>(y.view()(i, d)) - expected(i, d)));
          }
        }
        EXPECT_LT(largest, 3e-6) << name_of(level) << " hd " << hd << " T " << tokens;
      }
    }
  }
}

TEST(Attention, InBf16IsOffByTheRoundingOfItsOperandsAtMost) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const Precision precision : {Precision::bf16, Precision::int8})
      for (const Index hd : {8, 31, 64, 80})
        for (const Index tokens : {1, 17, 65, 197}) {
          Serial serial;
          Qkv qkv(2, tokens, 3, hd);
          Tensor<float, 2> y({2 * tokens, 3 * hd});
          Tensor<double, 2> expected({2 * tokens, 3 * hd});
          AttentionInput<float> in = qkv.input<float>(qkv.floats.view());
          in.precision = precision;
          attention<float>(in, y.view(), serial.context);
          attention<double>(qkv.input<double>(qkv.doubles.view()), expected.view(), serial.context);
          // Values of unit variance, weighted: each operand is off by 2^-9 of itself at most, and
          // the scores' error, about 2^-9 sqrt(2), goes into the weights.
          for (Index i = 0; i < y.count(); ++i)
            ASSERT_NEAR(static_cast<double>(y.data()[i]), expected.data()[i], 3e-2)
                << name_of(level) << " hd " << hd << " T " << tokens;
        }
  }
}

TEST(Attention, AddsABiasAndTakesOtherKeysThanQueries) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    Serial serial;
    const Index Tq = 11;
    const Index Tk = 50;
    RandomMatrix<> q(Tq, 2 * 24, 1);
    RandomMatrix<> k(Tk, 2 * 24, 2);
    RandomMatrix<> v(Tk, 2 * 24, 3);
    RandomMatrix<> bias(2 * Tq, Tk, 4, 0);
    Tensor<float, 2> y({Tq, 48});
    Tensor<double, 2> expected({Tq, 48});
    const AttentionInput<float> in{
        q.view(), k.view(), v.view(), 1, 2, 0.3F, {bias.view().data(), {2, Tq, Tk}}};
    attention<float>(in, y.view(), serial.context);
    const auto dq = as_double(q.view()), dk = as_double(k.view()), dv = as_double(v.view());
    const auto dbias = as_double(bias.view());
    const AttentionInput<double> din{dq.view(),
                                     dk.view(),
                                     dv.view(),
                                     1,
                                     2,
                                     static_cast<double>(0.3F),
                                     {dbias.data(), {2, Tq, Tk}}};
    attention<double>(din, expected.view(), serial.context);
    for (Index i = 0; i < y.count(); ++i) {
      EXPECT_NEAR(static_cast<double>(y.data()[i]), expected.data()[i], 2e-6) << name_of(level);
    }
  }
}

/// The first `queries` tokens of each of two pictures attend to a prefix and a grid of patches.
template <class T>
Tensor<T, 2> attended_by_position(RotaryKind kind, Index hd, Index prefix, Index queries) {
  Serial serial;
  constexpr Grid grid{5, 7};
  const Index tokens = prefix + grid.count();
  RandomMatrix<> floats(2 * tokens, 3 * 3 * hd, 1);
  const auto qkv = Tensor<T, 2>::copy_of(floats.view());
  const MatrixView<const T> all = qkv.view();
  Tensor<T, 2> q({2 * queries, 3 * hd});
  for (Index row = 0; row < 2 * queries; ++row) {
    const auto from = all.columns(0, 3 * hd)[row / queries * tokens + row % queries];
    std::copy_n(from.data(), 3 * hd, &q(row, 0));
  }
  Workspace tables;
  const AttentionInput<T> in{.q = q.view(),
                             .k = all.columns(3 * hd, 6 * hd),
                             .v = all.columns(6 * hd, 9 * hd),
                             .batch = 2,
                             .heads = 3,
                             .scale = 1 / std::sqrt(static_cast<T>(hd)),
                             .rotary = make_rotary<T>(kind, grid, hd, 16, {}, tables),
                             .prefix = prefix};
  Tensor<T, 2> y({2 * queries, 3 * hd});
  attention<T>(in, y.view(), serial.context);
  return y;
}

TEST(Attention, TurnsQAndKByRotaryPositionsAtEveryLevel) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const RotaryKind kind : {RotaryKind::eva, RotaryKind::dinov3})
      for (const Index hd : {4, 12, 40, 64, 72})
        for (const Index prefix : {0, 1, 50})
          for (const Index queries : {Index{1}, Index{2}, prefix + 35}) {
            const auto y = attended_by_position<float>(kind, hd, prefix, queries);
            const auto expected = attended_by_position<double>(kind, hd, prefix, queries);
            for (Index i = 0; i < y.count(); ++i) {
              ASSERT_NEAR(static_cast<double>(y.data()[i]), expected.data()[i], 4e-6)
                  << name_of(level) << " hd " << hd << " prefix " << prefix << " Tq " << queries;
            }
          }
  }
}

TEST(Attention, StaysFiniteForLargeScores) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    Serial serial;
    RandomMatrix<> qkv(20, 3 * 16, 1, 0, 100.0F);
    Tensor<float, 2> y({20, 16});
    const MatrixView<const float> all = qkv.view();
    attention<float>({all.columns(0, 16), all.columns(16, 32), all.columns(32, 48)}, y.view(),
                     serial.context);
    for (const float value : y.flat()) EXPECT_LT(std::abs(value), 1000.0F);
  }
}

TEST(Attention, IsBitEqualForAnyNumberOfThreadsAndAnyBatch) {
  for (const CpuLevel level : levels()) {
    if (level == CpuLevel::generic) continue;  // Eigen promises no such thing
    const ScopedCpuLevel scope(level);
    Serial serial;
    Qkv qkv(3, 50, 3, 40);
    Tensor<float, 2> expected({150, 120});
    const auto in = qkv.input<float>(qkv.floats.view());
    attention<float>(in, expected.view(), serial.context);
    for (const int threads : {2, 3, 8}) {
      ThreadPool pool(threads);
      Workspace workspace;
      Tensor<float, 2> y({150, 120});
      attention<float>(in, y.view(), {pool, workspace});
      EXPECT_EQ(std::memcmp(y.data(), expected.data(), sizeof(float) * 150 * 120), 0);
    }
    for (Index picture = 0; picture < 3; ++picture) {
      AttentionInput<float> one = in;
      one.batch = 1;
      for (auto* view : {&one.q, &one.k, &one.v})
        *view = view->slice(picture * 50, picture * 50 + 50);
      Tensor<float, 2> y({50, 120});
      attention<float>(one, y.view(), serial.context);
      EXPECT_EQ(std::memcmp(y.data(), &expected(picture * 50, 0), sizeof(float) * 50 * 120), 0);
    }
  }
}

TEST(AttentionMaps, AreTheWeightsThatAttentionUses) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    Serial serial;
    Qkv qkv(1, 21, 2, 12);
    const auto in = qkv.input<float>(qkv.floats.view());
    Tensor<float, 2> y({21, 24});
    attention<float>(in, y.view(), serial.context);
    Tensor<float, 4> maps({1, 2, 21, 21});
    attention_maps<float>(in, maps.view(), serial.context);
    for (Index a = 0; a < 2; ++a) {
      for (Index i = 0; i < 21; ++i) {
        float sum = 0;
        float first = 0;
        for (Index j = 0; j < 21; ++j) {
          sum += maps(0, a, i, j);
          first += maps(0, a, i, j) * in.v(j, a * 12);
        }
        EXPECT_NEAR(sum, 1.0F, 1e-6F);
        EXPECT_NEAR(first, y(i, a * 12), 2e-6F);
      }
    }
  }
}

}  // namespace
