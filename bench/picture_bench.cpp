// From a decoded picture to tokens: Pillow's resize, resize with crop and normalisation, patches
// cut and embedded. Bytes count the pixels that are read.
#include <cmath>
#include <random>
#include <string>
#include <support.hpp>
#include <vitrail/image/preprocess.hpp>
#include <vitrail/nn/patch_embedding.hpp>

namespace {

using namespace vitrail;
using namespace vitrail_bench;

Image random_picture(Index height, Index width) {
  Image picture(height, width);
  std::mt19937 generator(1);
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < 3 * width; ++x)
      picture.row(y)[x] = static_cast<std::uint8_t>(generator() & 255U);
  return picture;
}

void resize_bench(benchmark::State& state, Filter filter, Index height, Index width, bool plain) {
  const Image picture = random_picture(height, width);
  SerialExecutor serial;
  const Region all = {0, 0, 224, 224};
  for ([[maybe_unused]] auto _ : state) {
    benchmark::DoNotOptimize(
        plain ? detail::resize_with<detail::PlainResize>(picture, 224, 224, filter, all, serial)
              : resize(picture, 224, 224, filter, serial));
  }
  state.SetBytesProcessed(state.iterations() * height * width * 3);
}

void preprocess_bench(benchmark::State& state, Index height, Index width, int threads) {
  const Image picture = random_picture(height, width);
  PreprocessConfig config;
  config.mean = imagenet_mean;
  config.std = imagenet_std;
  Tensor<float, 3> pixels({3, config.height, config.width});
  Threads with(threads);
  for ([[maybe_unused]] auto _ : state) preprocess(picture, config, with.pool, pixels.view());
  state.SetBytesProcessed(state.iterations() * height * width * 3);
}

void patch_embedding_bench(benchmark::State& state, Index D, Precision precision) {
  constexpr Index K = 3 * 16 * 16;
  Threads with(1);
  PatchEmbedding<float> embedding;
  const auto weight = random_matrix(D, K, 1, 1 / std::sqrt(static_cast<float>(K)));
  embedding.proj.weight = PackedMatrix<float>::pack(weight.view(), precision, with.pool);
  const auto random = random_matrix(3 * 224, 224, 2);
  Tensor<float, 2> tokens({196, D});
  Rate rate(precision);
  for ([[maybe_unused]] auto _ : state)
    embedding(random.view().reshape<3>({3, 224, 224}), tokens.view(), with.context);
  rate.report(state, 2.0 * 196 * static_cast<double>(D * K), 1);
}

}  // namespace

int main(int argc, char** argv) {
  struct Size {
    const char* name;
    Index height, width;
  };
  for (const Size& size : {Size{"640x480", 480, 640}, Size{"4000x3000", 3000, 4000}}) {
    for (const Filter filter : {Filter::bilinear, Filter::bicubic, Filter::lanczos}) {
      for (const bool plain : {false, true}) {
        const std::string name =
            "resize/" + std::string(name_of(filter)) + "/" + size.name + (plain ? "/plain" : "");
        benchmark::RegisterBenchmark(name.c_str(), resize_bench, filter, size.height, size.width,
                                     plain);
      }
    }
    for (const int threads : {1, 2}) {
      const std::string name =
          std::string("preprocess/") + size.name + "/threads:" + std::to_string(threads);
      benchmark::RegisterBenchmark(name.c_str(), preprocess_bench, size.height, size.width, threads)
          ->UseRealTime();
    }
  }
  for (const auto& [name, D] : {std::pair{"Ti", Index{192}}, {"B", Index{768}}}) {
    for (const Precision precision : {Precision::f32, Precision::bf16}) {
      const std::string full =
          std::string("patch_embedding/") + name + "/" + std::string(name_of(precision));
      benchmark::RegisterBenchmark(full.c_str(), patch_embedding_bench, D, precision);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
