// A JSON document once it was read: a tree of values with as much as configs, headers and indexes
// need.
#ifndef VITRAIL_IO_JSON_VALUE_HPP
#define VITRAIL_IO_JSON_VALUE_HPP

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>
#include <vitrail/io/text.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// One value, with all that it holds. 16 bytes, what is longer lies elsewhere: a hostile file has
/// a value for every two of its bytes.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json, NameLess>;

  Json() = default;
  Json(const char*) = delete;  // would be a flag
  explicit Json(bool flag) : kind_(Kind::boolean) { value_.flag = flag; }
  explicit Json(std::uint64_t natural) : kind_(Kind::natural) { value_.natural = natural; }
  /// `integer` is negative.
  explicit Json(std::int64_t integer) : kind_(Kind::integer) { value_.integer = integer; }
  explicit Json(double real) : kind_(Kind::real) { value_.real = real; }
  explicit Json(std::string&& text) : kind_(Kind::string) {
    value_.text = new std::string(std::move(text));
  }
  [[nodiscard]] static Json empty_array() {
    Json json;
    json.value_.items = new Array();
    json.kind_ = Kind::array;
    return json;
  }
  [[nodiscard]] static Json empty_object() {
    Json json;
    json.value_.members = new Object();
    json.kind_ = Kind::object;
    return json;
  }

  VITRAIL_NOINLINE Json(const Json& other) : value_(other.value_) {
    if (other.is_string()) value_.text = new std::string(other.text());
    if (other.is_array()) value_.items = new Array(other.items());
    if (other.is_object()) value_.members = new Object(other.members());
    kind_ = other.kind_;
  }
  Json(Json&& other) noexcept
      : kind_(std::exchange(other.kind_, Kind::null)), value_(other.value_) {}
  Json& operator=(Json other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(value_, other.value_);
    return *this;
  }
  VITRAIL_NOINLINE ~Json() {
    if (is_string()) delete value_.text;
    if (is_array()) delete value_.items;
    if (is_object()) delete value_.members;
  }

  [[nodiscard]] bool is_null() const { return kind_ == Kind::null; }
  [[nodiscard]] bool is_boolean() const { return kind_ == Kind::boolean; }
  /// A whole number that is not negative, as written: 3, not 3.0.
  [[nodiscard]] bool is_natural() const { return kind_ == Kind::natural; }
  /// A whole number.
  [[nodiscard]] bool is_integer() const { return is_natural() || kind_ == Kind::integer; }
  [[nodiscard]] bool is_number() const { return is_integer() || kind_ == Kind::real; }
  [[nodiscard]] bool is_string() const { return kind_ == Kind::string; }
  [[nodiscard]] bool is_array() const { return kind_ == Kind::array; }
  [[nodiscard]] bool is_object() const { return kind_ == Kind::object; }

  // What a value holds that is known to be of the kind.
  [[nodiscard]] bool flag() const { return value_.flag; }
  [[nodiscard]] std::uint64_t natural() const { return value_.natural; }
  [[nodiscard]] std::int64_t negative() const { return value_.integer; }
  /// Any number.
  [[nodiscard]] double number() const {
    return is_natural()             ? static_cast<double>(value_.natural)
           : kind_ == Kind::integer ? static_cast<double>(value_.integer)
                                    : value_.real;
  }
  [[nodiscard]] const std::string& text() const { return *value_.text; }
  [[nodiscard]] const Array& items() const { return *value_.items; }
  [[nodiscard]] Array& items() { return *value_.items; }
  [[nodiscard]] const Object& members() const { return *value_.members; }
  [[nodiscard]] Object& members() { return *value_.members; }

 private:
  enum class Kind : std::uint8_t { null, boolean, natural, integer, real, string, array, object };
  union Value {
    bool flag;
    std::uint64_t natural;
    std::int64_t integer;
    double real;
    std::string* text;
    Array* items;
    Object* members;
  };

  Kind kind_ = Kind::null;
  Value value_ = {};
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_JSON_VALUE_HPP
