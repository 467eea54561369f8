#include <gtest/gtest.h>

#include <support/golden.hpp>
#include <support/picture.hpp>
#include <vitrail/image/jpeg.hpp>

namespace {

using namespace vitrail;

std::vector<std::uint8_t> file_of(const char* name) {
  std::vector<std::uint8_t> bytes;
  for (const std::byte b : golden::read_bytes(golden::folder("prep_images") / name))
    bytes.push_back(std::to_integer<std::uint8_t>(b));
  return bytes;
}

Image read(const std::vector<std::uint8_t>& file, const DecodeOptions& options = {}) {
  return detail::JpegReader(file, "a.jpg").read(options);
}

/// Where the marker ff `code` stands.
std::size_t marker(const std::vector<std::uint8_t>& file, std::uint8_t code) {
  for (std::size_t i = 0; i + 1 < file.size(); ++i)
    if (file[i] == 0xff && file[i + 1] == code) return i;
  return 0;
}

TEST(Jpeg, HalfOfTheDataIsAnErrorAndNotAHalfGreyPicture) {
  std::vector<std::uint8_t> file = file_of("jpeg_420_q90.jpg");
  file.resize(file.size() / 2);
  EXPECT_EQ(error_of([&] { (void)read(file); }), "a.jpg: the JPEG file is truncated");
  file.push_back(0xff);  // the same with an end marker
  file.push_back(0xd9);
  EXPECT_TRUE(error_of([&] { (void)read(file); }).starts_with("a.jpg: broken JPEG: "));
}

TEST(Jpeg, RefusesHeadersThatPromiseTooMuchOrNothing) {
  std::vector<std::uint8_t> file = file_of("jpeg_420_q90.jpg");
  const std::size_t size = marker(file, 0xc0) + 5;  // height, width, two bytes each
  for (std::size_t i = 0; i < 4; ++i) file[size + i] = 0xff;
  EXPECT_NE(error_of([&] { (void)read(file); }), "");
  for (std::size_t i = 0; i < 4; ++i) file[size + i] = 0xfd;  // 65021 x 65021
  EXPECT_NE(error_of([&] { (void)read(file); }).find("65021 x 65021 pixels, the limit is"),
            std::string::npos);
  for (std::size_t i = 0; i < 4; ++i) file[size + i] = 0;
  EXPECT_NE(error_of([&] { (void)read(file); }), "");
}

TEST(Jpeg, RefusesMoreScansThanTheLimit) {
  const std::vector<std::uint8_t> file = file_of("jpeg_progressive.jpg");
  EXPECT_EQ(error_of([&] { (void)read(file); }), "");
  EXPECT_EQ(error_of([&] { (void)read(file, {.max_scans = 2}); }),
            "a.jpg: broken JPEG: more scans than the limit of 2");
}

TEST(Jpeg, RefusesTwoComponents) {
  std::vector<std::uint8_t> file = file_of("jpeg_grey.jpg");
  const std::size_t count = marker(file, 0xc0) + 9;
  file[count] = 2;
  EXPECT_NE(error_of([&] { (void)read(file); }), "");
}

TEST(Jpeg, OddButCompleteFilesPass) {
  std::vector<std::uint8_t> file = file_of("jpeg_444_q95.jpg");
  const Image expected = read(file);
  file.insert(file.begin() + 2, {0x00, 0x12, 0x34});  // extraneous bytes before a marker
  file.insert(file.end(), 100, 0xab);
  const Image found = read(file);
  EXPECT_TRUE(std::ranges::equal(found.view().flat(), expected.view().flat()));
}

}  // namespace
