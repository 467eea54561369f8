#include <gtest/gtest.h>

#include <vector>
#include <vitrail/runtime/executor.hpp>

namespace {

using namespace vitrail;

TEST(Executor, SerialRunsEveryIndexInOrderOnTheCallingThread) {
  SerialExecutor serial;
  EXPECT_EQ(serial.concurrency(), 1);
  std::vector<Index> seen;
  serial.parallel_for(5, [&](Index i) { seen.push_back(i); });
  EXPECT_EQ(seen, (std::vector<Index>{0, 1, 2, 3, 4}));
  serial.parallel_for(0, [&](Index) { FAIL(); });
}

TEST(FunctionRef, CallsTheCallableItselfAndPassesArgumentsOn) {
  struct Counter {
    int calls = 0;
    int operator()(int by) { return calls += by; }
  } counter;
  const FunctionRef<int(int)> reference(counter);
  const FunctionRef<int(int)> copy = reference;  // refers to the counter, not to the reference
  EXPECT_EQ(reference(2), 2);
  EXPECT_EQ(copy(3), 5);
  EXPECT_EQ(counter.calls, 5);
  const auto constant = [](int value) { return value - 1; };
  EXPECT_EQ((FunctionRef<int(int)>(constant)(8)), 7);
  std::vector<int> target;
  const auto take = [&](std::vector<int>&& values) { target = std::move(values); };
  const FunctionRef<void(std::vector<int> &&)> moving(take);
  moving({1, 2, 3});
  EXPECT_EQ(target.size(), 3U);
}

}  // namespace
