// A whole checkpoint: loaded, one tiny pass, an answer or one Error.
//
// The input describes a checkpoint rather than being one, so that mutations reach the code behind
// the reader (tensor_file_fuzz has the bytes of files):
//
//   config.json 0 preprocessor_config.json 0 tensors 0 values
//
// Each line of `tensors` is "name dtype extents": "norm.weight F32 8", "head.weight BF16 3,8"; a
// safetensors file is made of them, filled with `values` over and over.
#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vitrail/vitrail.hpp>

namespace {

using namespace vitrail;

/// What is before the next `end`, which is taken off `text` too.
std::string_view take(std::string_view& text, char end) {
  const std::size_t at = std::min(text.find(end), text.size());
  const std::string_view piece = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return piece;
}

/// A safetensors file; nothing when the description is none, or of more than a small model.
std::vector<std::byte> model_of(std::string_view tensors, std::string_view values) {
  constexpr std::size_t most_bytes = 1 << 20;
  nlohmann::json header = nlohmann::json::object();
  std::size_t offset = 0;
  while (!tensors.empty()) {
    std::string_view line = take(tensors, '\n');
    const std::string_view name = take(line, ' ');
    const std::string_view dtype = take(line, ' ');
    std::size_t bytes = dtype.ends_with("64")   ? 8
                        : dtype.ends_with("32") ? 4
                        : dtype.ends_with("16") ? 2
                                                : 1;
    nlohmann::json shape = nlohmann::json::array();
    while (!line.empty()) {
      const std::string extent(take(line, ','));
      const unsigned long long n = std::strtoull(extent.c_str(), nullptr, 10);
      if (n > most_bytes || bytes * n > most_bytes) return {};
      bytes *= static_cast<std::size_t>(n);
      shape.push_back(n);
    }
    if (offset + bytes > most_bytes || header.size() > 300) return {};
    if (header.contains(std::string(name))) continue;
    header[std::string(name)] = {
        {"dtype", dtype}, {"shape", shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  const std::string text = header.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  std::vector<std::byte> file(8 + text.size() + offset);
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<std::byte>(text.size() >> (8 * i));
  std::memcpy(file.data() + 8, text.data(), text.size());
  std::byte* const data = file.data() + 8 + text.size();
  for (std::size_t i = 0; i < offset && !values.empty(); ++i)
    data[i] = static_cast<std::byte>(values[i % values.size()]);
  return file;
}

std::optional<ConfigFile> config_of(std::string_view text, const char* name) {
  if (text.empty()) return std::nullopt;
  return ConfigFile{name, parse_json(text, name)};
}

void load_and_run(std::string_view input) {
  const std::string_view config = take(input, '\0');
  const std::string_view preprocessor = take(input, '\0');
  const std::string_view tensors = take(input, '\0');
  const std::vector<std::byte> bytes = model_of(tensors, input);
  if (bytes.empty()) return;
  const auto file = std::make_shared<const MappedFile>(std::span(bytes), "model.safetensors");
  CheckpointFiles files{detail::open_single_file(file, {}, {}), {}, {}, {}, {}};
  const bool open_clip = config.find("model_cfg") != std::string_view::npos;
  (open_clip ? files.open_clip_config : files.config) = config_of(config, "config.json");
  files.preprocessor_config = config_of(preprocessor, "preprocessor_config.json");
  const LoadOptions options{.lenient = true};
  const Checkpoint checkpoint = open_checkpoint(std::move(files), options);
  const VisionModel<float> model = load_model<float>(checkpoint, options);
  const ViTConfig& c = model.config();
  if (c.image_height * c.image_width > 1 << 14 || c.channels > 16) return;
  model.check_size(c.image_height, c.image_width);
  if (model.tokens_for(c.image_height, c.image_width) > 400 || c.heads > 64) return;
  Tensor<float, 4> pixels({1, c.channels, c.image_height, c.image_width});
  Tensor<float, 2> features({1, c.feature_dim()});
  SerialExecutor serial;
  Workspace workspace;
  model.forward(pixels, {.features = features}, {serial, workspace});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    load_and_run({reinterpret_cast<const char*>(data), size});
  } catch (const vitrail::Error&) {
  }
  return 0;
}
