// vitrail verify: a checkpoint against the outputs stored beside it.

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <vitrail/image/decode.hpp>
#include <vitrail/vitrail.hpp>

#include "commands.hpp"
#include "options.hpp"

namespace fs = std::filesystem;

namespace {

using namespace vitrail;

struct VerifyOptions {
  ModelOptions model;
  std::vector<std::string> folders;
  double tolerance = 0;  // 0: 2e-5 on logits and pooled features, 5e-5 elsewhere
};

/// What one folder has come to.
struct Tally {
  int compared = 0;
  int failed = 0;
};

/// Outputs that a user acts on: no more than 2e-5 off, and never left out.
bool is_answer(const std::string& name) {
  for (const char* part : {"logits", "pooled", "pooler_output", "pre_logits", "embeds"}) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

double tolerance_for(const std::string& name, double asked) {
  return asked > 0 ? asked : is_answer(name) ? 2e-5 : 5e-5;
}

/// Largest |a - b| over equal shapes, scaled by max(1, largest |b|); infinity where a value is not
/// a number.
double difference(const AnyView& found, const AnyView& expected) {
  Tensor<double, 1> a({found.shape.count()});
  Tensor<double, 1> b({expected.shape.count()});
  found.convert_to(a.flat());
  expected.convert_to(b.flat());
  double largest = 0;
  double scale = 1;
  for (Index i = 0; i < a.count(); ++i) {
    const double gap = std::abs(a(i) - b(i));
    largest = std::isnan(gap) ? HUGE_VAL : std::max(largest, gap);
    scale = std::max(scale, std::abs(b(i)));
  }
  return largest / scale;
}

void report(const std::string& name, const AnyView& found, const AnyView& expected, double asked,
            Tally& tally) {
  ++tally.compared;
  if (!(found.shape == expected.shape)) {
    ++tally.failed;
    std::printf("  %-32s FAILED: is %s, expected %s\n", name.c_str(),
                found.shape.to_string().c_str(), expected.shape.to_string().c_str());
    return;
  }
  const double gap = difference(found, expected);
  const double allowed = tolerance_for(name, asked);
  if (gap > allowed) ++tally.failed;
  std::printf("  %-32s %-18s max |difference| %.2e%s\n", name.c_str(),
              expected.shape.to_string().c_str(), gap, gap > allowed ? "  FAILED" : "");
}

void compare(const NamedTensors& expected, const Checkpoint& checkpoint, const Trace& trace,
             double asked, Tally& tally) {
  for (const auto& [name, wanted] : expected) {
    const AnyTensor* found = nullptr;
    for (const auto& [stage, tensor] : trace.stages()) {
      if (checkpoint.stage_name(stage) == name) found = &tensor;
    }
    if (found != nullptr) {
      report(name, found->view(), wanted, asked, tally);
    } else if (is_answer(name)) {
      ++tally.failed;
      std::printf("  %-32s FAILED: this model gives no such output\n", name.c_str());
    } else {
      std::printf("  %-32s not compared: this model gives no such output\n", name.c_str());
    }
  }
}

/// The words of a file's name after "expected" or "input", such as {"zoom", "96x96"}.
std::vector<std::string> words_of(const fs::path& file, const std::string& stem) {
  std::vector<std::string> words;
  std::string rest = file.stem().string().substr(stem.size());
  for (std::size_t begin = 0; begin < rest.size();) {
    const std::size_t end = std::min(rest.find('_', begin + 1), rest.size());
    if (rest[begin] == '_') ++begin;
    words.push_back(rest.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

/// The resampler that a file's name asks for, if any.
std::optional<PositionRule> rule_of(const std::vector<std::string>& words) {
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

/// The input of an expected file: the one of the same words, else the one whose last word, the
/// size, is among them.
fs::path input_for(const fs::path& folder, const std::vector<std::string>& words) {
  fs::path best;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("input") || entry.path().extension() != ".safetensors") continue;
    const std::vector<std::string> has = words_of(entry.path(), "input");
    if (has == words) return entry.path();
    if (!has.empty() && std::find(words.begin(), words.end(), has.back()) != words.end())
      best = entry.path();
  }
  if (best.empty()) fail(folder.string(), "no input file for these expected outputs");
  return best;
}

std::vector<fs::path> expected_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const bool is_expected = entry.path().filename().string().starts_with("expected");
    if (is_expected && entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) fail(folder.string(), "no expected*.safetensors in this folder");
  return files;
}

void verify_model(const fs::path& folder, const VerifyOptions& options, Executor& executor,
                  Tally& tally) {
  Workspace workspace;
  for (const fs::path& file : expected_files(folder)) {
    const std::vector<std::string> words = words_of(file, "expected");
    LoadOptions load_options = options.model.load_options();
    load_options.executor = &executor;
    if (!load_options.position_rule) load_options.position_rule = rule_of(words);
    const Checkpoint checkpoint = open_checkpoint(folder.string(), load_options);
    const ViT<float> vit = load_vit<float>(checkpoint, load_options);
    const TensorFile input = open_tensor_file(input_for(folder, words).string());
    Trace trace;
    vit.forward(input.at("pixel_values").to<float, 4>(), {}, {executor, workspace}, &trace);
    std::printf(" %s\n", file.filename().string().c_str());
    compare(open_tensor_file(file.string()), checkpoint, trace, options.tolerance, tally);
  }
}

/// A folder of pictures, the pixels they decode to, and what each recipe makes of them.
void verify_pictures(const fs::path& folder, const Json& recipes, double asked, Executor& executor,
                     Tally& tally) {
  const TensorFile decoded = open_tensor_file((folder / "decoded.safetensors").string());
  std::map<std::string, Image> pictures;
  for (const auto& [name, expected] : decoded) {
    const std::size_t slash = name.rfind('/');
    const std::string file = name.substr(0, slash);
    const bool turned = name.substr(slash + 1) == "rgb_exif_transposed";
    Image image = read_image((folder / file).string(), {.apply_exif_orientation = turned});
    ++tally.compared;
    if (!(image.view().shape() == expected.shape) ||
        difference(AnyTensor(image.view()).view(), expected) != 0) {
      ++tally.failed;
      std::printf("  %-32s FAILED: the pixels differ\n", name.c_str());
    }
    if (!turned) pictures.emplace(file, std::move(image));
  }
  std::printf(" decoded.safetensors: pixels of %d pictures\n", tally.compared);
  for (const auto& [recipe, json] : recipes.items()) {
    const PreprocessConfig config =
        parse_recipe(json, (folder / "config.json").string() + ": " + recipe);
    const TensorFile expected =
        open_tensor_file((folder / ("expected_" + recipe + ".safetensors")).string());
    double largest = 0;
    for (const auto& [name, wanted] : expected) {
      const std::string file = pictures.contains(name) ? name : name.substr(0, name.rfind('/'));
      const auto picture = pictures.find(file);
      if (picture == pictures.end())
        fail(expected.path(), "'" + name + "' is of a picture that was not decoded");
      const Tensor<float, 3> pixels = preprocess(picture->second, config, executor);
      ++tally.compared;
      const double gap = pixels.shape() == wanted.shape
                             ? difference(AnyTensor(pixels.view()).view(), wanted)
                             : HUGE_VAL;
      largest = std::max(largest, gap);
      if (gap > (asked > 0 ? asked : 1e-6)) {
        ++tally.failed;
        std::printf("  %-32s %s FAILED: max |difference| %.2e\n", recipe.c_str(), name.c_str(),
                    gap);
      }
    }
    std::printf("  %-32s %zu pictures        max |difference| %.2e\n", recipe.c_str(),
                expected.size(), largest);
  }
}

int verify(const VerifyOptions& options) {
  const std::unique_ptr<Executor> executor = make_executor(options.model.threads);
  std::vector<std::string> failures;
  for (const std::string& folder : options.folders) {
    Tally tally;
    std::printf("%s\n", folder.c_str());
    try {
      if (!fs::is_directory(folder)) fail(folder, "is no folder");
      const fs::path config = fs::path(folder) / "config.json";
      const Json json = fs::exists(config) ? read_json(config.string()) : Json::object();
      if (const Json* recipes = json_find(json, "pipelines")) {
        verify_pictures(folder, *recipes, options.tolerance, *executor, tally);
      } else {
        verify_model(folder, options, *executor, tally);
      }
      if (tally.failed > 0)
        failures.push_back(folder + ": " + std::to_string(tally.failed) + " of " +
                           std::to_string(tally.compared) + " tensors differ");
    } catch (const std::exception& error) {
      failures.emplace_back(error.what());
    }
    std::fflush(stdout);
  }
  for (const std::string& failure : failures) std::cerr << "vitrail: " << failure << '\n';
  std::printf("%zu of %zu folders agree\n", options.folders.size() - failures.size(),
              options.folders.size());
  return failures.empty() ? 0 : 1;
}

}  // namespace

void add_verify(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<VerifyOptions>();
  CLI::App* command =
      app.add_subcommand("verify", "Run a checkpoint against the outputs stored beside it");
  command
      ->add_option(
          "folders", options->folders,
          "Each with a checkpoint, input*.safetensors and expected*.safetensors; or with pictures, "
          "decoded.safetensors and a config.json of recipes")
      ->required();
  add_model_options(*command, options->model, false);
  command->get_option("--model")->group("");
  command
      ->add_option("--tolerance", options->tolerance,
                   "Largest difference, relative to max(1, largest value); default 2e-5 on logits "
                   "and pooled features, 5e-5 elsewhere")
      ->check(CLI::PositiveNumber);
  command->callback([options, &exit_code] { exit_code = verify(*options); });
}
