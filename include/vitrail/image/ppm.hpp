// PBM, PGM and PPM (P1 ... P6), plain and binary, as Pillow reads them; needs no library.
//
// Samples are scaled to 0..255 as round(v / maxval * 255), halves to even. Grey of more than 8 bits
// is the exception: Pillow holds it in 32-bit integers and *saturates* on the way to RGB, so that
// everything from 255 up is white. So do we.
#ifndef VITRAIL_IMAGE_PPM_HPP
#define VITRAIL_IMAGE_PPM_HPP

#include <cmath>
#include <vitrail/image/decode_options.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

[[nodiscard]] inline bool is_ppm_space(std::uint8_t c) {
  return c == ' ' || (c >= 0x09 && c <= 0x0d);
}

[[nodiscard]] inline bool is_ppm(ByteSpan bytes) {
  return bytes.size() >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
         is_ppm_space(bytes[2]);
}

class PpmReader {
 public:
  PpmReader(ByteSpan bytes, std::string_view where, const DecodeOptions& options)
      : bytes_(bytes), where_(where), options_(options) {}

  [[nodiscard]] Image read() {
    const char kind = static_cast<char>(bytes_[1]);
    const bool plain = kind <= '3';
    const bool bilevel = kind == '1' || kind == '4';
    const Index channels = kind == '3' || kind == '6' ? 3 : 1;
    const Index width = number("the width");
    const Index height = number("the height");
    check_picture_size(height, width, where_, options_);
    if (!bilevel) {
      maxval_ = number("maxval");
      if (maxval_ < 1 || maxval_ > 65535)
        fail(where_, "maxval is ", maxval_, ", wanted 1 to 65535");
    }
    check_length(plain, bilevel, height, width * channels);

    Image image(height, width);
    for (Index y = 0; y < height; ++y) {
      std::uint8_t* out = image.row(y);
      std::uint8_t bits = 0;
      for (Index x = 0; x < width; ++x) {
        for (Index c = 0; c < channels; ++c) {
          std::uint8_t value = 0;
          if (!bilevel) {
            value = to_8_bits(plain ? plain_sample() : binary_sample(), channels == 1);
          } else if (plain) {
            value = plain_bit() ? 0 : 255;  // 1 is black
          } else {
            if (x % 8 == 0) bits = bytes_[at_++];
            value = (bits >> (7 - x % 8) & 1) != 0 ? 0 : 255;
          }
          out[3 * x + c] = value;
        }
        if (channels == 1) out[3 * x + 1] = out[3 * x + 2] = out[3 * x];
      }
    }
    return image;
  }

 private:
  static constexpr std::size_t longest_token = 10;

  [[noreturn]] void truncated() const { fail(where_, "the PPM file is truncated"); }

  /// Skips to the end of the line; `at_` stands behind the '#'.
  void skip_comment() {
    while (at_ < bytes_.size() && bytes_[at_] != '\n' && bytes_[at_] != '\r') ++at_;
    if (at_ < bytes_.size()) ++at_;
  }

  /// A number and the one whitespace character that ends it.
  [[nodiscard]] Index number(std::string_view name) {
    std::string token;
    while (at_ < bytes_.size()) {
      const std::uint8_t c = bytes_[at_++];
      if (c == '#') {
        skip_comment();
      } else if (!is_ppm_space(c)) {
        token += static_cast<char>(c);
        if (token.size() > longest_token) break;
      } else if (!token.empty()) {
        break;
      }
    }
    if (token.empty()) truncated();
    return to_number(token, name);
  }

  [[nodiscard]] Index plain_sample() {
    const Index value = number("a sample");
    if (value > maxval_) fail(where_, "a sample is ", value, ", maxval is ", maxval_);
    return value;
  }

  [[nodiscard]] bool plain_bit() {
    while (at_ < bytes_.size()) {
      const std::uint8_t c = bytes_[at_++];
      if (c == '#') {
        skip_comment();
      } else if (c == '0' || c == '1') {
        return c == '1';
      } else if (!is_ppm_space(c)) {
        fail(where_, "a PBM sample is neither 0 nor 1");
      }
    }
    truncated();
  }

  /// One byte, or two with the high one first; check_length() has seen that they are there.
  [[nodiscard]] Index binary_sample() {
    if (maxval_ < 256) return bytes_[at_++];
    const Index value = bytes_[at_] * 256 + bytes_[at_ + 1];
    at_ += 2;
    return value;
  }

  [[nodiscard]] Index to_number(const std::string& token, std::string_view name) const {
    Index value = 0;
    for (const char c : token) {
      if (c < '0' || c > '9' || token.size() > longest_token)
        fail(where_, name, " is no number of at most 10 digits");
      value = value * 10 + (c - '0');
    }
    return value;
  }

  /// Before anything is allocated: can the rest of the file hold so many samples at all?
  void check_length(bool plain, bool bilevel, Index rows, Index row_samples) const {
    Index row_bytes = row_samples;
    if (!plain && bilevel) row_bytes = (row_samples + 7) / 8;
    if (!plain && maxval_ > 255) row_bytes = row_samples * 2;
    if (static_cast<Index>(bytes_.size() - at_) / row_bytes < rows) truncated();
  }

  [[nodiscard]] std::uint8_t to_8_bits(Index value, bool grey) const {
    if (maxval_ == 255) return static_cast<std::uint8_t>(value);
    const double largest = grey && maxval_ > 255 ? 65535 : 255;
    const double scaled =
        std::nearbyint(static_cast<double>(value) / static_cast<double>(maxval_) * largest);
    return static_cast<std::uint8_t>(std::min(scaled, 255.0));
  }

  ByteSpan bytes_;
  std::string_view where_;
  const DecodeOptions& options_;
  std::size_t at_ = 2;  // behind the magic
  Index maxval_ = 1;
};

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_IMAGE_PPM_HPP
