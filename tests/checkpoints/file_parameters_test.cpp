// Tensors of a file in our layout: every layout, parts, and the words when a shape does not fit.
#include <gtest/gtest.h>

#include <support/tensors.hpp>

namespace {

using namespace vitrail;
using vitrail_test::error_of;
using vitrail_test::Tensors;

TEST(FileParameters, ShapesFitUpToOnesAndMergedNeighbours) {
  using detail::fits;
  EXPECT_TRUE(fits({1, 17, 24}, {17, 24}, Layout::same));
  EXPECT_TRUE(fits({24, 3, 8}, {24, 24}, Layout::same));  // (D, H, hd)
  EXPECT_TRUE(fits({24}, {3, 8}, Layout::same));
  EXPECT_FALSE(fits({24, 8}, {8, 24}, Layout::same));
  EXPECT_FALSE(fits({4, 6}, {6, 4}, Layout::same));
  EXPECT_FALSE(fits({24}, {24, 2}, Layout::same));
  EXPECT_TRUE(fits({8, 24}, {24, 8}, Layout::transposed));
  EXPECT_TRUE(fits({24, 3, 8}, {24, 24}, Layout::transposed));
  EXPECT_TRUE(fits({4, 5, 3, 24}, {24, 3, 4, 5}, Layout::hwio));
  EXPECT_FALSE(fits({24, 3, 4, 5}, {24, 3, 4, 5}, Layout::hwio));
  EXPECT_TRUE(fits({24, 60}, {24, 3, 4, 5}, Layout::pixels_last));
}

TEST(FileParameters, EveryLayoutComesOutAsOurs) {
  const Index D = 2, C = 3, H = 2, W = 4;
  std::vector<int> ours(static_cast<std::size_t>(D * C * H * W));
  std::vector<int> hwio(ours.size());
  std::vector<int> pixels(ours.size());
  std::vector<int> transposed(ours.size());
  std::size_t at = 0;
  for (Index d = 0; d < D; ++d)
    for (Index c = 0; c < C; ++c)
      for (Index h = 0; h < H; ++h)
        for (Index w = 0; w < W; ++w, ++at) {
          ours[at] = static_cast<int>(at);
          hwio[static_cast<std::size_t>(((h * W + w) * C + c) * D + d)] = ours[at];
          pixels[static_cast<std::size_t>(((d * H + h) * W + w) * C + c)] = ours[at];
          transposed[static_cast<std::size_t>(((c * H + h) * W + w) * D + d)] = ours[at];
        }
  const auto reordered = [&](const std::vector<int>& stored, Layout layout) {
    std::vector<std::int32_t> result(stored.size());
    detail::reorder<std::int32_t>(stored, {D, C, H, W}, layout, result.data());
    return result;
  };
  EXPECT_EQ(reordered(hwio, Layout::hwio), ours);
  EXPECT_EQ(reordered(pixels, Layout::pixels_last), ours);
  EXPECT_EQ(reordered(transposed, Layout::transposed), ours);
}

/// A file that holds `tensors` under `rules`.
Checkpoint checkpoint_of(const Tensors& tensors, std::span<const NameRule> rules) {
  Checkpoint checkpoint(vitrail_test::files_of(tensors), "Nobody");
  checkpoint.names = NameTable("", rules);
  return checkpoint;
}

TEST(FileParameters, RefuseByTheFilesNameTheShapeFoundAndTheShapeNeeded) {
  constexpr NameRule rules[] = {{"head.weight", "classifier.weight"},
                                {"flax", "kernel", Layout::transposed},
                                {"rows", "kernel", Layout::same, 2, 6}};
  Tensors tensors;
  tensors.add("classifier.weight", {10, 24}).add("kernel", {4, 2});
  const Checkpoint checkpoint = checkpoint_of(tensors, rules);
  SerialExecutor serial;
  FileParameters<float> parameters(checkpoint, Precision::f32, serial);
  const auto words = [&](const char* name, const Shape& shape) {
    return error_of([&] { (void)parameters.tensor(name, shape); });
  };
  EXPECT_EQ(words("head.weight", {10, 24}), "no error");
  EXPECT_EQ(words("head.weight", {10, 48}),
            "in memory: classifier.weight is (10, 24), config needs (10, 48)");
  EXPECT_EQ(words("flax", {4, 2}),
            "in memory: kernel is (4, 2), config needs (4, 2) in another layout");
  EXPECT_EQ(words("rows", {4, 2}), "in memory: kernel is (4, 2), config needs row 5");
  EXPECT_EQ(words("pos_embed", {1}), "in memory: Nobody files have no pos_embed, config needs it");
}

TEST(FileParameters, PartsAreJoinedAndAMissingBiasIsZero) {
  constexpr NameRule rules[] = {{"qkv.bias", "{q,0,v}.bias"}};
  Tensors tensors;
  const Checkpoint checkpoint = checkpoint_of(tensors.add("q.bias", {2}).add("v.bias", {2}), rules);
  SerialExecutor serial;
  FileParameters<double> parameters(checkpoint, Precision::f32, serial);
  EXPECT_TRUE(parameters.contains("qkv.bias"));
  EXPECT_FALSE(parameters.contains("proj.bias"));
  EXPECT_EQ(parameters.tensor("qkv.bias", {6}).count(), 6);
  EXPECT_CONTAINS(error_of([&] { (void)parameters.tensor("qkv.bias", {9}); }),
                  "q.bias is (2), config needs (3)");
}

TEST(FileParameters, ATensorNobodyAskedForIsSurplusUnlessItsFormatHasIt) {
  Tensors tensors;
  tensors.add("used", {2}).add("b.index", {1}).add("a.stray", {1}).add("text.x", {1});
  Checkpoint checkpoint = checkpoint_of(tensors.add("mask", {1}).add("mask.x", {1}), {});
  checkpoint.unused = {"*.index", "text.*", "mask"};
  SerialExecutor serial;
  FileParameters<float> parameters(checkpoint, Precision::f32, serial);
  (void)parameters.tensor("used", {2});
  EXPECT_EQ(parameters.surplus(), (std::vector<std::string>{"a.stray", "mask.x"}));
}

}  // namespace
