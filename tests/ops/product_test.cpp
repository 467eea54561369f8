#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <support/levels.hpp>
#include <thread>
#include <utility>
#include <vitrail/ops/linear.hpp>
#include <vitrail/runtime/thread_pool.hpp>

namespace {

using namespace vitrail;
using detail::Kernels;
using detail::Panels;
using detail::Product;
using detail::ProductKernels;
using detail::TileArguments;
using vitrail_test::as_double;
using vitrail_test::levels;
using vitrail_test::RandomMatrix;
using vitrail_test::Serial;

// Stand-ins for tiles in registers of their own, as AMX has them, on processors without: they call
// `meanwhile`, read prepared panels, and have long K cut into halves, pieces and bunches.
detail::TileFunction original[detail::most_panel_vectors + 1][detail::tile_heights];

template <std::size_t Place>
void tile_and_more(const TileArguments& t) {
  original[Place / detail::tile_heights][Place % detail::tile_heights](t);
  for (Index step = 0; step < t.steps; step += 16) t.meanwhile(t.work);
}

template <std::size_t... Place>
void stand_in(ProductKernels& product, std::index_sequence<Place...>) {
  for (Index v = 0; v <= detail::most_panel_vectors; ++v) {
    std::copy(std::begin(product.tile[v]), std::end(product.tile[v]), original[v]);
  }
  ((product.tile[Place / detail::tile_heights][Place % detail::tile_heights] =
        tile_and_more<Place>),
   ...);
}

Kernels like_amx(const Kernels& kernels) {
  static Index vector_bytes = 0;
  vector_bytes = kernels.vector * 4;
  Kernels k = kernels;
  stand_in(k.f32, std::make_index_sequence<(detail::most_panel_vectors + 1) *
                                           static_cast<std::size_t>(detail::tile_heights)>());
  k.f32.finishes = false;
  k.f32.has_meanwhile = true;
  k.f32.rows_in_cache = true;
  k.f32.piece_blocks = 3;
  k.f32.halving_pieces = 4;
  k.f32.bunch_panels = 3;
  k.f32.prepared_bytes = 16 * vector_bytes;
  k.f32.prepare = [](const std::byte* right, Index steps, Index vectors, std::byte* out) {
    std::memcpy(out, right, static_cast<std::size_t>(steps * vectors * vector_bytes));
  };
  return k;
}

Panels panels_of(const Kernels& kernels, MatrixView<const float> w) {
  Panels panels(kernels, Precision::f32, w.extent(0), w.extent(1));
  for (Index p = 0; p < panels.count(); ++p)
    panels.fill(p, w[p * panels.width()].data(), w.stride(0));
  return panels;
}

struct Level {
  CpuLevel level;
  const Kernels* kernels;
};
std::vector<Level> levels_in_f32() {
  std::vector<Level> result;
  for (const CpuLevel level : levels()) {
    const Kernels* const kernels = detail::kernels_for(level);
    if (kernels != nullptr && kernels->f32.left == detail::LeftFormat::f32)
      result.push_back({level, kernels});
  }
  return result;
}

TEST(Product, NoTilesBothEndInRegistersAndLeaveWorkForLater) {
  const auto check = [](const Kernels& k) {
    for (const ProductKernels* p : {&k.f32, &k.bf16, &k.int8, &k.attention, &k.attention_bf16})
      EXPECT_FALSE(p->finishes && p->has_meanwhile) << name_of(k.level);
  };
  for (const CpuLevel level : levels())
    if (const Kernels* const kernels = detail::kernels_for(level); kernels != nullptr)
      check(*kernels);
#if VITRAIL_X86
  check(detail::amx::table());
#endif
}

TEST(Product, InHalvesPiecesAndBunchesIsRightAndTheSameForAnyThreads) {
  constexpr Index D = 100;
  constexpr Index H = 400;
  for (const auto& [level, kernels] : levels_in_f32()) {
    const Kernels k = like_amx(*kernels);
    for (const Index M : {1, 20, 197}) {
      RandomMatrix<> x(M, D, 1);
      RandomMatrix<> w(H, D, 2, 1, 0.1F);
      RandomMatrix<> then_w(D, H, 3, 1, 0.05F);
      RandomMatrix<> bias(1, H, 4);
      const Panels panels = panels_of(k, w.view());
      const Panels then_panels = panels_of(k, then_w.view());
      const Product first{panels, {.bias = bias.view().data()}, Activation::gelu_erf, H};
      const Product then{then_panels,
                         {.residual = x.view().data(), .residual_stride = x.view().stride(0)},
                         Activation::none,
                         D};
      Tensor<float, 2> expected({M, D});
      for (const int threads : {1, 2, 3, 4}) {
        ThreadPool pool(threads);
        Workspace workspace;
        Tensor<float, 2> y({M, D});
        detail::packed_product({{x.view(), nullptr, nullptr}, first, then, y.view()},
                               {pool, workspace});
        if (threads == 1)
          expected = std::move(y);
        else
          EXPECT_EQ(std::memcmp(y.data(), expected.data(),
                                sizeof(float) * static_cast<std::size_t>(M * D)),
                    0)
              << name_of(level) << " " << M << " " << threads;
      }
      // The definition.
      Serial serial;
      const auto dx = as_double(x.view());
      const auto dbias = as_double(bias.view());
      const auto pack = [&](MatrixView<const float> matrix) {
        return PackedMatrix<double>::pack(as_double(matrix).view(), Precision::f32,
                                          serial.executor);
      };
      Tensor<double, 2> dy({M, D});
      feed_forward<double>(dx.view(), nullptr, pack(w.view()),
                           {.bias = dbias.data(), .activation = Activation::gelu_erf},
                           pack(then_w.view()), {.residual = dx.view()}, dy.view(), serial.context);
      for (Index i = 0; i < M * D; ++i)
        ASSERT_NEAR(expected.data()[i], dy.data()[i], 2e-5) << name_of(level) << " " << M;
    }
  }
}

TEST(Product, ComputesTheFirstOutputsAloneWhereNoMoreAreAskedFor) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
      for (const Index M : {1, 40}) {
        Serial serial;
        RandomMatrix<> x(M, 70, 1);
        RandomMatrix<> w(150, 70, 2);
        const auto packed = PackedMatrix<float>::pack(w.view(), precision, serial.executor);
        Tensor<float, 2> whole({M, 150});
        linear<float>(x.view(), packed, {}, whole.view(), serial.context);
        for (const Index N : {1, 48, 101}) {
          Tensor<float, 2> part({M, N});
          linear<float>(x.view(), packed, {}, part.view(), serial.context);
          for (Index m = 0; m < M; ++m)
            for (Index n = 0; n < N; ++n)
              // Eigen adds in another order where there are few columns.
              ASSERT_NEAR(part(m, n), whole(m, n), level == CpuLevel::generic ? 1e-4F : 0)
                  << name_of(level) << " " << m << " " << n;
        }
      }
    }
  }
}

