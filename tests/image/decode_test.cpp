#include <gtest/gtest.h>

#include <support/golden.hpp>
#include <support/picture.hpp>
#include <vitrail/image/decode.hpp>

namespace {

using namespace vitrail;

const std::filesystem::path pictures = golden::folder("prep_images");

std::vector<std::string> picture_names() {
  std::vector<std::string> names;
  const nlohmann::json config = golden::read_json(pictures / "config.json");
  for (const auto& [name, _] : config.at("images").items()) names.push_back(name);
  return names;
}

TEST(ReadImage, GivesPillowsPixelsForEveryKindOfFile) {
  const golden::Archive decoded(pictures / "decoded.safetensors");
  for (const std::string& name : picture_names())
    EXPECT_TRUE(same_pixels(read_image(pictures / name), decoded.tensors.at(name + "/rgb")))
        << name;
}

TEST(ReadImage, TurnsPicturesUprightOnRequestOnly) {
  const golden::Archive decoded(pictures / "decoded.safetensors");
  int turned = 0;
  for (const std::string& name : picture_names()) {
    const auto expected = decoded.tensors.find(name + "/rgb_exif_transposed");
    if (expected == decoded.tensors.end()) continue;
    EXPECT_TRUE(same_pixels(read_image(pictures / name, {.apply_exif_orientation = true}),
                            expected->second))
        << name;
    ++turned;
  }
  EXPECT_GE(turned, 7);
}

TEST(ReadImage, RefusesMoreThanTheAllowedPixelsAndBytes) {
  const auto path = pictures / "rgb.png";  // 131 x 97
  EXPECT_EQ(read_image(path, {.max_pixels = 131 * 97}).width(), 131);
  EXPECT_NE(error_of([&] {
              (void)read_image(path, {.max_pixels = 131 * 97 - 1});
            }).find("rgb.png: the picture is 131 x 97 pixels, the limit is 12706 in all"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              (void)read_image(path, {.max_file_bytes = 1000});
            }).find("rgb.png: is longer than the limit of 1000 bytes"),
            std::string::npos);
}

TEST(ReadImage, NamesTheFileThatIsMissingOrIsAFolder) {
  EXPECT_EQ(error_of([] { (void)read_image("no/such/cat.jpg"); }), "no/such/cat.jpg: not found");
  EXPECT_NE(error_of([&] { (void)read_image(pictures); }).find("is a folder"), std::string::npos);
}

TEST(ReadImage, RefusesADevice) {
  for (const char* device : {"/dev/zero", "/dev/null"})
    EXPECT_EQ(error_of([&] { (void)read_image(device); }),
              std::string(device) + ": is a device, wanted a picture");
}

TEST(DecodeImage, SaysWhatAFileThatIsNoPictureStartsWith) {
  EXPECT_EQ(error_of([] { (void)decode_image(bytes_of("GIF89a"), "a.gif"); }),
            "a.gif: is no JPEG, PNG, PPM, PGM or PBM picture, it starts with 47 49 46 38 39 61");
  EXPECT_EQ(error_of([] { (void)decode_image({}, "a.jpg"); }), "a.jpg: is empty");
  EXPECT_NE(
      error_of([] { (void)decode_image(bytes_of("RIFF1234WEBPVP8 "), "a.webp"); }).find("WebP"),
      std::string::npos);
}

// Where Pillow has all pixels it asks for no more: the end marker of a JPEG (2 bytes) and the last
// chunk of a PNG (12) may be missing. The compressed data of a JPEG may end a few bits early.
TEST(DecodeImage, RefusesATruncatedFileAtEveryLength) {
  for (const std::string& name : picture_names()) {
    const std::vector<std::byte> file = golden::read_bytes(pictures / name);
    if (file.size() > 20000) continue;
    const std::size_t tail = name.ends_with(".png") ? 12 : 8;
    const std::size_t step = file.size() > 3000 ? 97 : 7;
    for (std::size_t length = 0; length < file.size() - tail; length += step)
      EXPECT_NE(error_of([&] { (void)decode_image(std::span(file).first(length), name); }), "")
          << name << " cut to " << length << " of " << file.size();
  }
}

// Whatever the bytes, the answer is a picture or an Error.
TEST(DecodeImage, SurvivesDamagedBytes) {
  std::uint32_t state = 1;
  const auto random = [&] { return state = state * 1664525U + 1013904223U, state >> 8; };
  for (const std::string& name : picture_names()) {
    const std::vector<std::byte> file = golden::read_bytes(pictures / name);
    if (file.size() > 10000) continue;
    for (int trial = 0; trial < 40; ++trial) {
      std::vector<std::byte> damaged = file;
      for (int i = 0; i < 3; ++i) damaged[random() % damaged.size()] = std::byte(random() & 255);
      (void)error_of([&] { (void)decode_image(damaged, name, {.max_pixels = 1 << 20}); });
    }
  }
}

}  // namespace
