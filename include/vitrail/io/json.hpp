// JSON as configs and headers carry it: checked while it is parsed, read through typed getters.
//
// nlohmann's parser reads, without nlohmann's value: its json.hpp takes a program that loads a
// model a tenth of its time to compile. Duplicate keys and deep nesting are errors here: two
// readers that pick different duplicates would see two different models.
#ifndef VITRAIL_IO_JSON_HPP
#define VITRAIL_IO_JSON_HPP

#include <charconv>
#include <optional>
#include <vitrail/io/json_value.hpp>
#include <vitrail/io/mapped_file.hpp>

#if __has_include(<nlohmann/detail/input/parser.hpp>)
#include <nlohmann/detail/input/parser.hpp>
#else  // the library as one file
#include <nlohmann/json.hpp>
#endif

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// What nlohmann's parser asks of the type of values.
struct JsonTypes {
  using boolean_t = bool;
  using number_integer_t = std::int64_t;
  using number_unsigned_t = std::uint64_t;
  using number_float_t = double;
  using string_t = std::string;
  using binary_t = std::vector<std::uint8_t>;
  using exception = nlohmann::detail::exception;
};

/// Builds a Json from the events of nlohmann's parser, and refuses what it would let pass.
class JsonBuilder {
 public:
  JsonBuilder(std::string_view where, const Limits& limits) : where_(where), limits_(limits) {}

  bool null() { return add(Json()); }
  bool boolean(bool value) { return add(Json(value)); }
  bool number_integer(std::int64_t value) { return add(Json(value)); }
  bool number_unsigned(std::uint64_t value) { return add(Json(value)); }
  bool number_float(double value, const std::string&) { return add(Json(value)); }
  bool string(std::string& value) { return add(Json(std::move(value))); }
  bool binary(JsonTypes::binary_t&) { return false; }  // no JSON text has it
  bool start_object(std::size_t) { return open(Json::empty_object()); }
  bool start_array(std::size_t) { return open(Json::empty_array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    const auto [place, is_new] = open_.back()->members().try_emplace(std::move(name));
    if (!is_new) fail(where_, "duplicate key ", in_quotes(place->first));
    member_ = &place->second;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const JsonTypes::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..." without its prefix.
    std::string_view reason = error.what();
    if (const auto end = reason.find("] "); end != std::string_view::npos)
      reason.remove_prefix(end + 2);
    fail(where_, "not valid JSON: ", one_line(reason));
  }

  Json root;

 private:
  VITRAIL_NOINLINE Json& place(Json&& value) {
    if (!open_.empty() && open_.back()->is_array())
      return open_.back()->items().emplace_back(std::move(value));
    Json& target = open_.empty() ? root : *member_;
    target = std::move(value);
    return target;
  }
  bool add(Json&& value) {
    place(std::move(value));
    return true;
  }
  bool open(Json&& empty) {
    if (open_.size() >= limits_.max_depth)
      fail(where_, "JSON nested deeper than the limit of ", limits_.max_depth);
    open_.push_back(&place(std::move(empty)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view where_;
  const Limits& limits_;
  std::vector<Json*> open_;  // from the root inwards: only the innermost grows, so none moves
  Json* member_ = nullptr;   // of the innermost object: the value that its last key waits for
};

}  // namespace detail

VITRAIL_END_COLD_NAMESPACE

// The parser wants to be sure that values are nlohmann's own; it uses no more than the types above.
template <>
struct nlohmann::detail::is_basic_json<vitrail::detail::JsonTypes> : std::true_type {};

VITRAIL_BEGIN_COLD_NAMESPACE

/// Parses one document. Throws Error with the position for bad syntax, duplicate keys, nesting
/// beyond `limits.max_depth` or a text beyond `limits.max_header_bytes`; `where` is usually the
/// file's name.
[[nodiscard]] inline Json parse_json(std::string_view text, std::string_view where,
                                     const Limits& limits = {}) {
  if (text.size() > limits.max_header_bytes)
    fail(where, "JSON of ", text.size(), " bytes, the limit is ", limits.max_header_bytes);
  detail::JsonBuilder builder(where, limits);
  using Input = nlohmann::detail::iterator_input_adapter<const char*>;
  nlohmann::detail::parser<detail::JsonTypes, Input>(Input(text.data(), text.data() + text.size()))
      .sax_parse(&builder);
  return std::move(builder.root);
}

/// Parses the file `path`. Throws Error as MappedFile and parse_json do.
[[nodiscard]] inline Json read_json(const std::string& path, const Limits& limits = {}) {
  const MappedFile file(path, ReadMode::map, limits);
  return parse_json(detail::as_text(file.bytes()), path, limits);
}

namespace detail {

/// `text` as a string of JSON. Throws Error("where: ...") when it is not UTF-8.
[[nodiscard]] VITRAIL_NOINLINE inline std::string json_string(std::string_view text,
                                                              std::string_view where) {
  constexpr char digits[] = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) {
      quoted += c;
    } else {
      quoted += "\\u00";
      quoted += digits[c / 16];
      quoted += digits[c % 16];
    }
  }
  quoted += '"';
  try {
    (void)parse_json(quoted, where);
  } catch (const Error&) {
    fail(where, in_quotes(text), " is not UTF-8");
  }
  return quoted;
}

/// A value that holds no others, as text.
[[nodiscard]] inline std::string scalar_text(const Json& value) {
  if (value.is_string()) return in_quotes(value.text());
  if (value.is_boolean()) return value.flag() ? "true" : "false";
  if (value.is_natural()) return join(value.natural());
  if (value.is_integer()) return join(value.negative());
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
    const Json::Array& items = value.items();
    for (const Json& item : items) {
      if (item.is_array() || item.is_object() || items.size() > 8)
        return join("an array of ", items.size());
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
    return value.is_natural()   ? fits(value.natural(), to)
           : value.is_integer() ? fits(value.negative(), to)
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
    for (const Json& element : value.items()) {
      T item{};
      if (!JsonReader<T>::read(element, item)) return false;
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
  const Json::Object& members = object.members();
  const auto found = members.find(key);
  return found == members.end() ? nullptr : &found->second;
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
