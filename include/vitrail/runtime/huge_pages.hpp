// Asks for large pages under large, long-lived memory: fewer page faults while it is filled, fewer
// misses of the address cache while it is read.
#ifndef VITRAIL_RUNTIME_HUGE_PAGES_HPP
#define VITRAIL_RUNTIME_HUGE_PAGES_HPP

#include <cstddef>
#include <cstdint>
#include <vitrail/macros.hpp>

#if defined(__linux__)
#include <sys/mman.h>
#endif

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// A hint; memory below two large pages is left as it is.
inline void prefer_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr std::uintptr_t page = std::uintptr_t{2} << 20;
  const auto begin = (reinterpret_cast<std::uintptr_t>(memory) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(memory) + size) / page * page;
  if (size >= 2 * page && begin < end) {
    (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
  }
#endif
}

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_RUNTIME_HUGE_PAGES_HPP
