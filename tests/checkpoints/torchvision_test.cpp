// torchvision: what its files leave to the widths it publishes.
#include <gtest/gtest.h>

#include <support/twins.hpp>

namespace {

using namespace vitrail;
using vitrail_test::Tensors;

TEST(Torchvision, ReadsFilesOfItsFirstReleases) {
  Tensors old("tv_vit");
  old.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2.");
  vitrail_test::expect_twin(vitrail_test::files_of(old),
                            {"tv_vit", "torchvision", true, PositionRule::torchvision}, 3);
}

TEST(Torchvision, KnowsTheHeadsOfItsThreeWidthsOnly) {
  EXPECT_EQ(detail::torchvision_heads(768), 12);
  EXPECT_EQ(detail::torchvision_heads(1024), 16);
  EXPECT_EQ(detail::torchvision_heads(1280), 16);
  EXPECT_EQ(detail::torchvision_heads(384), 0);  // timm's, not torchvision's
  EXPECT_CONTAINS(vitrail_test::refusal(Tensors("tv_vit")), "is 24 wide");
}

TEST(Torchvision, ResizesAsTheWeightsOfEachModelWereEvaluated) {
  struct Row {
    Index D, P, pixels, resize;
    Filter filter;
  };
  for (const Row& row :
       {Row{768, 16, 224, 256, Filter::bilinear},
        Row{1024, 16, 224, 242, Filter::bilinear},  // vit_l_16 alone
        Row{1024, 32, 224, 256, Filter::bilinear}, Row{768, 16, 384, 384, Filter::bicubic},  // SWAG
        Row{1280, 14, 518, 518, Filter::bicubic}}) {
    ViTConfig c;
    c.embed_dim = row.D;
    c.patch_height = c.patch_width = row.P;
    c.image_height = c.image_width = row.pixels;
    const PreprocessConfig preprocess = detail::torchvision_preprocess(c);
    EXPECT_EQ(preprocess.height, row.pixels) << row.D << " " << row.P;
    EXPECT_EQ(preprocess.resize_height, row.resize) << row.D << " " << row.P;
    EXPECT_EQ(preprocess.filter, row.filter) << row.D << " " << row.P;
    EXPECT_EQ(preprocess.mean, imagenet_mean);
  }
}

TEST(Torchvision, TheTransformsBesideAFileAreItsOwn) {
  const Tensors tensors("tv_vit");
  const Checkpoint told = vitrail_test::opened(tensors, R"({"model_args": {"num_heads": 3},
      "transforms": {"resize_size": 72, "crop_size": 64, "interpolation": "bicubic"}})");
  EXPECT_EQ(told.preprocess->resize_height, 72);
  EXPECT_EQ(told.preprocess->filter, Filter::bicubic);
  EXPECT_TRUE(told.because.says("preprocess", "config.json"));
  const Checkpoint bare = vitrail_test::opened(tensors, "", vitrail_test::with_heads(3));
  EXPECT_EQ(bare.preprocess->resize_height, 64);
  EXPECT_TRUE(bare.because.says("heads", "asked for"));
}

TEST(Torchvision, ModelArgumentsHaveToTellTheHeads) {
  EXPECT_CONTAINS(vitrail_test::refusal(Tensors("tv_vit"), R"({"model_args": {}})"), "num_heads");
}

}  // namespace
