// vitrail classify: the most likely classes of each picture, with a bar for each.

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vitrail/image/decode.hpp>
#include <vitrail/vitrail.hpp>

#include "commands.hpp"
#include "options.hpp"

namespace {

using namespace vitrail;

struct ClassifyOptions {
  ModelOptions model;
  std::vector<std::string> pictures;
  std::size_t top = 5;
  std::string labels;
  bool json = false;
  bool exif = false;
};

/// Milliseconds of each step of one picture.
struct Timing {
  double decode = 0;
  double resize = 0;
  double encode = 0;
};

/// One label a line. Throws Error unless there are `classes` of them.
std::vector<std::string> read_labels(const std::string& path, Index classes) {
  const MappedFile file(path, ReadMode::copy);
  std::istringstream lines{std::string(vitrail::detail::as_text(file.bytes()))};
  std::vector<std::string> labels;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) labels.push_back(line);
  }
  if (static_cast<Index>(labels.size()) != classes) {
    fail(path, "has " + std::to_string(labels.size()) + " labels, the model has " +
                   std::to_string(classes) + " classes");
  }
  return labels;
}

void print_text(const std::string& picture, const std::vector<Prediction>& predictions,
                const Timing& timing) {
  std::printf("%s\n", shown(picture).c_str());
  constexpr int width = 24;
  for (const auto& [label, probability, index] : predictions) {
    const int filled = static_cast<int>(probability * width + 0.5F);
    std::printf("  %5.1f %%  %s%s  %s\n", 100.0 * static_cast<double>(probability),
                std::string(static_cast<std::size_t>(filled), '#').c_str(),
                std::string(static_cast<std::size_t>(width - filled), '.').c_str(),
                shown(label).c_str());
  }
  std::printf("  decode %.1f ms, resize %.1f ms, encode %.1f ms\n", timing.decode, timing.resize,
              timing.encode);
}

void print_json(const std::string& picture, const std::vector<Prediction>& predictions,
                const Timing& timing) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& [label, probability, index] : predictions) {
    list.push_back({{"label", label}, {"probability", probability}, {"index", index}});
  }
  const nlohmann::json object = {{"file", picture},
                                 {"predictions", list},
                                 {"decode_ms", timing.decode},
                                 {"resize_ms", timing.resize},
                                 {"encode_ms", timing.encode}};
  std::cout << object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

int classify(const ClassifyOptions& options) {
  const std::vector<std::string> pictures = expand_pictures(options.pictures);
  const std::unique_ptr<Executor> executor = make_executor(options.model.threads);
  LoadOptions load_options = options.model.load_options();
  load_options.executor = executor.get();
  Stopwatch watch;
  const Checkpoint checkpoint = open_checkpoint(options.model.model_path(), load_options);
  const PreprocessConfig preprocess_config = preprocess_for(checkpoint, load_options);
  const VisionModel<float> vit = load_model<float>(checkpoint, load_options);
  const double load_ms = watch.lap();
  const Index classes = vit.config().classes;
  if (classes == 0)
    fail(checkpoint.path(), "has no classifier; `vitrail embed` writes its features");
  const std::vector<std::string> labels =
      options.labels.empty() ? checkpoint.labels : read_labels(options.labels, classes);

  Workspace workspace;
  const Context context{*executor, workspace};
  Tensor<float, 2> logits({1, classes});
  std::vector<std::string> failures;
  Progress progress(pictures.size());
  for (const std::string& picture : pictures) {
    try {
      Timing timing;
      watch.lap();
      const Image image = read_image(picture, {.apply_exif_orientation = options.exif});
      timing.decode = watch.lap();
      const Tensor<float, 3> pixels = preprocess(image, preprocess_config, *executor);
      timing.resize = watch.lap();
      vit.forward(as_batch(pixels), {.logits = logits}, context);
      timing.encode = watch.lap();
      progress.hide();
      const auto predictions = top_k(logits.flat(), options.top, labels);
      (options.json ? print_json : print_text)(picture, predictions, timing);
    } catch (const Error& error) {
      failures.emplace_back(error.what());
    }
    check_standard_output();
    progress.step();
  }
  progress.hide();
  if (!options.json) {
    std::printf("%s (%s): load %.1f ms, %d threads\n",
                shown(checkpoint.config.architecture).c_str(), checkpoint.publisher.c_str(),
                load_ms, executor->concurrency());
  }
  for (const std::string& failure : failures) std::cerr << "vitrail: " << failure << '\n';
  if (failures.size() > 1) {
    std::cerr << "vitrail: " << failures.size() << " of " << pictures.size()
              << " pictures failed\n";
  }
  return failures.empty() ? 0 : 1;
}

}  // namespace

void add_classify(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ClassifyOptions>();
  CLI::App* command = app.add_subcommand("classify", "Name what is in each picture");
  command
      ->add_option("pictures", options->pictures, "Pictures (JPEG, PNG, PPM), or folders of them")
      ->required();
  add_model_options(*command, options->model, false);
  command->add_option("--top", options->top, "How many classes to show")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--labels", options->labels,
                      "A file with one label a line, instead of the model's");
  command->add_flag("--json", options->json, "One JSON object a picture");
  command->add_flag("--exif", options->exif, "Turn pictures as their EXIF orientation says");
  command->callback([options, &exit_code] { exit_code = classify(*options); });
}
