// Are there two Eigens in this program? A probe that the linker merges tells.
//
// Eigen's alignment and allocator follow the compiler flags of each translation unit under the same
// symbol names. The function below has one name in every translation unit, outside our tagged
// namespace, so that the linker keeps one copy; where that copy was compiled with other flags than
// the caller, their words differ.
#ifndef VITRAIL_RUNTIME_ABI_CHECK_HPP
#define VITRAIL_RUNTIME_ABI_CHECK_HPP

#include <vitrail/error.hpp>
#include <vitrail/tensor/matrix.hpp>

#if defined(EIGEN_HAS_OPENMP)
#define VITRAIL_EIGEN_OPENMP 1UL
#else
#define VITRAIL_EIGEN_OPENMP 0UL
#endif

// Eigen's version, alignment, packet width and OpenMP, as this translation unit sees them.
#define VITRAIL_EIGEN_WORD                                                               \
  ((static_cast<unsigned long>(EIGEN_WORLD_VERSION * 10000 + EIGEN_MAJOR_VERSION * 100 + \
                               EIGEN_MINOR_VERSION)                                      \
    << 32) |                                                                             \
   (static_cast<unsigned long>(EIGEN_MAX_ALIGN_BYTES) << 16) |                           \
   (static_cast<unsigned long>(Eigen::internal::packet_traits<float>::size) << 1) |      \
   VITRAIL_EIGEN_OPENMP)

namespace vitrail_abi {

/// One copy in the whole program, whichever the linker kept.
VITRAIL_NOINLINE inline unsigned long eigen_word() { return VITRAIL_EIGEN_WORD; }

}  // namespace vitrail_abi

VITRAIL_BEGIN_NAMESPACE

/// Throws Error when the program holds an Eigen that was compiled with other flags than the caller.
/// Called by every load.
inline void check_abi() {
  if (vitrail_abi::eigen_word() != VITRAIL_EIGEN_WORD) {
    fail("vitrail",
         "translation units of this program were compiled for different instruction sets, so that "
         "Eigen's allocators do not "
         "agree; compile all that include Eigen with the same -m flags");
  }
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_RUNTIME_ABI_CHECK_HPP
