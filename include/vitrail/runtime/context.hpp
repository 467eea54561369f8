// What a forward pass is given besides its input: threads, scratch memory, a way to be stopped.
#ifndef VITRAIL_RUNTIME_CONTEXT_HPP
#define VITRAIL_RUNTIME_CONTEXT_HPP

#include <version>
#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif
#include <vitrail/runtime/executor.hpp>
#include <vitrail/runtime/workspace.hpp>

VITRAIL_BEGIN_NAMESPACE

#if defined(__cpp_lib_jthread)
using StopToken = std::stop_token;
#else
/// Stands in where the standard library has no std::stop_token yet (libc++): nobody asks to stop.
struct StopToken {
  [[nodiscard]] static bool stop_requested() { return false; }
};
#endif

/// References only: cheap to pass down. Thread safety: one Context serves one forward pass at a
/// time.
struct Context {
  Executor& executor;
  Workspace& workspace;
  StopToken stop = {};

  /// Called between blocks. Throws Error once `stop` was requested.
  void check_stop() const {
    if (stop.stop_requested()) fail("forward pass", "stopped on request");
  }
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_RUNTIME_CONTEXT_HPP
