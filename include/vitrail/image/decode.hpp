// From a picture file to pixels: JPEG, PNG, PBM, PGM and PPM, told apart by their first bytes.
//
// The pixels are those of Pillow's `Image.open(f).convert("RGB")`, bit for bit. This header needs
// libjpeg-turbo and libpng: link vitrail::image_io.
#ifndef VITRAIL_IMAGE_DECODE_HPP
#define VITRAIL_IMAGE_DECODE_HPP

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>
#include <vitrail/image/decode_options.hpp>
#include <vitrail/image/image.hpp>
#if VITRAIL_HAS_BODIES
#include <vitrail/image/jpeg.hpp>
#include <vitrail/image/png.hpp>
#include <vitrail/image/ppm.hpp>
#include <vitrail/io/folder.hpp>
#endif

VITRAIL_BEGIN_COLD_NAMESPACE

/// (H, W, 3) from the bytes of a picture file; `where` names them in errors. Throws Error when
/// they are no picture, a truncated or broken one, or one beyond the limits of `options`. Thread
/// safe.
[[nodiscard]] VITRAIL_API Image decode_image(std::span<const std::byte> file,
                                             std::string_view where,
                                             const DecodeOptions& options = {});

/// decode_image() of a file, or of a pipe. Throws Error, also when the file cannot be read or is
/// longer than `options.max_file_bytes`. Thread safe.
[[nodiscard]] VITRAIL_API Image read_image(const std::string& path,
                                           const DecodeOptions& options = {});

#if VITRAIL_HAS_BODIES

namespace detail {

[[noreturn]] inline void fail_no_picture(ByteSpan bytes, std::string_view where) {
  if (bytes.empty()) fail(where, "is empty");
  if (bytes.size() >= 12 && starts_with(bytes, "RIFF") && starts_with(bytes.subspan(8), "WEBP"))
    fail(where, "is a WebP picture, which is not supported: convert it to PNG or JPEG");
  std::string start;
  for (std::size_t i = 0; i < std::min<std::size_t>(bytes.size(), 8); ++i) {
    constexpr char digits[] = "0123456789abcdef";
    start += {' ', digits[bytes[i] >> 4], digits[bytes[i] & 15]};
  }
  fail(where, "is no JPEG, PNG, PPM, PGM or PBM picture, it starts with", start);
}

}  // namespace detail

VITRAIL_API Image decode_image(std::span<const std::byte> file, std::string_view where,
                               const DecodeOptions& options) {
  const detail::ByteSpan bytes(reinterpret_cast<const std::uint8_t*>(file.data()), file.size());
  if (detail::is_jpeg(bytes)) return detail::JpegReader(bytes, where).read(options);
  if (detail::is_png(bytes)) return detail::PngReader(bytes, where).read(options);
  if (detail::is_ppm(bytes)) return detail::PpmReader(bytes, where, options).read();
  detail::fail_no_picture(bytes, where);
}

VITRAIL_API Image read_image(const std::string& path, const DecodeOptions& options) {
  if (detail::is_folder(path)) fail(path, "is a folder, wanted a picture");
  if (detail::is_device(path)) fail(path, "is a device, wanted a picture");  // /dev/zero never ends
  errno = 0;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (!file)
    fail(path, errno == ENOENT   ? "not found"
               : errno == EACCES ? "cannot be opened: no permission"
                                 : "cannot be opened");

  std::vector<char> bytes;
  constexpr std::size_t chunk = std::size_t{1} << 18;
  for (std::size_t used = chunk; used == chunk;) {
    bytes.resize(bytes.size() + chunk);
    used = std::fread(bytes.data() + bytes.size() - chunk, 1, chunk, file.get());
    bytes.resize(bytes.size() - chunk + used);
    if (static_cast<Index>(bytes.size()) > options.max_file_bytes)
      fail(path, "is longer than the limit of ", options.max_file_bytes, " bytes");
  }
  if (std::ferror(file.get()) != 0)
    fail(path, errno == EISDIR ? "is a folder, wanted a picture" : "cannot be read");
  return decode_image(std::as_bytes(std::span<const char>(bytes)), path, options);
}

#endif  // VITRAIL_HAS_BODIES

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IMAGE_DECODE_HPP
