// One program for every compiler and every flag: a model is loaded, run on each level this
// processor has and in each precision, and once more in double; the answers agree. usage:
// representative MODEL
#include <cmath>
#include <cstdio>
#include <vitrail/vitrail.hpp>

namespace {

using namespace vitrail;

/// The largest difference, or infinity when a number is none.
double difference(std::span<const float> a, std::span<const double> b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - b[i]);
    largest = d <= largest ? largest : d;
    if (std::isnan(d)) return HUGE_VAL;
  }
  return largest;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) return 2;
  const Checkpoint checkpoint = open_checkpoint(argv[1], {});
  Image picture(28, 28);
  for (Index y = 3; y < 25; ++y) std::fill_n(picture.row(y) + 3 * 9, 3 * 10, std::uint8_t{180});
  const Tensor<float, 3> pixels = preprocess(picture, preprocess_for(checkpoint, {}));

  SerialExecutor serial;
  Workspace workspace;
  const ViT<double> oracle = load_vit<double>(checkpoint, {});
  const Index K = oracle.config().classes;
  Tensor<double, 4> exact({1, pixels.extent(0), pixels.extent(1), pixels.extent(2)});
  for (Index i = 0; i < pixels.count(); ++i)
    exact.data()[i] = static_cast<double>(pixels.data()[i]);
  Tensor<double, 2> expected({1, K});
  oracle.forward(exact, {.logits = expected}, {serial, workspace});

  int failures = 0;
  ThreadPool pool(2);
  for (std::size_t level = 0; level < cpu().supports.size(); ++level) {
    if (!cpu().supports[level]) continue;
    const ScopedCpuLevel scope(static_cast<CpuLevel>(level));
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
      const Classifier model = load(argv[1], {.precision = precision});
      const Tensor<float, 2> logits = model.logits(std::span<const Image>(&picture, 1), &pool);
      const double found = difference(logits.flat(), expected.flat());
      const double allowed = precision == Precision::f32 ? 2e-5 : 0.5;
      if (found <= allowed) continue;
      ++failures;
      std::printf("%s %s: differs by %g\n", std::string(cpu_level_names[level]).c_str(),
                  std::string(name_of(precision)).c_str(), found);
    }
  }
  try {
    (void)load("no such model");
    ++failures;
  } catch (const Error&) {
  }
  return failures == 0 ? 0 : 1;
} catch (const vitrail::Error& error) {
  std::printf("%s\n", error.what());
  return 1;
}
