// JSON as configs and headers carry it: checked while it is parsed, read through typed getters.
//
// Duplicate keys and deep nesting are errors here: two readers that pick different duplicates would
// see two different models.
#ifndef VITRAIL_IO_JSON_HPP
#define VITRAIL_IO_JSON_HPP

#include <algorithm>
#include <charconv>
#include <optional>
#include <vitrail/io/json_parser.hpp>
#include <vitrail/io/mapped_file.hpp>
#include <vitrail/io/text.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// Parses the file `path`. Throws Error as MappedFile and parse_json do.
[[nodiscard]] inline Json read_json(const std::string& path, const Limits& limits = {}) {
  const MappedFile file(path, ReadMode::map, limits);
  return parse_json(detail::as_text(file.bytes()), path, limits);
}

namespace detail {

/// A value that holds no others, as text.
[[nodiscard]] inline std::string scalar_text(const Json& value) {
  if (value.is_string()) return in_quotes(value.text());
  if (value.is_boolean()) return value.flag() ? "true" : "false";
  if (value.is_number_unsigned()) return join(value.unsigned_integer());
  if (value.is_number_integer()) return join(value.integer());
  if (value.is_null()) return "null";
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value.number()).ptr;
  const std::string text(digits, end);
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

/// "the string 'gelu'", "the array [1, 2]": what was found, for messages. Short, and never by
/// recursion into what a file nests.
[[nodiscard]] inline std::string describe(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) {
    std::string text = "the array [";
    for (const auto& [_, item] : value.members()) {
      if (item.is_structured() || value.size() > 8) return join("an array of ", value.size());
      text += join(text.ends_with('[') ? "" : ", ", scalar_text(item));
    }
    return text + "]";
  }
  if (value.is_null()) return "null";
  const char* kind = value.is_string()    ? "the string "
                     : value.is_boolean() ? "the bool "
                                          : "the number ";
  return kind + scalar_text(value);
}

/// `text` as JSON writes it, in quotes. Not checked: what is no UTF-8 stays none.
[[nodiscard]] inline std::string json_string(std::string_view text) {
  std::string quoted = "\"";
  constexpr std::string_view named = "\"\\\b\f\n\r\t";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (const std::size_t at = named.find(c); at != std::string_view::npos) {
      quoted += '\\';
      quoted += "\"\\bfnrt"[at];
    } else if (code < 0x20) {
      constexpr char digits[] = "0123456789abcdef";
      quoted += "\\u00";
      quoted += digits[code >> 4];
      quoted += digits[code & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

/// Reads one type T out of a JSON value; `name` is what an Error says was expected.
template <class T>
struct JsonReader {
  static_assert(std::is_same_v<T, Json>,
                "read JSON as std::string, bool, an integer, float, double, Json, or a vector");
};

template <>
struct JsonReader<std::string> {
  static std::string name() { return "a string"; }
  static bool read(const Json& value, std::string& to) {
    if (value.is_string()) to = value.text();
    return value.is_string();
  }
};

template <>
struct JsonReader<bool> {
  static std::string name() { return "true or false"; }
  static bool read(const Json& value, bool& to) {
    if (value.is_boolean()) to = value.flag();
    return value.is_boolean();
  }
};

template <std::integral T>
struct JsonReader<T> {
  static std::string name() {
    if (sizeof(T) == 8)
      return std::numeric_limits<T>::is_signed ? "an integer" : "an integer that is not negative";
    return join("an integer between ", std::numeric_limits<T>::min(), " and ",
                std::numeric_limits<T>::max());
  }
  static bool read(const Json& value, T& to) {
    return value.is_number_unsigned()  ? fits(value.unsigned_integer(), to)
           : value.is_number_integer() ? fits(value.integer(), to)
                                       : false;
  }

 private:
  template <class I>
  static bool fits(I number, T& to) {
    to = static_cast<T>(number);
    return std::in_range<T>(number);
  }
};

template <std::floating_point T>
struct JsonReader<T> {
  static std::string name() { return "a number"; }
  static bool read(const Json& value, T& to) {
    if (value.is_number()) to = static_cast<T>(value.number());
    return value.is_number();
  }
};

template <>
struct JsonReader<Json> {
  static std::string name() { return "a value"; }
  static bool read(const Json& value, Json& to) {
    to = value;
    return true;
  }
};

template <class T>
struct JsonReader<std::vector<T>> {
  static std::string name() { return "an array whose elements are each " + JsonReader<T>::name(); }
  static bool read(const Json& value, std::vector<T>& to) {
    if (!value.is_array()) return false;
    for (const JsonMember& element : value.members()) {
      T item{};
      if (!JsonReader<T>::read(element.value, item)) return false;
      to.push_back(std::move(item));
    }
    return true;
  }
};

}  // namespace detail

/// The value under `key`, or null when `object` is no object or has no such key.
[[nodiscard]] VITRAIL_NOINLINE inline const Json* json_find(const Json& object,
                                                            std::string_view key) {
  if (!object.is_object()) return nullptr;
  const std::vector<JsonMember>& members = object.members();
  const auto found = std::lower_bound(
      members.begin(), members.end(), key,
      [](const JsonMember& member, std::string_view k) { return member.name < k; });
  return found == members.end() || found->name != key ? nullptr : &found->value;
}

/// `value` as a T (std::string, bool, an integer, float, double or a vector of these). Throws
/// Error that names `key`, what was found and what was expected.
template <class T>
[[nodiscard]] VITRAIL_NOINLINE T json_as(const Json& value, std::string_view key,
                                         std::string_view where) {
  T result{};
  if (!detail::JsonReader<T>::read(value, result))
    fail(where, detail::in_quotes(key), " is ", detail::describe(value), ", expected ",
         detail::JsonReader<T>::name());
  return result;
}

/// The value under `key`. Throws Error when it is missing or of another type.
template <class T>
[[nodiscard]] VITRAIL_NOINLINE T json_get(const Json& object, std::string_view key,
                                          std::string_view where) {
  const Json* const value = json_find(object, key);
  if (value == nullptr)
    fail(where, "no key ", detail::in_quotes(key), ", expected ", detail::JsonReader<T>::name());
  return json_as<T>(*value, key, where);
}

/// The same, or nothing when the key is missing or null, which configs use for "not set".
template <class T>
[[nodiscard]] VITRAIL_NOINLINE std::optional<T> json_get_if(const Json& object,
                                                            std::string_view key,
                                                            std::string_view where) {
  const Json* const value = json_find(object, key);
  if (value == nullptr || value->is_null()) return std::nullopt;
  return json_as<T>(*value, key, where);
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_JSON_HPP
