// What a publisher makes of a file: configuration, names, preprocessing, labels, and why each is
// what it is.
#ifndef VITRAIL_CHECKPOINTS_CHECKPOINT_HPP
#define VITRAIL_CHECKPOINTS_CHECKPOINT_HPP

#include <map>
#include <optional>
#include <string>
#include <vector>
#include <vitrail/checkpoints/files.hpp>
#include <vitrail/checkpoints/name_table.hpp>
#include <vitrail/checkpoints/options.hpp>
#include <vitrail/image/preprocess.hpp>
#include <vitrail/models/swin_config.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// What of a stage (B, T, D) or (B, D) a publisher's tools hand out.
enum class StagePart {
  whole,
  class_row,       // (B, D)
  prefix_rows,     // (B, prefix, D)
  register_rows,   // (B, registers, D)
  patch_rows,      // (B, N, D)
  class_and_mean,  // (B, 2D): the class token beside the mean of the patches
  flat_grid,       // (B, h, w, D) as (B, h * w, D)
  unit_length,     // each row divided by its Euclidean length
  unbatched        // without its first extent, which is 1
};

/// How a publisher's tools call one of our stages: {"forward_features", "last_hidden_state"}. `{}`
/// and {-1}, {+1} stand for a number in our name, `*` for the rest of it; {last} is the depth. A
/// stage may have several such names; one that has none keeps ours.
struct StageName {
  const char* ours;  // a literal: nothing that goes away fits in here
  const char* theirs;
  StagePart part = StagePart::whole;
};

/// Where each field of a configuration came from: field -> "config.json", "timm's table", ...
class Reasons {
 public:
  Reasons() = default;
  VITRAIL_NOINLINE Reasons(
      std::initializer_list<std::pair<std::string_view, std::string_view>> reasons) {
    for (const auto& [field, reason] : reasons) set(field, reason);
  }

  VITRAIL_NOINLINE void set(std::string_view field, std::string_view reason) {
    for (auto& [known, text] : reasons_) {
      if (known == field) return void(text = reason);
    }
    reasons_.emplace_back(field, reason);
  }
  void set_if_new(std::string_view field, std::string_view reason) {
    if (find(field) == nullptr) set(field, reason);
  }
  /// Nullptr when nothing is known of `field`.
  [[nodiscard]] const std::string* find(std::string_view field) const {
    for (const auto& [known, text] : reasons_) {
      if (known == field) return &text;
    }
    return nullptr;
  }
  [[nodiscard]] bool says(std::string_view field, std::string_view reason) const {
    const std::string* const said = find(field);
    return said != nullptr && *said == reason;
  }
  [[nodiscard]] bool empty() const { return reasons_.empty(); }

 private:
  std::vector<std::pair<std::string, std::string>> reasons_;
};

struct Checkpoint {
  VITRAIL_NOINLINE Checkpoint(CheckpointFiles opened, std::string_view who)
      : files(std::move(opened)), publisher(who) {}
  VITRAIL_NOINLINE Checkpoint(Checkpoint&&) = default;
  VITRAIL_NOINLINE Checkpoint& operator=(Checkpoint&&) = default;
  VITRAIL_NOINLINE ~Checkpoint() = default;

  CheckpointFiles files;
  std::string publisher;  // "timm", "Hugging Face", ...
  NameTable names = {};
  ViTConfig config = {};
  std::optional<SwinConfig> swin = {};              // a Swin; `config` is then its last stage
  std::optional<PreprocessConfig> preprocess = {};  // nothing: neither a config nor a table tells
  std::vector<std::string> labels = {};             // (K), or empty
  std::vector<StageName> stage_names = {};          // the ones that differ from ours
  std::vector<std::string_view> elsewhere = {};  // stages of its publisher's that other parts give
  std::vector<std::string> unused = {};  // names that belong to the format and are not needed
  Reasons because = {};                  // where each field came from

  [[nodiscard]] const std::string& path() const { return files.tensors.path(); }
};

/// Rules for files that have a tensor called `probe` below their prefix; "": for all.
struct NameRules {
  std::string_view probe;
  std::span<const NameRule> rules;
};

/// Adds the rules of `sets` that are for these tensors, in their order.
VITRAIL_NOINLINE inline void add_rules(const NamedTensors& tensors, std::span<const NameRules> sets,
                                       NameTable& names) {
  for (const NameRules& set : sets) {
    if (set.probe.empty() || tensors.contains(names.prefix(), set.probe)) names.add(set.rules);
  }
}

/// The first of `prefixes` below which the file has both names; nothing when there is none.
[[nodiscard]] VITRAIL_NOINLINE inline std::optional<std::string> find_prefix(
    const NamedTensors& tensors, std::span<const char* const> prefixes, std::string_view one,
    std::string_view other) {
  for (const char* prefix : prefixes) {
    if (tensors.contains(prefix, one) && tensors.contains(prefix, other)) return prefix;
  }
  return std::nullopt;
}

/// One publisher: how its files are recognised, and how they are read. The detector holds the list.
struct Publisher {
  std::string_view name;
  bool (*recognises)(const NamedTensors& tensors);
  Checkpoint (*open)(CheckpointFiles files, const LoadOptions& options);
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_CHECKPOINT_HPP
