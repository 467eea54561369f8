// A checkpoint against the outputs that its publisher's own code gave: stored beside it as
// expected*.safetensors for input*.safetensors, at any number of picture sizes.
//
//   expected.safetensors            pixel_values of input.safetensors, the checkpoint as it is
//   expected_96x96.safetensors      input_96x96.safetensors, positions resampled
//   expected_zoom_96x96.safetensors the same with the resampler that the name tells
#ifndef VITRAIL_CHECKPOINTS_VERIFY_HPP
#define VITRAIL_CHECKPOINTS_VERIFY_HPP

#include <algorithm>
#include <filesystem>
#include <vitrail/checkpoints/load.hpp>
#include <vitrail/checkpoints/stages.hpp>

VITRAIL_BEGIN_NAMESPACE

/// One stored tensor and what became of it.
struct Verdict {
  std::string file;  // "expected_96x96.safetensors"
  std::string name;
  Shape shape;            // expected
  double difference = 0;  // largest |found - expected| / max(1, largest |expected|)
  double allowed = 0;
  std::string problem = {};  // why there is nothing to compare, or ""
  bool failed = false;
};

struct VerifyResult {
  std::string publisher;
  std::string architecture;
  std::vector<Verdict> verdicts;

  [[nodiscard]] std::size_t failures() const {
    return static_cast<std::size_t>(
        std::count_if(verdicts.begin(), verdicts.end(), [](const Verdict& v) { return v.failed; }));
  }
  /// Of everything that was compared.
  [[nodiscard]] double largest_difference() const {
    double largest = 0;
    for (const Verdict& verdict : verdicts) largest = std::max(largest, verdict.difference);
    return largest;
  }
};

/// Largest |found - expected| over equal shapes, relative to max(1, largest |expected|); infinity
/// where a value is infinite or not a number.
[[nodiscard]] inline double largest_difference(const AnyView& found, const AnyView& expected) {
  Tensor<double, 1> a({found.shape.count()});
  Tensor<double, 1> b({expected.shape.count()});
  found.convert_to(a.flat());
  expected.convert_to(b.flat());
  double largest = 0;
  double scale = 1;
  for (Index i = 0; i < a.count(); ++i) {
    const double gap = std::abs(a(i) - b(i));
    if (!std::isfinite(gap)) return HUGE_VAL;
    largest = std::max(largest, gap);
    scale = std::max(scale, std::abs(b(i)));
  }
  return largest / scale;
}

/// Outputs that a user acts on: no more than 2e-5 off, and never left out.
[[nodiscard]] inline bool is_answer(std::string_view name) {
  for (const std::string_view part :
       {"logits", "pooled", "pooler_output", "pre_logits", "embeds", "image_features"}) {
    if (name.find(part) != std::string_view::npos) return true;
  }
  return false;
}

