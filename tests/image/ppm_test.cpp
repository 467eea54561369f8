#include <gtest/gtest.h>

#include <support/picture.hpp>
#include <vitrail/image/ppm.hpp>

namespace {

using namespace vitrail;
using namespace std::string_view_literals;

Image read(std::string_view text, const DecodeOptions& options = {}) {
  const auto bytes = bytes_of(text);
  const detail::ByteSpan file(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  EXPECT_TRUE(detail::is_ppm(file));
  return detail::PpmReader(file, "a.ppm", options).read();
}

std::vector<int> samples(std::string_view text) {
  const Image image = read(text);
  const auto flat = image.view().flat();
  return {flat.begin(), flat.end()};
}

/// The red samples.
std::vector<int> grey(std::string_view text) {
  const std::vector<int> rgb = samples(text);
  std::vector<int> values;
  for (std::size_t i = 0; i < rgb.size(); i += 3) {
    EXPECT_TRUE(rgb[i] == rgb[i + 1] && rgb[i] == rgb[i + 2]);
    values.push_back(rgb[i]);
  }
  return values;
}

using Values = std::vector<int>;

TEST(Ppm, ReadsBitmapsWithOneAsBlack) {
  EXPECT_EQ(grey("P1\n3 2\n0 1 0\n110"), (Values{255, 0, 255, 0, 0, 255}));
  EXPECT_EQ(grey("P4 9 2 \x80\x80\x01\x00"sv), (Values{0, 255, 255, 255, 255, 255, 255, 255, 0,  //
                                                       255, 255, 255, 255, 255, 255, 255, 0, 255}));
}

TEST(Ppm, ReadsPlainAndBinaryColour) {
  EXPECT_EQ(samples("P3 2 1 255 1 2 3 4 5 6"), (Values{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(samples("P6 2 1 255\n\x01\x02\x03\x04\x05\x06"), (Values{1, 2, 3, 4, 5, 6}));
}

TEST(Ppm, SkipsCommentsAnywhere) {
  EXPECT_EQ(grey("P2 #c\n# 9 9\n2 1#x\n 255\n7 # 1\r8"), (Values{7, 8}));
  EXPECT_EQ(grey("P1\n2 1\n# 1\n0#1\n1"), (Values{255, 0}));
}

// Computed by Pillow 9.4.
TEST(Ppm, ScalesOtherMaximaWithHalvesToEven) {
  EXPECT_EQ(grey("P2 4 1 15 0 1 7 15"), (Values{0, 17, 119, 255}));
  EXPECT_EQ(grey("P2 4 1 100 1 50 51 99"), (Values{3, 128, 130, 252}));
  EXPECT_EQ(grey("P2 3 1 2 0 1 2"), (Values{0, 128, 255}));
  EXPECT_EQ(grey("P5 3 1 15\n\x01\x0f\xff"sv), (Values{17, 255, 255}));  // above maxval: white
  EXPECT_EQ(samples("P6 1 1 65535\n\x80\x00\x00\x80\xff\xff"sv), (Values{128, 0, 255}));
}

TEST(Ppm, SaturatesGreyOfMoreThanEightBitsAsPillowDoes) {
  EXPECT_EQ(grey("P5 3 1 65535\n\x00\x07\x00\xff\x01\x00"sv), (Values{7, 255, 255}));
  EXPECT_EQ(grey("P2 3 1 1000 0 1 1000"), (Values{0, 66, 255}));  // 1 -> 65.5 -> 66 of 65535
}

TEST(Ppm, RefusesWhatIsTruncatedAtEveryLength) {
  for (const std::string_view file :
       {"P1 3 2 0 1 0 1 1 0"sv, "P2 3 1 255 1 2 3"sv, "P3 1 1 9 1 2 3"sv, "P4 9 1 \x80\x80"sv,
        "P5 3 1 255 abc"sv, "P6 1 2 65535 aabbccddeeff"sv}) {
    EXPECT_EQ(error_of([&] { (void)read(file); }), "");
    for (std::size_t length = 3; length < file.size(); ++length)
      EXPECT_NE(error_of([&] { (void)read(file.substr(0, length)); }), "") << file << length;
  }
}

TEST(Ppm, RefusesHeadersThatPromiseTooMuchOrNothing) {
  EXPECT_EQ(error_of([] { (void)read("P6 0 5 255 "); }),
            "a.ppm: the picture is 0 x 5 pixels, it has none");
  EXPECT_NE(error_of([] { (void)read("P6 9999999999 9999999999 255 "); }).find("the limit is"),
            std::string::npos);
  EXPECT_EQ(error_of([] { (void)read("P6 10000 10000 255 abc"); }),
            "a.ppm: the PPM file is truncated");
  EXPECT_NE(error_of([] { (void)read("P5 1 1 0 a"); }).find("maxval is 0"), std::string::npos);
  EXPECT_NE(error_of([] { (void)read("P5 1 1 65536 aa"); }), "");
  EXPECT_NE(error_of([] { (void)read("P5 12345678901 1 255 a"); }), "");
  EXPECT_NE(error_of([] { (void)read("P5 -1 1 255 a"); }).find("the width is no number"),
            std::string::npos);
  EXPECT_EQ(error_of([] { (void)read("P2 1 1 9 10"); }), "a.ppm: a sample is 10, maxval is 9");
  EXPECT_NE(error_of([] { (void)read("P1 1 1 2"); }).find("neither 0 nor 1"), std::string::npos);
}

}  // namespace
