#include <gtest/gtest.h>
#include <zlib.h>

#include <support/golden.hpp>
#include <support/picture.hpp>
#include <vitrail/image/png.hpp>

namespace {

using namespace vitrail;

using Bytes = std::vector<std::uint8_t>;

void append_u32(Bytes& out, std::uint32_t value) {
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

void append_chunk(Bytes& png, std::string_view name, const Bytes& data) {
  append_u32(png, static_cast<std::uint32_t>(data.size()));
  Bytes body(name.begin(), name.end());
  body.insert(body.end(), data.begin(), data.end());
  png.insert(png.end(), body.begin(), body.end());
  append_u32(png,
             static_cast<std::uint32_t>(crc32(0, body.data(), static_cast<unsigned>(body.size()))));
}

Bytes png_of(std::uint32_t width, std::uint32_t height, std::uint8_t bits, std::uint8_t kind,
             const std::vector<std::pair<std::string, Bytes>>& chunks, const Bytes& rows) {
  Bytes png = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  Bytes header;
  append_u32(header, width);
  append_u32(header, height);
  header.insert(header.end(), {bits, kind, 0, 0, 0});
  append_chunk(png, "IHDR", header);
  for (const auto& [name, data] : chunks) append_chunk(png, name, data);
  uLongf size = compressBound(rows.size());
  Bytes packed(size);
  compress(packed.data(), &size, rows.data(), rows.size());
  packed.resize(size);
  append_chunk(png, "IDAT", packed);
  append_chunk(png, "IEND", {});
  return png;
}

std::vector<int> samples(const Bytes& png, const DecodeOptions& options = {}) {
  const Image image = detail::PngReader(png, "a.png").read(options);
  const auto flat = image.view().flat();
  return {flat.begin(), flat.end()};
}

TEST(Png, ASmallFileCannotClaimALargePicture) {
  for (const std::uint8_t kind : Bytes{0, 2, 6}) {
    const std::string error =
        error_of([&] { (void)samples(png_of(13000, 13000, 16, kind, {}, {0})); });
    EXPECT_NE(error.find("cannot hold"), std::string::npos) << error;
  }
  const std::string error = error_of([] { (void)samples(png_of(1, 1 << 20, 8, 0, {}, {0})); });
  EXPECT_NE(error.find("131072 a side"), std::string::npos) << error;
}

TEST(Png, ZerosMayBePackedAsTightlyAsDeflateCan) {
  const Bytes rows(2000 * (1 + 6000), 0);
  EXPECT_EQ(samples(png_of(2000, 2000, 8, 2, {}, rows)).size(), 12'000'000U);
}

TEST(Png, AnIndexBeyondThePaletteIsItsGreyAsInPillow) {
  const Bytes png = png_of(3, 1, 8, 3, {{"PLTE", {9, 8, 7, 6, 5, 4}}}, {0, 0, 1, 200});
  EXPECT_EQ(samples(png), (std::vector<int>{9, 8, 7, 6, 5, 4, 200, 200, 200}));
}

TEST(Png, GammaAndTransparencyChangeNothing) {
  const Bytes png = png_of(2, 1, 8, 2, {{"gAMA", {0, 0, 0x75, 0x30}}, {"tRNS", {0, 1, 0, 2, 0, 3}}},
                           {0, 1, 2, 3, 4, 5, 6});
  EXPECT_EQ(samples(png), (std::vector<int>{1, 2, 3, 4, 5, 6}));
}

TEST(Png, IsTurnedByItsExifChunk) {
  const Bytes exif = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0,
                      3,   0,   0, 0,  1, 0, 6, 0, 0, 0, 0, 0,    0};
  const Bytes png = png_of(2, 1, 8, 0, {{"eXIf", exif}}, {0, 10, 20});
  const Image turned = detail::PngReader(png, "a.png").read({.apply_exif_orientation = true});
  EXPECT_EQ(turned.view().shape(), (Shape{2, 1, 3}));
  EXPECT_EQ(turned.row(1)[0], 20);
}

TEST(Png, RefusesHeadersThatPromiseTooMuchOrNothing) {
  EXPECT_NE(error_of([] { (void)samples(png_of(0, 5, 8, 2, {}, {0})); }), "");
  EXPECT_NE(error_of([] {
              (void)samples(png_of(0x7fffffff, 0x7fffffff, 8, 2, {}, {0}));
            }).find("the limit is"),
            std::string::npos);
  EXPECT_NE(error_of([] { (void)samples(png_of(2, 2, 7, 2, {}, {0})); }).find("broken PNG"),
            std::string::npos);
  EXPECT_NE(error_of([] { (void)samples(png_of(2, 2, 8, 3, {}, {0, 0, 0, 0, 0, 0})); }), "");
}

TEST(Png, RefusesDataThatEndsEarlyOrIsDamaged) {
  EXPECT_NE(error_of([] { (void)samples(png_of(2, 2, 8, 0, {}, {0, 1, 2})); }), "");
  Bytes png = png_of(2, 2, 8, 0, {}, {0, 1, 2, 0, 3, 4});
  png[png.size() - 20] ^= 0xff;  // inside IDAT
  EXPECT_TRUE(error_of([&] { (void)samples(png); }).starts_with("a.png: broken PNG: "));
}

}  // namespace
