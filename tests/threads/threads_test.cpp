// One model, many threads: nothing is shared that changes, and no answer depends on who runs it.
// What the thread sanitizer looks at (preset tsan).
#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <thread>
#include <vitrail/vitrail.hpp>

namespace {

using namespace vitrail;

const std::string model_path = VITRAIL_SOURCE_DIR "/examples/models/fashion_mnist";

/// Pictures that differ from each other.
Image picture(Index number) {
  Image image(28, 28);
  for (Index y = 4; y < 24; ++y)
    std::fill_n(image.row(y) + 3 * (6 + number % 5), 3 * (10 + number % 7),
                static_cast<std::uint8_t>(90 + 20 * (number % 8)));
  return image;
}

std::vector<float> scores(const Classifier& model, Index number, Executor* executor = nullptr) {
  const Image image = picture(number);
  const Tensor<float, 2> logits = model.logits(std::span<const Image>(&image, 1), executor);
  return {logits.flat().begin(), logits.flat().end()};
}

/// Bit-equality, at any level: nothing here depends on who computes.
void expect_same(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i], b[i]);
}

/// Runs `task(thread)` on so many threads and waits for them.
void on_threads(int count, const std::function<void(int)>& task) {
  std::vector<std::thread> threads;
  for (int t = 0; t < count; ++t) threads.emplace_back(task, t);
  for (std::thread& thread : threads) thread.join();
}

/// A host's own pool, of the plainest kind: a queue of one loop behind a lock.
class HostPool final : public Executor {
 public:
  explicit HostPool(int threads) {
    for (int t = 0; t < threads; ++t) workers_.emplace_back([this] { work(); });
  }
  ~HostPool() override {
    {
      const std::scoped_lock lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }
  [[nodiscard]] int concurrency() const noexcept override {
    return static_cast<int>(workers_.size());
  }
  void parallel_for(Index count, ParallelTask task) override {
    std::unique_lock lock(mutex_);
    task_ = &task;
    next_ = 0;
    count_ = left_ = count;
    changed_.notify_all();
    changed_.wait(lock, [&] { return left_ == 0; });
    task_ = nullptr;
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return stop_ || (task_ != nullptr && next_ < count_); });
      if (stop_) return;
      const Index index = next_++;
      const ParallelTask task = *task_;
      lock.unlock();
      task(index);
      lock.lock();
      if (--left_ == 0) changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  const ParallelTask* task_ = nullptr;
  Index next_ = 0, count_ = 0, left_ = 0;
  bool stop_ = false;
  std::vector<std::thread> workers_;
};

/// Promises eight at a time and runs them one by one, the last first: legal, and a trap for loops
/// that wait for each other.
class BackwardsExecutor final : public Executor {
 public:
  [[nodiscard]] int concurrency() const noexcept override { return 8; }
  void parallel_for(Index count, ParallelTask task) override {
    for (Index i = count; i-- > 0;) task(i);
  }
};

TEST(Threads, EightClassifyWithOneModel) {
  const Classifier model = load(model_path);
  std::vector<std::vector<float>> expected;
  for (Index i = 0; i < 8; ++i) expected.push_back(scores(model, i));
  on_threads(8, [&](int thread) {
    ThreadPool pool(1 + thread % 3);
    for (Index i = 0; i < 6; ++i) {
      const Index number = (i + thread) % 8;
      expect_same(scores(model, number, thread % 2 == 0 ? nullptr : &pool),
                  expected[static_cast<std::size_t>(number)]);
    }
  });
}

TEST(Threads, OnePoolServesEightThreads) {
  const Classifier model = load(model_path);
  const std::vector<float> expected = scores(model, 3);
  ThreadPool pool(3);
  on_threads(8, [&](int) {
    for (int i = 0; i < 5; ++i) expect_same(scores(model, 3, &pool), expected);
  });
}

TEST(Threads, ModelsComeAndGoWhileOthersRun) {
  const Classifier model = load(model_path);
  const std::vector<float> expected = scores(model, 1);
  on_threads(6, [&](int thread) {
    for (int i = 0; i < 4; ++i) {
      if (thread % 2 == 0) {
        expect_same(scores(model, 1), expected);
      } else {
        ThreadPool pool(2);
        const Classifier another = load(model_path, {.executor = thread == 1 ? &pool : nullptr});
        expect_same(scores(another, 1), expected);
      }
    }
  });
}

TEST(Threads, ModelsOfDifferentPrecisionDoNotMeet) {
  const std::array<Precision, 3> precisions = {Precision::f32, Precision::bf16, Precision::int8};
  std::vector<std::vector<float>> expected;
  for (const Precision precision : precisions)
    expected.push_back(scores(load(model_path, {.precision = precision}), 2));
  EXPECT_NE(expected[0], expected[1]);
  EXPECT_NE(expected[0], expected[2]);
  on_threads(6, [&](int thread) {
    const auto which = static_cast<std::size_t>(thread) % precisions.size();
    const Classifier model = load(model_path, {.precision = precisions[which]});
    for (int i = 0; i < 4; ++i) expect_same(scores(model, 2), expected[which]);
  });
}

TEST(Threads, AHostPlugsInItsOwnPool) {
  const Classifier model = load(model_path);
  HostPool host(3);
  BackwardsExecutor backwards;
  for (Executor* executor : {static_cast<Executor*>(&host), static_cast<Executor*>(&backwards)}) {
    const Classifier loaded = load(model_path, {.executor = executor});
    for (Index i = 0; i < 4; ++i) {
      expect_same(scores(model, i, executor), scores(model, i));
      expect_same(scores(loaded, i, executor), scores(model, i));
    }
  }
}

}  // namespace
