// Products of which half of K is multiplied in pairs: the tiles on every processor that runs them,
// and where they are the faster way, linear() through them.
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

/// What a pair's multiply-add has too much, over a row or a column of values.
double pair_products(const std::vector<float>& values) {
  double sum = 0;
  for (std::size_t k = 0; k < values.size(); k += 8) {
    sum += static_cast<double>(values[k]) * static_cast<double>(values[k + 1]) -
           static_cast<double>(values[k + 4]) * static_cast<double>(values[k + 5]);
  }
  return sum;
}

/// One tile of `rows` rows against one panel, in registers to its end or not.
void expect_tile(const detail::Kernels& kernels, Index rows, Index K, bool finishes) {
  const detail::ProductKernels& paired = kernels.paired;
  const Index padded = paired.padded_rows(rows);
  const Index vectors = paired.panel_vectors;
  const Index columns = vectors * kernels.vector;
  RandomMatrix<> x(padded, K, 1, 0);
  RandomMatrix<> w(columns, K, 2, 0);
  Tensor<float, 1> left({padded * K});
  Tensor<float, 1> right({columns * K});
  Tensor<float, 1> row_pairs({padded});
  Tensor<float, 1> column_pairs({columns});
  for (Index k = 0; k < K; ++k) {
    for (Index r = 0; r < padded; ++r) left((k / 16 * padded + r) * 16 + k % 16) = x.view()(r, k);
    for (Index n = 0; n < columns; ++n) right(k * columns + n) = w.view()(n, k);
  }
  const auto row_of = [K](MatrixView<float> m, Index row) {
    return std::vector<float>(&m(row, 0), &m(row, 0) + K);
  };
  for (Index n = 0; n < columns; ++n)
    column_pairs(n) = static_cast<float>(pair_products(row_of(w.view(), n)));
  const auto* const left_bytes = reinterpret_cast<const std::byte*>(left.data());
  kernels.pair_products(left_bytes, padded, K, padded * 64, row_pairs.data());
  for (Index r = 0; r < padded; ++r)
    EXPECT_NEAR(static_cast<double>(row_pairs(r)), pair_products(row_of(x.view(), r)), 1e-5);

  Tensor<float, 2> y({padded, columns});
  Tensor<float, 1> bias({columns});
  std::fill_n(bias.data(), columns, 3.0F);
  detail::Finish finish;
  finish.factor = 4.0F;
  finish.bias = bias.data();
  const detail::Target to = detail::Target::rows(y.data(), columns);
  detail::TileArguments arguments{};
  arguments.left = left_bytes;
  arguments.right = reinterpret_cast<const std::byte*>(right.data());
  arguments.steps = K;
  arguments.vectors = vectors;
  arguments.sums = reinterpret_cast<std::byte*>(y.data());
  arguments.row_bytes = columns * 4;
  arguments.vector_bytes = kernels.vector * 4;
  arguments.first = true;
  arguments.row_pairs = row_pairs.data();
  arguments.column_pairs = column_pairs.data();
  arguments.finish = finishes ? &finish : nullptr;
  arguments.to = &to;
  paired.tile_for(vectors, rows)(arguments);
  if (!finishes) kernels.finish(Activation::none, y.data(), columns, padded, columns, finish, to);
  for (Index r = 0; r < padded; ++r) {
    for (Index n = 0; n < columns; ++n) {
      double expected = 0;
      for (Index k = 0; k < K; ++k)
        expected += static_cast<double>(x.view()(r, k)) * static_cast<double>(w.view()(n, k));
      EXPECT_NEAR(static_cast<double>(y(r, n)), 4 * expected + 3, 5e-4)
          << name_of(kernels.level) << " " << rows << " " << K << " " << r << " " << n;
    }
  }
}

TEST(PairedProduct, EveryTileAgreesWithDoubles) {
  for (const CpuLevel level : levels()) {
    const detail::Kernels* const kernels = detail::kernels_for(level);
    if (kernels == nullptr || kernels->pair_products == nullptr) continue;
    for (const Index rows : {1, 3, 4, 8, 9})
      for (const Index K : {Index{16}, Index{192}, detail::most_paired_inputs})
        for (const bool finishes : {false, true}) expect_tile(*kernels, rows, K, finishes);
  }
}

