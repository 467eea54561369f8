// From a picture to what the model sees: resize, crop, scale, normalise -> (3, H, W) f32.
//
// A PreprocessConfig is plain data: what a publisher's recipe comes down to (recipe.hpp reads
// those). The libraries that publish recipes agree on the idea and differ by a pixel here and
// there; RoundingRule holds the differences.
#ifndef VITRAIL_IMAGE_PREPROCESS_HPP
#define VITRAIL_IMAGE_PREPROCESS_HPP

#include <charconv>
#include <cmath>
#include <vitrail/image/resize.hpp>
#include <vitrail/image/resize_tensorflow.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// Where the centre of a picture begins, when it cannot be exact.
enum class RoundingRule {
  torchvision,  // also timm's, OpenAI's, open_clip's: round((H - S) / 2), halves to even;
                // padding puts the odd pixel behind
  huggingface   // floor((H - S) / 2); padding puts the odd pixel in front
};

enum class ResizeMode {
  none,
  shortest_edge,  // keeps the ratio, the picture covers (resize_height, resize_width)
  longest_edge,   // keeps the ratio, the picture fits into (resize_height, resize_width)
  squash          // to exactly (resize_height, resize_width)
};

/// Who resizes.
enum class Resizer {
  pillow,           // 8 bits, antialiased
  tensorflow,       // f32, bilinear, not antialiased: vit_jax; for ResizeMode::squash only
  tensorflow_8bit,  // the same, then truncated to 8 bits: big_vision
};

struct PreprocessConfig {
  Index height = 224;  // of the result; 0: as high as the resized picture
  Index width = 224;   // both or neither are 0
  ResizeMode resize = ResizeMode::shortest_edge;
  Index resize_height = 224;
  Index resize_width = 224;
  Resizer resizer = Resizer::pillow;
  Filter filter = Filter::bicubic;
  RoundingRule rounding = RoundingRule::torchvision;
  double crop_fraction = 0;  // timm's crop_pct: resize = floor(size / crop_fraction); 0: not given
  std::array<std::uint8_t, 3> fill = {0, 0, 0};  // RGB around a picture smaller than the crop
  double rescale_factor = 1.0 / 255;
  std::array<float, 3> mean = {0, 0, 0};  // of the rescaled RGB values
  std::array<float, 3> std = {1, 1, 1};
  /// Height x width of the result above this is an Error: a recipe from a stranger may ask for any
  /// size. A size that the caller asks for (with_size) is allowed.
  Index max_pixels = Index{1} << 22;

  /// One sentence for people.
  [[nodiscard]] std::string describe() const;
};

inline constexpr std::array<float, 3> imagenet_mean = {0.485F, 0.456F, 0.406F};
inline constexpr std::array<float, 3> imagenet_std = {0.229F, 0.224F, 0.225F};
inline constexpr std::array<float, 3> standard_mean = {0.5F, 0.5F, 0.5F};
inline constexpr std::array<float, 3> standard_std = {0.5F, 0.5F, 0.5F};
inline constexpr std::array<float, 3> clip_mean = {0.48145466F, 0.4578275F, 0.40821073F};
inline constexpr std::array<float, 3> clip_std = {0.26862954F, 0.26130258F, 0.27577711F};

