#include <gtest/gtest.h>

#include <vitrail/runtime/abi_check.hpp>

namespace {

using namespace vitrail;

TEST(AbiCheck, AcceptsAProgramOfOneEigenWhoseWordSaysItsVersion) {
  EXPECT_NO_THROW(check_abi());
  EXPECT_EQ(vitrail_abi::eigen_word() >> 32,
            static_cast<unsigned long>(EIGEN_WORLD_VERSION * 10000 + EIGEN_MAJOR_VERSION * 100 +
                                       EIGEN_MINOR_VERSION));
  EXPECT_EQ(vitrail_abi::eigen_word() >> 16 & 0xffffU,
            static_cast<unsigned long>(EIGEN_MAX_ALIGN_BYTES));
}

}  // namespace
