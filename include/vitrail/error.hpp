// The one exception of the library, and the one function that throws it: where, what was found,
// what was expected.
#ifndef VITRAIL_ERROR_HPP
#define VITRAIL_ERROR_HPP

#include <concepts>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vitrail/macros.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// The world is not as it should be: a file, a format, a shape, a label. `what()` is one line,
/// ready to show: "model.safetensors: blocks.3.attn.qkv.weight is (2304, 768), config needs (1536,
/// 512)".
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

/// A piece of a message: text, or an integer to be written out. Two words wide, so that building
/// one costs a check little code.
class MessagePart {
 public:
  MessagePart(std::string_view text)  // NOLINT(google-explicit-constructor)
      : text_(text.data()), size_(text.size()) {}
  MessagePart(const char* text)  // NOLINT(google-explicit-constructor)
      : MessagePart(std::string_view(text)) {}
  MessagePart(const std::string& text)  // NOLINT(google-explicit-constructor)
      : MessagePart(std::string_view(text)) {}
  MessagePart(char) = delete;  // write "x" for 'x': a char would be shown as its number
  template <std::integral I>
  MessagePart(I number)  // NOLINT(google-explicit-constructor)
      : number_(static_cast<unsigned long long>(number)),
        size_(std::is_signed_v<I> ? signed_number : unsigned_number) {}

  void append_to(std::string& message) const {
    if (size_ == signed_number) {
      message += std::to_string(static_cast<long long>(number_));
    } else if (size_ == unsigned_number) {
      message += std::to_string(number_);
    } else {
      message.append(text_, size_);
    }
  }

 private:
  static constexpr std::size_t signed_number = std::string_view::npos;
  static constexpr std::size_t unsigned_number = signed_number - 1;

  union {
    const char* text_;
    unsigned long long number_;
  };
  std::size_t size_;  // of the text, or one of the two above
};

VITRAIL_NOINLINE inline std::string join_parts(std::initializer_list<MessagePart> parts) {
  std::string text;
  for (const MessagePart& part : parts) part.append_to(text);
  return text;
}

[[noreturn, gnu::cold, gnu::noinline]] inline void throw_error(
    std::string_view where, std::initializer_list<MessagePart> parts) {
  std::string message(where);
  message += ": ";
  message += join_parts(parts);
  // Paths and names out of files may hold what would break the line, or speak to a terminal.
  for (char& c : message)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  throw Error(message);
}

}  // namespace detail

// One function for each usual number of parts, rather than one for each combination of their types:
// a program that loads a model has hundreds of those.

/// Text and integers, one after the other: join("blocks.", 3, ".norm1"). Put together out of line:
/// a chain of `+` is compiled anew, with every way it may throw, wherever it is written.
[[nodiscard]] VITRAIL_NOINLINE inline std::string join(detail::MessagePart a,
                                                       detail::MessagePart b) {
  return detail::join_parts({a, b});
}
[[nodiscard]] VITRAIL_NOINLINE inline std::string join(detail::MessagePart a, detail::MessagePart b,
                                                       detail::MessagePart c) {
  return detail::join_parts({a, b, c});
}
[[nodiscard]] VITRAIL_NOINLINE inline std::string join(detail::MessagePart a, detail::MessagePart b,
                                                       detail::MessagePart c,
                                                       detail::MessagePart d) {
  return detail::join_parts({a, b, c, d});
}
[[nodiscard]] VITRAIL_NOINLINE inline std::string join(detail::MessagePart a, detail::MessagePart b,
                                                       detail::MessagePart c, detail::MessagePart d,
                                                       detail::MessagePart e) {
  return detail::join_parts({a, b, c, d, e});
}
template <class... Parts>
requires(sizeof...(Parts) < 2 || sizeof...(Parts) > 5) [[nodiscard]] inline std::string
    join(const Parts&... parts) {
  return detail::join_parts({detail::MessagePart(parts)...});
}

/// Throws Error("where: parts..."): text and integers, one after the other. Every failure of the
/// library passes through here. The parts are joined out of line, so that a check costs its caller
/// a comparison and a call.
[[noreturn, gnu::cold]] VITRAIL_NOINLINE inline void fail(std::string_view where,
                                                          detail::MessagePart a) {
  detail::throw_error(where, {a});
}
[[noreturn, gnu::cold]] VITRAIL_NOINLINE inline void fail(std::string_view where,
                                                          detail::MessagePart a,
                                                          detail::MessagePart b) {
  detail::throw_error(where, {a, b});
}
[[noreturn, gnu::cold]] VITRAIL_NOINLINE inline void fail(std::string_view where,
                                                          detail::MessagePart a,
                                                          detail::MessagePart b,
                                                          detail::MessagePart c) {
  detail::throw_error(where, {a, b, c});
}
[[noreturn, gnu::cold]] VITRAIL_NOINLINE inline void fail(std::string_view where,
                                                          detail::MessagePart a,
                                                          detail::MessagePart b,
                                                          detail::MessagePart c,
                                                          detail::MessagePart d) {
  detail::throw_error(where, {a, b, c, d});
}
[[noreturn, gnu::cold]] VITRAIL_NOINLINE inline void fail(
    std::string_view where, detail::MessagePart a, detail::MessagePart b, detail::MessagePart c,
    detail::MessagePart d, detail::MessagePart e) {
  detail::throw_error(where, {a, b, c, d, e});
}
[[noreturn, gnu::cold]] VITRAIL_NOINLINE inline void fail(
    std::string_view where, detail::MessagePart a, detail::MessagePart b, detail::MessagePart c,
    detail::MessagePart d, detail::MessagePart e, detail::MessagePart f) {
  detail::throw_error(where, {a, b, c, d, e, f});
}
template <class... Parts>
requires(sizeof...(Parts) > 6)
    [[noreturn, gnu::cold]] inline void fail(std::string_view where, const Parts&... parts) {
  detail::throw_error(where, {detail::MessagePart(parts)...});
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_ERROR_HPP