namespace detail {

/// x to the nearest integer, halves to even: Python's round().
[[nodiscard]] inline Index round_half_even(double x) {
  const double below = std::floor(x);
  const double rest = x - below;
  const bool odd = std::fmod(below, 2) != 0;
  return static_cast<Index>(below) + (rest > 0.5 || (rest == 0.5 && odd) ? 1 : 0);
}

struct Size {
  Index height;
  Index width;
};

/// The whole picture after the resize.
[[nodiscard]] inline Size resized_size(Index H, Index W, const PreprocessConfig& config) {
  const Index h = config.resize_height;
  const Index w = config.resize_width;
  switch (config.resize) {
    case ResizeMode::none: return {H, W};
    case ResizeMode::squash: return {h, w};
    case ResizeMode::shortest_edge:
      if (h == w) return H < W ? Size{h, h * W / H} : Size{w * H / W, w};  // truncated
      break;
    case ResizeMode::longest_edge: break;
  }
  // timm's ResizeKeepRatio
  const double ratio_h = static_cast<double>(H) / static_cast<double>(h);
  const double ratio_w = static_cast<double>(W) / static_cast<double>(w);
  const double ratio = config.resize == ResizeMode::longest_edge ? std::max(ratio_h, ratio_w)
                                                                 : std::min(ratio_h, ratio_w);
  return {round_half_even(static_cast<double>(H) / ratio),
          round_half_even(static_cast<double>(W) / ratio)};
}

/// First row (or column) of a centred crop of `wanted` out of `size`; negative: so many pixels of
/// padding come first.
[[nodiscard]] inline Index crop_begin(Index size, Index wanted, RoundingRule rule) {
  const bool torchvision = rule == RoundingRule::torchvision;
  if (size < wanted) return -((wanted - size + (torchvision ? 0 : 1)) / 2);
  return torchvision ? round_half_even(static_cast<double>(size - wanted) / 2)
                     : (size - wanted) / 2;
}

/// The f32 that stands for each of the 256 values of channel c. Rescaling in double and rounding
/// once gives both torchvision's value / 255 and Hugging Face's value * factor.
[[nodiscard]] inline std::array<float, 256> normalised_values(const PreprocessConfig& config,
                                                              std::size_t c) {
  std::array<float, 256> values;
  for (std::size_t v = 0; v < values.size(); ++v) {
    const auto rescaled = static_cast<float>(static_cast<double>(v) * config.rescale_factor);
    values[v] = (rescaled - config.mean[c]) / config.std[c];
  }
  return values;
}

/// Throws Error for a config no picture can be prepared with.
inline void check_preprocess(const PreprocessConfig& config,
                             std::string_view where = "preprocess") {
  const auto check = [where](bool good, std::string_view sentence) {
    if (!good) fail(where, sentence);
  };
  const auto size = [](Index h, Index w) { return join(h, " x ", w); };
  check((config.height > 0 && config.width > 0) || (config.height == 0 && config.width == 0),
        join("the result is ", size(config.height, config.width), " pixels"));
  check(config.resize == ResizeMode::none || (config.resize_height > 0 && config.resize_width > 0),
        join("resizes to ", size(config.resize_height, config.resize_width), " pixels"));
  constexpr Index largest = 1 << 20;  // keeps every product below in range
  check(
      std::max({config.height, config.width, config.resize_height, config.resize_width}) <= largest,
      join("sizes above ", largest, " are not supported"));
  check(config.height * config.width <= config.max_pixels,
        join("the result is ", size(config.height, config.width), " pixels, the limit is ",
             config.max_pixels, " in all"));
  for (const float std : config.std) check(std != 0, "a std is 0");
  check(config.resizer == Resizer::pillow ||
            (config.resize == ResizeMode::squash && config.filter == Filter::bilinear &&
             config.height == config.resize_height && config.width == config.resize_width),
        "TensorFlow's resizer is here bilinear, and squashes to the size of the result");
}

/// What a TensorFlow pipeline makes of the whole picture.
inline void preprocess_as_tensorflow(const Image& image, const PreprocessConfig& config,
                                     Executor& executor, const TensorView<float, 3>& out) {
  resize_as_tensorflow(image, executor, out);
  const auto factor = static_cast<float>(config.rescale_factor);
  for (std::size_t c = 0; c < 3; ++c) {
    const TensorView<float, 2> channel = out[static_cast<Index>(c)];
    for (Index y = 0; y < channel.extent(0); ++y) {
      for (float& value : channel[y].flat()) {
        if (config.resizer == Resizer::tensorflow_8bit) value = std::floor(value);
        value = (value * factor - config.mean[c]) / config.std[c];
      }
    }
  }
}

}  // namespace detail

