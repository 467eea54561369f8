// JPEG through libjpeg-turbo with the settings Pillow uses, so that the pixels agree to the bit.
//
// libjpeg reports errors by calling `error_exit`, which must not return. It leaves by longjmp, and
// longjmp runs no destructors: every call into libjpeg is therefore made inside `guarded()`, by a
// lambda that owns nothing.
#ifndef VITRAIL_IMAGE_JPEG_HPP
#define VITRAIL_IMAGE_JPEG_HPP

#include <csetjmp>
#include <cstdio>
#include <vector>
// jpeglib.h needs <cstdio> before it.
#include <jerror.h>
#include <jpeglib.h>
#include <vitrail/image/decode_options.hpp>
#include <vitrail/image/exif.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

[[nodiscard]] inline bool is_jpeg(ByteSpan bytes) { return starts_with(bytes, "\xff\xd8\xff"); }

class JpegReader {
 public:
  JpegReader(ByteSpan bytes, std::string_view where) : where_(where) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = leave;
    errors_.emit_message = consider_warning;
    guarded([this] { jpeg_create_decompress(&info_); });
    source_.next_input_byte = bytes.data();
    source_.bytes_in_buffer = bytes.size();
    source_.init_source = [](j_decompress_ptr) {};
    // No more bytes will come: libjpeg gives up where it is, and we see that it did. (Its own
    // memory source would invent an end marker and paint the rest grey.)
    source_.fill_input_buffer = [](j_decompress_ptr) -> boolean { return FALSE; };
    source_.skip_input_data = skip;
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.term_source = [](j_decompress_ptr) {};
    info_.src = &source_;
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&info_); }

  [[nodiscard]] Image read(const DecodeOptions& options) {
    bool ready = false;
    guarded([&] {
      if (options.apply_exif_orientation) jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
      ready = jpeg_read_header(&info_, TRUE) == JPEG_HEADER_OK;
    });
    if (!ready) truncated();
    const Index height = info_.image_height;
    const Index width = info_.image_width;
    check_picture_size(height, width, where_, options);
    // A block of 8 x 8 takes a bit at least, and no component has less than one block for 16.
    check_compression(height * width, Index{64} * 8 * 16, source_.bytes_in_buffer, where_);

    switch (info_.num_components) {
      case 1: info_.out_color_space = JCS_GRAYSCALE; break;
      case 3: info_.out_color_space = JCS_RGB; break;
      case 4: info_.out_color_space = JCS_CMYK; break;
      default:
        fail(where_, "a JPEG of ", info_.num_components,
             " components, wanted 1 (grey), 3 (colour) or 4 (CMYK)");
    }
    max_scans_ = options.max_scans;
    progress_.progress_monitor = count_scans;
    info_.progress = &progress_;
    guarded([&] { ready = jpeg_start_decompress(&info_) == TRUE; });
    if (!ready) truncated();

    const int turn = orientation();  // now: jpeg_finish_decompress() forgets the markers
    Image image(height, width);
    std::vector<std::uint8_t> row(static_cast<std::size_t>(width) * 4);
    Index rows = 0;
    guarded([&] {
      while (rows < height) {
        std::uint8_t* target = info_.num_components == 3 ? image.row(rows) : row.data();
        if (jpeg_read_scanlines(&info_, &target, 1) != 1) return;
        if (info_.num_components == 1) spread_grey(target, width, image.row(rows));
        if (info_.num_components == 4) cmyk_to_rgb(target, width, image.row(rows));
        ++rows;
      }
      jpeg_finish_decompress(&info_);  // a missing end marker does no harm by now
    });
    if (rows < height) truncated();
    return apply_orientation(std::move(image), turn);
  }

 private:
  /// Runs calls into libjpeg. Throws Error with libjpeg's own sentence when they fail.
  template <class Calls>
  void guarded(const Calls& calls) {
    if (!returns(calls)) fail(where_, "broken JPEG: ", message_);
  }
  template <class Calls>
  [[nodiscard]] bool returns(const Calls& calls) {
    if (setjmp(escape_) != 0) return false;
    calls();
    return true;
  }

  [[noreturn]] static void leave(j_common_ptr info) {
    auto* self = static_cast<JpegReader*>(info->client_data);
    self->errors_.format_message(info, self->message_);
    std::longjmp(self->escape_, 1);
  }

  /// Warnings about odd but complete files pass in silence, as in Pillow. Those that say that
  /// picture data is missing end the decoding: libjpeg would go on with made-up pixels.
  static void consider_warning(j_common_ptr info, int level) {
    if (level >= 0) return;
    switch (info->err->msg_code) {
      case JWRN_HIT_MARKER:
      case JWRN_HUFF_BAD_CODE:
      case JWRN_MUST_RESYNC:
      case JWRN_JPEG_EOF: leave(info);
      default: break;
    }
  }

  /// A few bytes make a scan, and every scan walks over the whole picture: libjpeg asks here
  /// between rows of blocks whether to go on.
  static void count_scans(j_common_ptr info) {
    auto* self = static_cast<JpegReader*>(info->client_data);
    if (self->info_.input_scan_number <= self->max_scans_) return;
    std::snprintf(self->message_, sizeof self->message_, "more scans than the limit of %d",
                  self->max_scans_);
    std::longjmp(self->escape_, 1);
  }

  static void skip(j_decompress_ptr info, long count) {
    if (count <= 0) return;
    const std::size_t step = std::min(static_cast<std::size_t>(count), info->src->bytes_in_buffer);
    info->src->next_input_byte += step;
    info->src->bytes_in_buffer -= step;
  }

  /// Four-component files hold inverted values, by Adobe's custom; then Pillow's CMYK -> RGB.
  static void cmyk_to_rgb(const std::uint8_t* cmyk, Index width, std::uint8_t* rgb) {
    for (Index x = 0; x < width; ++x) {
      const int light = cmyk[4 * x + 3];  // 255 - K
      for (Index c = 0; c < 3; ++c) {
        const int product = (255 - cmyk[4 * x + c]) * light + 128;
        rgb[3 * x + c] = static_cast<std::uint8_t>(light - (((product >> 8) + product) >> 8));
      }
    }
  }

  [[nodiscard]] int orientation() const {
    for (jpeg_saved_marker_ptr marker = info_.marker_list; marker != nullptr;
         marker = marker->next) {
      const ByteSpan data(marker->data, marker->data_length);
      if (starts_with(data, std::string_view("Exif\0\0", 6))) return exif_orientation(data);
    }
    return 1;
  }

  [[noreturn]] void truncated() const { fail(where_, "the JPEG file is truncated"); }

  std::string_view where_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  int max_scans_ = 0;
  std::jmp_buf escape_;
  char message_[JMSG_LENGTH_MAX] = {};
};

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_IMAGE_JPEG_HPP
