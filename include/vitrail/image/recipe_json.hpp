// Reading the values of a recipe: each getter gives the key's value or a default, or one Error that
// names the key, what was found and what was expected. A null counts as missing.
#ifndef VITRAIL_IMAGE_RECIPE_JSON_HPP
#define VITRAIL_IMAGE_RECIPE_JSON_HPP

#include <optional>
#include <vitrail/image/preprocess.hpp>
#include <vitrail/io/json.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// A size as recipes write it. `is_edge`: one number, which some readers take for an edge and
/// others for a square.
struct Extent {
  Index height = 0;
  Index width = 0;
  bool is_edge = true;
};

class RecipeJson {
 public:
  RecipeJson(const Json& json, std::string_view where) : json_(json), where_(where) {
    if (!json.is_object()) fail(where, "is ", describe(json), ", wanted a JSON object");
  }

  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }

  /// nullptr when the key is missing or null.
  [[nodiscard]] const Json* find(std::string_view key) const {
    const Json* const found = json_find(json_, key);
    return found == nullptr || found->is_null() ? nullptr : found;
  }

  [[noreturn]] void fail_at(std::string_view key, std::string_view expected) const {
    const Json* value = find(key);
    fail(where_, key, " is ", value == nullptr ? "missing" : describe(*value), ", expected ",
         expected);
  }

  [[nodiscard]] bool flag(std::string_view key, bool missing) const {
    const Json* value = find(key);
    if (value == nullptr) return missing;
    if (!value->is_boolean()) fail_at(key, "true or false");
    return value->flag();
  }

  [[nodiscard]] double number(std::string_view key, double missing) const {
    const Json* value = find(key);
    if (value == nullptr) return missing;
    if (!value->is_number() || !std::isfinite(value->number())) fail_at(key, "a number");
    return value->number();
  }

  [[nodiscard]] std::string text(std::string_view key, std::string_view missing) const {
    const Json* value = find(key);
    if (value == nullptr) return std::string(missing);
    if (!value->is_string()) fail_at(key, "a string");
    return value->text();
  }

  /// Three numbers, or one for all.
  [[nodiscard]] VITRAIL_NOINLINE std::array<float, 3> channels(std::string_view key,
                                                               std::array<float, 3> missing) const {
    std::array<float, 3> result{};
    for (std::size_t c = 0; c < 3; ++c) result[c] = static_cast<float>(channel(key, c, missing));
    return result;
  }

  /// One of them, as the file writes it, in double.
  [[nodiscard]] double channel(std::string_view key, std::size_t c,
                               std::array<float, 3> missing) const {
    const Json* value = find(key);
    if (value == nullptr) return static_cast<double>(missing[c]);
    if (value->is_array() && value->items().size() == 3) value = &value->items()[c];
    if (!value->is_number() || !std::isfinite(value->number())) fail_at(key, "three numbers");
    return value->number();
  }

  /// [channels, height, width].
  [[nodiscard]] std::array<Index, 3> sizes3(std::string_view key,
                                            std::array<Index, 3> missing) const {
    const Json* value = find(key);
    if (value == nullptr) return missing;
    constexpr std::string_view expected = "[channels, height, width]";
    if (!value->is_array() || value->items().size() != 3) fail_at(key, expected);
    std::array<Index, 3> sizes{};
    for (std::size_t i = 0; i < 3; ++i) {
      const auto size = as_size(value->items()[i]);
      if (!size) fail_at(key, expected);
      sizes[i] = *size;
    }
    return sizes;
  }

  /// n, [n] or [height, width].
  [[nodiscard]] Extent extent(std::string_view key, Extent missing) const {
    const Json* value = find(key);
    if (value == nullptr) return missing;
    const bool list =
        value->is_array() && (value->items().size() == 1 || value->items().size() == 2);
    const auto height = as_size(list ? value->items().front() : *value);
    const auto width = as_size(list ? value->items().back() : *value);
    if (!height || !width) fail_at(key, "a positive number of pixels, or [height, width]");
    return {*height, *width, !list || value->items().size() == 1};
  }

  /// A name ("bicubic", "InterpolationMode.BICUBIC") or Pillow's number.
  [[nodiscard]] Filter filter(std::string_view key, Filter missing) const {
    const Json* value = find(key);
    if (value == nullptr) return missing;
    constexpr std::array pillow = {Filter::nearest, Filter::lanczos, Filter::bilinear,
                                   Filter::bicubic, Filter::box,     Filter::hamming};
    if (value->is_integer()) {
      std::size_t number = 0;
      if (JsonReader<std::size_t>::read(*value, number) && number < pillow.size())
        return pillow[number];
    } else if (value->is_string()) {
      std::string name = value->text();
      name.erase(0, name.rfind('.') + 1);
      for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
      for (const Filter candidate : pillow)
        if (name == name_of(candidate)) return candidate;
    }
    fail_at(
        key,
        "nearest, lanczos, bilinear, bicubic, box or hamming, or Pillow's number for it, 0 to 5");
  }

  /// A whole number of pixels from 1 to 2^20, also when it is written 224.0.
  [[nodiscard]] static std::optional<Index> as_size(const Json& value) {
    if (!value.is_number()) return std::nullopt;
    const double number = value.number();
    if (!(number >= 1 && number <= 1 << 20) || number != std::floor(number)) return std::nullopt;
    return static_cast<Index>(number);
  }

 private:
  const Json& json_;
  std::string where_;
};

}  // namespace detail

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IMAGE_RECIPE_JSON_HPP