/// (height, width) of what preprocess() makes of a picture of H x W: the config's own, or, where
/// that is 0, the resized picture's. Throws Error.
[[nodiscard]] inline std::array<Index, 2> preprocessed_size(Index H, Index W,
                                                            const PreprocessConfig& config) {
  detail::check_preprocess(config);
  if (config.height > 0) return {config.height, config.width};
  const detail::Size size = detail::resized_size(H, W, config);
  if (size.height > 0 && size.width > config.max_pixels / size.height)
    fail("preprocess", "a picture of ", W, " x ", H, " pixels becomes ", size.width, " x ",
         size.height, ", the limit is ", config.max_pixels, " in all");
  return {size.height, size.width};
}

/// Writes (3, height, width) to `out`, which may be one row of a batch. Throws Error when the
/// picture is empty, shrinks to nothing, or `out` has another size than preprocessed_size(). Thread
/// safe; the result does not depend on the number of threads.
VITRAIL_API void preprocess(const Image& image, const PreprocessConfig& config, Executor& executor,
                            const TensorView<float, 3>& out);

#if VITRAIL_HAS_BODIES
VITRAIL_API void preprocess(const Image& image, const PreprocessConfig& config, Executor& executor,
                            const TensorView<float, 3>& out) {
  if (image.empty()) fail("preprocess", "the picture is empty");
  const std::array<Index, 2> size = preprocessed_size(image.height(), image.width(), config);
  const Index height = size[0];
  const Index width = size[1];
  if (out.shape() != Shape{3, height, width})
    fail("preprocess", "the target is ", out.shape().to_string(), ", the result is ",
         Shape{3, height, width}.to_string());
  if (config.resizer != Resizer::pillow)
    return detail::preprocess_as_tensorflow(image, config, executor, out);
  const detail::Size whole = detail::resized_size(image.height(), image.width(), config);
  if (whole.height < 1 || whole.width < 1)
    fail("preprocess", "a picture of ", image.width(), " x ", image.height(),
         " pixels shrinks to nothing");
  constexpr Index longest_side = 1 << 24;  // Pillow would be out of memory long before
  if (whole.height > longest_side || whole.width > longest_side)
    fail("preprocess", "a picture of ", image.width(), " x ", image.height(), " pixels becomes ",
         whole.width, " x ", whole.height);

  const Index top = detail::crop_begin(whole.height, height, config.rounding);
  const Index left = detail::crop_begin(whole.width, width, config.rounding);
  const Region seen = {std::max<Index>(top, 0), std::max<Index>(left, 0),
                       std::min(whole.height, height), std::min(whole.width, width)};
  const Image pixels =
      resize_region(image, whole.height, whole.width, config.filter, seen, executor);

  const std::array<std::array<float, 256>, 3> values = {detail::normalised_values(config, 0),
                                                        detail::normalised_values(config, 1),
                                                        detail::normalised_values(config, 2)};
  const Index first_row = std::max<Index>(-top, 0);
  const Index first_column = std::max<Index>(-left, 0);
  const Index chunks = detail::row_chunks(height, executor);
  detail::for_each_row_chunk(height, chunks, executor, [&](Index, Index from, Index to) {
    for (Index y = from; y < to; ++y) {
      const bool padded = y < first_row || y >= first_row + seen.height;
      for (std::size_t c = 0; c < 3; ++c) {
        float* row = out.data() + static_cast<Index>(c) * out.stride(0) + y * out.stride(1);
        if (padded || seen.width < width) std::fill_n(row, width, values[c][config.fill[c]]);
        if (padded) continue;
        const std::uint8_t* in = pixels.row(y - first_row) + c;
        for (Index x = 0; x < seen.width; ++x) row[first_column + x] = values[c][in[3 * x]];
      }
    }
  });
}
#endif

/// (3, height, width) f32. Throws Error as above. Thread safe.
[[nodiscard]] inline Tensor<float, 3> preprocess(const Image& image, const PreprocessConfig& config,
                                                 Executor& executor) {
  const auto [height, width] = preprocessed_size(image.height(), image.width(), config);
  Tensor<float, 3> result({3, height, width});
  preprocess(image, config, executor, result.view());
  return result;
}
[[nodiscard]] inline Tensor<float, 3> preprocess(const Image& image,
                                                 const PreprocessConfig& config) {
  SerialExecutor serial;
  return preprocess(image, config, serial);
}

