// The machine's own limit, measured: operations per second of one thread with nothing but
// multiply-adds between registers. Benches divide by it.
#ifndef VITRAIL_OPS_PEAK_HPP
#define VITRAIL_OPS_PEAK_HPP

#include <chrono>
#include <vitrail/ops/kernels/select.hpp>
#include <vitrail/ops/precision.hpp>

VITRAIL_BEGIN_NAMESPACE

/// Operations (a multiply-add is two) per second in `precision` at the CPU level in use, the best
/// of many short bursts over `seconds`; 0 where there are no kernels. bf16 and int8 without
/// instructions of their own are measured in the multiply-adds that stand in for them.
[[nodiscard]] inline double measure_peak(Precision precision, double seconds = 0.05) {
  const detail::Kernels* kernels = detail::kernels();
  if (kernels == nullptr) return 0;
  const detail::ProductKernels& product = precision == Precision::f32    ? kernels->f32
                                          : precision == Precision::bf16 ? kernels->bf16
                                                                         : kernels->int8;
  using Clock = std::chrono::steady_clock;
  constexpr Index rounds = 20000;
  const auto start = Clock::now();
  double best = 0;
  do {
    const auto begin = Clock::now();
    product.saturate(rounds);
    const std::chrono::duration<double> taken = Clock::now() - begin;
    best =
        std::max(best, static_cast<double>(rounds * product.operations_per_round) / taken.count());
  } while (std::chrono::duration<double>(Clock::now() - start).count() < seconds);
  return best;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_PEAK_HPP
