// usage: bench_error [PRESETS]
// How far f32 is from doubles at real sizes: the differences between the logits of ViT<float> and
// ViT<double>, which is the plain definition, on random weights whose logits have unit variance.
#include <cmath>
#include <cstdio>
#include <string>
#include <support.hpp>
#include <vector>
#include <vitrail/models/presets.hpp>
#include <vitrail/models/random_parameters.hpp>

namespace {

using namespace vitrail;

template <Scalar T>
Tensor<T, 2> logits_of(const std::string& preset, const Context& context) {
  RandomParameters<T> parameters(1, Precision::f32, context.executor);
  const ViT<T> vit = ViT<T>::load(make_config(*find_preset(preset), preset), parameters);
  const ViTConfig& c = vit.config();
  const Tensor<float, 2> random =
      vitrail_bench::random_matrix(2, c.channels * c.image_height * c.image_width, 2);
  Tensor<T, 4> pixels({2, c.channels, c.image_height, c.image_width});
  std::transform(random.flat().begin(), random.flat().end(), pixels.data(),
                 [](float value) { return static_cast<T>(value); });
  Tensor<T, 2> logits({2, c.classes});
  vit.forward(pixels.view(), {.logits = logits.view()}, context);
  return logits;
}

void report(const std::string& preset, const Context& context) {
  const Tensor<float, 2> fast = logits_of<float>(preset, context);
  const Tensor<double, 2> exact = logits_of<double>(preset, context);
  double largest = 0;
  double squares = 0;
  for (Index i = 0; i < exact.count(); ++i) {
    const double difference = static_cast<double>(fast.data()[i]) - exact.data()[i];
    largest = std::max(largest, std::abs(difference));
    squares += difference * difference;
  }
  std::printf("%-24s largest %.1e   root of the mean square %.2e\n", preset.c_str(), largest,
              std::sqrt(squares / static_cast<double>(exact.count())));
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<std::string> presets(arguments + 1, arguments + count);
  if (presets.empty())
    presets = {"vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch16_224"};
  const vitrail_bench::Threads threads(2);
  try {
    for (const std::string& preset : presets) {
      if (find_preset(preset) == nullptr) fail("bench_error", "there is no preset ", preset);
      report(preset, threads.context);
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
