#include <gtest/gtest.h>

#include <array>
#include <vitrail/io/little_endian.hpp>

namespace {

using namespace vitrail;

TEST(LittleEndian, TheFirstByteIsTheLeast) {
  constexpr std::array bytes = {std::byte{0x11}, std::byte{0x22}, std::byte{0x33},
                                std::byte{0x44}, std::byte{0x55}, std::byte{0x66},
                                std::byte{0x77}, std::byte{0x88}, std::byte{0x99}};
  EXPECT_EQ(detail::load_little<std::uint8_t>(bytes.data()), 0x11);
  EXPECT_EQ(detail::load_little<std::uint16_t>(bytes.data() + 1), 0x3322);  // of any alignment
  EXPECT_EQ(detail::load_little<std::uint32_t>(bytes.data() + 1), 0x55443322U);
  EXPECT_EQ(detail::load_little<std::uint64_t>(bytes.data() + 1), 0x9988776655443322U);
}

TEST(LittleEndian, WhatIsStoredIsLoadedAndTheRestLeftAlone) {
  std::array<std::byte, 10> bytes{};
  detail::store_little<std::uint64_t>(0x0123456789abcdefU, bytes.data() + 1);
  EXPECT_EQ(detail::load_little<std::uint64_t>(bytes.data() + 1), 0x0123456789abcdefU);
  EXPECT_EQ(bytes[0], std::byte{0});
  EXPECT_EQ(bytes[1], std::byte{0xef});
  EXPECT_EQ(bytes[9], std::byte{0});
  detail::store_little<std::uint16_t>(0xfedc, bytes.data());
  EXPECT_EQ(bytes[1], std::byte{0xfe});
  EXPECT_EQ(bytes[2], std::byte{0xcd});
}

}  // namespace
