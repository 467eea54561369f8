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

/// Small models that differ in what their last block needs.
std::vector<ViTConfig> configs_by_last_block() {
  std::vector<ViTConfig> configs(9, small_config());
  configs[1].distillation_token = configs[1].distilled_head = true;
  configs[2].distillation_token = true;
  configs[2].pooling = Pooling::class_and_distillation;
  configs[3].pooling = Pooling::token_and_avg;
  configs[4].relative_positions = true;
  configs[5].rotary = RotaryKind::eva;
  configs[5].head_dim = 16;
  configs[6].block = BlockKind::parallel_scaling;
  configs[7].differential_attention = true;
  configs[7].head_dim = 16;
  configs[8].attn_adapter = configs[8].mlp_adapter = AdapterConfig{.hidden = {5, 5, 5}};
  return configs;
}

/// The last block may go a shorter way where few tokens are asked for; else bits are the same.
TEST(ViT, GivesTheSameWhetherOrNotAllTokensAreAskedFor) {
  const Tensor<float, 4> pixels = random_pixels(3, 64, 64);
  SerialExecutor serial;
  Workspace workspace;
  for (const CpuLevel level : vitrail_test::levels()) {
    const ScopedCpuLevel scope(level);
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
      for (const ViTConfig& config : configs_by_last_block()) {
        const ViT<float> vit = random_vit<float>(config, precision);
        Tensor<float, 3> tokens({3, vit.tokens_for(64, 64), config.embed_dim});
        Tensor<float, 2> logits({3, config.classes});
        Tensor<float, 2> features({3, config.feature_dim()});
        Tensor<float, 2> features_alone({3, config.feature_dim()});
        vit.forward(pixels, {.logits = logits, .features = features, .tokens = tokens},
                    {serial, workspace});
        vit.forward(pixels, {.features = features_alone}, {serial, workspace});
        // Eigen adds in another order where there are few rows.
        if (level == CpuLevel::generic || config.last_block_absorbs()) {
          const float tolerance = precision == Precision::f32 ? 5e-6F : 3e-2F;
          for (Index i = 0; i < features.count(); ++i)
            EXPECT_NEAR(features_alone.data()[i], features.data()[i], tolerance);
          continue;
        }
        expect_same_bits(features_alone.flat(), features.flat());
        expect_same_bits(logits_of(vit, pixels, serial).flat(), logits.flat());
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

// At the width, depth and tokens of a ViT-Ti; rounding may take five digits of a float's seven.
TEST(ViT, IsCloseToDoublesAtARealSize) {
  ViTConfig config;
  config.architecture = "tiny";
  config.image_height = config.image_width = 224;
  config.embed_dim = 192;
  config.depth = 12;
  config.heads = 3;
  config.head_dim = 64;
  config.mlp_hidden = 768;
  config.classes = 1000;
  const Tensor<float, 4> pixels = random_pixels(1, 224, 224);
  Tensor<double, 4> double_pixels({1, 3, 224, 224});
  std::copy_n(pixels.data(), pixels.count(), double_pixels.data());
  ThreadPool pool(2);
  Workspace workspace;
  const Context context{pool, workspace};
  Tensor<float, 2> logits({1, 1000});
  Tensor<double, 2> exact({1, 1000});
  random_vit<float>(config).forward(pixels.view(), {.logits = logits.view()}, context);
  random_vit<double>(config).forward(double_pixels.view(), {.logits = exact.view()}, context);
  for (Index i = 0; i < 1000; ++i)
    ASSERT_NEAR(static_cast<double>(logits(0, i)), exact(0, i), 2e-5) << i;
}

}  // namespace
