// Version, the namespace that carries it, and the few compiler differences. Every macro of the
// library is here.
#ifndef VITRAIL_MACROS_HPP
#define VITRAIL_MACROS_HPP

#define VITRAIL_VERSION_MAJOR 0
#define VITRAIL_VERSION_MINOR 1
#define VITRAIL_VERSION_PATCH 0

// Eigen picks its vector width, its alignment and even its allocator from the compiler flags of
// each translation unit, under the same symbol names. Our names therefore carry the instruction set
// they were compiled for: translation units with different flags then fail to link, where they
// would otherwise corrupt the heap.
#if defined(__AVX512F__)
#define VITRAIL_ISA_TAG avx512
#elif defined(__AVX2__)
#define VITRAIL_ISA_TAG avx2
#elif defined(__AVX__)
#define VITRAIL_ISA_TAG avx
#elif defined(__SSE4_2__)
#define VITRAIL_ISA_TAG sse42
#else
#define VITRAIL_ISA_TAG base
#endif

#if defined(_OPENMP)
#define VITRAIL_OPENMP_TAG omp
#else
#define VITRAIL_OPENMP_TAG serial
#endif

#define VITRAIL_JOIN_RAW(major, minor, isa, omp) v##major##_##minor##_##isa##_##omp
#define VITRAIL_JOIN(major, minor, isa, omp) VITRAIL_JOIN_RAW(major, minor, isa, omp)
#define VITRAIL_ABI_NAMESPACE \
  VITRAIL_JOIN(VITRAIL_VERSION_MAJOR, VITRAIL_VERSION_MINOR, VITRAIL_ISA_TAG, VITRAIL_OPENMP_TAG)

#define VITRAIL_BEGIN_NAMESPACE \
  namespace vitrail {           \
  inline namespace VITRAIL_ABI_NAMESPACE {
#define VITRAIL_END_NAMESPACE \
  }                           \
  }

// The same around code without inner loops of its own: what runs once for a file (names, configs,
// readers) and what calls the products rather than is one. In between g++ leaves out passes of -O2
// that take long and gain nothing there: a sixth of what a program that loads a model takes to
// compile (bench/size). clang has no such switch.
#if defined(__GNUC__) && !defined(__clang__)
#define VITRAIL_PRAGMA(words) _Pragma(#words)
#define VITRAIL_BEGIN_COLD_NAMESPACE                                                             \
  _Pragma("GCC push_options") VITRAIL_PRAGMA(GCC optimize(                                       \
      "no-tree-pta", "no-tree-vrp", "no-tree-pre", "no-tree-dse", "no-tree-dominator-opts",      \
      "no-tree-slp-vectorize", "no-tree-loop-optimize", "no-ivopts", "no-thread-jumps",          \
      "no-code-hoisting", "no-gcse", "no-dse", "no-cse-follow-jumps", "no-rerun-cse-after-loop", \
      "no-forward-propagate", "no-cprop-registers", "no-crossjumping", "no-if-conversion",       \
      "no-schedule-insns2", "no-peephole2", "no-caller-saves", "no-shrink-wrap",                 \
      "no-expensive-optimizations", "ira-algorithm=priority", "ira-region=one"))                 \
      VITRAIL_BEGIN_NAMESPACE
#define VITRAIL_END_COLD_NAMESPACE VITRAIL_END_NAMESPACE _Pragma("GCC pop_options")
#else
#define VITRAIL_BEGIN_COLD_NAMESPACE VITRAIL_BEGIN_NAMESPACE
#define VITRAIL_END_COLD_NAMESPACE VITRAIL_END_NAMESPACE
#endif

// Where VITRAIL_COMPILED is defined (by CMake's target vitrail::compiled), the functions marked
// VITRAIL_API are in a library: translation units see what they look like, not what they do, and
// compile in a sixth of the time. The one that makes the library, cmake/compiled.cpp, defines
// VITRAIL_COMPILING too.
#if !defined(VITRAIL_COMPILED)
#define VITRAIL_API inline
#define VITRAIL_HAS_BODIES 1
#elif defined(VITRAIL_COMPILING)
#define VITRAIL_API
#define VITRAIL_API_TEMPLATE template
#define VITRAIL_HAS_BODIES 1
#else
#define VITRAIL_API
#define VITRAIL_API_TEMPLATE extern template
#define VITRAIL_HAS_BODIES 0
#endif

// A broken promise of the caller (an index out of range, a view of the wrong extent). Define
// VITRAIL_ASSERT before the first include to handle it your way; the default is the standard
// assert.
#ifndef VITRAIL_ASSERT
#include <cassert>
#define VITRAIL_ASSERT(condition, sentence) assert((condition) && (sentence))
#endif

#if defined(__GNUC__) || defined(__clang__)
#define VITRAIL_RESTRICT __restrict__
#define VITRAIL_NOINLINE __attribute__((noinline))
#define VITRAIL_ALWAYS_INLINE inline __attribute__((always_inline))
// Asks for the cache line of an address, into the second cache.
#define VITRAIL_PREFETCH(address) __builtin_prefetch(address, 0, 2)
#else
#define VITRAIL_RESTRICT
#define VITRAIL_NOINLINE
#define VITRAIL_ALWAYS_INLINE inline
#define VITRAIL_PREFETCH(address) static_cast<void>(address)
#endif

// Before a loop of known length over registers.
#if defined(__clang__)
#define VITRAIL_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define VITRAIL_UNROLL _Pragma("GCC unroll 16")
#else
#define VITRAIL_UNROLL
#endif

#endif  // VITRAIL_MACROS_HPP
