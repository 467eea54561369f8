#include <gtest/gtest.h>

#include <numeric>
#include <vitrail/runtime/thread_pool.hpp>

namespace {

using namespace vitrail;

TEST(ThreadPool, RunsEveryIndexOnceWhateverTheNumberOfThreads) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.concurrency(), threads);
    for (const Index count : {Index{0}, Index{1}, Index{2}, Index{7}, Index{1000}}) {
      std::vector<int> hits(static_cast<std::size_t>(count));
      pool.parallel_for(count, [&](Index i) { ++hits[static_cast<std::size_t>(i)]; });
      for (const int hit : hits) EXPECT_EQ(hit, 1);
    }
  }
}

TEST(ThreadPool, SurvivesManyShortLoops) {
  for (const int threads : {2, 5}) {
    ThreadPool pool(threads);
    std::atomic<Index> sum{0};
    for (int round = 0; round < 5000; ++round) {
      pool.parallel_for(threads, [&](Index i) { sum.fetch_add(i + 1, std::memory_order_relaxed); });
      if (round % 1000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(sum.load(), 5000 * threads * (threads + 1) / 2);
  }
}

TEST(ThreadPool, NestedLoopsRunOnTheThreadThatAsks) {
  ThreadPool pool(3);
  std::atomic<int> hits{0};
  pool.parallel_for(6, [&](Index) {
    const auto self = std::this_thread::get_id();
    pool.parallel_for(5, [&](Index) {
      EXPECT_EQ(std::this_thread::get_id(), self);
      ++hits;
    });
  });
  EXPECT_EQ(hits.load(), 30);
}

TEST(ThreadPool, ServesSeveralCallersAtOnce) {
  ThreadPool pool(2);
  std::atomic<int> hits{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 500; ++round) pool.parallel_for(3, [&](Index) { ++hits; });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(hits.load(), 4 * 500 * 3);
}

}  // namespace
