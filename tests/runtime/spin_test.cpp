#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <vitrail/runtime/spin.hpp>

namespace {

using namespace vitrail;

TEST(Spin, AsksOnceWhereTheConditionHoldsAlready) {
  int asked = 0;
  detail::spin_until([&] { return ++asked == 1; });
  EXPECT_EQ(asked, 1);
}

TEST(Spin, SeesWhatAnotherThreadDoesLongAfterItBeganToYield) {
  std::atomic<bool> done{false};
  int value = 0;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    value = 7;
    done.store(true, std::memory_order_release);
  });
  detail::spin_until([&] { return done.load(std::memory_order_acquire); });
  EXPECT_EQ(value, 7);
  other.join();
}

}  // namespace
