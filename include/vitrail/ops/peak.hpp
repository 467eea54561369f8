// The machine's own limit, measured: operations per second with nothing but multiply-adds between
// registers. Benches divide by it.
#ifndef VITRAIL_OPS_PEAK_HPP
#define VITRAIL_OPS_PEAK_HPP

#include <atomic>
#include <chrono>
#include <vitrail/ops/kernels/select.hpp>
#include <vitrail/ops/precision.hpp>
#include <vitrail/runtime/executor.hpp>

VITRAIL_BEGIN_NAMESPACE

/// Operations (a multiply-add is two) per second in `precision` at the CPU level in use, of all the
/// executor's threads together, over one burst of about `seconds`; 0 where there are no kernels.
/// bf16 and int8 without instructions of their own are measured in the multiply-adds that stand in
/// for them. Other programs slow a burst as they slow the work: compare it with what ran next to
/// it.
[[nodiscard]] inline double measure_burst(Precision precision, Executor& executor,
                                          double seconds = 0.001) {
  const detail::Kernels* kernels = detail::kernels();
  if (kernels == nullptr) return 0;
  const detail::ProductKernels& product = precision == Precision::f32    ? kernels->f32
                                          : precision == Precision::bf16 ? kernels->bf16
                                                                         : kernels->int8;
  using Clock = std::chrono::steady_clock;
  constexpr Index rounds = 2000;
  std::atomic<Index> done{0};
  const auto begin = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  executor.parallel_for(executor.concurrency(), [&](Index) {
    do {
      product.saturate(rounds);
      done += rounds;
    } while (elapsed() < seconds);
  });
  return static_cast<double>(done * product.operations_per_round) / elapsed();
}

/// The best of many bursts of one thread over `seconds`.
[[nodiscard]] inline double measure_peak(Precision precision, double seconds = 0.05) {
  SerialExecutor serial;
  double best = 0;
  for (double spent = 0; spent < seconds; spent += 0.0005)
    best = std::max(best, measure_burst(precision, serial, 0.0005));
  return best;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_PEAK_HPP
