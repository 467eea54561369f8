// What lies in a checkpoint's folder: the tensors, the publisher's configs, and the names they were
// found under.
#ifndef VITRAIL_CHECKPOINTS_FILES_HPP
#define VITRAIL_CHECKPOINTS_FILES_HPP

#include <optional>
#include <string>
#include <vector>
#include <vitrail/io/folder.hpp>
#include <vitrail/io/json.hpp>
#include <vitrail/io/tensor_file.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

struct ConfigFile {
  std::string path;
  Json json;
};

struct CheckpointFiles {
  NamedTensors tensors;
  std::optional<ConfigFile> config;               // config.json
  std::optional<ConfigFile> preprocessor_config;  // preprocessor_config.json
  std::optional<ConfigFile> open_clip_config;     // open_clip_config.json
  std::optional<ConfigFile> adapter_config;       // adapter_config.json, beside an overlay too
};

namespace detail {

/// The weights in a folder: the usual names first, else the only file of a usual kind.
[[nodiscard]] inline std::string find_weights(const std::string& folder) {
  for (const char* name : {"model.safetensors", "model.safetensors.index.json", "model.npz",
                           "open_clip_model.safetensors", "pytorch_model.bin"}) {
    if (std::string path = path_in(folder, name); is_file(path)) return path;
  }
  std::string found;
  std::size_t count = 0;
  for (const std::string& name : names_in(folder)) {
    for (const char* kind : {".safetensors", ".npz", ".pth", ".pt", ".bin"}) {
      if (!name.ends_with(kind) || name == kind) continue;
      found = path_in(folder, name);
      ++count;
    }
  }
  if (count == 1) return found;
  fail(folder, count == 0
                   ? "no model.safetensors, model.npz or pytorch_model.bin in this folder"
                   : "several weight files in this folder, expected one; name the file itself");
}

/// The JSON `name` in `folder`, or nothing when there is none.
[[nodiscard]] VITRAIL_NOINLINE inline std::optional<ConfigFile> find_config(
    const std::string& folder, const char* name, const Limits& limits) {
  const std::string path = path_in(folder, name);
  // A link to nowhere is there: a model without its config would be another model.
  if (!is_there(path)) return std::nullopt;
  return ConfigFile{path, read_json(path, limits)};
}

}  // namespace detail

/// Opens a checkpoint: a folder as published, or one file, beside which a config.json counts too.
/// Throws Error when there are no weights or a file is malformed.
[[nodiscard]] inline CheckpointFiles open_checkpoint_files(const std::string& path,
                                                           const Limits& limits,
                                                           const TorchOptions& torch = {}) {
  const bool is_folder = detail::is_folder(path);
  const std::string folder = is_folder ? path : detail::folder_of(path);
  return {open_tensor_file(is_folder ? detail::find_weights(folder) : path, limits, torch),
          detail::find_config(folder, "config.json", limits),
          detail::find_config(folder, "preprocessor_config.json", limits),
          detail::find_config(folder, "open_clip_config.json", limits),
          detail::find_config(folder, "adapter_config.json", limits)};
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_FILES_HPP
