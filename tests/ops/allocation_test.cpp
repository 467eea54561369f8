// Counts every allocation of the program: from the second pass on there is none.
#include <gtest/gtest.h>

#include <support/counting_allocator.hpp>
#include <support/levels.hpp>
#include <vitrail/ops/attention.hpp>
#include <vitrail/ops/linear.hpp>
#include <vitrail/runtime/thread_pool.hpp>

namespace {

using namespace vitrail;

TEST(Allocation, NoneAfterTheFirstPass) {
  for (const CpuLevel level : vitrail_test::levels()) {
    const ScopedCpuLevel scope(level);
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
      ThreadPool pool(2);
      Workspace workspace;
      const Context context{pool, workspace};
      vitrail_test::RandomMatrix<> x(50, 96, 1);
      vitrail_test::RandomMatrix<> w(3 * 96, 96, 2);
      vitrail_test::RandomMatrix<> columns(2, 96, 3);
      const auto packed = PackedMatrix<float>::pack(w.view(), precision, pool);
      const NormParameters<float> norm{&columns.view()(0, 0), &columns.view()(1, 0)};
      Tensor<float, 2> y({50, 96});
      const auto pass = [&] {
        const Workspace::Scope scope_of_pass(workspace);
        const MatrixView<float> qkv = workspace.matrix<float>(50, 3 * 96);
        linear<float>(x.view(), norm, packed, {}, qkv, context);
        const MatrixView<const float> all = qkv;
        attention<float>({all.columns(0, 96), all.columns(96, 192), all.columns(192, 288), 1, 3},
                         y.view(), context);
      };
      pass();
      const std::size_t before = vitrail_test::allocations;
      for (int i = 0; i < 3; ++i) pass();
      EXPECT_EQ(vitrail_test::allocations, before) << name_of(level) << " " << name_of(precision);
    }
  }
}

}  // namespace
