#include <gtest/gtest.h>

#include <cstring>
#include <vitrail/ops/weight_memory.hpp>

namespace {

using namespace vitrail;

TEST(WeightMemory, LaysMatricesEndToEnd) {
  WeightMemory memory(4096);
  const auto first = memory.take(100);
  const auto second = memory.take(64);
  EXPECT_EQ(second.get(), first.get() + 128);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first.get()) % tensor_alignment, 0U);
  EXPECT_EQ(memory.take(0), nullptr);
}

TEST(WeightMemory, GivesALargeModelLargePages) {
  WeightMemory memory(WeightMemory::large_model);
  const auto first = memory.take(100);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first.get()) % detail::huge_page, 0U);
  EXPECT_EQ(memory.take(100).get(), first.get() + 128);
  const auto larger_than_a_chunk = memory.take(std::size_t{40} << 20);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(larger_than_a_chunk.get()) % detail::huge_page, 0U);
}

TEST(WeightMemory, OutlivesItselfWhereItIsStillHeld) {
  std::shared_ptr<std::byte> kept;
  {
    WeightMemory memory(256);
    kept = memory.take(200);
    std::memset(kept.get(), 7, 200);
    for (int i = 0; i < 10; ++i) std::memset(memory.take(200).get(), 8, 200);
  }
  for (int i = 0; i < 200; ++i) ASSERT_EQ(kept.get()[i], std::byte{7});
}

}  // namespace
