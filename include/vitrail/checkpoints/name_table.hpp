// One publisher's names for our tensors: a table, and how an entry's elements are laid out.
//
//   {"blocks.{}.attn.qkv.weight", "~encoder.layer.{}.attention.{query,key,value}.weight"}
//
// `{}` stands for the block's number, `~` for the prefix that this file uses, and a list in braces
// for tensors that are joined row below row. An entry "0" in such a list is a part that is zero and
// not stored.
#ifndef VITRAIL_CHECKPOINTS_NAME_TABLE_HPP
#define VITRAIL_CHECKPOINTS_NAME_TABLE_HPP

#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include <vitrail/macros.hpp>

VITRAIL_BEGIN_NAMESPACE

/// How the stored elements relate to ours.
enum class Layout {
  same,        // in our order, though perhaps in other extents: (H, hd) for (D)
  transposed,  // (K, N) for (N, K), either side perhaps split: flax's (D, H, hd)
  hwio         // (P, P, C, D) for (D, C, P, P): flax's convolutions
};

struct NameRule {
  std::string_view ours;
  std::string_view theirs;
  Layout layout = Layout::same;
};

/// Where one of our tensors is to be found.
struct TensorSource {
  std::vector<std::string> names;  // joined row below row; "" for a part of zeros
  Layout layout = Layout::same;
};

class NameTable {
 public:
  NameTable() = default;
  NameTable(std::string prefix, std::vector<NameRule> rules)
      : prefix_(std::move(prefix)), rules_(std::move(rules)) {}

  /// Where `ours` is, or nothing when the publisher has no such tensor. A table without rules is
  /// the identity.
  [[nodiscard]] std::optional<TensorSource> find(std::string_view ours) const {
    if (rules_.empty()) return TensorSource{{prefix_ + std::string(ours)}, Layout::same};
    const auto [pattern, number] = split_number(ours);
    for (const NameRule& rule : rules_) {
      if (rule.ours == "*") return TensorSource{{prefix_ + std::string(ours)}, Layout::same};
      if (rule.ours == pattern) return TensorSource{expand(rule.theirs, number), rule.layout};
    }
    return std::nullopt;
  }

 private:
  struct Numbered {
    std::string pattern;
    std::string number;
  };

  /// "blocks.12.norm1.bias" -> {"blocks.{}.norm1.bias", "12"}.
  static Numbered split_number(std::string_view ours) {
    constexpr std::string_view stem = "blocks.";
    if (!ours.starts_with(stem)) return {std::string(ours), ""};
    const std::size_t end = ours.find('.', stem.size());
    return {std::string(stem) + "{}" + std::string(ours.substr(end)),
            std::string(ours.substr(stem.size(), end - stem.size()))};
  }

  [[nodiscard]] std::vector<std::string> expand(std::string_view theirs,
                                                const std::string& number) const {
    std::vector<std::string> names{""};
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < theirs.size(); ++i) {
      if (theirs[i] == '~') {
        for (std::string& name : names) name += prefix_;
      } else if (theirs[i] != '{') {
        for (std::string& name : names) name += theirs[i];
      } else {
        const std::size_t end = theirs.find('}', i);
        const std::string_view list = theirs.substr(i + 1, end - i - 1);
        if (!list.empty()) parts = split(list);
        if (!list.empty()) names.resize(parts.size(), names.front());
        for (std::size_t n = 0; n < names.size(); ++n) names[n] += list.empty() ? number : parts[n];
        i = end;
      }
    }
    for (std::size_t n = 0; n < parts.size(); ++n) {
      if (parts[n] == "0") names[n].clear();
    }
    return names;
  }

  static std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin <= list.size();) {
      const std::size_t comma = std::min(list.find(',', begin), list.size());
      parts.emplace_back(list.substr(begin, comma - begin));
      begin = comma + 1;
    }
    return parts;
  }

  std::string prefix_;
  std::vector<NameRule> rules_;
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_NAME_TABLE_HPP
