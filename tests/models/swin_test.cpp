// A Swin of random weights: sizes of every stage, and what it refuses.
#include <gtest/gtest.h>

#include <support/io_files.hpp>
#include <vitrail/models/random_parameters.hpp>
#include <vitrail/models/swin.hpp>

namespace {

using namespace vitrail;

/// Two stages of windows of 2.
Swin<float> small_swin(bool pad = false) {
  const SwinConfig sizes{.width = 8,
                         .depths = {2, 2},
                         .heads = {2, 4},
                         .window = 2,
                         .hidden = {16, 32},
                         .windows = {2, 2}};
  ViTConfig c;
  c.image_height = c.image_width = 32;
  c.patch_height = c.patch_width = 4;
  c.embed_dim = 16;
  c.heads = 4;
  c.head_dim = 4;
  c.classes = 3;
  c.class_token = false;
  c.pooling = Pooling::avg;
  c.pad_to_patch = pad;
  SerialExecutor serial;
  RandomParameters<float> parameters(1, Precision::f32, serial);
  return Swin<float>::load(c, sizes, parameters);
}

void expect_finite_logits(const Swin<float>& swin, Index H, Index W) {
  Tensor<float, 4> pixels({2, 3, H, W});
  for (std::size_t i = 0; i < pixels.flat().size(); ++i)
    pixels.flat()[i] = static_cast<float>(i % 7) / 7;
  Tensor<float, 2> logits({2, 3});
  SerialExecutor serial;
  Workspace workspace;
  swin.forward(pixels, {.logits = logits}, {serial, workspace});
  for (const float value : logits.flat()) EXPECT_TRUE(std::isfinite(value)) << H << " x " << W;
}

TEST(Swin, HalvesTheMapBeforeEveryFurtherStageRoundingUp) {
  const Swin<float> swin = small_swin();
  EXPECT_EQ(swin.tokens_for(32, 32), 4 * 4);
  EXPECT_EQ(swin.tokens_for(36, 20), 5 * 3);
  EXPECT_EQ(swin.tokens_for(4, 4), 1);
}

/// The smallest has but one patch, so that the second stage has nothing left to halve.
TEST(Swin, RunsPicturesWhoseMapsNoWindowDivides) {
  const Swin<float> swin = small_swin();
  for (const auto& [H, W] : {std::pair<Index, Index>{36, 20}, {4, 4}, {12, 60}})
    expect_finite_logits(swin, H, W);
}

TEST(Swin, RefusesSizesThatThePatchDoesNotDivideUnlessAskedToPad) {
  Swin<float> swin = small_swin();
  EXPECT_EQ(vitrail_test::error_of([&] { swin.check_size(30, 32); }),
            "picture: is 30 x 32 pixels (height x width), expected multiples of the patch, 4 x 4; "
            "ask for padding to allow other sizes");
  EXPECT_CONTAINS(vitrail_test::error_of([&] { swin.set_image_size(0, 32); }), "is 0 x 32");
  EXPECT_EQ(swin.config().image_height, 32);
  swin.set_image_size(36, 20);
  EXPECT_EQ(swin.config().image_width, 20);
  const Swin<float> padded = small_swin(true);
  EXPECT_NO_THROW(padded.check_size(30, 31));
  expect_finite_logits(padded, 30, 31);
}

TEST(Swin, RefusesPicturesOfOtherChannels) {
  const Swin<float> swin = small_swin();
  SerialExecutor serial;
  Workspace workspace;
  EXPECT_EQ(vitrail_test::error_of([&] {
              swin.forward(Tensor<float, 4>({1, 1, 32, 32}), {}, {serial, workspace});
            }),
            "picture: has 1 channels, the model needs 3");
}

TEST(Swin, PatchesAreMergedColumnByColumnAndOddSidesPaddedWithZeros) {
  SerialExecutor serial;
  Workspace workspace;
  PatchMerging<double> merging;  // of 1 column to 2: those of the first two patches that it joins
  merging.norm.gamma = Tensor<double, 1>({4});
  merging.norm.beta = Tensor<double, 1>({4});
  for (double& value : merging.norm.gamma.flat()) value = 1;
  Tensor<double, 2> W({2, 4});
  W(0, 0) = 1;  // (0, 0)
  W(1, 1) = 1;  // (1, 0): the row below
  merging.reduction.weight = PackedMatrix<double>::pack(W.view(), Precision::f32, serial);
  Tensor<double, 2> x({4, 1});  // 1 2 / 3 4
  for (std::size_t i = 0; i < 4; ++i) x.flat()[i] = static_cast<double>(i + 1);
  Tensor<double, 2> y({1, 2});
  merging(x, 1, {2, 2}, y, {serial, workspace});
  EXPECT_NEAR(y(0, 0), -1.5 / std::sqrt(1.25), 1e-4);
  EXPECT_NEAR(y(0, 1), 0.5 / std::sqrt(1.25), 1e-4);                               // 3
  const Tensor<double, 2> one = Tensor<double, 2>::copy_of(x.view().slice(3, 4));  // 4 0 0 0
  merging(one, 1, {1, 1}, y, {serial, workspace});
  EXPECT_NEAR(y(0, 0), 3 / std::sqrt(3.0), 1e-4);
  EXPECT_NEAR(y(0, 1), -1 / std::sqrt(3.0), 1e-4);
}

}  // namespace
