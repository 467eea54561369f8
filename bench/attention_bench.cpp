// Attention at the shapes of Ti, S, B and L, against the plain definition through Eigen.
#include <shapes.hpp>
#include <support.hpp>
#include <vitrail/ops/attention.hpp>

namespace {

using namespace vitrail;
using namespace vitrail_bench;

/// `rotary`: q and k are turned by the positions of a square of patches behind one token.
void attention_bench(benchmark::State& state, const Model& model, Index batch, int threads,
                     bool plain, bool rotary) {
  const Index D = model.D;
  const auto qkv = random_matrix(batch * model.T, 3 * D, 1);
  const MatrixView<const float> all = qkv.view();
  AttentionInput<float> in{all.columns(0, D),
                           all.columns(D, 2 * D),
                           all.columns(2 * D, 3 * D),
                           batch,
                           model.A,
                           1 / std::sqrt(static_cast<float>(D / model.A))};
  Workspace tables;
  if (rotary) {
    const auto side = static_cast<Index>(std::lround(std::sqrt(static_cast<double>(model.T - 1))));
    in.rotary = make_rotary<float>(RotaryKind::eva, {side, side}, D / model.A, 16, {}, tables);
    in.prefix = 1;
  }
  Tensor<float, 2> y({batch * model.T, D});
  Tensor<float, 2> expected({batch * model.T, D});
  Threads with(threads);
  detail::plain_attention<float>(in, expected.view(), with.context);
  attention<float>(in, y.view(), with.context);
  double difference = 0;
  for (Index i = 0; i < y.count(); ++i) {
    difference =
        std::max(difference, static_cast<double>(std::abs(y.data()[i] - expected.data()[i])));
  }
  if (!agree(state, difference, 1e-5)) return;
  Rate rate(Precision::f32);
  for ([[maybe_unused]] auto _ : state) {
    if (plain) {
      detail::plain_attention<float>(in, y.view(), with.context);
    } else {
      attention<float>(in, y.view(), with.context);
    }
  }
  rate.report(state, 4.0 * static_cast<double>(batch * model.T * model.T * D), threads);
}

}  // namespace

int main(int argc, char** argv) {
  for (const Model& model : models) {
    const std::string name = model.name;
    for (const int threads : {1, 2}) {
      benchmark::RegisterBenchmark((name + "/threads:" + std::to_string(threads)).c_str(),
                                   attention_bench, model, Index{1}, threads, false, false)
          ->UseRealTime();
    }
    benchmark::RegisterBenchmark((name + "/rotary").c_str(), attention_bench, model, Index{1}, 1,
                                 false, true)
        ->UseRealTime();
    benchmark::RegisterBenchmark((name + "/batch:8").c_str(), attention_bench, model, Index{8}, 1,
                                 false, false)
        ->UseRealTime();
    benchmark::RegisterBenchmark((name + "/plain").c_str(), attention_bench, model, Index{1}, 1,
                                 true, false)
        ->UseRealTime();
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
