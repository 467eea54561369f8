// One value of a JSON document, with all that it holds.
//
// What configs and headers need and no more: nlohmann's own value, that can be built, compared,
// iterated and written in many ways, takes a program over a second to compile.
#ifndef VITRAIL_IO_JSON_VALUE_HPP
#define VITRAIL_IO_JSON_VALUE_HPP

#include <cstdint>
#include <string>
#include <vector>
#include <vitrail/macros.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

struct JsonMember;

/// What parse_json makes; immutable from there on. The kinds of numbers say how the text writes
/// them: 3 is an integer, 3.0 is not.
class Json {
 public:
  enum class Kind : std::uint8_t {
    null,
    boolean,
    integer,  // below zero
    unsigned_integer,
    floating,
    string,
    array,
    object
  };

  Json();  // null
  explicit Json(Kind kind);
  explicit Json(bool flag);
  explicit Json(std::int64_t number);
  explicit Json(std::uint64_t number);
  explicit Json(double number);
  explicit Json(std::string&& text);
  /// A program's own nlohmann::json. Defined in json_parser.hpp.
  template <class Theirs>
  requires requires(const Theirs& value) { value.dump(), value.is_discarded(); }
  Json(const Theirs& value);  // NOLINT(google-explicit-constructor)
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();

  [[nodiscard]] bool is_null() const { return kind_ == Kind::null; }
  [[nodiscard]] bool is_boolean() const { return kind_ == Kind::boolean; }
  [[nodiscard]] bool is_string() const { return kind_ == Kind::string; }
  [[nodiscard]] bool is_array() const { return kind_ == Kind::array; }
  [[nodiscard]] bool is_object() const { return kind_ == Kind::object; }
  [[nodiscard]] bool is_structured() const { return is_array() || is_object(); }
  [[nodiscard]] bool is_number() const { return is_number_integer() || kind_ == Kind::floating; }
  [[nodiscard]] bool is_number_integer() const {
    return kind_ == Kind::integer || is_number_unsigned();
  }
  [[nodiscard]] bool is_number_unsigned() const { return kind_ == Kind::unsigned_integer; }

  // Each for a value that is known to be of the kind.
  [[nodiscard]] bool flag() const { return number_.flag; }
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] std::int64_t integer() const { return number_.integer; }
  [[nodiscard]] std::uint64_t unsigned_integer() const { return number_.unsigned_integer; }
  [[nodiscard]] VITRAIL_NOINLINE double number() const {
    return kind_ == Kind::floating  ? number_.floating
           : kind_ == Kind::integer ? static_cast<double>(number_.integer)
                                    : static_cast<double>(number_.unsigned_integer);
  }
  /// Of an object, in the order of their names; of an array, in its own order and without names.
  [[nodiscard]] const std::vector<JsonMember>& members() const { return members_; }
  [[nodiscard]] std::vector<JsonMember>& members() { return members_; }
  [[nodiscard]] std::size_t size() const;  // of the members

 private:
  Kind kind_ = Kind::null;
  union {
    bool flag;
    std::int64_t integer;
    std::uint64_t unsigned_integer;
    double floating;
  } number_ = {};
  std::string text_;
  std::vector<JsonMember> members_;
};

struct JsonMember {
  std::string name;  // empty in an array
  Json value;
};

// Down here, where a member is known.
inline Json::Json() = default;
inline Json::Json(Kind kind) : kind_(kind) {}
inline Json::Json(bool flag) : kind_(Kind::boolean) { number_.flag = flag; }
inline Json::Json(std::int64_t number) : kind_(Kind::integer) { number_.integer = number; }
inline Json::Json(std::uint64_t number) : kind_(Kind::unsigned_integer) {
  number_.unsigned_integer = number;
}
inline Json::Json(double number) : kind_(Kind::floating) { number_.floating = number; }
inline Json::Json(std::string&& text) : kind_(Kind::string), text_(std::move(text)) {}
inline Json::Json(const Json&) = default;
inline Json::Json(Json&&) noexcept = default;
inline Json& Json::operator=(const Json&) = default;
inline Json& Json::operator=(Json&&) noexcept = default;
inline Json::~Json() = default;
inline std::size_t Json::size() const { return members_.size(); }

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_JSON_VALUE_HPP
