// What a decoder may be asked for, and the limits that keep a hostile file from filling the memory.
#ifndef VITRAIL_IMAGE_DECODE_OPTIONS_HPP
#define VITRAIL_IMAGE_DECODE_OPTIONS_HPP

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vitrail/image/image.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

struct DecodeOptions {
  Index max_pixels = 178956970;           // H * W above this is an Error; Pillow's limit
  Index max_side = Index{1} << 17;        // H or W above this is an Error
  Index max_file_bytes = Index{1} << 30;  // a longer file is an Error
  int max_scans = 500;                    // of a JPEG: each costs a pass over the whole picture
  /// Off, because `Image.open(f).convert("RGB")` leaves it off, and with it every Python
  /// evaluation; on, a picture of a phone held upright stands upright.
  bool apply_exif_orientation = false;
};

namespace detail {

using ByteSpan = std::span<const std::uint8_t>;

[[nodiscard]] inline bool starts_with(ByteSpan bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

/// Every decoder asks before it allocates. Throws Error.
inline void check_picture_size(Index height, Index width, std::string_view where,
                               const DecodeOptions& options) {
  const std::string size = join(width, " x ", height);
  if (height < 1 || width < 1) fail(where, "the picture is ", size, " pixels, it has none");
  if (std::max(height, width) > options.max_side)
    fail(where, "the picture is ", size, " pixels, the limit is ", options.max_side, " a side");
  if (height > options.max_pixels / width)
    fail(where, "the picture is ", size, " pixels, the limit is ", options.max_pixels, " in all");
}

/// What `bytes` of a compressed file may stand for. Throws Error when it cannot be `samples`: a
/// format that needs at least one byte for each `best` samples has been cut short, or lies.
inline void check_compression(Index samples, Index best, std::size_t bytes,
                              std::string_view where) {
  if (samples / best > static_cast<Index>(bytes))
    fail(where, "the file is truncated: ", bytes, " bytes cannot hold ", samples, " samples");
}

/// Grey to RGB.
inline void spread_grey(const std::uint8_t* grey, Index width, std::uint8_t* rgb) {
  for (Index x = 0; x < width; ++x) rgb[3 * x] = rgb[3 * x + 1] = rgb[3 * x + 2] = grey[x];
}

}  // namespace detail

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IMAGE_DECODE_OPTIONS_HPP
