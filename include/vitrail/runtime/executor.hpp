// Who runs the loops: a two-function interface that a host can implement on its own threads.
//
// The library never starts a thread behind your back. An op asks for `parallel_for(count, task)`
// and gets every index exactly once; how many at a time is the executor's business, and no result
// depends on it.
#ifndef VITRAIL_RUNTIME_EXECUTOR_HPP
#define VITRAIL_RUNTIME_EXECUTOR_HPP

#include <memory>
#include <type_traits>
#include <utility>
#include <vitrail/tensor/shape.hpp>

VITRAIL_BEGIN_NAMESPACE

/// A non-owning reference to a callable object, such as a lambda, two pointers wide; valid as long
/// as the object is.
template <class Signature>
class FunctionRef;

template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> &&
           std::is_invocable_r_v<R, F&, Args...>)
      FunctionRef(F&& callable)  // NOLINT(google-explicit-constructor): a lambda is passed where a
                                 // FunctionRef is taken
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}

  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

using ParallelTask = FunctionRef<void(Index)>;

/// Thread safety: an executor is used by one forward pass at a time, unless its implementation says
/// otherwise.
class Executor {
 public:
  virtual ~Executor() = default;
  /// How many tasks may run at once; at least 1.
  [[nodiscard]] virtual int concurrency() const noexcept = 0;
  /// Runs task(0) ... task(count - 1), each once, in any order, and returns when all are done.
  /// Tasks do not throw.
  virtual void parallel_for(Index count, ParallelTask task) = 0;
};

/// The default: everything on the calling thread.
class SerialExecutor final : public Executor {
 public:
  [[nodiscard]] int concurrency() const noexcept override { return 1; }
  void parallel_for(Index count, ParallelTask task) override {
    for (Index i = 0; i < count; ++i) task(i);
  }
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_RUNTIME_EXECUTOR_HPP
