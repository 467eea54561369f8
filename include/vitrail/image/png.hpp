// PNG through libpng, converted to RGB the way Pillow converts its modes.
//
//   grey 1, 2, 4 bits   spread to 0..255          grey 16 bits   saturates: from 255 up is white
//   palette             looked up, tRNS ignored   colour 16 bits its upper byte
//   alpha               dropped, not blended      gamma, ICC     ignored
//
// libpng leaves by longjmp, which runs no destructors: its functions are called inside `guarded()`,
// by lambdas that own nothing.
#ifndef VITRAIL_IMAGE_PNG_HPP
#define VITRAIL_IMAGE_PNG_HPP

#include <png.h>

#include <csetjmp>
#include <vector>
#include <vitrail/image/decode_options.hpp>
#include <vitrail/image/exif.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

[[nodiscard]] inline bool is_png(ByteSpan bytes) { return starts_with(bytes, "\x89PNG\r\n\x1a\n"); }

class PngReader {
 public:
  PngReader(ByteSpan bytes, std::string_view where)
      : rest_(bytes), file_bytes_(bytes.size()), where_(where) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, leave,
                                  [](png_structp, png_const_charp) {});
    if (png_ == nullptr) fail(where_, "libpng does not start: another version, or no memory");
    info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      fail(where_, "libpng has no memory");
    }
    png_set_read_fn(png_, this, read_bytes);
  }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  [[nodiscard]] Image read(const DecodeOptions& options) {
    constexpr png_uint_32 widest = 0x7fffffff;  // our own limit decides, on the product
    guarded([&] {
      png_set_user_limits(png_, widest, widest);
      png_read_info(png_, info_);
    });
    const Index height = png_get_image_height(png_, info_);
    const Index width = png_get_image_width(png_, info_);
    check_picture_size(height, width, where_, options);
    // Deflate reaches 1032 to 1; asked before anything is allocated.
    const std::size_t raw_row = png_get_rowbytes(png_, info_);
    check_compression(height * static_cast<Index>(raw_row), 1040, file_bytes_, where_);
    const int bits = png_get_bit_depth(png_, info_);
    const int kind = png_get_color_type(png_, info_);
    const bool grey16 = kind == PNG_COLOR_TYPE_GRAY && bits == 16;

    std::size_t row_bytes = 0;
    guarded([&] {
      if (kind == PNG_COLOR_TYPE_PALETTE) png_set_packing(png_);  // one index a byte
      if (kind == PNG_COLOR_TYPE_GRAY && bits < 8) png_set_expand_gray_1_2_4_to_8(png_);
      if (bits == 16 && !grey16) png_set_strip_16(png_);
      png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
      row_bytes = png_get_rowbytes(png_, info_);
    });
    const Index samples = png_get_channels(png_, info_);

    // An interlaced picture comes in seven passes over all rows, so all rows are kept.
    std::vector<std::uint8_t> pixels(row_bytes * static_cast<std::size_t>(height));
    std::vector<png_bytep> rows(static_cast<std::size_t>(height));
    for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = pixels.data() + y * row_bytes;
    guarded([&] { png_read_image(png_, rows.data()); });

    Image image(height, width);
    read_palette();
    for (Index y = 0; y < height; ++y) {
      const std::uint8_t* in = rows[static_cast<std::size_t>(y)];
      std::uint8_t* out = image.row(y);
      for (Index x = 0; x < width; ++x) {
        if (kind == PNG_COLOR_TYPE_PALETTE) {
          std::copy_n(palette_[in[x]].data(), 3, out + 3 * x);
        } else if (grey16) {
          const std::uint8_t value = in[2 * x] != 0 ? 255 : in[2 * x + 1];
          std::fill_n(out + 3 * x, 3, value);
        } else {
          const std::uint8_t* pixel = in + samples * x;
          for (Index c = 0; c < 3; ++c) out[3 * x + c] = pixel[samples >= 3 ? c : 0];
        }
      }
    }
    if (!options.apply_exif_orientation) return image;
    return apply_orientation(std::move(image), orientation());
  }

 private:
  /// Runs calls into libpng. Throws Error with libpng's own sentence when they fail.
  template <class Calls>
  void guarded(const Calls& calls) {
    if (!returns(calls)) fail(where_, "broken PNG: ", message_);
  }
  template <class Calls>
  [[nodiscard]] bool returns(const Calls& calls) {
    if (setjmp(escape_) != 0) return false;
    calls();
    return true;
  }

  [[noreturn]] static void leave(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(self->message_, sizeof self->message_, "%s", message);
    std::longjmp(self->escape_, 1);
  }

  static void read_bytes(png_structp png, png_bytep target, std::size_t count) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > self->rest_.size()) png_error(png, "the file is truncated");
    std::copy_n(self->rest_.data(), count, target);
    self->rest_ = self->rest_.subspan(count);
  }

  /// Entries the file leaves out are a grey ramp, as in Pillow.
  void read_palette() {
    for (std::size_t i = 0; i < palette_.size(); ++i)
      palette_[i].fill(static_cast<std::uint8_t>(i));
    png_colorp colours = nullptr;
    int count = 0;
    if (png_get_PLTE(png_, info_, &colours, &count) == 0) return;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
      palette_[i] = {colours[i].red, colours[i].green, colours[i].blue};
  }

  /// The eXIf chunk may follow the pixels; a file that ends before it is complete all the same.
  [[nodiscard]] int orientation() {
    [[maybe_unused]] const bool complete = returns([this] { png_read_end(png_, info_); });
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 count = 0;
    png_bytep data = nullptr;
    if (png_get_eXIf_1(png_, info_, &count, &data) != 0) return exif_orientation({data, count});
#endif
    return 1;
  }

  ByteSpan rest_;  // what libpng has not read yet
  std::size_t file_bytes_;
  std::string_view where_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf escape_;
  char message_[256] = {};
  std::array<std::array<std::uint8_t, 3>, 256> palette_{};
};

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_IMAGE_PNG_HPP
