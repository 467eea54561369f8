#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <vitrail/ops/peak.hpp>
#include <vitrail/runtime/thread_pool.hpp>

namespace {

using namespace vitrail;

TEST(Peak, IsARateThatAProcessorCanHaveAndNoneWithoutKernels) {
  for (const CpuLevel level : vitrail_test::levels()) {
    const ScopedCpuLevel scope(level);
    ThreadPool pool(2);
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
      const double burst = measure_burst(precision, pool);
      if (level == CpuLevel::generic) {
        EXPECT_EQ(burst, 0);
        continue;
      }
      EXPECT_GT(burst, 1e6) << name_of(level) << " " << name_of(precision);
      EXPECT_LT(burst, 1e14) << name_of(level) << " " << name_of(precision);
    }
  }
}

TEST(Peak, LastsAboutAsLongAsAsked) {
  const auto begin = std::chrono::steady_clock::now();
  (void)measure_peak(Precision::f32, 0.01);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(spent.count(), 5);
}

}  // namespace
