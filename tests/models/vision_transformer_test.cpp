#include <gtest/gtest.h>

#include <support/counting_allocator.hpp>
#include <support/levels.hpp>
#include <thread>
#include <vitrail/models/random_parameters.hpp>
#include <vitrail/runtime/thread_pool.hpp>

namespace {

using namespace vitrail;
using vitrail_test::allocations;

ViTConfig small_config() {
  ViTConfig c;
  c.architecture = "small";
  c.image_height = c.image_width = 64;
  c.embed_dim = 60;
  c.depth = 3;
  c.heads = 4;
  c.head_dim = 15;
  c.mlp_hidden = 150;
  c.classes = 21;
  c.register_tokens = 2;
  c.layer_scale = true;
  return c;
}

template <Scalar T>
ViT<T> random_vit(const ViTConfig& config, Precision precision = Precision::f32) {
  SerialExecutor serial;
  RandomParameters<T> parameters(7, precision, serial);
  return ViT<T>::load(config, parameters);
}

Tensor<float, 4> random_pixels(Index B, Index H, Index W) {
  Tensor<float, 4> pixels({B, 3, H, W});
  std::uint32_t state = 1;
  for (float& value : pixels.flat()) {
    state = state * 1664525U + 1013904223U;
    value = static_cast<float>(state >> 8) * 0x1p-23F - 1.0F;
  }
  return pixels;
}

Tensor<float, 2> logits_of(const ViT<float>& vit, const Tensor<float, 4>& pixels,
                           Executor& executor) {
  Workspace workspace;
  Tensor<float, 2> logits({pixels.extent(0), vit.config().classes});
  vit.forward(pixels, {.logits = logits}, {executor, workspace});
  return logits;
}

void expect_same_bits(std::span<const float> a, std::span<const float> b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_EQ(std::bit_cast<std::uint32_t>(a[i]), std::bit_cast<std::uint32_t>(b[i]));
}

TEST(ViT, GivesTheSameBitsForAnyNumberOfThreads) {
  for (const CpuLevel level : vitrail_test::levels()) {
    const ScopedCpuLevel scope(level);
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
      const ViT<float> vit = random_vit<float>(small_config(), precision);
      const Tensor<float, 4> pixels = random_pixels(3, 64, 96);
      SerialExecutor serial;
      const Tensor<float, 2> expected = logits_of(vit, pixels, serial);
      for (const int threads : {1, 2, 3, 8}) {
        ThreadPool pool(threads);
        expect_same_bits(logits_of(vit, pixels, pool).flat(), expected.flat());
      }
    }
  }
}

TEST(ViT, GivesTheSameBitsInABatchAndAlone) {
  for (const CpuLevel level : vitrail_test::levels()) {
    const ScopedCpuLevel scope(level);
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
      const ViT<float> vit = random_vit<float>(small_config(), precision);
      const Tensor<float, 4> pixels = random_pixels(11, 64, 64);
      SerialExecutor serial;
      const Tensor<float, 2> together = logits_of(vit, pixels, serial);
      for (Index b = 0; b < 11; ++b) {
        Tensor<float, 4> alone = Tensor<float, 4>::copy_of(pixels.view().slice(b, b + 1));
        expect_same_bits(logits_of(vit, alone, serial).flat(), together.view()[b].flat());
      }
    }
  }
}

TEST(ViT, AllocatesNothingOnceWarm) {
  ViTConfig config = small_config();
  config.embed_dim = 768;  // enough for Eigen to want more than the stack
  config.heads = 12;
  config.head_dim = 64;
  const Tensor<float, 4> pixels = random_pixels(2, 64, 64);
  const Tensor<float, 4> wide = random_pixels(2, 48, 96);  // positions resampled in the pass
  ThreadPool pool(2);
  for (const CpuLevel level : vitrail_test::levels()) {
    const ScopedCpuLevel scope(level);
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
      const ViT<float> vit = random_vit<float>(config, precision);
      Workspace workspace;
      const Context context{pool, workspace};
      Tensor<float, 2> logits({2, vit.config().classes});
      for (int pass = 0; pass < 3; ++pass) {
        const std::size_t before = allocations;
        vit.forward(pixels, {.logits = logits}, context);
        vit.forward(wide, {.logits = logits}, context);
        if (pass == 2) {
          EXPECT_EQ(allocations, before) << name_of(level) << " " << name_of(precision);
        }
      }
    }
  }
}