/// Enough rows are shared out in groups, each through all panels and both products.
TEST(Product, GivesTheSameBitsInGroupsOfRows) {
  constexpr Index K = 70;
  for (const CpuLevel level : levels()) {
    if (level == CpuLevel::generic) continue;
    const ScopedCpuLevel scope(level);
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
      RandomMatrix<> x(500, K, 1);
      RandomMatrix<> w(96, K, 2);
      RandomMatrix<> then_w(K, 96, 3);
      Serial serial;
      const auto first = PackedMatrix<float>::pack(w.view(), precision, serial.executor);
      const auto then = PackedMatrix<float>::pack(then_w.view(), precision, serial.executor);
      const auto mlp = [&](Index begin, Index end, const Context& context) {
        const auto rows = MatrixView<const float>(x.view()).slice(begin, end);
        Tensor<float, 2> y({end - begin, K});
        feed_forward<float>(rows, nullptr, first, {.activation = Activation::gelu_erf}, then,
                            {.residual = rows}, y.view(), context);
        return y;
      };
      for (const int threads : {1, 2, 7}) {
        ThreadPool pool(threads);
        Workspace workspace;
        const Tensor<float, 2> whole = mlp(0, 500, {pool, workspace});
        for (const Index begin : {0, 130, 260, 450}) {
          const Tensor<float, 2> part = mlp(begin, begin + 50, serial.context);
          EXPECT_EQ(std::memcmp(part.data(), whole.view()[begin].data(), sizeof(float) * 50 * K), 0)
              << name_of(level) << " " << name_of(precision) << " " << threads << " " << begin;
        }
      }
    }
  }
}

