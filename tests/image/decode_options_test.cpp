// The limits that every decoder asks before it allocates.
#include <gtest/gtest.h>

#include <support/picture.hpp>
#include <vitrail/image/decode_options.hpp>

namespace {

using namespace vitrail;

std::string size_error(Index height, Index width, const DecodeOptions& options = {}) {
  return error_of([&] { detail::check_picture_size(height, width, "p.png", options); });
}

TEST(DecodeOptions, LimitSidesAndPixelsByWidthTimesHeight) {
  const DecodeOptions small{.max_pixels = 12, .max_side = 6};
  EXPECT_EQ(size_error(2, 6, small), "");
  EXPECT_EQ(size_error(3, 5, small), "p.png: the picture is 5 x 3 pixels, the limit is 12 in all");
  EXPECT_EQ(size_error(1, 7, small), "p.png: the picture is 7 x 1 pixels, the limit is 6 a side");
  EXPECT_EQ(size_error(0, 4, small), "p.png: the picture is 4 x 0 pixels, it has none");
  EXPECT_NE(size_error(4, -1), "");
}

TEST(DecodeOptions, AProductThatOverflowsIsTooLarge) {
  constexpr Index huge = std::numeric_limits<Index>::max();
  const DecodeOptions wide{.max_side = huge};
  EXPECT_NE(size_error(huge, huge, wide), "");
  EXPECT_NE(size_error(Index{1} << 32, Index{1} << 32, wide), "");
}

TEST(DecodeOptions, FilesAreAsLongAsTheirFormatNeeds) {
  const auto words = [](Index samples, std::size_t bytes) {
    return error_of([&] { detail::check_compression(samples, 1000, bytes, "p.png"); });
  };
  EXPECT_EQ(words(10000, 10), "");
  EXPECT_EQ(words(10999, 10), "");
  EXPECT_EQ(words(11000, 10), "p.png: the file is truncated: 10 bytes cannot hold 11000 samples");
}

TEST(DecodeOptions, AMagicNumberIsComparedByteByByte) {
  const std::array<std::uint8_t, 3> bytes = {0xff, 0xd8, 0x00};
  EXPECT_TRUE(detail::starts_with(bytes, "\xff\xd8"));
  EXPECT_TRUE(detail::starts_with(bytes, ""));
  EXPECT_FALSE(detail::starts_with(bytes, "\xff\xd9"));
  EXPECT_FALSE(detail::starts_with(bytes, std::string_view("\xff\xd8\0\0", 4)));
}

TEST(DecodeOptions, GreyIsSpreadOverThreeChannels) {
  const std::uint8_t grey[] = {7, 200};
  std::uint8_t rgb[6] = {};
  detail::spread_grey(grey, 2, rgb);
  EXPECT_EQ(std::vector<int>(rgb, rgb + 6), (std::vector<int>{7, 7, 7, 200, 200, 200}));
}

}  // namespace
