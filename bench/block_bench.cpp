// One encoder block of Ti, S, B and L: between the single operations and the models.
#include <shapes.hpp>
#include <support.hpp>
#include <vitrail/models/operations.hpp>
#include <vitrail/models/random_parameters.hpp>

namespace {

using namespace vitrail;
using namespace vitrail_bench;

ViTConfig config_of(const Model& model) {
  ViTConfig config;
  config.embed_dim = model.D;
  config.heads = model.A;
  config.head_dim = model.D / model.A;
  config.mlp_hidden = model.hidden();
  return config;
}

void block_bench(benchmark::State& state, const Model& model, Index batch, Precision precision,
                 int threads) {
  const ViTConfig config = config_of(model);
  Threads with(threads);
  RandomParameters<float> parameters(1, precision, with.pool);
  EncoderBlock<float> block;
  detail::load_block<float>(config, parameters, 0, block);
  const auto input = random_matrix(batch * model.T, model.D, 2);
  auto x = random_matrix(batch * model.T, model.D, 2);
  block(x.view(), batch, with.context);
  // Each pass starts from the same tokens: a block adds to them, again and again would overflow.
  Rate rate(precision);
  for ([[maybe_unused]] auto _ : state) {
    copy(input.view(), x.view());
    block(x.view(), batch, with.context);
  }
  rate.report(state, static_cast<double>(batch) * block_operations(config, model.T), threads);
}

}  // namespace

int main(int argc, char** argv) {
  for (const Model& model : models) {
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
      for (const Index batch : {Index{1}, Index{8}}) {
        for (const int threads : {1, 2}) {
          const std::string name = std::string(model.name) + "/" + std::string(name_of(precision)) +
                                   "/batch:" + std::to_string(batch) +
                                   "/threads:" + std::to_string(threads);
          benchmark::RegisterBenchmark(name.c_str(), block_bench, model, batch, precision, threads)
              ->UseRealTime();
        }
      }
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
