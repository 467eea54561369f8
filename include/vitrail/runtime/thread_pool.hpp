// A pool of threads for forward passes: fork and join cost a few microseconds while it is warm, and
// nothing while it rests.
//
//   ThreadPool pool(2);                 // the caller and one more thread
//   pool.parallel_for(8, task);
//
// Between two loops of one pass the threads spin (some 50 microseconds at most), then they sleep. A
// loop never waits for a thread that is still waking up: whoever is there takes the indices, the
// caller too.
#ifndef VITRAIL_RUNTIME_THREAD_POOL_HPP
#define VITRAIL_RUNTIME_THREAD_POOL_HPP

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>
#include <vitrail/runtime/executor.hpp>
#include <vitrail/runtime/spin.hpp>

VITRAIL_BEGIN_NAMESPACE

/// Thread safety: parallel_for may be called from any thread, from inside a task too. A call that
/// finds the pool busy (nested, or by another thread) runs on its own thread alone. A task that
/// throws ends the program.
class ThreadPool final : public Executor {
 public:
  /// `threads` counts the caller; 0 means one per core.
  explicit ThreadPool(int threads = 0) {
    const int cores = static_cast<int>(std::thread::hardware_concurrency());
    concurrency_ = threads > 0 ? threads : (cores > 0 ? cores : 1);
    crowded_ = cores > 0 && concurrency_ > cores;
    workers_.reserve(static_cast<std::size_t>(concurrency_ - 1));
    for (int i = 1; i < concurrency_; ++i) workers_.emplace_back([this] { work(); });
  }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool() override {
    stop_.store(true);
    wake();
    for (std::thread& worker : workers_) worker.join();
  }

  [[nodiscard]] int concurrency() const noexcept override { return concurrency_; }

  void parallel_for(Index count, ParallelTask task) override {
    if (count < 2 || workers_.empty() || busy_.exchange(true)) {
      for (Index i = 0; i < count; ++i) task(i);
      return;
    }
    task_ = &task;
    count_ = count;
    next_.store(0);
    open_.store(true);
    wake();
    take_indices();
    // Close the door, then wait for whoever is inside. A thread enters by counting itself before it
    // looks at the door, so one of the two sees the other: both sides use sequential consistency.
    open_.store(false);
    detail::spin_until([this] { return inside_.load() == 0; });
    busy_.store(false);
  }

 private:
  void take_indices() noexcept {
    for (Index i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1)) (*task_)(i);
  }

  void wake() {
    epoch_.fetch_add(1);
    epoch_.notify_all();
  }

  void work() {
    std::uint32_t seen = 0;
    while (true) {
      wait_for_change(seen);
      seen = epoch_.load();
      if (stop_.load()) return;
      inside_.fetch_add(1);
      if (open_.load()) take_indices();
      inside_.fetch_sub(1);
    }
  }

  void wait_for_change(std::uint32_t seen) const {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    do {
      for (int i = 0; i < 64; ++i) {
        if (epoch_.load() != seen) return;
        detail::pause_briefly();
      }
      if (crowded_) std::this_thread::yield();
    } while (Clock::now() - start < std::chrono::microseconds(60));
    epoch_.wait(seen);
  }

  // Each on a pair of cache lines of its own, as cores fetch them: the line the threads spin on is
  // written once per loop.
  alignas(128) std::atomic<std::uint32_t> epoch_{0};  // one more for every loop
  alignas(128) std::atomic<Index> next_{0};           // the next index to hand out
  alignas(128) std::atomic<int> inside_{0};           // threads that may be looking at the loop
  alignas(128) std::atomic<bool> open_{false};        // whether they may take indices
  std::atomic<bool> busy_{false};
  std::atomic<bool> stop_{false};
  const ParallelTask* task_ = nullptr;  // written while the door is closed
  Index count_ = 0;
  int concurrency_ = 1;
  bool crowded_ = false;  // more threads than cores
  std::vector<std::thread> workers_;
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_RUNTIME_THREAD_POOL_HPP