/// A worker that has nothing left to begin helps with the rows that another is late with.
TEST(Product, NoWorkerIsIdleWhileAnotherHasRowsInHand) {
  constexpr Index M = 240;
  constexpr Index K = 70;
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    ThreadPool pool(2);
    Workspace workspace;
    RandomMatrix<> x(M, K, 1);
    RandomMatrix<> w(96, K, 2);
    const auto packed = PackedMatrix<float>::pack(w.view(), Precision::f32, pool);
    if (level == CpuLevel::generic || detail::row_groups(packed.panels(), M, 2) != 2) continue;
    std::atomic<bool> helped{false};
    const auto make = [&](Index begin, Index end, float* out) {
      const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      if (begin == 0)
        while (!helped && std::chrono::steady_clock::now() < late) std::this_thread::yield();
      if (begin > 0 && begin < M / 2) helped = true;
      copy(MatrixView<const float>(x.view()).slice(begin, end),
           MatrixView<float>(out, {end - begin, K}));
    };
    Tensor<float, 2> y({M, 96});
    Tensor<float, 2> expected({M, 96});
    linear_of_rows<float>(make, packed, {}, y.view(), {pool, workspace});
    EXPECT_TRUE(helped) << name_of(level);
    linear<float>(x.view(), packed, {}, expected.view(), {pool, workspace});
    EXPECT_EQ(std::memcmp(y.data(), expected.data(), sizeof(float) * M * 96), 0) << name_of(level);
  }
}

TEST(ProductPlan, CutsRowsIntoGroupsOfEnoughForEveryWorker) {
  const Kernels* const kernels = detail::kernels_for(CpuLevel::avx2);
  if (kernels == nullptr || !VITRAIL_X86) GTEST_SKIP() << "no such kernels";
  const Panels weight(*kernels, Precision::f32, 96, 96);
  EXPECT_EQ(detail::row_groups(weight, 197, 1), 0);  // as good as shared panels
  EXPECT_EQ(detail::row_groups(weight, 1576, 1), 8);
  EXPECT_EQ(detail::row_groups(weight, 197, 2), 2);
  EXPECT_EQ(detail::row_groups(weight, 1576, 3), 9);
  EXPECT_EQ(detail::row_groups(weight, 50, 2), 0);  // too few rows
  EXPECT_EQ(detail::row_groups(weight, 197, 4), 0);
}

TEST(Product, TakesRowsThatAreMadeOnTheWay) {
  for (const CpuLevel level : levels()) {
    const ScopedCpuLevel scope(level);
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
      ThreadPool pool(2);
      Workspace workspace;
      const Context context{pool, workspace};
      RandomMatrix<> x(75, 70, 1);
      RandomMatrix<> w(50, 70, 2);
      const auto packed = PackedMatrix<float>::pack(w.view(), precision, pool);
      Tensor<float, 2> expected({75, 50});
      Tensor<float, 2> y({75, 50});
      linear<float>(x.view(), packed, {}, expected.view(), context);
      const auto make = [&](Index begin, Index end, float* out) {
        copy(MatrixView<const float>(x.view()).slice(begin, end),
             MatrixView<float>(out, {end - begin, 70}));
      };
      linear_of_rows<float>(make, packed, {}, y.view(), context);
      for (Index m = 0; m < 75; ++m)
        for (Index n = 0; n < 50; ++n)
          ASSERT_EQ(y(m, n), expected(m, n)) << name_of(level) << " " << m << " " << n;
    }
  }
}

}  // namespace
