#include <gtest/gtest.h>

#include <support/picture.hpp>
#include <vitrail/image/image.hpp>

namespace {

using namespace vitrail;

TEST(Image, BeginsBlackAndKeepsRowsTogether) {
  Image image(2, 3);
  EXPECT_EQ(image.height(), 2);
  EXPECT_EQ(image.width(), 3);
  EXPECT_EQ(image.view().shape(), (Shape{2, 3, 3}));
  EXPECT_EQ(image.row(1) - image.row(0), 9);
  for (const std::uint8_t value : image.view().flat()) EXPECT_EQ(value, 0);
}

TEST(Image, MovesWithoutCopyingPixels) {
  Image image(2, 3);
  const std::uint8_t* pixels = image.row(0);
  const Image other = std::move(image);
  EXPECT_EQ(other.row(0), pixels);
  EXPECT_TRUE(Image().empty());
}

TEST(Image, RefusesShapesThatAreNoPicture) {
  EXPECT_NE(error_of([] { Image(0, 3); }), "");
  EXPECT_NE(error_of([] { Image(3, -1); }), "");
  EXPECT_EQ(error_of([] {
              Image(Tensor<std::uint8_t, 3>({2, 3, 4}));
            }),
            "image: has shape (2, 3, 4), wanted (H, W, 3), not empty");
}

}  // namespace
