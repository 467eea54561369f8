// Text in constant tables.
#ifndef VITRAIL_LITERAL_HPP
#define VITRAIL_LITERAL_HPP

#include <cstddef>
#include <string_view>
#include <vitrail/macros.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// A string literal as a string_view whose length comes from its type: the compiler need not count
/// the characters of tables of thousands of names.
struct Literal : std::string_view {
  template <std::size_t N>
  constexpr Literal(const char (&text)[N])  // NOLINT(google-explicit-constructor)
      : std::string_view(text, N - 1) {}
};

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_LITERAL_HPP