TEST(ViT, IsSharedByManyThreads) {
  const ViT<float> vit = random_vit<float>(small_config());
  const Tensor<float, 4> pixels = random_pixels(1, 64, 64);
  SerialExecutor serial;
  const Tensor<float, 2> expected = logits_of(vit, pixels, serial);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      SerialExecutor mine;
      for (int i = 0; i < 5; ++i)
        expect_same_bits(logits_of(vit, pixels, mine).flat(), expected.flat());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ViT, RefusesASizeThatThePatchDoesNotDivideUnlessAskedToPad) {
  ViTConfig config = small_config();
  const ViT<float> strict = random_vit<float>(config);
  config.pad_to_patch = true;
  const ViT<float> padding = random_vit<float>(config);
  const Tensor<float, 4> pixels = random_pixels(1, 60, 64);
  SerialExecutor serial;
  try {
    (void)logits_of(strict, pixels, serial);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("60 x 64"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("16 x 16"), std::string::npos) << error.what();
  }
  Tensor<float, 4> padded({1, 3, 64, 64});
  for (Index c = 0; c < 3; ++c) copy(pixels.view()[0][c], padded.view()[0][c].slice(0, 60));
  expect_same_bits(logits_of(padding, pixels, serial).flat(),
                   logits_of(strict, padded, serial).flat());
}

TEST(ViT, StopsBetweenBlocksOnRequest) {
  const ViT<float> vit = random_vit<float>(small_config());
  SerialExecutor serial;
  Workspace workspace;
  std::stop_source source;
  source.request_stop();
  Tensor<float, 2> logits({1, 21});
  EXPECT_THROW(vit.forward(random_pixels(1, 64, 64), {.logits = logits},
                           {serial, workspace, source.get_token()}),
               Error);
}

/// Asks to stop while a loop of the pass runs, and counts the loops.
class StoppingExecutor final : public Executor {
 public:
  explicit StoppingExecutor(int stop_in) : stop_in_(stop_in) {}
  [[nodiscard]] int concurrency() const noexcept override { return 1; }
  void parallel_for(Index count, ParallelTask task) override {
    if (++loops == stop_in_) source.request_stop();
    for (Index i = 0; i < count; ++i) task(i);
  }
  std::stop_source source;
  int loops = 0;

 private:
  int stop_in_;
};

TEST(ViT, ALongBatchStopsWithinABlock) {
  ViTConfig config = small_config();
  config.depth = 12;
  const ViT<float> vit = random_vit<float>(config);
  const Tensor<float, 4> pixels = random_pixels(4, 64, 64);
  Tensor<float, 2> logits({4, 21});
  const auto run = [&](StoppingExecutor& executor) {
    Workspace workspace;
    vit.forward(pixels, {.logits = logits}, {executor, workspace, executor.source.get_token()});
  };
  StoppingExecutor whole(0);
  run(whole);
  StoppingExecutor stopped(whole.loops / 2);
  try {
    run(stopped);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "forward pass: stopped on request");
  }
  EXPECT_LE(stopped.loops, whole.loops / 2 + whole.loops / config.depth + 1);
}

TEST(ViT, ResizedOnceEqualsResampledInEveryPass) {
  ViT<float> resized = random_vit<float>(small_config());
  const ViT<float> dynamic = random_vit<float>(small_config());
  resized.set_image_size(96, 80);
  const Tensor<float, 4> pixels = random_pixels(1, 96, 80);
  SerialExecutor serial;
  expect_same_bits(logits_of(resized, pixels, serial).flat(),
                   logits_of(dynamic, pixels, serial).flat());
}

}  // namespace
