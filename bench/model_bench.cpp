// Whole models, Ti S B L at 224 and 384, with random weights: pictures in, logits out.
#include <memory>
#include <support.hpp>
#include <vitrail/models/operations.hpp>
#include <vitrail/models/presets.hpp>
#include <vitrail/models/random_parameters.hpp>

namespace {

using namespace vitrail;
using namespace vitrail_bench;

/// The model of a preset, kept while the benches that follow ask for the same one.
const ViT<float>& model_of(const std::string& preset, Precision precision) {
  static std::string kept;
  static std::unique_ptr<ViT<float>> vit;
  const std::string wanted = preset + std::string(name_of(precision));
  if (kept != wanted) {
    vit.reset();
    SerialExecutor serial;
    RandomParameters<float> parameters(1, precision, serial);
    vit = std::make_unique<ViT<float>>(
        ViT<float>::load(make_config(*find_preset(preset), preset), parameters));
    kept = wanted;
  }
  return *vit;
}

void model_bench(benchmark::State& state, const std::string& preset, Index side, Index batch,
                 Precision precision, int threads) {
  const ViT<float>& vit = model_of(preset, precision);
  const ViTConfig& c = vit.config();
  const auto random = random_matrix(batch, c.channels * side * side, 2);
  const TensorView<const float, 4> pixels =
      random.view().reshape<4>({batch, c.channels, side, side});
  Tensor<float, 2> logits({batch, c.classes});
  Threads with(threads);
  const ViTOutputs<float> out{.logits = logits};
  vit.forward(pixels, out, with.context);  // sizes the workspace
  Rate rate(precision);
  for ([[maybe_unused]] auto _ : state) vit.forward(pixels, out, with.context);
  const double operations = picture_operations(c, vit.tokens_for(side, side));
  rate.report(state, static_cast<double>(batch) * operations, threads);
  state.counters["pictures/s"] = benchmark::Counter(static_cast<double>(state.iterations() * batch),
                                                    benchmark::Counter::kIsRate);
}

void add(const std::string& name, const std::string& size, Index side, Precision precision) {
  const std::string preset = "vit_" + size + "_patch16_" + std::to_string(side);
  for (const Index batch : {Index{1}, Index{8}}) {
    for (const int threads : {1, 2}) {
      const std::string full = name + "_" + std::to_string(side) + "/" +
                               std::string(name_of(precision)) + "/batch:" + std::to_string(batch) +
                               "/threads:" + std::to_string(threads);
      benchmark::RegisterBenchmark(full.c_str(), model_bench, preset, side, batch, precision,
                                   threads)
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (const Index side : {Index{224}, Index{384}}) {
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
      add("Ti", "tiny", side, precision);
      add("S", "small", side, precision);
      add("B", "base", side, precision);
      add("L", "large", side, precision);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
