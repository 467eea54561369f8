// Sharing out units of work so that each worker walks its own neighbourhood first, and helps the
// others when it is done.
//
//   units    0 1 2 3 4 5 6 7 8
//   worker 0 ======>  worker 1 ======>  worker 2 ======>     each begins at its own third
//
// Neighbouring units share data that is still in the worker's cache; helping evens out a core that
// somebody else keeps busy.
#ifndef VITRAIL_RUNTIME_WORK_RANGES_HPP
#define VITRAIL_RUNTIME_WORK_RANGES_HPP

#include <algorithm>
#include <atomic>
#include <vitrail/runtime/executor.hpp>
#include <vitrail/runtime/spin.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

class WorkRanges {
 public:
  static constexpr Index most_workers = 64;

  /// How many workers are worth calling for `units` units.
  [[nodiscard]] static Index workers_for(const Executor& executor, Index units) {
    return std::max(Index{1}, std::min({Index{executor.concurrency()}, units, most_workers}));
  }

  /// Into how many groups, from `fewest` to `most`, something is cut so that `each` units a group
  /// share out evenly: few groups, unless more leave fewer workers idle at the end.
  [[nodiscard]] static Index groups_for(Index fewest, Index most, Index each, Index workers) {
    Index best = fewest;
    double least_waste = 1e9;
    for (Index groups = fewest; groups <= std::min(most, fewest + workers); ++groups) {
      const Index units = groups * each;
      const Index slots = (units + workers - 1) / workers * workers;
      const double waste = static_cast<double>(slots) / static_cast<double>(units) +
                           0.01 * static_cast<double>(groups - fewest);
      if (waste < least_waste - 1e-9) {
        least_waste = waste;
        best = groups;
      }
    }
    return best;
  }

  WorkRanges(Index units, Index workers) : units_(units), workers_(workers) {
    for (Index worker = 0; worker < workers; ++worker) {
      ranges_[worker].next.store(begin_of(worker), std::memory_order_relaxed);
    }
  }

  /// The next unit for `worker`, or -1 when all are taken.
  [[nodiscard]] Index next(Index worker) {
    for (Index i = 0; i < workers_; ++i) {
      const Index owner = (worker + i) % workers_;
      std::atomic<Index>& next = ranges_[owner].next;
      const Index end = begin_of(owner + 1);
      if (next.load(std::memory_order_relaxed) >= end) continue;
      const Index unit = next.fetch_add(1, std::memory_order_relaxed);
      if (unit < end) return unit;
    }
    return -1;
  }

  /// A unit's results are there; see wait_for_all.
  void mark_done() { done_.fetch_add(1, std::memory_order_release); }
  /// Returns when every unit is done. Called after next() gave -1: what is missing is being worked
  /// on by running threads, so this ends under any executor.
  void wait_for_all() const {
    spin_until([this] { return done_.load(std::memory_order_acquire) == units_; });
  }

 private:
  [[nodiscard]] Index begin_of(Index worker) const { return worker * units_ / workers_; }

  /// Two lines: cores fetch them in pairs.
  struct alignas(128) Range {
    std::atomic<Index> next;
  };
  Index units_;
  Index workers_;
  alignas(128) std::atomic<Index> done_{0};
  Range ranges_[most_workers];
};

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_RUNTIME_WORK_RANGES_HPP
