// What a forward pass is given besides its input: threads, scratch memory, a way to be stopped.
#ifndef VITRAIL_RUNTIME_CONTEXT_HPP
#define VITRAIL_RUNTIME_CONTEXT_HPP

#include <stop_token>
#include <vitrail/runtime/executor.hpp>
#include <vitrail/runtime/workspace.hpp>

VITRAIL_BEGIN_NAMESPACE

/// References only: cheap to pass down. Thread safety: one Context serves one forward pass at a
/// time.
struct Context {
  Executor& executor;
  Workspace& workspace;
  std::stop_token stop = {};

  /// Called between blocks. Throws Error once `stop` was requested.
  void check_stop() const {
    if (stop.stop_requested()) fail("forward pass", "stopped on request");
  }
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_RUNTIME_CONTEXT_HPP
