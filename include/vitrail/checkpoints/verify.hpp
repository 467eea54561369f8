// A checkpoint against the outputs stored beside it: the proof that a file is read as its publisher
// meant it.
//
// The folder holds the checkpoint, `input*.safetensors` with pixel_values, and
// `expected*.safetensors` with the stages of the reference under the publisher's names. What stands
// after the first word names the case: `expected_96x96` goes with `input_96x96`; the words zoom,
// timmnpz, bicubic and bilinear ask for a resampler (google, timm's npz, torchvision's two).
#ifndef VITRAIL_CHECKPOINTS_VERIFY_HPP
#define VITRAIL_CHECKPOINTS_VERIFY_HPP

#include <cmath>
#include <filesystem>
#include <limits>
#include <vitrail/checkpoints/load.hpp>

VITRAIL_BEGIN_NAMESPACE

/// One expected tensor and what became of it.
struct Comparison {
  std::string file;  // "expected_96x96.safetensors"
  std::string name;  // "hidden_states.2"
  Shape expected;
  std::optional<Shape> found;  // nothing: the model has no such stage
  double difference = 0;       // largest |found - expected| / max(1, largest |expected|)
  double tolerance = 0;
  bool is_answer = false;  // logits or pooled features: these must be there

  [[nodiscard]] bool ok() const {
    if (!found) return !is_answer;
    return *found == expected && difference <= tolerance;
  }
};

/// Largest |found - expected| over equal counts, relative to max(1, largest |expected|); infinite
/// where one is not a number.
[[nodiscard]] inline double largest_difference(const AnyView& found, const AnyView& expected) {
  Tensor<double, 1> a({found.shape.count()});
  Tensor<double, 1> b({expected.shape.count()});
  found.convert_to(a.flat());
  expected.convert_to(b.flat());
  double largest = 0;
  double scale = 1;
  for (Index i = 0; i < a.count(); ++i) {
    const double gap = std::abs(a(i) - b(i));
    if (std::isnan(gap)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, gap);
    scale = std::max(scale, std::abs(b(i)));
  }
  return largest / scale;
}

namespace detail {

/// Logits, pooled features, embeddings: what a user acts on.
inline bool is_answer_name(std::string_view name) {
  for (const char* part : {"logits", "pooled", "pooler_output", "embeds"}) {
    if (name.find(part) != std::string_view::npos) return true;
  }
  return false;
}

/// The words of a file's name after `stem`: {"zoom", "96x96"} of expected_zoom_96x96.safetensors.
inline std::vector<std::string> words_after(const std::filesystem::path& file,
                                            std::string_view stem) {
  std::vector<std::string> words;
  std::string rest = file.stem().string().substr(stem.size());
  while (!rest.empty()) {
    const std::size_t begin = rest.front() == '_' ? 1 : 0;
    const std::size_t end = std::min(rest.find('_', begin), rest.size());
    words.push_back(rest.substr(begin, end - begin));
    rest.erase(0, end);
  }
  return words;
}

inline std::optional<PositionRule> rule_in(const std::vector<std::string>& words) {
  constexpr std::pair<const char*, PositionRule> rules[] = {
      {"zoom", PositionRule::google},
      {"timmnpz", PositionRule::timm_npz},
      {"bicubic", PositionRule::torchvision},
      {"bilinear", PositionRule::torchvision_bilinear}};
  for (const auto& [word, rule] : rules) {
    if (std::find(words.begin(), words.end(), word) != words.end()) return rule;
  }
  return std::nullopt;
}

/// The .safetensors files of a folder whose names start with `stem`, sorted.
inline std::vector<std::filesystem::path> files_starting(const std::string& folder,
                                                         const char* stem) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const bool starts = entry.path().filename().string().starts_with(stem);
    if (starts && entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  if (error) fail(folder, "cannot list the folder: ", error.message());
  if (files.empty()) fail(folder, "no ", stem, "*.safetensors in this folder");
  std::sort(files.begin(), files.end());
  return files;
}

/// The input that goes with an expected file: the one of the same words, else the one whose size is
/// among them.
inline std::string input_for(const std::string& folder, const std::vector<std::string>& words) {
  std::string same_size;
  for (const std::filesystem::path& file : files_starting(folder, "input")) {
    const std::vector<std::string> has = words_after(file, "input");
    if (has == words) return file.string();
    if (!has.empty() && std::find(words.begin(), words.end(), has.back()) != words.end())
      same_size = file.string();
  }
  if (same_size.empty()) fail(folder, "no input file goes with the expected outputs");
  return same_size;
}

}  // namespace detail

/// Runs the checkpoint in `folder` at every resolution it has outputs for. `tolerance` 0: 2e-5 on
/// logits and pooled features, 5e-5 on every other stage. Throws Error when the folder or the
/// checkpoint cannot be read.
[[nodiscard]] inline std::vector<Comparison> verify_checkpoint(const std::string& folder,
                                                               const LoadOptions& options,
                                                               Executor& executor,
                                                               double tolerance = 0) {
  std::vector<Comparison> comparisons;
  Workspace workspace;
  for (const std::filesystem::path& file : detail::files_starting(folder, "expected")) {
    const std::vector<std::string> words = detail::words_after(file, "expected");
    LoadOptions with_rule = options;
    if (!with_rule.position_rule) with_rule.position_rule = detail::rule_in(words);
    const Checkpoint checkpoint = open_checkpoint(folder, with_rule);
    const ViT<float> vit = load_vit<float>(checkpoint, with_rule);
    const TensorFile input = open_tensor_file(detail::input_for(folder, words));
    Trace trace;
    vit.forward(input.at("pixel_values").to<float, 4>(), {}, {executor, workspace}, &trace);
    for (const auto& [name, expected] : open_tensor_file(file.string())) {
      const bool is_answer = detail::is_answer_name(name) || name == "pre_logits";
      Comparison comparison{.file = file.filename().string(),
                            .name = name,
                            .expected = expected.shape,
                            .found = {},
                            .tolerance = tolerance > 0 ? tolerance
                                         : is_answer   ? 2e-5
                                                       : 5e-5,
                            .is_answer = is_answer};
      for (const auto& [stage, tensor] : trace.stages()) {
        if (checkpoint.stage_name(stage) != name) continue;
        comparison.found = tensor.shape();
        if (tensor.shape() == expected.shape)
          comparison.difference = largest_difference(tensor.view(), expected);
      }
      comparisons.push_back(std::move(comparison));
    }
  }
  return comparisons;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_VERIFY_HPP
