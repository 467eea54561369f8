#include <gtest/gtest.h>

#include <vitrail/runtime/cpu.hpp>

namespace {

using namespace vitrail;

TEST(Cpu, AlwaysSupportsTheGenericLevelAndTheBestOne) {
  EXPECT_TRUE(cpu().supports[0]);
  EXPECT_TRUE(cpu().supports[static_cast<std::size_t>(cpu().best)]);
  EXPECT_GE(cpu().level1_bytes, 8 << 10);
  EXPECT_GE(cpu().level2_bytes, cpu().level1_bytes);
}

TEST(Cpu, AgreesWithTheCompilersOwnDetection) {
#if VITRAIL_X86
  EXPECT_EQ(cpu().supports[1], __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  EXPECT_EQ(cpu().supports[3],
            __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"));
#endif
}

TEST(Cpu, LevelsAreFoundByName) {
  EXPECT_EQ(cpu_level_of("generic", "test"), CpuLevel::generic);
  try {
    (void)cpu_level_of("avx513", "VITRAIL_CPU");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "VITRAIL_CPU: unknown instruction set \"avx513\", known: generic avx2 avx2_vnni "
                 "avx512 avx512_vnni avx512_bf16 amx neon neon_dotprod");
  }
}

TEST(Cpu, AnOverrideLastsAsLongAsItsScope) {
  const CpuLevel before = cpu_level();
  {
    const ScopedCpuLevel scope(CpuLevel::generic);
    EXPECT_EQ(cpu_level(), CpuLevel::generic);
  }
  EXPECT_EQ(cpu_level(), before);
}

TEST(Cpu, RefusesALevelThisProcessorLacks) {
  for (std::size_t level = 0; level < cpu().supports.size(); ++level) {
    if (cpu().supports[level]) continue;
    EXPECT_THROW(const ScopedCpuLevel scope(static_cast<CpuLevel>(level)), Error);
  }
}

}  // namespace
