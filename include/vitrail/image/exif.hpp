// The orientation a camera wrote into its picture, read from EXIF and applied to the pixels.
#ifndef VITRAIL_IMAGE_EXIF_HPP
#define VITRAIL_IMAGE_EXIF_HPP

#include <span>
#include <vitrail/image/image.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// Tag 0x0112 of the first directory of an EXIF block, with or without the "Exif\0\0" before it.
/// 1 (upright) when the block is broken, has no such tag, or holds a value that is not 1..8: a
/// picture is shown as it is stored rather than refused. Never throws.
[[nodiscard]] inline int exif_orientation(std::span<const std::uint8_t> exif) noexcept {
  constexpr std::uint8_t prefix[] = {'E', 'x', 'i', 'f', 0, 0};
  if (exif.size() >= 6 && std::equal(prefix, prefix + 6, exif.begin())) exif = exif.subspan(6);
  if (exif.size() < 8) return 1;
  const bool little = exif[0] == 'I' && exif[1] == 'I';
  if (!little && !(exif[0] == 'M' && exif[1] == 'M')) return 1;

  const auto u16 = [&](std::size_t at) -> unsigned {
    return little ? exif[at] + exif[at + 1] * 256U : exif[at] * 256U + exif[at + 1];
  };
  const auto u32 = [&](std::size_t at) -> std::size_t {
    return little ? u16(at) + std::size_t{65536} * u16(at + 2)
                  : std::size_t{65536} * u16(at) + u16(at + 2);
  };
  if (u16(2) != 42) return 1;
  const std::size_t directory = u32(4);
  if (directory > exif.size() || exif.size() - directory < 2) return 1;
  const std::size_t entries = u16(directory);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;  // tag, type, count, value
    if (entry + 12 > exif.size()) return 1;
    if (u16(entry) != 0x0112) continue;
    constexpr unsigned type_short = 3;
    if (u16(entry + 2) != type_short || u32(entry + 4) != 1) return 1;
    const unsigned value = u16(entry + 8);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

/// The picture turned upright, as Pillow's ImageOps.exif_transpose does it.
///
///   1 as it is    2 mirrored     3 upside down        4 flipped
///   5 transposed  6 needs a turn to the right   7 transverse   8 needs a turn to the left
///
/// The caller promises an orientation in 1..8.
[[nodiscard]] inline Image apply_orientation(Image image, int orientation) {
  VITRAIL_ASSERT(orientation >= 1 && orientation <= 8, "orientations are 1..8");
  if (orientation == 1) return image;
  const Index H = image.height();
  const Index W = image.width();
  const bool turned = orientation >= 5;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 ||
                           orientation == 7;  // the source row runs backwards
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 ||
                          orientation == 8;  // the source column runs backwards
  Image upright(turned ? W : H, turned ? H : W);
  for (Index y = 0; y < upright.height(); ++y) {
    std::uint8_t* out = upright.row(y);
    for (Index x = 0; x < upright.width(); ++x) {
      const Index row = turned ? x : y;
      const Index column = turned ? y : x;
      const std::uint8_t* in =
          image.row(from_bottom ? H - 1 - row : row) + 3 * (from_right ? W - 1 - column : column);
      out[3 * x] = in[0];
      out[3 * x + 1] = in[1];
      out[3 * x + 2] = in[2];
    }
  }
  return upright;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IMAGE_EXIF_HPP