namespace detail {

[[nodiscard]] inline Index divided_by_crop_fraction(Index size, double crop_fraction) {
  const double exact = std::floor(static_cast<double>(size) / crop_fraction);
  return static_cast<Index>(std::min(exact, 1e9));  // beyond every limit, within an Index
}

}  // namespace detail

/// The same recipe for another size of the result: what is resized to grows in proportion (by
/// timm's rule floor(size / crop_pct) where a crop_pct is known), so that the same part of the
/// picture is seen. A recipe without a size of its own covers the new one and is cropped to it.
/// Throws Error unless both sides are at least 1.
[[nodiscard]] inline PreprocessConfig with_size(PreprocessConfig config, Index height,
                                                Index width) {
  if (height < 1 || width < 1) fail("preprocess", "the size is ", height, " x ", width);
  detail::check_preprocess(config);
  if (config.crop_fraction > 0) {
    config.resize_height = detail::divided_by_crop_fraction(height, config.crop_fraction);
    config.resize_width = detail::divided_by_crop_fraction(width, config.crop_fraction);
  } else if (config.height > 0) {
    config.resize_height = std::max<Index>(1, config.resize_height * height / config.height);
    config.resize_width = std::max<Index>(1, config.resize_width * width / config.width);
  } else {
    config.resize_height = height;
    config.resize_width = width;
    if (config.resize == ResizeMode::none) config.resize = ResizeMode::shortest_edge;
  }
  config.height = height;
  config.width = width;
  constexpr Index largest = 1 << 20;
  config.max_pixels =
      std::max(config.max_pixels, std::min(height, largest) * std::min(width, largest));
  detail::check_preprocess(config);
  return config;
}

namespace detail {

/// Six digits at most, as streams show a number.
[[nodiscard]] inline std::string shown(double number) {
  char digits[32];
  const auto end =
      std::to_chars(digits, digits + sizeof digits, number, std::chars_format::general, 6);
  return {digits, end.ptr};
}
[[nodiscard]] inline std::string shown(const std::array<float, 3>& rgb) {
  std::string text;
  for (const float number : rgb)
    text += join(text.empty() ? "(" : ", ", shown(static_cast<double>(number)));
  return text + ")";
}

}  // namespace detail

inline std::string PreprocessConfig::describe() const {
  const std::string resized = join(resize_height, " x ", resize_width);
  const bool shortest = resize == ResizeMode::shortest_edge;
  std::string text = join("resize to ", shortest ? "cover " : "fit into ", resized);
  if (resize == ResizeMode::none) {
    text = "no resize";
  } else if (resize == ResizeMode::squash) {
    text = join("resize to ", resized);
  } else if (resize_height == resize_width) {
    text = join("resize the ", shortest ? "shorter" : "longer", " edge to ", resize_height);
  }
  constexpr std::string_view without[] = {
      "", " without antialiasing, as TensorFlow resizes",
      " without antialiasing, as TensorFlow resizes, to 8 bits"};
  if (resize != ResizeMode::none)
    text += join(" (", name_of(filter), without[static_cast<std::size_t>(resizer)], ")");
  const bool exact =
      resize == ResizeMode::squash && height == resize_height && width == resize_width;
  if (height > 0 && !exact) {
    text += join(resize == ResizeMode::longest_edge ? ", pad to " : ", take the centre ", height,
                 " x ", width,
                 rounding == RoundingRule::torchvision ? " as torchvision rounds"
                                                       : " as Hugging Face rounds");
  }
  const double inverse = 1 / rescale_factor;
  const bool whole = std::abs(inverse - std::round(inverse)) < 1e-9;
  if (rescale_factor != 1)
    text += join(", times ", whole ? "1/" : "",
                 detail::shown(whole ? std::round(inverse) : rescale_factor));
  const bool normalises =
      mean != std::array<float, 3>{0, 0, 0} || std != std::array<float, 3>{1, 1, 1};
  if (normalises) text += join(", mean ", detail::shown(mean), ", std ", detail::shown(std));
  return text;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IMAGE_PREPROCESS_HPP
