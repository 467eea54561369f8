// One publisher's names for our tensors: a table, and how an entry's elements are laid out.
//
//   {"blocks.{}.attn.qkv.weight", "~encoder.layer.{}.attention.{query,key,value}.weight"}
//
// `{}` stands for the numbers in our name, one after the other ({+1} and {-1} for their
// neighbours),
// `~` for the prefix that this file uses, `^` for what it calls a block, and a list in braces for
// tensors that are joined row below row. An entry "0" in such a list is a part that is zero and not
// stored. A rule may take rows of the stored tensor only; a name without the number that ours has
// is a tensor that stacks all blocks: block i is row i.
#ifndef VITRAIL_CHECKPOINTS_NAME_TABLE_HPP
#define VITRAIL_CHECKPOINTS_NAME_TABLE_HPP

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>
#include <vitrail/io/text.hpp>
#include <vitrail/literal.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// How the stored elements relate to ours.
enum class Layout {
  same,        // in our order, though perhaps in other extents: (H, hd) for (D)
  transposed,  // (K, N) for (N, K), either side perhaps split: flax's (D, H, hd)
  hwio,        // (P, P, C, D) for (D, C, P, P): flax's convolutions
  pixels_last  // (D, P, P, C) for (D, C, P, P): patches flattened pixel by pixel
};

struct NameRule {
  detail::Literal ours;
  detail::Literal theirs;
  Layout layout = Layout::same;
  std::int64_t begin = 0;  // rows [begin, end) of the stored tensor; 0, 0: all
  std::int64_t end = 0;
};

/// Where one of our tensors is to be found.
struct TensorSource {
  std::vector<std::string> names;  // joined row below row; "" for a part of zeros
  Layout layout = Layout::same;
  std::int64_t begin = 0;  // as in NameRule
  std::int64_t end = 0;
};

class NameTable {
 public:
  VITRAIL_NOINLINE NameTable() = default;
  VITRAIL_NOINLINE NameTable(NameTable&&) = default;
  VITRAIL_NOINLINE NameTable& operator=(NameTable&&) = default;
  VITRAIL_NOINLINE ~NameTable() = default;
  explicit NameTable(std::string_view prefix, std::span<const NameRule> rules = {},
                     std::string_view block = {})
      : prefix_(prefix), block_(block) {
    add(rules);
  }

  /// Adds rules behind those that are there: the first that fits a name decides.
  VITRAIL_NOINLINE void add(std::span<const NameRule> rules) {
    for (const NameRule& rule : rules) rules_.push_back(rule);
  }
  /// Adds a tensor whose name no pattern gives; it goes before the rules.
  VITRAIL_NOINLINE void add(std::string ours, TensorSource source) {
    const auto place = single_.emplace(std::move(ours), sources_.size()).first;
    place->second = sources_.size();
    sources_.push_back(std::move(source));
  }

  [[nodiscard]] const std::string& prefix() const { return prefix_; }

  /// Where `ours` is, or nothing when the publisher has no such tensor. A table without rules is
  /// the identity.
  [[nodiscard]] VITRAIL_NOINLINE std::optional<TensorSource> find(std::string_view ours) const {
    if (const auto found = single_.find(ours); found != single_.end())
      return sources_[found->second];
    if (rules_.empty()) return TensorSource{{prefix_ + std::string(ours)}};
    const auto [pattern, numbers] = split_numbers(ours);
    for (const NameRule& rule : rules_) {
      if (rule.ours == "*") return TensorSource{{prefix_ + std::string(ours)}};
      if (rule.ours != pattern) continue;
      TensorSource source{{}, rule.layout, rule.begin, rule.end};
      if (expand(rule.theirs, numbers, source.names) == 0 && !numbers.empty()) {
        source.begin = numbers.front();
        source.end = numbers.front() + 1;
      }
      return source;
    }
    return std::nullopt;
  }

 private:
  struct Numbered {
    std::string pattern;
    std::vector<std::int64_t> numbers;
  };

  /// "blocks.12.norm1.bias" -> {"blocks.{}.norm1.bias", {12}}.
  static Numbered split_numbers(std::string_view ours) {
    Numbered result;
    for (std::size_t begin = 0; begin <= ours.size();) {
      const std::size_t end = std::min(ours.find('.', begin), ours.size());
      const std::string_view word = ours.substr(begin, end - begin);
      const bool is_number = !word.empty() && word.size() < 9 &&
                             word.find_first_not_of("0123456789") == std::string_view::npos;
      if (is_number) result.numbers.push_back(std::stoll(std::string(word)));
      result.pattern += is_number ? std::string_view("{}") : word;
      if (end < ours.size()) result.pattern += '.';
      begin = end + 1;
    }
    return result;
  }

  /// The names that `theirs` stands for; returns how many of the numbers are in them.
  std::size_t expand(std::string_view theirs, const std::vector<std::int64_t>& numbers,
                     std::vector<std::string>& names) const {
    std::string pattern;
    for (const char c : theirs) {
      if (c == '~') pattern += prefix_;
      if (c == '^') pattern += block_;
      if (c != '~' && c != '^') pattern += c;
    }
    names.clear();
    names.push_back(std::string());
    std::vector<std::string> parts;
    std::size_t used = 0;
    for (std::size_t i = 0; i < pattern.size();) {
      const std::size_t open = std::min(pattern.find('{', i), pattern.size());
      append(pattern.substr(i, open - i), names);
      if (open == pattern.size()) break;
      const std::size_t close = pattern.find('}', open);
      const std::string list = pattern.substr(open + 1, close - open - 1);
      i = close + 1;
      if (list.empty() || list == "+1" || list == "-1") {
        const std::int64_t shift = list.empty() ? 0 : list == "+1" ? 1 : -1;
        append(std::to_string(numbers.at(used++) + shift), names);
      } else {
        parts = split(list);
        while (names.size() > parts.size()) names.pop_back();
        while (names.size() < parts.size()) names.push_back(std::string(names.front()));
        for (std::size_t n = 0; n < names.size(); ++n) names[n] += parts[n];
      }
    }
    for (std::size_t n = 0; n < parts.size(); ++n) {
      if (parts[n] == "0") names[n].clear();
    }
    return used;
  }

  VITRAIL_NOINLINE static void append(const std::string& text, std::vector<std::string>& names) {
    for (std::string& name : names) name += text;
  }

  static std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin <= list.size();) {
      const std::size_t comma = std::min(list.find(',', begin), list.size());
      parts.push_back(std::string(list.substr(begin, comma - begin)));
      begin = comma + 1;
    }
    return parts;
  }

  std::string prefix_;
  std::string block_;
  std::vector<NameRule> rules_;
  std::map<std::string, std::size_t, NameLess> single_;  // places in sources_
  std::vector<TensorSource> sources_;
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_NAME_TABLE_HPP
