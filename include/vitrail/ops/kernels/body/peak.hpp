// Multiply-adds that touch nothing but registers: what the processor can do at best. Included once
// per instruction set, inside its namespace, by kernels/{arm,x86}_*.hpp; on its own it is empty.
#if defined(VITRAIL_KERNEL)

/// `rounds` times 12 independent multiply-adds of one vector each.
template <class Op>
VITRAIL_KERNEL static void saturate(Index rounds) {
  alignas(64) const std::byte nothing[64] = {};
  alignas(64) volatile std::byte result[64] = {};
  typename Op::Sum sums[12];
  VITRAIL_UNROLL for (int i = 0; i < 12; ++i) sums[i] = Op::load_sum(nothing);
  const auto a = Op::left(nothing);
  const auto b = Op::right(nothing, 0);
  for (Index round = 0; round < rounds; ++round) {
    VITRAIL_UNROLL for (int i = 0; i < 12; ++i) Op::add(sums[i], a, b);
    // To the compiler each sum is now unlike the others, so that it keeps all twelve.
#if VITRAIL_ARM64
    VITRAIL_UNROLL for (int i = 0; i < 12; ++i) __asm__ volatile("" : "+w"(sums[i]));
#else
    VITRAIL_UNROLL for (int i = 0; i < 12; ++i) __asm__ volatile("" : "+x"(sums[i]));
#endif
  }
  for (int i = 0; i < 12; ++i) Op::store_sum(const_cast<std::byte*>(result), sums[i]);
}

#endif  // VITRAIL_KERNEL
