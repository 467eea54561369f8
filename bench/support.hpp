// What the op benches share: random data, a context of 1 or 2 threads, the counters.
#ifndef VITRAIL_BENCH_SUPPORT_HPP
#define VITRAIL_BENCH_SUPPORT_HPP

#include <benchmark/benchmark.h>

#include <random>
#include <vitrail/ops/peak.hpp>
#include <vitrail/runtime/context.hpp>
#include <vitrail/runtime/thread_pool.hpp>

namespace vitrail_bench {

inline vitrail::Tensor<float, 2> random_matrix(vitrail::Index rows, vitrail::Index columns,
                                               unsigned seed, float deviation = 1.0F) {
  vitrail::Tensor<float, 2> tensor({rows, columns});
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, deviation);
  for (float& value : tensor.flat()) value = normal(generator);
  return tensor;
}

struct Threads {
  explicit Threads(int count) : pool(count) {}
  vitrail::ThreadPool pool;
  vitrail::Workspace workspace;
  vitrail::Context context{pool, workspace};
};

/// GFLOP/s, and the share of what `threads` cores could do at best. The peak is measured in the
/// same run, right before and after the timed loop, and the larger one counts.
class Rate {
 public:
  explicit Rate(vitrail::Precision precision)
      : precision_(precision), peak_(vitrail::measure_peak(precision, 0.02)) {}

  void report(benchmark::State& state, double operations, int threads) {
    peak_ = std::max(peak_, vitrail::measure_peak(precision_, 0.02));
    const double total = operations * static_cast<double>(state.iterations());
    state.counters["GFLOP/s"] = benchmark::Counter(total * 1e-9, benchmark::Counter::kIsRate);
    if (peak_ > 0) {
      state.counters["of_peak"] =
          benchmark::Counter(total / (peak_ * threads), benchmark::Counter::kIsRate);
    }
  }

 private:
  vitrail::Precision precision_;
  double peak_;
};

/// Ends the benchmark with an error if `difference` is too large; true if all is well.
inline bool agree(benchmark::State& state, double difference, double tolerance) {
  if (difference <= tolerance) return true;
  const std::string message = "the result is off by " + std::to_string(difference);
  state.SkipWithError(message.c_str());
  return false;
}

}  // namespace vitrail_bench

#endif  // VITRAIL_BENCH_SUPPORT_HPP
