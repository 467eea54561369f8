// Dense products at the shapes of Ti, S, B and L: each precision, Eigen on the same data, and for
// the smallest model the plain loop that defines a product.
#include <shapes.hpp>
#include <support.hpp>
#include <vitrail/ops/linear.hpp>

namespace {

using namespace vitrail;
using namespace vitrail_bench;

struct Data {
  Data(Index M, Index N, Index K)
      : x(random_matrix(M, K, 1)),
        weight(random_matrix(N, K, 2, 1.0F / std::sqrt(static_cast<float>(K)))),
        bias(random_matrix(1, N, 3)),
        y({M, N}) {}
  /// y(m, n) by definition.
  [[nodiscard]] double expected(Index m, Index n) const {
    double sum = static_cast<double>(bias(0, n));
    for (Index k = 0; k < x.extent(1); ++k) {
      sum += static_cast<double>(x(m, k)) * static_cast<double>(weight(n, k));
    }
    return sum;
  }
  /// The largest difference over a sample of y.
  [[nodiscard]] double difference() const {
    double largest = 0;
    for (Index m = 0; m < y.extent(0); m += 7) {
      for (Index n = 0; n < y.extent(1); n += 31) {
        largest = std::max(largest, std::abs(static_cast<double>(y(m, n)) - expected(m, n)));
      }
    }
    return largest;
  }
  Tensor<float, 2> x, weight, bias, y;
};

/// `normed`: rows are normalised on the way, as those of qkv and fc1 are.
void linear_bench(benchmark::State& state, Index M, Index N, Index K, Precision precision,
                  int threads, bool normed) {
  Data data(M, N, K);
  Threads with(threads);
  Tensor<float, 1> ones({K});
  std::fill_n(ones.data(), K, 1.0F);
  const NormParameters<float> norm{ones.data(), nullptr, 1e-6, NormKind::rms_norm};
  // What is normalised already stays as it is.
  if (normed) normalize_rows<float>(data.x.view(), norm, data.x.view(), with.context);
  // As many copies as exceed the caches: a model's weights come from memory, too.
  const Index bytes = N * K * 4;
  std::vector<PackedMatrix<float>> weights;
  for (Index held = 0; held == 0 || held + bytes <= (Index{48} << 20); held += bytes) {
    weights.push_back(PackedMatrix<float>::pack(data.weight.view(), precision, with.pool));
  }
  const Epilogue<float> epilogue{.bias = data.bias.data()};
  std::size_t next = 0;
  const auto run = [&] {
    const PackedMatrix<float>& weight = weights[next++ % weights.size()];
    if (normed) return linear<float>(data.x, norm, weight, epilogue, data.y.view(), with.context);
    linear<float>(data.x, weight, epilogue, data.y.view(), with.context);
  };
  run();
  const double tolerance = precision == Precision::f32    ? 2e-5
                           : precision == Precision::bf16 ? 0.05
                                                          : 0.2;
  if (!agree(state, data.difference(), tolerance)) return;
  Rate rate(precision);
  for ([[maybe_unused]] auto _ : state) run();
  rate.report(state, 2.0 * static_cast<double>(M * N * K), threads);
}

void eigen_bench(benchmark::State& state, Index M, Index N, Index K) {
  Data data(M, N, K);
  Rate rate(Precision::f32);
  for ([[maybe_unused]] auto _ : state) {
    plain_product<float>(data.x, data.weight, data.y.view());
  }
  rate.report(state, 2.0 * static_cast<double>(M * N * K), 1);
}

void definition_bench(benchmark::State& state, Index M, Index N, Index K) {
  Data data(M, N, K);
  Rate rate(Precision::f32);
  for ([[maybe_unused]] auto _ : state) {
    for (Index m = 0; m < M; ++m) {
      for (Index n = 0; n < N; ++n) data.y(m, n) = static_cast<float>(data.expected(m, n));
    }
    benchmark::ClobberMemory();
  }
  rate.report(state, 2.0 * static_cast<double>(M * N * K), 1);
}

void add(const std::string& name, Index M, Index N, Index K) {
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
    for (const int threads : {1, 2}) {
      const std::string full =
          name + "/" + std::string(name_of(precision)) + "/threads:" + std::to_string(threads);
      benchmark::RegisterBenchmark(full.c_str(), linear_bench, M, N, K, precision, threads, false)
          ->UseRealTime();
    }
  }
  benchmark::RegisterBenchmark((name + "/f32/normed").c_str(), linear_bench, M, N, K,
                               Precision::f32, 1, true)
      ->UseRealTime();
  benchmark::RegisterBenchmark((name + "/eigen").c_str(), eigen_bench, M, N, K)->UseRealTime();
}

}  // namespace

int main(int argc, char** argv) {
  for (const Model& model : models) {
    for (const Product& product : products(model)) {
      add(std::string(model.name) + "/" + product.name, model.T, product.N, product.K);
    }
  }
  add("B_224_batch_8/qkv", 8 * 197, 2304, 768);
  add("B_224_batch_8/fc2", 8 * 197, 768, 3072);
  add("B_32_224/qkv", 50, 2304, 768);
  add("B_224/head", 1, 1000, 768);
  benchmark::RegisterBenchmark("Ti_224/proj/definition", definition_bench, Index{197}, Index{192},
                               Index{192})
      ->UseRealTime();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
