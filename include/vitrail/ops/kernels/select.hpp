// The table of kernels for a level, filled at the first use.
#ifndef VITRAIL_OPS_KERNELS_SELECT_HPP
#define VITRAIL_OPS_KERNELS_SELECT_HPP

#include <vitrail/ops/kernels/kernels.hpp>
#if VITRAIL_HAS_BODIES
#include <vitrail/ops/kernels/arm_neon.hpp>
#include <vitrail/ops/kernels/x86_amx.hpp>
#include <vitrail/ops/kernels/x86_avx2.hpp>
#include <vitrail/ops/kernels/x86_avx512.hpp>
#endif

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// Null for the generic level, which has no kernels: the plain definitions serve.
[[nodiscard]] VITRAIL_API const Kernels* kernels_for(CpuLevel level);

#if VITRAIL_HAS_BODIES
VITRAIL_API const Kernels* kernels_for(CpuLevel level) {
#if VITRAIL_X86
  static const std::array<Kernels, 6> tables = {
      avx2::table(CpuLevel::avx2),          avx2::table(CpuLevel::avx2_vnni),
      avx512::table(CpuLevel::avx512),      avx512::table(CpuLevel::avx512_vnni),
      avx512::table(CpuLevel::avx512_bf16), amx::table()};
  if (level != CpuLevel::generic) return &tables[static_cast<std::size_t>(level) - 1];
#elif VITRAIL_ARM64
  static const std::array<Kernels, 2> tables = {neon::table(CpuLevel::neon),
                                                neon::table(CpuLevel::neon_dotprod)};
  if (level == CpuLevel::neon) return &tables[0];
  if (level == CpuLevel::neon_dotprod) return &tables[1];
#endif
  (void)level;
  return nullptr;
}
#endif

/// For the level in use now.
[[nodiscard]] inline const Kernels* kernels() { return kernels_for(cpu_level()); }

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_KERNELS_SELECT_HPP
