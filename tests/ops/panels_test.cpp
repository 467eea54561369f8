#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <vitrail/ops/panels.hpp>

namespace {

using namespace vitrail;
using vitrail_test::levels;
using vitrail_test::RandomMatrix;

/// The values of one 4-byte group of a panel as numbers; int8 is stored 128 higher.
std::vector<float> values_of(const std::byte* group, Precision precision) {
  std::vector<float> values;
  if (precision == Precision::f32) {
    values.resize(1);
    std::memcpy(values.data(), group, 4);
  } else if (precision == Precision::bf16) {
    bf16 halves[2];
    std::memcpy(halves, group, 4);
    for (const bf16 half : halves) values.push_back(static_cast<float>(half));
  } else {
    for (int i = 0; i < 4; ++i)
      values.push_back(static_cast<float>(std::to_integer<int>(group[i]) - 128));
  }
  return values;
}

/// Group (k, n) of a panel holds the values of K that one step takes, for output n.
TEST(Panels, HoldEveryWeightWhereTheirPictureShowsIt) {
  for (const CpuLevel level : levels()) {
    const detail::Kernels* const kernels = detail::kernels_for(level);
    if (kernels == nullptr) continue;
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8})
      for (const auto& [N, K] : {std::pair<Index, Index>{1, 1}, {17, 7}, {48, 16}, {101, 65}}) {
        RandomMatrix<> w(N, K, 1);
        detail::Panels panels(*kernels, precision, N, K);
        for (Index p = 0; p < panels.count(); ++p)
          panels.fill(p, &w.view()(p * panels.width(), 0), w.view().stride(0));
        if (precision == Precision::int8)
          for (Index n = 0; n < N; ++n) detail::hadamard_blocks(&w.view()(n, 0), K);
        const Index step = panels.product().step;
        const Index steps = (K + step - 1) / step;
        EXPECT_EQ(panels.steps(), panels.product().whole_blocks ? (steps + 15) / 16 * 16 : steps);
        for (Index p = 0; p < panels.count(); ++p) {
          const Index row_width = panels.vectors(p) * kernels->vector;
          for (Index s = 0; s < panels.steps(); ++s)
            for (Index j = 0; j < row_width; ++j) {
              const std::byte* const group = panels.panel(p) + (s * row_width + j) * 4;
              const Index n = p * panels.width() + j;
              if (n >= N) {
                std::uint32_t bits = 1;
                std::memcpy(&bits, group, 4);
                EXPECT_EQ(bits, 0U);
                continue;
              }
              const std::vector<float> values = values_of(group, precision);
              for (Index i = 0; i < step; ++i) {
                if (s * step + i >= K) {
                  if (precision != Precision::int8) {
                    EXPECT_EQ(values[static_cast<std::size_t>(i)], 0);
                  }
                  continue;
                }
                float expected = w.view()(n, s * step + i);
                if (precision == Precision::bf16) expected = static_cast<float>(bf16(expected));
                if (precision == Precision::int8)
                  expected = std::nearbyint(expected / panels.column_scale()[n]);
                ASSERT_EQ(values[static_cast<std::size_t>(i)], expected)
                    << name_of(level) << " " << name_of(precision) << " " << n << " " << s;
              }
            }
        }
      }
  }
}

TEST(Panels, OfInt8KnowTheScaleAndTheSumOfEveryOutput) {
  for (const CpuLevel level : levels()) {
    const detail::Kernels* const kernels = detail::kernels_for(level);
    if (kernels == nullptr) continue;
    constexpr Index N = 5;
    for (const Index K : {1, 7, 64, 1023, 1032, 4099}) {
      Tensor<std::int8_t, 2> stored({N, K});
      for (Index i = 0; i < N * K; ++i)  // the second output is -128 throughout
        stored.data()[i] = static_cast<std::int8_t>(i / K == 1 ? -128 : i * 97 % 256 - 128);
      const float scales[N] = {1, 2, 3, 4, 5};
      detail::Panels panels(*kernels, Precision::int8, N, K);
      panels.fill_stored_int8(0, stored.data(), scales);
      for (Index n = 0; n < N; ++n) {
        Index sum = 0;
        for (Index k = 0; k < K; ++k) sum += stored(n, k);
        EXPECT_EQ(panels.column_scale()[n], scales[n]);
        EXPECT_EQ(panels.column_sum()[n], static_cast<float>(sum)) << K << " " << n;
      }
    }
  }
}

TEST(Kernels, MixRowsAsTheDefinitionDoes) {
  for (const CpuLevel level : levels()) {
    const detail::Kernels* const kernels = detail::kernels_for(level);
    if (kernels == nullptr) continue;
    for (const Index K : {1, 63, 64, 100, 192, 777}) {
      RandomMatrix<> x(1, K, 3);
      Tensor<float, 1> expected = Tensor<float, 1>::copy_of(x.view()[0]);
      detail::hadamard_blocks(expected.data(), K);
      Tensor<float, 1> mixed({K + 1});
      mixed(K) = 7;
      kernels->hadamard(&x.view()(0, 0), K, mixed.data());
      kernels->hadamard(&x.view()(0, 0), K, &x.view()(0, 0));  // in place
      for (Index k = 0; k < K; ++k) {
        ASSERT_EQ(mixed(k), expected(k)) << name_of(level) << " " << K << " " << k;
        ASSERT_EQ(x.view()(0, k), expected(k)) << name_of(level) << " " << K << " " << k;
      }
      EXPECT_EQ(mixed(K), 7);
    }
  }
}

}  // namespace
