#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>
#include <vitrail/runtime/work_ranges.hpp>

namespace {

using namespace vitrail;

TEST(WorkRanges, HandOutEveryUnitOnceAndHelpOut) {
  for (const Index workers : {Index{1}, Index{3}, Index{8}}) {
    detail::WorkRanges ranges(10, workers);
    std::vector<int> hits(10);
    // The last worker takes everything: its own share first.
    const Index first = ranges.next(workers - 1);
    EXPECT_EQ(first, (workers - 1) * 10 / workers);
    for (Index unit = first; unit >= 0; unit = ranges.next(workers - 1)) {
      ++hits[static_cast<std::size_t>(unit)];
      ranges.mark_done();
    }
    for (const int hit : hits) EXPECT_EQ(hit, 1);
    ranges.wait_for_all();
    EXPECT_EQ(ranges.next(0), -1);
  }
}

TEST(WorkRanges, HandOutEveryUnitOnceToThreadsThatTakeThemAtOnce) {
  constexpr Index units = 5000;
  constexpr Index workers = 5;
  detail::WorkRanges ranges(units, workers);
  std::vector<std::atomic<int>> hits(units);
  std::vector<std::thread> threads;
  for (Index worker = 0; worker < workers; ++worker) {
    threads.emplace_back([&, worker] {
      for (Index unit = ranges.next(worker); unit >= 0; unit = ranges.next(worker)) {
        hits[static_cast<std::size_t>(unit)].fetch_add(1, std::memory_order_relaxed);
        ranges.mark_done();
      }
      ranges.wait_for_all();
      for (const std::atomic<int>& hit : hits) EXPECT_EQ(hit.load(std::memory_order_relaxed), 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

/// An executor of so many threads, by its own account.
class Counting final : public Executor {
 public:
  explicit Counting(int threads) : threads_(threads) {}
  [[nodiscard]] int concurrency() const noexcept override { return threads_; }
  void parallel_for(Index, ParallelTask) override {}

 private:
  int threads_;
};

TEST(WorkRanges, CallNoMoreWorkersThanThereAreUnitsThreadsOrPlaces) {
  using detail::WorkRanges;
  EXPECT_EQ(WorkRanges::workers_for(Counting(4), 100), 4);
  EXPECT_EQ(WorkRanges::workers_for(Counting(4), 3), 3);
  EXPECT_EQ(WorkRanges::workers_for(Counting(4), 0), 1);
  EXPECT_EQ(WorkRanges::workers_for(Counting(1000), 1000), WorkRanges::most_workers);
}

TEST(WorkRanges, CutIntoMoreGroupsWhereFewerLeaveWorkersIdle) {
  using detail::WorkRanges;
  EXPECT_EQ(WorkRanges::groups_for(2, 9, 3, 3), 2);  // 6 units for 3 workers: none idle
  EXPECT_EQ(WorkRanges::groups_for(1, 9, 3, 2), 2);  // 3 units leave one of 2 idle, 6 do not
  EXPECT_EQ(WorkRanges::groups_for(1, 1, 3, 2), 1);  // no more than the most
  EXPECT_EQ(WorkRanges::groups_for(5, 9, 1, 4), 8);
}

}  // namespace
