// Waiting for a few microseconds without giving the core away, and giving it away after that.
#ifndef VITRAIL_RUNTIME_SPIN_HPP
#define VITRAIL_RUNTIME_SPIN_HPP

#include <thread>
#include <vitrail/macros.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// Tells the core that this is a waiting loop.
inline void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// Returns once `done()` holds: spins at first, then lets other threads run, so that it also works
/// with more threads than cores.
template <class Condition>
void spin_until(Condition done) {
  for (int round = 0; !done(); ++round) {
    if (round < 1000) {
      pause_briefly();
    } else {
      std::this_thread::yield();
    }
  }
}

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_RUNTIME_SPIN_HPP
