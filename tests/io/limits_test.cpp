#include <vitrail/io/limits.hpp>

#include "support/io_files.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

TEST(AllocationBudget, GrowsWithTheFileAndNotWithItsClaims) {
  AllocationBudget budget(Limits{}, 100);
  EXPECT_NO_THROW(budget.take(100'000, "small.npz"));
  EXPECT_EQ(error_of([&] { budget.take(1'000'000, "small.npz"); }),
            "small.npz: needs 1000000 bytes of memory, the limits leave 10000");
}

TEST(AllocationBudget, NeverExceedsTheAbsoluteLimit) {
  Limits limits;
  limits.max_allocated_bytes = 5000;
  AllocationBudget budget(limits, std::uint64_t{1} << 60);
  EXPECT_NO_THROW(budget.take(5000, "file"));
  EXPECT_NE(error_of([&] { budget.take(1, "file"); }), "no error");
}

}  // namespace
