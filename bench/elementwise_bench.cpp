// LayerNorm, softmax, GELU and SwiGLU's gate on (197, D) matrices, against their plain definitions.
// Bytes count what is read and written once.
#include <shapes.hpp>
#include <support.hpp>
#include <vitrail/ops/activate_rows.hpp>
#include <vitrail/ops/normalize.hpp>
#include <vitrail/ops/softmax.hpp>

namespace {

using namespace vitrail;
using namespace vitrail_bench;

enum class Op { layer_norm, softmax, gelu_erf, gelu_tanh, quick_gelu, silu_gate };

void elementwise_bench(benchmark::State& state, Op op, Index M, Index D, bool plain) {
  auto x = random_matrix(M, D, 1);
  const auto columns = random_matrix(2, D, 2);
  Tensor<float, 2> y({M, D});
  Threads with(1);
  const ScopedCpuLevel scope(plain ? CpuLevel::generic : cpu_level());
  const NormParameters<float> norm{&columns(0, 0), &columns(1, 0)};
  for ([[maybe_unused]] auto _ : state) {
    switch (op) {
      case Op::layer_norm: normalize_rows<float>(x, norm, y.view(), with.context); break;
      case Op::softmax:
        for (Index m = 0; m < M; ++m) softmax(x.view()[m].flat());
        break;
      case Op::gelu_erf:
        activate_rows<float>(Activation::gelu_erf, x, y.view(), with.context);
        break;
      case Op::gelu_tanh:
        activate_rows<float>(Activation::gelu_tanh, x, y.view(), with.context);
        break;
      case Op::quick_gelu:
        activate_rows<float>(Activation::quick_gelu, x, y.view(), with.context);
        break;
      case Op::silu_gate:  // D columns are gates and values
        gate_rows<float>(Activation::silu, x, y.view().columns(0, D / 2));
        break;
    }
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * M * D * Index{2 * sizeof(float)});
}

}  // namespace

int main(int argc, char** argv) {
  struct Case {
    const char* name;
    Op op;
    Index D;
  };
  const Case cases[] = {
      {"layer_norm/D:192", Op::layer_norm, 192},   {"layer_norm/D:768", Op::layer_norm, 768},
      {"layer_norm/D:1024", Op::layer_norm, 1024}, {"softmax/T:197", Op::softmax, 197},
      {"softmax/T:577", Op::softmax, 577},         {"gelu_erf/M:768", Op::gelu_erf, 768},
      {"gelu_erf/M:3072", Op::gelu_erf, 3072},     {"gelu_tanh/M:3072", Op::gelu_tanh, 3072},
      {"quick_gelu/M:3072", Op::quick_gelu, 3072}, {"silu_gate/M:2048", Op::silu_gate, 4096}};
  for (const Case& c : cases) {
    for (const bool plain : {false, true}) {
      const std::string name = std::string(c.name) + (plain ? "/plain" : "");
      benchmark::RegisterBenchmark(name.c_str(), elementwise_bench, c.op, Index{197}, c.D, plain);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