/// linear() of rows that are normalised on the way, gamma about `gamma_size` large, weights about
/// `weight_size`: the largest difference from doubles, for results of about 1.
double largest_difference(Index M, float gamma_size, float weight_size, NormKind kind) {
  constexpr Index N = 96;
  constexpr Index K = 192;
  Serial serial;
  RandomMatrix<> x(M, K, 1);
  RandomMatrix<> w(N, K, 2, 1, weight_size);
  RandomMatrix<> columns(2, K, 3, 1, gamma_size);
  const bool shifts = kind == NormKind::layer_norm;
  const NormParameters<float> norm{&columns.view()(0, 0), shifts ? &columns.view()(1, 0) : nullptr,
                                   1e-6, kind};
  Tensor<float, 2> y({M, N});
  linear<float>(x.view(), norm,
                PackedMatrix<float>::pack(w.view(), Precision::f32, serial.executor), {}, y.view(),
                serial.context);
  auto dx = as_double(x.view());
  auto dw = as_double(w.view());
  auto dcolumns = as_double(columns.view());
  const NormParameters<double> dnorm{&dcolumns(0, 0), shifts ? &dcolumns(1, 0) : nullptr, 1e-6,
                                     kind};
  Tensor<double, 2> dy({M, N});
  linear<double>(dx.view(), dnorm,
                 PackedMatrix<double>::pack(dw.view(), Precision::f32, serial.executor), {},
                 dy.view(), serial.context);
  double largest = 0;
  for (Index i = 0; i < y.count(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(y.data()[i]) - dy.data()[i]));
  return largest / static_cast<double>(gamma_size) / static_cast<double>(weight_size) /
         std::sqrt(static_cast<double>(K));
}

TEST(PairedProduct, IsAsExactForWeightsAndNormsOfAnySize) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const float gamma_size : {1e-3F, 1.0F, 300.0F})
      for (const float weight_size : {1e-12F, 0.02F, 1.0F, 1e9F})
        for (const NormKind kind : {NormKind::layer_norm, NormKind::rms_norm})
          EXPECT_LT(largest_difference(20, gamma_size, weight_size, kind), 6e-6)
              << name_of(level) << " " << gamma_size << " " << weight_size;
  }
}

TEST(PairedProduct, NothingButZerosGivesTheBias) {
  Serial serial;
  RandomMatrix<> x(3, 192, 1);
  const Tensor<float, 2> zeros({48, 192});
  const Tensor<float, 1> gamma({192});
  const Tensor<float, 1> bias = [] {
    Tensor<float, 1> values({48});
    std::fill_n(values.data(), 48, 0.25F);
    return values;
  }();
  const NormParameters<float> norm{gamma.data(), nullptr, 1e-6, NormKind::rms_norm};
  Tensor<float, 2> y({3, 48});
  linear<float>(x.view(), norm,
                PackedMatrix<float>::pack(zeros.view(), Precision::f32, serial.executor),
                {.bias = bias.data()}, y.view(), serial.context);
  for (const float value : y.flat()) EXPECT_EQ(value, 0.25F);
}

TEST(PairedProduct, IsBitEqualForAnyNumberOfThreadsAndAnyBatch) {
  constexpr Index M = 197;
  constexpr Index N = 144;
  constexpr Index K = 384;
  RandomMatrix<> x(M, K, 1);
  RandomMatrix<> w(N, K, 2, 1, 0.05F);
  RandomMatrix<> columns(2, K, 3);
  const NormParameters<float> norm{&columns.view()(0, 0), &columns.view()(1, 0), 1e-6,
                                   NormKind::layer_norm};
  for (const CpuLevel level : levels()) {
    if (level == CpuLevel::generic) continue;  // Eigen promises no such thing over M
    const ScopedCpuLevel scope(level);
    Serial serial;
    const auto packed = PackedMatrix<float>::pack(w.view(), Precision::f32, serial.executor);
    Tensor<float, 2> expected({M, N});
    linear<float>(x.view(), norm, packed, {}, expected.view(), serial.context);
    for (const int threads : {2, 3}) {
      ThreadPool pool(threads);
      Workspace workspace;
      Tensor<float, 2> y({M, N});
      linear<float>(x.view(), norm, packed, {}, y.view(), {pool, workspace});
      EXPECT_TRUE(std::ranges::equal(y.flat(), expected.flat())) << name_of(level);
    }
    for (const Index rows : {1, 5, 50}) {
      Tensor<float, 2> y({rows, N});
      linear<float>(x.view().slice(3, 3 + rows), norm, packed, {}, y.view(), serial.context);
      EXPECT_TRUE(std::equal(y.data(), y.data() + y.count(), &expected(3, 0))) << name_of(level);
    }
  }
}

}  // namespace
