// Multiply-adds that touch nothing but registers: what the processor can do at best. Included once
// per instruction set, inside its namespace, by kernels/{arm,x86}_*.hpp; on its own it is empty.
#if defined(VITRAIL_KERNEL)

/// `rounds` times one multiply-add for each sum of a tile: more of them than any takes cycles, of
/// however many units.
template <class Op>
VITRAIL_KERNEL static void saturate(Index rounds) {
  alignas(64) const std::byte nothing[64] = {};
  alignas(64) volatile std::byte result[64] = {};
  typename Op::Sum sums[tile_rows][panel_vectors];
  VITRAIL_UNROLL for (auto& row : sums) {
    VITRAIL_UNROLL for (auto& sum : row) sum = Op::load_sum(nothing);
  }
  const auto a = Op::left(nothing);
  const auto b = Op::right(nothing, 0);
  for (Index round = 0; round < rounds; ++round) {
    VITRAIL_UNROLL for (auto& row : sums) {
      VITRAIL_UNROLL for (auto& sum : row) {
        Op::add(sum, a, b);
        // To the compiler each sum is now unlike the others, so that it keeps them all.
#if VITRAIL_ARM64
        __asm__ volatile("" : "+w"(sum));
#else
        __asm__ volatile("" : "+v"(sum));
#endif
      }
    }
  }
  for (const auto& row : sums) {
    for (const auto& sum : row) Op::store_sum(const_cast<std::byte*>(result), sum);
  }
}

#endif  // VITRAIL_KERNEL
