// What this processor can do, asked once: which kernels it runs, and how large its caches are.
//
// The choice is the best level the processor and the operating system support. One environment
// variable lowers it, VITRAIL_CPU=generic|avx2|avx2_vnni|avx512|avx512_vnni|avx512_bf16|amx
// or generic|neon|neon_dotprod, read at the first use; code (tests, benches) lowers it for a while
// with ScopedCpuLevel.
#ifndef VITRAIL_RUNTIME_CPU_HPP
#define VITRAIL_RUNTIME_CPU_HPP

#include <array>
#include <atomic>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vitrail/error.hpp>
#include <vitrail/tensor/shape.hpp>

#if (defined(__x86_64__) || defined(__amd64__)) && (defined(__GNUC__) || defined(__clang__))
#define VITRAIL_X86 1
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#else
#define VITRAIL_X86 0
#endif
#if defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
#define VITRAIL_ARM64 1
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#else
#define VITRAIL_ARM64 0
#endif

VITRAIL_BEGIN_NAMESPACE

/// A set of kernels, worst first. Each names the instructions it needs.
enum class CpuLevel {
  generic,       // what the compiler was told, through Eigen
  avx2,          // AVX2 and FMA
  avx2_vnni,     // and AVX-VNNI: int8 products
  avx512,        // AVX-512 F, BW, DQ, VL
  avx512_vnni,   // and AVX512-VNNI: int8 products
  avx512_bf16,   // and AVX512-BF16: bf16 products
  amx,           // and AMX with BF16 and INT8: products in tile registers
  neon,          // 64-bit Arm
  neon_dotprod,  // and its dot products: int8
};

inline constexpr std::array<std::string_view, 9> cpu_level_names = {
    "generic",     "avx2", "avx2_vnni", "avx512",      "avx512_vnni",
    "avx512_bf16", "amx",  "neon",      "neon_dotprod"};

[[nodiscard]] constexpr std::string_view name_of(CpuLevel level) {
  return cpu_level_names[static_cast<std::size_t>(level)];
}

/// What was found out about the machine. Sizes are of one core's view, in bytes.
struct Cpu {
  std::array<bool, cpu_level_names.size()> supports{};  // by CpuLevel
  CpuLevel best = CpuLevel::generic;
  Index level1_bytes = Index{32} << 10;  // data
  Index level2_bytes = Index{1} << 20;
  bool adds_apart = false;  // has units for additions beside those for multiply-adds
};

namespace detail {

#if VITRAIL_X86
/// Which register files the operating system saves (XCR0): bits 1-2 for AVX, 5-7 for AVX-512, 17-18
/// for AMX.
inline unsigned saved_registers() {
  unsigned low = 0;
  unsigned high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

/// Whether this process may use AMX's tile registers: on Linux it has to ask, once, and the answer
/// holds for all its threads. Refused where a thread's alternate signal stack is too small for
/// them.
inline bool may_use_tiles() {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr long request_permission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long tile_data = 18;
  return ::syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}

inline void read_cache_sizes(Cpu& cpu) {
  // Leaf 4 (Intel) and 0x8000001d (AMD) describe one cache per sub-leaf in the same format.
  for (const unsigned leaf : {0x4U, 0x8000001dU}) {
    for (unsigned cache = 0; cache < 8; ++cache) {
      unsigned a = 0, b = 0, c = 0, d = 0;
      if (__get_cpuid_count(leaf, cache, &a, &b, &c, &d) == 0) break;
      const unsigned type = a & 31U;  // 1 data, 2 instructions, 3 both
      if (type == 0) break;
      const Index bytes = Index{(b >> 22) + 1} * Index{((b >> 12) & 0x3ffU) + 1} *
                          Index{(b & 0xfffU) + 1} * (Index{c} + 1);
      const unsigned level = (a >> 5) & 7U;
      if (level == 1 && type == 1) cpu.level1_bytes = bytes;
      if (level == 2 && type != 2) cpu.level2_bytes = bytes;
    }
  }
}
#endif

#if VITRAIL_X86
/// Zen 3, 4 and 5, whose units for additions can do nothing else.
inline bool has_adding_units() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(0, &a, &b, &c, &d) == 0) return false;
  const bool amd = b == 0x68747541U && d == 0x69746e65U && c == 0x444d4163U;  // AuthenticAMD
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return false;
  const unsigned family = ((a >> 8) & 0xfU) + ((a >> 20) & 0xffU);
  return amd && (family == 0x19U || family == 0x1aU);
}
#endif