namespace detail {

/// The words of a file's name after "expected" or "input", such as {"zoom", "96x96"}.
[[nodiscard]] inline std::vector<std::string> words_of(const std::filesystem::path& file,
                                                       const std::string& stem) {
  std::vector<std::string> words;
  const std::string rest = file.stem().string().substr(stem.size());
  for (std::size_t begin = 0; begin < rest.size();) {
    const std::size_t end = std::min(rest.find('_', begin + 1), rest.size());
    if (rest[begin] == '_') ++begin;
    words.push_back(rest.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

/// The resampler that a file's name asks for, if any.
[[nodiscard]] inline std::optional<PositionRule> rule_of(const std::vector<std::string>& words) {
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

/// The files of a folder that begin with `stem`, sorted.
[[nodiscard]] inline std::vector<std::filesystem::path> files_named(
    const std::filesystem::path& folder, const std::string& stem) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const bool fits = entry.path().filename().string().starts_with(stem);
    if (fits && entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) fail(folder.string(), "no ", stem, "*.safetensors in this folder");
  return files;
}

/// The input of an expected file: the one of the same words, else the one whose last word, the
/// size, is among them.
[[nodiscard]] inline std::filesystem::path input_for(const std::filesystem::path& folder,
                                                     const std::vector<std::string>& words) {
  std::filesystem::path best;
  for (const std::filesystem::path& file : files_named(folder, "input")) {
    const std::vector<std::string> has = words_of(file, "input");
    if (has == words) return file;
    if (!has.empty() && std::find(words.begin(), words.end(), has.back()) != words.end())
      best = file;
  }
  if (best.empty()) fail(folder.string(), "no input file for these expected outputs");
  return best;
}

[[nodiscard]] inline Verdict judge(const Checkpoint& checkpoint,
                                   const std::vector<PublishedStage>& stages,
                                   const std::string& name, const AnyView& expected,
                                   double tolerance) {
  Verdict verdict{.file = {}, .name = name, .shape = expected.shape};
  verdict.allowed = tolerance > 0 ? tolerance : is_answer(name) ? 2e-5 : 5e-5;
  const auto found = std::find_if(stages.begin(), stages.end(),
                                  [&](const PublishedStage& stage) { return stage.name == name; });
  if (found == stages.end()) {
    const bool elsewhere = is_elsewhere(checkpoint, name);
    verdict.problem = elsewhere ? "another part of the publisher's model gives it"
                                : "this model gives no such output";
    verdict.failed = is_answer(name) && !elsewhere;
  } else if (!(found->tensor.shape() == expected.shape)) {
    verdict.problem = join("is ", found->tensor.shape().to_string());
    verdict.failed = true;
  } else {
    verdict.difference = largest_difference(found->tensor.view(), expected);
    verdict.failed = verdict.difference > verdict.allowed;
  }
  return verdict;
}

/// Every stage of a pass over `pixels`; but the answers are those of a pass that is asked for
/// nothing else, as classify asks: that one may go a shorter way.
[[nodiscard]] inline Trace traced(const VisionModel<float>& model, const Tensor<float, 4>& pixels,
                                  const Context& context) {
  Trace trace;
  model.forward(pixels, {}, context, &trace);
  const ViTConfig& config = model.config();
  Tensor<float, 2> features({pixels.extent(0), config.feature_dim()});
  Tensor<float, 2> logits({pixels.extent(0), config.classes});
  model.forward(pixels, {.logits = logits, .features = features}, context);
  trace.replace("pre_logits", AnyTensor(features.view()));
  trace.replace("logits", AnyTensor(logits.view()));
  return trace;
}

}  // namespace detail

/// Runs the checkpoint in `folder` on every stored input. `tolerance` 0: 2e-5 on answers (logits
/// and pooled features), 5e-5 elsewhere. Throws Error when the folder lacks a part or a checkpoint
/// cannot be loaded.
[[nodiscard]] inline VerifyResult verify_folder(const std::filesystem::path& folder,
                                                const LoadOptions& options, double tolerance,
                                                Executor& executor) {
  VerifyResult result;
  Workspace workspace;
  for (const std::filesystem::path& file : detail::files_named(folder, "expected")) {
    const std::vector<std::string> words = detail::words_of(file, "expected");
    LoadOptions load_options = options;
    load_options.executor = &executor;
    if (!load_options.position_rule) load_options.position_rule = detail::rule_of(words);
    const Checkpoint checkpoint = open_checkpoint(folder.string(), load_options);
    const auto model = load_model<float>(checkpoint, load_options);
    const TensorFile input = open_tensor_file(detail::input_for(folder, words).string());
    const Trace trace =
        detail::traced(model, input.at("pixel_values").to<float, 4>(), {executor, workspace});
    const std::vector<PublishedStage> stages = published_stages(checkpoint, trace);
    result.publisher = checkpoint.publisher;
    result.architecture = checkpoint.config.architecture;
    const TensorFile expected = open_tensor_file(file.string());
    for (const auto& [name, view] : expected) {
      result.verdicts.push_back(detail::judge(checkpoint, stages, name, view, tolerance));
      result.verdicts.back().file = file.filename().string();
    }
  }
  return result;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_VERIFY_HPP
