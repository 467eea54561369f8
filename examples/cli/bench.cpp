// vitrail bench: how fast a model runs here, and how much of this machine that is.

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <vitrail/models/operations.hpp>
#include <vitrail/models/random_parameters.hpp>
#include <vitrail/ops/peak.hpp>
#include <vitrail/vitrail.hpp>

#include "commands.hpp"
#include "options.hpp"

namespace {

using namespace vitrail;

struct BenchOptions {
  ModelOptions model;
  std::string preset = "vit_base_patch16_224";
  Index batch = 1;
  double seconds = 3;
  bool json = false;
};

ViT<float> bench_model(const BenchOptions& options, Executor& executor) {
  LoadOptions load_options = options.model.load_options();
  load_options.executor = &executor;
  if (!options.model.path.empty())
    return load_vit<float>(open_checkpoint(options.model.path, load_options), load_options);
  const Preset& preset = detail::timm_preset(options.preset, "--preset");
  const ViTConfig config = make_config(preset, options.preset);
  const auto weights =
      static_cast<std::size_t>(12 * config.depth * config.embed_dim * config.embed_dim);  // about
  RandomParameters<float> parameters(1, load_options.precision, executor, weights * sizeof(float),
                                     load_options.int8_width);
  ViT<float> vit = ViT<float>::load(config, parameters);
  if (load_options.image_height > 0)
    vit.set_image_size(load_options.image_height, load_options.image_width);
  return vit;
}

int bench(const BenchOptions& options) {
  const std::unique_ptr<Executor> executor = make_executor(options.model.threads);
  Stopwatch watch;
  const ViT<float> vit = bench_model(options, *executor);
  const double load_ms = watch.lap();
  const ViTConfig& c = vit.config();
  Tensor<float, 4> pixels({options.batch, c.channels, c.image_height, c.image_width});
  for (Index i = 0; i < pixels.count(); ++i)
    pixels.data()[i] = static_cast<float>(i * 37 % 255) / 127.5F - 1.0F;
  Tensor<float, 2> features({options.batch, c.feature_dim()});
  Tensor<float, 2> logits({options.batch, c.classes});
  Workspace workspace;
  const Context context{*executor, workspace};
  const ViTOutputs<float> out{.logits = logits, .features = features};
  // The first pass sizes the workspace; a small model moves its weights to large pages after eight.
  watch.lap();
  double warming = 0;
  for (int pass = 0; pass < 10 && warming <= options.seconds * 500; ++pass) {
    vit.forward(pixels, out, context);
    warming += watch.lap();
  }

  const Precision precision = options.model.load_options().precision;
  const double operations = static_cast<double>(options.batch) *
                            picture_operations(c, vit.tokens_for(c.image_height, c.image_width));
  std::vector<double> times;
  std::vector<double> peaks;   // of a pass: operations per second around it
  std::vector<double> shares;  // of that
  double before = measure_burst(precision, *executor);
  double spent = 0;
  while (spent < options.seconds * 1000 || times.size() < 5) {
    watch.lap();
    vit.forward(pixels, out, context);
    times.push_back(watch.lap());
    spent += times.back();
    // The peak is measured right before and after each pass: both see the machine at one speed.
    const double after = measure_burst(precision, *executor);
    peaks.push_back((before + after) / 2);
    shares.push_back(operations / (times.back() / 1000) / std::max(peaks.back(), 1.0));
    before = after;
  }
  std::sort(times.begin(), times.end());
  std::sort(peaks.begin(), peaks.end());
  std::sort(shares.begin(), shares.end());
  const double median_ms = times[times.size() / 2];
  const double min_ms = times.front();
  const double gflops = operations / median_ms / 1e6;
  const double peak_gflops = peaks[peaks.size() / 2] / 1e9;
  const double share = peak_gflops > 0 ? shares[shares.size() / 2] : 0;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const double rss_mib = static_cast<double>(usage.ru_maxrss) / 1024;

  if (!options.json) {
    std::printf("%s, %lld x %lld, batch %lld, %d threads, %s\n", c.architecture.c_str(),
                static_cast<long long>(c.image_height), static_cast<long long>(c.image_width),
                static_cast<long long>(options.batch), executor->concurrency(),
                options.model.precision.c_str());
    std::printf(
        "  load         %8.1f ms\n  median       %8.2f ms of %zu passes\n  least        %8.2f ms\n",
        load_ms, median_ms, times.size(), min_ms);
    std::printf(
        "  pictures/s   %8.2f\n  GFLOP/s      %8.1f, %.0f %% of the %.1f that the cores reach in "
        "multiply-adds alone\n",
        1000 * static_cast<double>(options.batch) / median_ms, gflops, 100 * share, peak_gflops);
    std::printf("  peak memory  %8.1f MiB\n", rss_mib);
    return 0;
  }
  const nlohmann::json object = {
      {"model", c.architecture},
      {"batch", options.batch},
      {"threads", executor->concurrency()},
      {"precision", options.model.precision},
      {"load_ms", load_ms},
      {"median_ms", median_ms},
      {"min_ms", min_ms},
      {"images_per_s", 1000 * static_cast<double>(options.batch) / median_ms},
      {"gflops", gflops},
      {"peak_gflops", peak_gflops},
      {"share_of_peak", share},
      {"rss_mib", rss_mib}};
  std::cout << object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  return 0;
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand(
      "bench", "How fast a model runs here, and how much of this machine that is");
  add_model_options(*command, options->model, false);
  command->get_option("--model")->description("A checkpoint, instead of a preset");
  for (const char* flag : {"--arch", "--heads", "--gelu", "--eps", "--position-resample", "--patch",
                           "--pad", "--lenient", "--fidelity", "--overlay", "--group"})
    command->get_option(flag)->needs("--model");  // a preset settles all of these
  command->add_option("--preset", options->preset, "A published architecture with random weights")
      ->capture_default_str()
      ->excludes("--model");
  command->add_option("--batch", options->batch, "Pictures in one pass")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--seconds", options->seconds, "How long to repeat")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  command->add_flag(
      "--json", options->json,
      "One JSON object, with median_ms, min_ms, images_per_s, gflops, peak_gflops, rss_mib");
  command->callback([options, &exit_code] { exit_code = bench(*options); });
}
