// What lies in a checkpoint's folder: the tensors, the publisher's configs, and the names they were
// found under.
#ifndef VITRAIL_CHECKPOINTS_FILES_HPP
#define VITRAIL_CHECKPOINTS_FILES_HPP

#include <filesystem>
#include <optional>
#include <string>
#include <vector>
#include <vitrail/io/json.hpp>
#include <vitrail/io/tensor_file.hpp>

VITRAIL_BEGIN_NAMESPACE

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
inline std::string find_weights(const std::filesystem::path& folder) {
  for (const char* name : {"model.safetensors", "model.safetensors.index.json", "model.npz",
                           "open_clip_model.safetensors", "pytorch_model.bin"}) {
    std::error_code absent;
    if (std::filesystem::is_regular_file(folder / name, absent)) return (folder / name).string();
  }
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string kind = entry.path().extension().string();
    for (const char* wanted : {".safetensors", ".npz", ".pth", ".pt", ".bin"}) {
      if (kind == wanted) found.push_back(entry.path().string());
    }
  }
  if (error) fail(folder.string(), "cannot list the folder: ", error.message());
  if (found.size() == 1) return found.front();
  fail(folder.string(),
       found.empty() ? "no model.safetensors, model.npz or pytorch_model.bin in this folder"
                     : "several weight files in this folder, expected one; name the file itself");
}

}  // namespace detail

/// Opens a checkpoint: a folder as published, or one file, beside which a config.json counts too.
/// Throws Error when there are no weights or a file is malformed.
[[nodiscard]] inline CheckpointFiles open_checkpoint_files(const std::string& path,
                                                           const Limits& limits,
                                                           const TorchOptions& torch = {}) {
  std::error_code error;
  const bool is_folder = std::filesystem::is_directory(path, error);
  const std::filesystem::path folder =
      is_folder ? std::filesystem::path(path) : std::filesystem::path(path).parent_path();
  CheckpointFiles files{
      open_tensor_file(is_folder ? detail::find_weights(folder) : path, limits, torch),
      {},
      {},
      {},
      {}};
  const auto read = [&](const char* name) -> std::optional<ConfigFile> {
    const std::filesystem::path file = folder / name;
    // A link to nowhere is there: a model without its config would be another model.
    std::error_code error_of_status;
    if (std::filesystem::symlink_status(file, error_of_status).type() ==
        std::filesystem::file_type::not_found)
      return std::nullopt;
    return ConfigFile{file.string(), read_json(file.string(), limits)};
  };
  files.config = read("config.json");
  files.preprocessor_config = read("preprocessor_config.json");
  files.open_clip_config = read("open_clip_config.json");
  files.adapter_config = read("adapter_config.json");
  return files;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_FILES_HPP
