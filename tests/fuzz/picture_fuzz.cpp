// Decoding and preprocessing of pictures: PNG, JPEG, PBM, PGM and PPM bytes in, pixels or one Error
// out. Every mode ends in RGB; the EXIF orientation is applied.
#include <vitrail/image/decode.hpp>
#include <vitrail/image/preprocess.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitrail;
  DecodeOptions options;
  options.max_pixels = 1 << 18;  // large pictures only cost time
  options.apply_exif_orientation = true;
  try {
    const Image image = decode_image(std::as_bytes(std::span(data, size)), "fuzz", options);
    (void)preprocess(image, {.height = 12, .width = 8, .resize_height = 12, .resize_width = 12});
  } catch (const Error&) {
  }
  return 0;
}