inline Cpu detect_cpu() {
  Cpu cpu;
  cpu.supports[0] = true;
#if VITRAIL_X86
  const auto bit = [](unsigned word, unsigned index) { return ((word >> index) & 1U) != 0; };
  unsigned a1 = 0, b1 = 0, c1 = 0, d1 = 0;
  unsigned a7 = 0, b7 = 0, c7 = 0, d7 = 0;
  unsigned a71 = 0, b71 = 0, c71 = 0, d71 = 0;
  if (__get_cpuid(1, &a1, &b1, &c1, &d1) == 0 || __get_cpuid_count(7, 0, &a7, &b7, &c7, &d7) == 0) {
    return cpu;
  }
  if (a7 >= 1) __get_cpuid_count(7, 1, &a71, &b71, &c71, &d71);
  const unsigned saved = bit(c1, 27) ? saved_registers() : 0;
  const bool saves_ymm = (saved & 0x6U) == 0x6U;
  const bool saves_zmm = (saved & 0xe6U) == 0xe6U;
  const bool avx2 = saves_ymm && bit(c1, 28) && bit(c1, 12) && bit(b7, 5);
  const bool avx512 = avx2 && saves_zmm && bit(b7, 16) && bit(b7, 17) && bit(b7, 30) && bit(b7, 31);
  const bool avx512_vnni = avx512 && bit(c7, 11);
  const bool avx512_bf16 = avx512_vnni && bit(a71, 5);
  const bool saves_tiles = (saved & 0x60000U) == 0x60000U;
  const bool amx =
      avx512_bf16 && saves_tiles && bit(d7, 22) && bit(d7, 24) && bit(d7, 25) && may_use_tiles();
  cpu.supports = {true, avx2, avx2 && bit(a71, 4), avx512, avx512_vnni, avx512_bf16, amx};
  read_cache_sizes(cpu);
  cpu.adds_apart = has_adding_units();
#elif VITRAIL_ARM64
  cpu.supports[static_cast<std::size_t>(CpuLevel::neon)] = true;
#if defined(__linux__)
  constexpr unsigned long has_dot_products = 1UL << 20;  // HWCAP_ASIMDDP
  const bool dotprod = (getauxval(AT_HWCAP) & has_dot_products) != 0;
#elif defined(__APPLE__) || defined(__ARM_FEATURE_DOTPROD)
  const bool dotprod = true;  // every Apple processor that runs macOS has them
#else
  const bool dotprod = false;
#endif
  cpu.supports[static_cast<std::size_t>(CpuLevel::neon_dotprod)] = dotprod;
#endif
  for (std::size_t level = 0; level < cpu.supports.size(); ++level) {
    if (cpu.supports[level]) cpu.best = static_cast<CpuLevel>(level);
  }
  return cpu;
}

}  // namespace detail

/// This machine. Thread safety: any number of threads.
[[nodiscard]] inline const Cpu& cpu() {
  static const Cpu found = detail::detect_cpu();
  return found;
}

/// The level called `name`. Throws Error for a name that is none, or one this processor lacks.
[[nodiscard]] inline CpuLevel cpu_level_of(std::string_view name, std::string_view where) {
  for (std::size_t level = 0; level < cpu_level_names.size(); ++level) {
    if (cpu_level_names[level] != name) continue;
    if (!cpu().supports[level]) {
      fail(where, "this processor does not support ", name);
    }
    return static_cast<CpuLevel>(level);
  }
  std::string known;
  for (const std::string_view level : cpu_level_names) known.append(" ").append(level);
  fail(where, "unknown instruction set \"", name, "\", known:", known);
}

namespace detail {

inline std::atomic<int>& cpu_level_override() {
  static std::atomic<int> level{-1};  // -1: none
  return level;
}

inline CpuLevel startup_cpu_level() {
  const char* name = std::getenv("VITRAIL_CPU");
  return name == nullptr || *name == '\0' ? cpu().best : cpu_level_of(name, "VITRAIL_CPU");
}

}  // namespace detail

/// The level that matrices packed from now on and elementwise ops use. Throws Error when
/// VITRAIL_CPU names none.
[[nodiscard]] inline CpuLevel cpu_level() {
  const int forced = detail::cpu_level_override().load(std::memory_order_relaxed);
  if (forced >= 0) return static_cast<CpuLevel>(forced);
  static const CpuLevel level = detail::startup_cpu_level();
  return level;
}

/// Forces a level until the end of the scope, for the whole process: for tests and benches. Throws
/// Error when the processor does not support it.
class ScopedCpuLevel {
 public:
  explicit ScopedCpuLevel(CpuLevel level)
      : before_(detail::cpu_level_override().exchange(
            static_cast<int>(cpu_level_of(name_of(level), "ScopedCpuLevel")))) {}
  ScopedCpuLevel(const ScopedCpuLevel&) = delete;
  ScopedCpuLevel& operator=(const ScopedCpuLevel&) = delete;
  ~ScopedCpuLevel() { detail::cpu_level_override().store(before_); }

 private:
  int before_;
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_RUNTIME_CPU_HPP
