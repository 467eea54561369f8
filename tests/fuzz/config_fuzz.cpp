// The publishers' JSON: config.json and preprocessor_config.json beside tensors that are in order.
//
//   | number of a checkpoint in tests/golden | config | 0 | preprocessor config |
//
// open_clip's own config stands for the first one where the checkpoint is open_clip's.
#include <algorithm>
#include <filesystem>
#include <vitrail/checkpoints/load.hpp>

namespace {

using namespace vitrail;

/// The golden checkpoints, in the order of their names.
std::vector<CheckpointFiles> golden_checkpoints() {
  std::vector<std::string> folders;
  for (const auto& entry : std::filesystem::directory_iterator(VITRAIL_GOLDEN_DIR))
    for (const char* name : {"model.safetensors", "model.npz"})
      if (std::filesystem::exists(entry.path() / name)) folders.push_back(entry.path().string());
  std::sort(folders.begin(), folders.end());
  std::vector<CheckpointFiles> checkpoints;
  for (const std::string& folder : folders)
    checkpoints.push_back(open_checkpoint_files(folder, {}));
  return checkpoints;
}

std::optional<ConfigFile> config_of(std::string_view text, const char* name) {
  if (text.empty()) return std::nullopt;
  return ConfigFile{name, parse_json(text, name)};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<CheckpointFiles> checkpoints = golden_checkpoints();
  if (size == 0) return 0;
  const CheckpointFiles& golden = checkpoints[data[0] % checkpoints.size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t zero = std::min(text.find('\0'), text.size());
  try {
    CheckpointFiles files{golden.tensors, {}, {}, {}, {}};
    (golden.open_clip_config ? files.open_clip_config : files.config) =
        config_of(text.substr(0, zero), "config.json");
    files.preprocessor_config =
        config_of(text.substr(std::min(zero + 1, text.size())), "preprocessor_config.json");
    const Checkpoint checkpoint = open_checkpoint(std::move(files), {});
    const PreprocessConfig recipe = preprocess_for(checkpoint, {});
    (void)recipe.describe();
    const Image picture(5, 7);
    const auto [height, width] = preprocessed_size(5, 7, recipe);
    if (height * width <= 1 << 14) (void)preprocess(picture, recipe);
  } catch (const Error&) {
  }
  return 0;
}
