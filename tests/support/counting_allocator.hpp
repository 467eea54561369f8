// Counts what a whole test program allocates, aligned or not. It replaces operator new: include it
// in one source file of a program.
#ifndef VITRAIL_TESTS_SUPPORT_COUNTING_ALLOCATOR_HPP
#define VITRAIL_TESTS_SUPPORT_COUNTING_ALLOCATOR_HPP

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace vitrail_test {

inline std::atomic<std::size_t> allocations{0};      // requests so far
inline std::atomic<std::size_t> allocated_bytes{0};  // what they asked for together

inline void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  allocated_bytes += size;
  const std::size_t rounded =
      (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment;
  void* const memory = rounded < size ? nullptr : std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace vitrail_test

// Not inlined, lest g++ takes free() for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  return vitrail_test::counted(size, alignof(std::max_align_t));
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return vitrail_test::counted(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

#endif  // VITRAIL_TESTS_SUPPORT_COUNTING_ALLOCATOR_HPP
