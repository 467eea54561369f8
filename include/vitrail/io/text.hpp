// Names out of files, made fit for a one-line message: quoted, cut, without control characters.
#ifndef VITRAIL_IO_TEXT_HPP
#define VITRAIL_IO_TEXT_HPP

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>
#include <vitrail/error.hpp>
#include <vitrail/macros.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// The order of names in maps and sets: less<> out of line, as every lookup compiles it anew.
struct NameLess {
  using is_transparent = void;
  VITRAIL_NOINLINE bool operator()(std::string_view a, std::string_view b) const { return a < b; }
};

namespace detail {

/// `text` without control characters, at most `limit` bytes of it.
[[nodiscard]] inline std::string one_line(std::string_view text, std::size_t limit = 200) {
  std::string line(text.substr(0, limit));
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  if (text.size() > limit) line += "...";
  return line;
}

/// 'text', for names inside messages.
[[nodiscard]] inline std::string in_quotes(std::string_view text) {
  return join("'", one_line(text), "'");
}

[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Levenshtein's distance between two names; gives up (and returns `limit`) once it reaches
/// `limit`.
[[nodiscard]] inline std::size_t edit_distance(std::string_view a, std::string_view b,
                                               std::size_t limit) {
  const std::size_t gap = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (gap >= limit) return limit;
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    std::size_t least = row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
      least = std::min(least, row[j]);
    }
    if (least >= limit) return limit;
  }
  return std::min(row[b.size()], limit);
}

}  // namespace detail
VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_TEXT_HPP
