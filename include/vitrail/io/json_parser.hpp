// JSON text -> Json. Words, numbers and strings are taken apart by nlohmann's lexer; its parser and
// its value, which a program takes over a second to compile, are left out.
#ifndef VITRAIL_IO_JSON_PARSER_HPP
#define VITRAIL_IO_JSON_PARSER_HPP

#include <cmath>
#include <cstdlib>
#include <memory>
#if __has_include(<nlohmann/detail/input/lexer.hpp>)
#include <nlohmann/detail/input/lexer.hpp>
#else  // the library as a single file
#include <nlohmann/json.hpp>
#endif
#include <string_view>
#include <vitrail/io/json_value.hpp>
#include <vitrail/io/limits.hpp>
#include <vitrail/io/text.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// Reads one document; says what is wrong in the words of nlohmann's parser.
class JsonParser {
 public:
  JsonParser(std::string_view text, std::string_view where, const Limits& limits)
      : lexer_(Input(text.data(), text.data() + text.size())), where_(where), limits_(limits) {}

  [[nodiscard]] Json document() {
    Json root;
    next();
    read_value(root);
    if (next() != Token::end_of_input) fail_at("value", Token::end_of_input);
    return root;
  }

 private:
  /// What the lexer would ask of a value.
  struct Types {
    using number_integer_t = std::int64_t;
    using number_unsigned_t = std::uint64_t;
    using number_float_t = double;
    using string_t = std::string;
  };
  using Input = nlohmann::detail::iterator_input_adapter<const char*>;
  using Lexer = nlohmann::detail::lexer<Types, Input>;
  using Token = Lexer::token_type;

  Token next() { return token_ = lexer_.scan(); }

  /// The value that begins with the current token; no deeper than `limits_.max_depth`.
  void read_value(Json& to) {
    switch (token_) {
      case Token::begin_object: return read_object(to);
      case Token::begin_array: return read_array(to);
      case Token::value_string: to = Json(std::move(lexer_.get_string())); return;
      case Token::value_unsigned: to = Json(std::uint64_t{lexer_.get_number_unsigned()}); return;
      case Token::value_integer: to = Json(std::int64_t{lexer_.get_number_integer()}); return;
      case Token::value_float:
        if (!std::isfinite(lexer_.get_number_float()))
          fail(where_, "not valid JSON: ",
               one_line(join("number overflow parsing '", lexer_.get_token_string(), "'")));
        to = Json(lexer_.get_number_float());
        return;
      case Token::literal_true:
      case Token::literal_false: to = Json(token_ == Token::literal_true); return;
      case Token::literal_null: return;
      case Token::parse_error: fail_at("value", Token::uninitialized);
      default: fail_at("value", Token::literal_or_value);
    }
  }

  void read_array(Json& to) {
    to = Json(Json::Kind::array);
    enter();
    if (next() != Token::end_array) {
      while (true) {
        read_value(to.members().emplace_back().value);
        if (next() != Token::value_separator) break;
        next();
      }
      if (token_ != Token::end_array) fail_at("array", Token::end_array);
    }
    --depth_;
  }

  void read_object(Json& to) {
    to = Json(Json::Kind::object);
    enter();
    if (next() != Token::end_object) {
      while (true) {
        if (token_ != Token::value_string) fail_at("object key", Token::value_string);
        JsonMember& member = to.members().emplace_back();
        member.name = std::move(lexer_.get_string());
        if (next() != Token::name_separator) fail_at("object separator", Token::name_separator);
        next();
        read_value(member.value);
        if (next() != Token::value_separator) break;
        next();
      }
      if (token_ != Token::end_object) fail_at("object", Token::end_object);
    }
    order(to.members());
    --depth_;
  }

  void enter() {
    if (++depth_ > limits_.max_depth)
      fail(where_, "JSON nested deeper than the limit of ", limits_.max_depth);
  }

  /// By name, to be found by halving.
  void order(std::vector<JsonMember>& members) const {
    const std::size_t count = members.size();
    const auto places = std::make_unique<JsonMember*[]>(count);
    for (std::size_t i = 0; i < count; ++i) places[i] = &members[i];
    // qsort, as std::sort takes longer to compile than all the rest of this.
    std::qsort(places.get(), count, sizeof(JsonMember*), [](const void* a, const void* b) {
      return (*static_cast<JsonMember* const*>(a))
          ->name.compare((*static_cast<JsonMember* const*>(b))->name);
    });
    std::vector<JsonMember> ordered;
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0 && places[i]->name == ordered.back().name)
        fail(where_, "duplicate key ", in_quotes(places[i]->name));
      JsonMember& member = ordered.emplace_back();
      member.name.swap(places[i]->name);
      member.value = std::move(places[i]->value);
    }
    members = std::move(ordered);
  }

  [[noreturn, gnu::cold]] VITRAIL_NOINLINE void fail_at(std::string_view part, Token expected) {
    const auto at = lexer_.get_position();
    std::string found = token_ == Token::parse_error
                            ? join(std::string_view(lexer_.get_error_message()), "; last read: '",
                                   lexer_.get_token_string(), "'")
                            : join("unexpected ", Lexer::token_type_name(token_));
    if (expected != Token::uninitialized)
      found += join("; expected ", Lexer::token_type_name(expected));
    fail(where_, "not valid JSON: ",
         one_line(join("parse error at line ", at.lines_read + 1, ", column ",
                       at.chars_read_current_line, ": syntax error while parsing ", part, " - ",
                       found)));
  }

  Lexer lexer_;
  Token token_ = Token::uninitialized;
  std::string_view where_;
  const Limits& limits_;
  std::uint64_t depth_ = 0;
};

}  // namespace detail

/// Parses one document. Throws Error with the position for bad syntax, duplicate keys, nesting
/// beyond `limits.max_depth` or a text beyond `limits.max_header_bytes`; `where` is usually the
/// file's name.
[[nodiscard]] inline Json parse_json(std::string_view text, std::string_view where,
                                     const Limits& limits = {}) {
  if (text.size() > limits.max_header_bytes)
    fail(where, "JSON of ", text.size(), " bytes, the limit is ", limits.max_header_bytes);
  return detail::JsonParser(text, where, limits).document();
}

template <class Theirs>
requires requires(const Theirs& value) { value.dump(), value.is_discarded(); }
Json::Json(const Theirs& value) : Json(parse_json(value.dump(), "JSON")) {}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_JSON_PARSER_HPP
