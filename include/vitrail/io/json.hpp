// JSON as configs and headers carry it: checked while it is parsed, read through typed getters.
//
// The only header that includes nlohmann/json. Duplicate keys and deep nesting are errors here:
// two readers that pick different duplicates would see two different models.
#ifndef VITRAIL_IO_JSON_HPP
#define VITRAIL_IO_JSON_HPP

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <vitrail/io/mapped_file.hpp>
#include <vitrail/io/text.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

using Json = nlohmann::json;

namespace detail {

// What a value holds that is known to be of the kind. (Json's own ways, get<T>(), items(), begin(),
// bring conversions, proxies and exceptions that take a program seconds to compile.)
[[nodiscard]] inline const std::string& text_of(const Json& value) {
  return *value.get_ptr<const Json::string_t*>();
}
[[nodiscard]] inline bool flag_of(const Json& value) {
  return *value.get_ptr<const Json::boolean_t*>();
}
[[nodiscard]] inline const Json::object_t& members_of(const Json& value) {
  return *value.get_ptr<const Json::object_t*>();
}
[[nodiscard]] inline const Json::array_t& items_of(const Json& value) {
  return *value.get_ptr<const Json::array_t*>();
}
/// An integer that is not negative is stored as unsigned.
[[nodiscard]] inline std::uint64_t unsigned_of(const Json& value) {
  return *value.get_ptr<const Json::number_unsigned_t*>();
}
[[nodiscard]] inline std::int64_t integer_of(const Json& value) {
  return *value.get_ptr<const Json::number_integer_t*>();
}
[[nodiscard]] VITRAIL_NOINLINE inline double number_of(const Json& value) {
  if (value.is_number_float()) return *value.get_ptr<const Json::number_float_t*>();
  return value.is_number_unsigned() ? static_cast<double>(unsigned_of(value))
                                    : static_cast<double>(integer_of(value));
}

/// Builds a Json from the events of nlohmann's parser, and refuses what it would let pass.
class JsonBuilder {
 public:
  JsonBuilder(std::string_view where, const Limits& limits) : where_(where), limits_(limits) {}

  bool null() { return add({}); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(value); }
  bool number_unsigned(std::uint64_t value) { return add(value); }
  bool number_float(double value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }  // no JSON text has it
  bool start_object(std::size_t) { return open(Json::value_t::object); }
  bool start_array(std::size_t) { return open(Json::value_t::array); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    const auto [place, is_new] =
        open_.back()->get_ptr<Json::object_t*>()->try_emplace(std::move(name));
    if (!is_new) fail(where_, "duplicate key ", in_quotes(place->first));
    member_ = &place->second;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception& error) {
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
      return open_.back()->get_ptr<Json::array_t*>()->emplace_back(std::move(value));
    Json& target = open_.empty() ? root : *member_;
    target = std::move(value);
    return target;
  }
  bool add(Json&& value) {
    place(std::move(value));
    return true;
  }
  bool open(Json::value_t kind) {
    if (open_.size() >= limits_.max_depth)
      fail(where_, "JSON nested deeper than the limit of ", limits_.max_depth);
    open_.push_back(&place(Json(kind)));
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

/// Parses one document. Throws Error with the position for bad syntax, duplicate keys, nesting
/// beyond `limits.max_depth` or a text beyond `limits.max_header_bytes`; `where` is usually the
/// file's name.
[[nodiscard]] inline Json parse_json(std::string_view text, std::string_view where,
                                     const Limits& limits = {}) {
  if (text.size() > limits.max_header_bytes)
    fail(where, "JSON of ", text.size(), " bytes, the limit is ", limits.max_header_bytes);
  detail::JsonBuilder builder(where, limits);
  // Json::sax_parse would also instantiate the readers of four binary formats.
  using Input = nlohmann::detail::iterator_input_adapter<const char*>;
  nlohmann::detail::parser<Json, Input>(Input(text.data(), text.data() + text.size()))
      .sax_parse(&builder);
  return std::move(builder.root);
}

/// Parses the file `path`. Throws Error as MappedFile and parse_json do.
[[nodiscard]] inline Json read_json(const std::string& path, const Limits& limits = {}) {
  const MappedFile file(path, ReadMode::map, limits);
  return parse_json(detail::as_text(file.bytes()), path, limits);
}

namespace detail {

/// A value that holds no others, as text. (Json::dump would bring a whole writer.)
[[nodiscard]] inline std::string scalar_text(const Json& value) {
  if (value.is_string()) return in_quotes(text_of(value));
  if (value.is_boolean()) return flag_of(value) ? "true" : "false";
  if (value.is_number_unsigned()) return join(unsigned_of(value));
  if (value.is_number_integer()) return join(integer_of(value));
  if (value.is_null()) return "null";
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, number_of(value)).ptr;
  const std::string text(digits, end);
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

/// "the string 'gelu'", "the array [1, 2]": what was found, for messages. Short, and never by
/// recursion into what a file nests.
[[nodiscard]] inline std::string describe(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) {
    std::string text = "the array [";
    const Json::array_t& items = items_of(value);
    for (const Json& item : items) {
      if (item.is_structured() || items.size() > 8) return join("an array of ", items.size());
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
    if (value.is_string()) to = text_of(value);
    return value.is_string();
  }
};

template <>
struct JsonReader<bool> {
  static std::string name() { return "true or false"; }
  static bool read(const Json& value, bool& to) {
    if (value.is_boolean()) to = flag_of(value);
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
    return value.is_number_unsigned()  ? fits(unsigned_of(value), to)
           : value.is_number_integer() ? fits(integer_of(value), to)
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
    if (value.is_number()) to = static_cast<T>(number_of(value));
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
    for (const Json& element : items_of(value)) {
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
  const Json::object_t& members = detail::members_of(object);
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
