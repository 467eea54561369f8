// Asks for large pages under large, long-lived memory: fewer page faults while it is filled, fewer
// misses of the address cache while it is read.
#ifndef VITRAIL_RUNTIME_HUGE_PAGES_HPP
#define VITRAIL_RUNTIME_HUGE_PAGES_HPP

#include <algorithm>
#include <array>
#include <chrono>
#include <vitrail/tensor/tensor.hpp>

#if defined(__linux__)
#include <sys/mman.h>
#endif

VITRAIL_BEGIN_NAMESPACE

namespace detail {

inline constexpr std::size_t huge_page = std::size_t{2} << 20;

/// Whether a small page takes so long to be touched first that large ones are cheaper at once, even
/// where a virtual machine's host has to find them: 16 microseconds were seen under a host that
/// keeps the page tables, 1 to 3 elsewhere. Measured once, on a few pages.
[[nodiscard]] VITRAIL_NOINLINE inline bool small_pages_are_slow() {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  static const bool slow = [] {
    constexpr std::size_t pages = 17;
    constexpr std::size_t page = 4096;
    void* const memory =
        ::mmap(nullptr, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    using Clock = std::chrono::steady_clock;
    std::array<Clock::duration, pages> times{};
    for (std::size_t i = 0; i < pages; ++i) {
      const auto begin = Clock::now();
      static_cast<volatile char*>(memory)[i * page] = 1;
      times[i] = Clock::now() - begin;
    }
    (void)::munmap(memory, pages * page);
    std::nth_element(times.begin(), times.begin() + pages / 2, times.end());
    return times[pages / 2] > std::chrono::microseconds(6);
  }();
  return slow;
#else
  return false;
#endif
}

/// Puts the `size` bytes at a large page's boundary that are there already into large pages, as far
/// as they fill some: they are copied, while others may read them. A hint; before Linux 6.1 the
/// kernel does it when it comes by.
inline void collapse_to_huge_pages([[maybe_unused]] std::byte* begin,
                                   [[maybe_unused]] std::size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr int collapse = 25;  // MADV_COLLAPSE, which older headers lack
  (void)::madvise(begin, size / huge_page * huge_page, MADV_HUGEPAGE);
  (void)::madvise(begin, size / huge_page * huge_page, collapse);
#endif
}

/// `size` uninitialised bytes, in large pages as far as they fill some.
inline AlignedBytes huge_bytes(std::size_t size) {
  if (size < huge_page) return AlignedBytes(size);
  AlignedBytes bytes(size, huge_page);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  (void)::madvise(bytes.data(), size / huge_page * huge_page, MADV_HUGEPAGE);  // a hint
#endif
  return bytes;
}

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_RUNTIME_HUGE_PAGES_HPP
