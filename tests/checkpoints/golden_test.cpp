// Every golden folder, at every resolution it holds, within 2e-5 on logits and pooled features and
// 5e-5 on every other stage: the references' own rounding stays below 1.3e-5, and a tanh GELU in
// place of erf shows at 1e-4.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <support/counting_allocator.hpp>
#include <vitrail/checkpoints/verify.hpp>
#include <vitrail/runtime/thread_pool.hpp>

namespace {

using namespace vitrail;

/// The golden folders that hold a checkpoint and expected outputs.
std::vector<std::string> golden_folders() {
  std::vector<std::string> folders;
  for (const auto& entry : std::filesystem::directory_iterator(VITRAIL_GOLDEN_DIR)) {
    const std::filesystem::path& path = entry.path();
    const bool has_weights = std::filesystem::exists(path / "model.safetensors") ||
                             std::filesystem::exists(path / "model.npz");
    if (has_weights && std::filesystem::exists(path / "expected.safetensors"))
      folders.push_back(path.filename().string());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

class Golden : public ::testing::TestWithParam<std::string> {};

TEST_P(Golden, AgreesWithTheReferenceAtEveryResolution) {
  ThreadPool executor(2);
  const std::string folder = VITRAIL_GOLDEN_DIR "/" + GetParam();
  const VerifyResult result = verify_folder(folder, {}, 0, executor);
  for (const Verdict& v : result.verdicts) {
    EXPECT_FALSE(v.failed) << v.file << ": " << v.name << " is off by " << v.difference << " "
                           << v.problem;
  }
  const auto compared = [](const Verdict& v) { return v.problem.empty(); };
  EXPECT_TRUE(std::any_of(result.verdicts.begin(), result.verdicts.end(), compared));
}

/// The features of `pixels`, in `threads` threads; 0: serially.
Tensor<float, 2> features_of(const VisionModel<float>& model, const Tensor<float, 4>& pixels,
                             int threads) {
  Tensor<float, 2> features({pixels.extent(0), model.config().feature_dim()});
  SerialExecutor serial;
  ThreadPool pool(std::max(1, threads));
  Executor& executor = threads == 0 ? static_cast<Executor&>(serial) : pool;
  Workspace workspace;
  model.forward(pixels, {.features = features}, {executor, workspace});
  return features;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

TEST_P(Golden, GivesTheSameBitsForAnyThreadsAndBatchAndAllocatesNothingOnceWarm) {
  const std::string folder = VITRAIL_GOLDEN_DIR "/" + GetParam();
  const auto model = load_model<float>(open_checkpoint(folder, {}), {});
  const std::string input = detail::files_named(folder, "input").front().string();
  const auto picture = open_tensor_file(input).at("pixel_values").to<float, 4>();
  const auto [B, C, H, W] = picture.view().extents();
  Tensor<float, 4> batch({3, C, H, W});
  for (Index b = 0; b < 3; ++b) {
    for (Index i = 0; i < C * H * W; ++i)
      batch.data()[b * C * H * W + i] = picture.data()[i] * (1.0F - 0.4F * static_cast<float>(b));
  }
  const Tensor<float, 2> expected = features_of(model, batch, 0);
  for (const int threads : {1, 2, 3, 8})
    EXPECT_TRUE(same_bits(features_of(model, batch, threads).flat(), expected.flat())) << threads;
  for (Index b = 0; b < 3; ++b) {
    const auto alone = Tensor<float, 4>::copy_of(batch.view().slice(b, b + 1));
    EXPECT_TRUE(same_bits(features_of(model, alone, 0).flat(), expected.view()[b].flat())) << b;
  }

  ThreadPool pool(2);
  Workspace workspace;
  Tensor<float, 2> features({3, model.config().feature_dim()});
  std::size_t before = 0;
  for (int pass = 0; pass < 4; ++pass) {
    before = vitrail_test::allocations;
    model.forward(batch, {.features = features}, {pool, workspace});
  }
  EXPECT_EQ(vitrail_test::allocations, before);
}

INSTANTIATE_TEST_SUITE_P(Folders, Golden, ::testing::ValuesIn(golden_folders()),
                         [](const auto& instance) { return instance.param; });

/// The largest difference between a stage in float and in double, relative to max(1, largest
/// value).
double float_against_double(const std::string& folder) {
  const LoadOptions options;
  const Checkpoint checkpoint = open_checkpoint(folder, options);
  const TensorFile input = open_tensor_file(folder + "/input.safetensors");
  SerialExecutor serial;
  Workspace workspace;
  Trace fast;
  Trace exact;
  load_vit<float>(checkpoint, options)
      .forward(input.at("pixel_values").to<float, 4>(), {}, {serial, workspace}, &fast);
  load_vit<double>(checkpoint, options)
      .forward(input.at("pixel_values").to<double, 4>(), {}, {serial, workspace}, &exact);
  double largest = 0;
  for (const auto& [name, tensor] : exact.stages()) {
    const AnyTensor* twin = fast.find(name);
    if (twin == nullptr) ADD_FAILURE() << name;
    if (twin != nullptr)
      largest = std::max(largest, largest_difference(twin->view(), tensor.view()));
  }
  return largest;
}

TEST(FloatAndDouble, AreTheSameModelUpToRounding) {
  for (const char* folder : {"timm_vit_cls", "timm_vit_qknorm", "timm_vit_reg4_gap", "tv_vit_repr",
                             "timm_deit_distilled"}) {
    EXPECT_LT(float_against_double(std::string(VITRAIL_GOLDEN_DIR "/") + folder), 2e-6) << folder;
  }
}

}  // namespace
