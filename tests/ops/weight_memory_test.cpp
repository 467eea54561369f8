#include <gtest/gtest.h>

#include <cstring>
#include <vitrail/ops/weight_memory.hpp>

namespace {

using namespace vitrail;

TEST(WeightMemory, LaysMatricesEndToEnd) {
  WeightMemory memory(4096);
  const auto first = memory.take(100);
  const auto second = memory.take(64);
  EXPECT_EQ(second.data, first.data + 128);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first.data) % tensor_alignment, 0U);
  EXPECT_EQ(memory.take(0).data, nullptr);
}

TEST(WeightMemory, GivesALargeModelLargePages) {
  WeightMemory memory(WeightMemory::large_model);
  const auto first = memory.take(100);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first.data) % detail::huge_page, 0U);
  EXPECT_EQ(memory.take(100).data, first.data + 128);
  const auto larger_than_a_chunk = memory.take(std::size_t{40} << 20);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(larger_than_a_chunk.data) % detail::huge_page, 0U);
}

TEST(WeightMemory, OutlivesItselfWhereItIsStillHeld) {
  detail::WeightBytes kept;
  {
    WeightMemory memory(256);
    kept = memory.take(200);
    std::memset(kept.data, 7, 200);
    for (int i = 0; i < 10; ++i) std::memset(memory.take(200).data, 8, 200);
  }
  for (int i = 0; i < 200; ++i) ASSERT_EQ(kept.data[i], std::byte{7});
}

TEST(WeightMemory, KeepsWhatIsThereWhenItMovesToLargePages) {
  constexpr std::size_t size = std::size_t{3} << 20;
  WeightMemory memory(2 * size);
  const detail::WeightBytes matrices[] = {memory.take(size), memory.take(size)};
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(matrices[0].data) % detail::huge_page, 0U);
  for (const detail::WeightBytes& matrix : matrices) std::memset(matrix.data, 7, size);
  for (int use = 0; use < 2 * detail::WeightChunk::uses_in_small_pages; ++use) {
    for (const detail::WeightBytes& matrix : matrices) matrix.chunk->count_use();
    ASSERT_EQ(matrices[1].data[size - 1], std::byte{7});
  }
  for (const detail::WeightBytes& matrix : matrices) {
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(matrix.data[i], std::byte{7});
  }
}

}  // namespace
