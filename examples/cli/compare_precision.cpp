// vitrail compare-precision: what bf16 and int8 cost on the user's own pictures, and what they
// gain.

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <vitrail/image/decode.hpp>
#include <vitrail/vitrail.hpp>

#include "commands.hpp"
#include "options.hpp"

namespace {

using namespace vitrail;

struct CompareOptions {
  ModelOptions model;
  std::vector<std::string> pictures;
  bool json = false;
  bool exif = false;
};

/// One precision's model, and its answers held against f32's.
struct Contestant {
  Precision precision = Precision::f32;
  VisionModel<float> model;
  Tensor<float, 2> logits;         // (1, K), of the picture at hand
  Tensor<float, 2> features;       // (1, F)
  std::vector<double> times = {};  // ms, one a picture
  double sum = 0;                  // of |difference| over all logits
  double largest = 0;
  double cosine = 0;  // summed over the pictures
  double least_cosine = 1;
  std::size_t same_top = 0;
};

double cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    aa += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    bb += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 1;
}

void compare(const Contestant& exact, Contestant& other) {
  const std::span<const float> expected = exact.logits.flat();
  const std::span<const float> found = other.logits.flat();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double difference =
        std::abs(static_cast<double>(found[i]) - static_cast<double>(expected[i]));
    other.sum += difference;
    other.largest = std::max(other.largest, difference);
  }
  const auto top = [](std::span<const float> logits) {
    return std::max_element(logits.begin(), logits.end()) - logits.begin();
  };
  if (top(expected) == top(found)) ++other.same_top;
  const double similarity = cosine(exact.features.flat(), other.features.flat());
  other.cosine += similarity;
  other.least_cosine = std::min(other.least_cosine, similarity);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

nlohmann::json as_json(const Contestant& c) {
  const auto count = static_cast<double>(c.times.size());
  nlohmann::json object = {{"precision", name_of(c.precision)},
                           {"cosine", c.cosine / count},
                           {"least_cosine", c.least_cosine},
                           {"median_ms", median(c.times)}};
  if (c.logits.count() > 0) {
    object["top1_agreement"] = static_cast<double>(c.same_top) / count;
    object["mean_difference"] = c.sum / count / static_cast<double>(c.logits.count());
    object["largest_difference"] = c.largest;
  }
  return object;
}

void print_table(const std::vector<Contestant>& contestants) {
  const bool classifies = contestants.front().logits.count() > 0;
  std::printf("%-9s", "");
  if (classifies) std::printf("  same top-1   mean |d logit|   largest");
  std::printf("   cosine of features (least)   ms/picture\n");
  for (const Contestant& c : contestants) {
    const auto count = static_cast<double>(c.times.size());
    std::printf("%-9s", std::string(name_of(c.precision)).c_str());
    if (classifies)
      std::printf("  %8.2f %%   %14.6f  %8.5f", 100 * static_cast<double>(c.same_top) / count,
                  c.sum / count / static_cast<double>(c.logits.count()), c.largest);
    std::printf("   %17.6f (%.6f)   %10.2f\n", c.cosine / count, c.least_cosine, median(c.times));
  }
}

int compare_precision(const CompareOptions& options) {
  const std::vector<std::string> pictures = expand_pictures(options.pictures);
  const std::unique_ptr<Executor> executor = make_executor(options.model.threads);
  LoadOptions load_options = options.model.load_options();
  load_options.executor = executor.get();
  const Checkpoint checkpoint = open_checkpoint(options.model.model_path(), load_options);
  const PreprocessConfig preprocess_config = preprocess_for(checkpoint, load_options);
  std::vector<Contestant> contestants;
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
    load_options.precision = precision;
    VisionModel<float> model = load_model<float>(checkpoint, load_options);
    const ViTConfig& c = model.config();
    Tensor<float, 2> logits({1, c.classes});
    Tensor<float, 2> features({1, c.feature_dim()});
    contestants.push_back({precision, std::move(model), std::move(logits), std::move(features)});
  }

  Workspace workspace;
  const Context context{*executor, workspace};
  std::vector<std::string> failures;
  Progress progress(pictures.size());
  for (const std::string& picture : pictures) {
    try {
      const Image image = read_image(picture, {.apply_exif_orientation = options.exif});
      const Tensor<float, 3> pixels = preprocess(image, preprocess_config, *executor);
      for (Contestant& c : contestants) {
        const ViTOutputs<float> out{.logits = c.logits, .features = c.features};
        c.model.forward(as_batch(pixels), out, context);  // warms the caches with its weights
        Stopwatch watch;
        c.model.forward(as_batch(pixels), out, context);
        c.times.push_back(watch.lap());
        compare(contestants.front(), c);
      }
    } catch (const Error& error) {
      failures.emplace_back(error.what());
    }
    progress.step();
  }
  progress.hide();
  const std::size_t compared = contestants.front().times.size();
  if (compared > 0 && options.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const Contestant& c : contestants) list.push_back(as_json(c));
    const nlohmann::json object = {{"model", checkpoint.config.architecture},
                                   {"pictures", compared},
                                   {"threads", executor->concurrency()},
                                   {"precisions", list}};
    std::cout << object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  } else if (compared > 0) {
    print_table(contestants);
    std::printf("%s, %zu pictures, %d threads; differences from f32\n",
                shown(checkpoint.config.architecture).c_str(), compared, executor->concurrency());
  }
  std::fflush(stdout);
  for (const std::string& failure : failures) std::cerr << "vitrail: " << failure << '\n';
  return failures.empty() ? 0 : 1;
}

}  // namespace

void add_compare_precision(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* command = app.add_subcommand(
      "compare-precision", "What bf16 and int8 cost on your pictures, and what they gain");
  command
      ->add_option("pictures", options->pictures, "Pictures (JPEG, PNG, PPM), or folders of them")
      ->required();
  add_model_options(*command, options->model, false);
  command->remove_option(command->get_option("--precision"));  // all of them
  command->add_flag("--json", options->json, "One JSON object");
  command->add_flag("--exif", options->exif, "Turn pictures as their EXIF orientation says");
  command->callback([options, &exit_code] { exit_code = compare_precision(*options); });
}
