// Swin: who published it shows from where its patches are merged, its sizes from its tables.
#include <gtest/gtest.h>

#include <support/tensors.hpp>

namespace {

using namespace vitrail;
using vitrail_test::opened;
using vitrail_test::refusal;
using vitrail_test::Tensors;

TEST(SwinFiles, TellThePublisherByWherePatchesAreMerged) {
  EXPECT_EQ(opened(Tensors("timm_swin")).publisher, "timm");
  EXPECT_EQ(opened(Tensors("ms_swin")).publisher, "Microsoft");
  EXPECT_EQ(opened(Tensors("hf_swin")).publisher, "Hugging Face");
  Tensors renamed("timm_swin");  // timm's but for the place of its merging
  EXPECT_EQ(opened(renamed.replace("layers.1.downsample", "layers.0.downsample")
                       .replace("head.fc.", "head."))
                .publisher,
            "Microsoft");
  Tensors wrapped("ms_swin");
  EXPECT_EQ(detail::swin_file(wrapped.prefix("module.").named())->prefix, "module.");
}

TEST(SwinFiles, ShowSizesHeadsAndWindows) {
  const Checkpoint checkpoint = opened(Tensors("ms_swin"));
  const SwinConfig& swin = *checkpoint.swin;
  EXPECT_EQ(swin.width, 24);
  EXPECT_EQ(swin.depths, (std::vector<Index>{2, 2}));
  EXPECT_EQ(swin.heads, (std::vector<Index>{2, 4}));
  EXPECT_EQ(swin.hidden, (std::vector<Index>{96, 192}));
  EXPECT_EQ(swin.windows, (std::vector<Index>{7, 7}));
  EXPECT_EQ(checkpoint.config.embed_dim, 48);
  EXPECT_EQ(checkpoint.config.classes, 10);
  EXPECT_EQ(checkpoint.config.norm_eps, 1e-5);
  EXPECT_EQ(checkpoint.config.pooling, Pooling::avg);
}

TEST(SwinFiles, DifferInShortSidesAndPadding) {
  const SwinConfig timm = *opened(Tensors("timm_swin")).swin;
  const SwinConfig microsoft = *opened(Tensors("ms_swin")).swin;
  const SwinConfig huggingface = *opened(Tensors("hf_swin")).swin;
  EXPECT_TRUE(timm.sides_alone);
  EXPECT_FALSE(microsoft.sides_alone);
  EXPECT_FALSE(huggingface.sides_alone);
  EXPECT_FALSE(microsoft.pad_before_shift);
  EXPECT_TRUE(huggingface.pad_before_shift);
}

TEST(SwinFiles, OfWindowsOf12AreOf384Pixels) {
  EXPECT_EQ(opened(Tensors("ms_swin")).config.image_height, 224);
  EXPECT_EQ(opened(Tensors("ms_swin")).preprocess->resize_height, 256);
  Tensors large("ms_swin");
  for (const char* block : {"0.blocks.0", "0.blocks.1", "1.blocks.0", "1.blocks.1"}) {
    const std::string name = join("layers.", block, ".attn.relative_position_bias_table");
    large.add(name, {23 * 23, block[0] == '0' ? 2 : 4});
  }
  const Checkpoint checkpoint = opened(large);
  EXPECT_EQ(checkpoint.swin->window, 12);
  EXPECT_EQ(checkpoint.config.image_height, 384);
  EXPECT_EQ(checkpoint.preprocess->resize_height, 384);
}

TEST(SwinFiles, HaveConfigsOfTheirPublishers) {
  const std::string size = R"({"DATA": {"IMG_SIZE": 96}})";
  EXPECT_EQ(opened(Tensors("ms_swin"), size).config.image_width, 96);
  const ViTConfig c =
      opened(Tensors("hf_swin"),
             R"({"image_size": 84, "layer_norm_eps": 1e-6, "hidden_act": "gelu_new"})")
          .config;
  EXPECT_EQ(c.image_height, 84);
  EXPECT_EQ(c.norm_eps, 1e-6);
  EXPECT_EQ(c.activation, Activation::gelu_tanh);
}

TEST(SwinFiles, AreRefusedByTheTensorThatIsNotSwins) {
  const std::string table = "layers.0.blocks.0.attn.relative_position_bias_table";
  const auto with_table = [&](const Shape& shape) {
    Tensors tensors("ms_swin");
    return refusal(tensors.add(table, shape));
  };
  EXPECT_CONTAINS(with_table({36, 2}), table + " or the stage's width is not Swin's");  // even
  EXPECT_CONTAINS(with_table({170, 2}), table);                                         // no square
  EXPECT_CONTAINS(with_table({338}), table);
  EXPECT_CONTAINS(with_table({169, 5}), "24 columns do not divide into 5 heads");
  Tensors narrow("ms_swin");
  EXPECT_CONTAINS(refusal(narrow.add("layers.1.blocks.0.norm1.weight", {24})), "layers.1.blocks.0");
  Tensors hollow("ms_swin");
  EXPECT_CONTAINS(refusal(hollow.drop("layers.0.blocks.0.norm1.weight")),
                  "layers.0.blocks.0.norm1.weight is missing: no stage has a block");
  Tensors flat("ms_swin");
  EXPECT_CONTAINS(refusal(flat.add("patch_embed.proj.weight", {24, 48})),
                  "patch_embed.proj.weight is missing or not (D, C, P, P)");
}

}  // namespace
