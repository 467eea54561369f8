#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <vitrail/ops/linear.hpp>

namespace {

using namespace vitrail;
using vitrail_test::levels;
using vitrail_test::RandomMatrix;
using vitrail_test::Serial;

TEST(PackedMatrix, PacksPieceByPieceFromASource) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
      Serial serial;
      RandomMatrix<> x(5, 60, 1);
      RandomMatrix<> w(101, 60, 2);
      const auto whole = PackedMatrix<float>::pack(w.view(), precision, serial.executor);
      const auto source = [&](Index begin, Index end, float* out) {
        copy(MatrixView<const float>(w.view()).slice(begin, end),
             MatrixView<float>(out, {end - begin, 60}));
      };
      const auto pieces = PackedMatrix<float>::pack(101, 60, source, precision, serial.executor);
      EXPECT_EQ(pieces.byte_size(), whole.byte_size());
      Tensor<float, 2> expected({5, 101});
      Tensor<float, 2> y({5, 101});
      linear<float>(x.view(), whole, {}, expected.view(), serial.context);
      linear<float>(x.view(), pieces, {}, y.view(), serial.context);
      for (Index i = 0; i < y.count(); ++i) EXPECT_EQ(y.data()[i], expected.data()[i]);
    }
  }
}

TEST(PackedMatrix, ServesAtTheLevelItWasPackedFor) {
  Serial serial;
  RandomMatrix<> x(5, 60, 1);
  RandomMatrix<> w(40, 60, 2);
  const auto packed = PackedMatrix<float>::pack(w.view(), Precision::f32, serial.executor);
  Tensor<float, 2> expected({5, 40});
  linear<float>(x.view(), packed, {}, expected.view(), serial.context);
  const ScopedCpuLevel scope(CpuLevel::generic);
  Tensor<float, 2> y({5, 40});
  linear<float>(x.view(), packed, {}, y.view(), serial.context);
  for (Index i = 0; i < y.count(); ++i) EXPECT_EQ(y.data()[i], expected.data()[i]);
}

/// x (3, K) through the weight.
Tensor<float, 2> multiplied(const PackedMatrix<float>& weight) {
  Serial serial;
  RandomMatrix<> x(3, weight.inputs(), 1);
  Tensor<float, 2> y({3, weight.outputs()});
  linear<float>(x.view(), weight, {}, y.view(), serial.context);
  return y;
}

TEST(PackedMatrix, TellsItsWeightsAsProductsSeeThem) {
  Serial serial;
  RandomMatrix<> w(101, 70, 2);
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
    Tensor<float, 2> rounded({101, 70});
    copy(w.view(), rounded.view());
    for (Index n = 0; n < 101; ++n) {
      detail::round_weights(precision, &rounded(n, 0), 70);
      if (precision == Precision::int8) detail::hadamard_blocks(&rounded(n, 0), 70);
    }
    for (const CpuLevel level : levels()) {
      const ScopedCpuLevel scope(level);
      const auto packed = PackedMatrix<float>::pack(w.view(), precision, serial.executor);
      for (Index n = 0; n < 101; ++n) {
        const Tensor<float, 1> row = packed.row(n);
        for (Index k = 0; k < 70; ++k)
          ASSERT_EQ(row(k), rounded(n, k)) << name_of(level) << " " << n << " " << k;
      }
    }
  }
}

TEST(PackedMatrix, OfStoredBf16IsThatOfItsNumbers) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const auto& [N, K] : {std::pair<Index, Index>{1, 1}, {17, 5}, {50, 33}, {101, 70}}) {
      Serial serial;
      RandomMatrix<> w(N, K, 2);
      const auto stored = Tensor<bf16, 2>::copy_of(MatrixView<const float>(w.view()));
      const auto numbers = Tensor<float, 2>::copy_of(stored.view());
      std::vector<std::byte> odd(static_cast<std::size_t>(N * K) * 2 + 1);  // not at a boundary
      std::memcpy(odd.data() + 1, stored.data(), odd.size() - 1);
      const auto packed = PackedMatrix<float>::pack_bf16(N, K, odd.data() + 1, serial.executor);
      const auto again =
          PackedMatrix<float>::pack(numbers.view(), Precision::bf16, serial.executor);
      EXPECT_EQ(packed.precision(), Precision::bf16);
      const Tensor<float, 2> found = multiplied(packed);
      const Tensor<float, 2> expected = multiplied(again);
      for (std::size_t i = 0; i < found.flat().size(); ++i)
        EXPECT_EQ(found.flat()[i], expected.flat()[i]) << name_of(level) << " " << N << " " << K;
    }
  }
}

TEST(PackedMatrix, OfStoredInt8IsThatOfItsNumbersTimesTheirScales) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const auto& [N, K] : {std::pair<Index, Index>{1, 1}, {17, 5}, {50, 33}, {7, 2501}}) {
      Serial serial;
      Tensor<std::int8_t, 2> stored({N, K});
      Tensor<float, 2> numbers({N, K});
      std::vector<float> scales;
      for (Index n = 0; n < N; ++n) {
        scales.push_back(std::ldexp(1.0F, static_cast<int>(n % 5) - 9));
        for (Index k = 0; k < K; ++k) {
          // The first is the largest there may be, so that a row has this very scale.
          stored(n, k) = static_cast<std::int8_t>(k == 0 ? -127 : (n * 31 + k * 57) % 255 - 127);
          numbers(n, k) = scales.back() * static_cast<float>(stored(n, k));
        }
        detail::hadamard_blocks(&numbers(n, 0), K);  // exact: whole numbers
      }
      const auto packed =
          PackedMatrix<float>::pack_int8(N, K, stored.data(), scales.data(), serial.executor);
      const auto again =
          PackedMatrix<float>::pack(numbers.view(), Precision::int8, serial.executor);
      EXPECT_EQ(packed.precision(), Precision::int8);
      const Tensor<float, 2> found = multiplied(packed);
      const Tensor<float, 2> expected = multiplied(again);
      for (std::size_t i = 0; i < found.flat().size(); ++i)
        EXPECT_EQ(found.flat()[i], expected.flat()[i]) << name_of(level) << " " << N << " " << K;
    }
  }
}

TEST(PackedMatrix, WithoutKernelsKeepsTheRoundedRows) {
  Serial serial;
  RandomMatrix<double> w(5, 21, 2);
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
    const auto packed = PackedMatrix<double>::pack(w.view(), precision, serial.executor);
    EXPECT_FALSE(packed.has_panels());
    EXPECT_EQ(packed.byte_size(), 5 * 21 * sizeof(double));
    for (Index n = 0; n < 5; ++n) {
      Tensor<double, 1> row = Tensor<double, 1>::copy_of(w.view()[n]);
      detail::round_weights(precision, row.data(), 21);
      for (Index k = 0; k < 21; ++k) EXPECT_EQ(packed.plain()(n, k), row(k));
    }
  }
  EXPECT_TRUE(PackedMatrix<double>{}.empty());
}

}  // namespace
