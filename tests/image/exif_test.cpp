#include <gtest/gtest.h>

#include <support/picture.hpp>
#include <vitrail/image/exif.hpp>

namespace {

using namespace vitrail;

std::vector<std::uint8_t> exif_with(std::uint8_t orientation, bool little) {
  if (little)
    return {'E',  'x', 'i', 'f', 0, 0, 'I', 'I', 42,          0, 8, 0, 0, 0, 1, 0,
            0x12, 1,   3,   0,   1, 0, 0,   0,   orientation, 0, 0, 0, 0, 0, 0, 0};
  return {'M', 'M', 0, 42, 0, 0, 0,           8, 0, 1, 1, 0x12, 0,
          3,   0,   0, 0,  1, 0, orientation, 0, 0, 0, 0, 0,    0};
}

TEST(ExifOrientation, IsReadInBothByteOrdersWithAndWithoutPrefix) {
  for (std::uint8_t orientation = 1; orientation <= 8; ++orientation) {
    EXPECT_EQ(exif_orientation(exif_with(orientation, true)), orientation);
    EXPECT_EQ(exif_orientation(exif_with(orientation, false)), orientation);
  }
}

TEST(ExifOrientation, IsUprightForBrokenBlocks) {
  EXPECT_EQ(exif_orientation({}), 1);
  EXPECT_EQ(exif_orientation(exif_with(0, true)), 1);
  EXPECT_EQ(exif_orientation(exif_with(9, false)), 1);
  const std::vector<std::uint8_t> whole = exif_with(6, false);
  for (std::size_t length = 0; length < 22; ++length) {
    const std::vector<std::uint8_t> cut(whole.begin(),
                                        whole.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_EQ(exif_orientation(cut), 1) << length;
  }
  std::vector<std::uint8_t> far = whole;
  far[4] = far[5] = far[6] = far[7] = 0xff;  // the directory lies outside
  EXPECT_EQ(exif_orientation(far), 1);
}

TEST(ApplyOrientation, MovesEveryPixelWhereTheStandardSays) {
  // 1 2 3
  // 4 5 6
  const std::vector<std::vector<int>> expected = {
      {1, 2, 3, 4, 5, 6}, {3, 2, 1, 6, 5, 4}, {6, 5, 4, 3, 2, 1}, {4, 5, 6, 1, 2, 3},
      {1, 4, 2, 5, 3, 6}, {4, 1, 5, 2, 6, 3}, {6, 3, 5, 2, 4, 1}, {3, 6, 2, 5, 1, 4}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    Image image(2, 3);
    for (std::size_t i = 0; i < 18; ++i)
      image.view().flat()[i] = static_cast<std::uint8_t>(i / 3 + 1 + 10 * (i % 3));
    const Image upright = apply_orientation(std::move(image), orientation);
    EXPECT_EQ(upright.height(), orientation < 5 ? 2 : 3);
    for (std::size_t i = 0; i < 18; ++i)
      EXPECT_EQ(
          upright.view().flat()[i],
          expected[static_cast<std::size_t>(orientation - 1)][i / 3] + 10 * static_cast<int>(i % 3))
          << orientation;
  }
}

}  // namespace
