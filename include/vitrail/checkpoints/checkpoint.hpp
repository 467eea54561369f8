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

VITRAIL_BEGIN_NAMESPACE

/// How a publisher's tools call one of our stages: {"forward_features", "last_hidden_state"}.
struct StageName {
  std::string_view ours;
  std::string_view theirs;
};

struct Checkpoint {
  CheckpointFiles files;
  std::string publisher;  // "timm", "Hugging Face", ...
  NameTable names = {};
  ViTConfig config = {};
  std::optional<PreprocessConfig> preprocess = {};  // nothing: neither a config nor a table tells
  std::vector<std::string> labels = {};             // (K), or empty
  std::vector<StageName> stage_names = {};          // the ones that differ from ours
  std::vector<std::string> unused = {};  // names that belong to the format and are not needed
  std::map<std::string, std::string> because =
      {};  // field -> where it came from: "config.json", "timm's table", "default"

  [[nodiscard]] const std::string& path() const { return files.tensors.path(); }

  /// The publisher's name for one of our stages.
  [[nodiscard]] std::string stage_name(std::string_view ours) const {
    for (const StageName& stage : stage_names) {
      if (stage.ours == ours) return std::string(stage.theirs);
    }
    return std::string(ours);
  }
};

/// One publisher: how its files are recognised, and how they are read. The detector holds the list.
struct Publisher {
  std::string_view name;
  bool (*recognises)(const NamedTensors& tensors);
  Checkpoint (*open)(CheckpointFiles files, const LoadOptions& options);
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_CHECKPOINT_HPP
