// Who published a file, what decided it, and what is said of a file that nobody did.
#include <gtest/gtest.h>

#include <filesystem>
#include <support/tensors.hpp>

namespace {

using namespace vitrail;
using vitrail_test::refusal;
using vitrail_test::Tensors;

TEST(Detect, NamesThePublisher) {
  const std::pair<const char*, const char*> cases[] = {
      {"timm_vit_cls", "timm"},      {"timm_swin", "timm"},         {"hf_vit", "Hugging Face"},
      {"hf_siglip", "Hugging Face"}, {"hf_swin", "Hugging Face"},   {"ms_swin", "Microsoft"},
      {"ms_beit3", "Microsoft"},     {"lavis_clip", "LAVIS"},       {"fb_dinov2", "Meta"},
      {"fb_deit3", "Meta DeiT"},     {"tv_vit", "torchvision"},     {"openclip_gelu", "open_clip"},
      {"vitp_simple", "lucidrains"}, {"npz_vit", "google-research"}};
  for (const auto& [folder, publisher] : cases)
    EXPECT_EQ(open_checkpoint(vitrail_test::golden(folder), {}).publisher, publisher) << folder;
}

TEST(Detect, EverythingThatInfoShowsSaysWhereItCameFrom) {
  namespace fs = std::filesystem;
  for (const auto& entry : fs::directory_iterator(VITRAIL_GOLDEN_DIR)) {
    if (!fs::exists(entry.path() / "config.json") ||
        !fs::exists(entry.path() / "expected.safetensors"))
      continue;
    if (fs::exists(entry.path() / "overlay.safetensors")) continue;
    const Checkpoint checkpoint = open_checkpoint(entry.path().string(), {});
    for (const char* field : {"architecture", "heads", "norm_eps", "activation", "position_rule",
                              "pooling", "preprocess", "tokens", "size"}) {
      const std::string* const reason = checkpoint.because.find(field);
      EXPECT_TRUE(reason != nullptr && !reason->empty()) << entry.path() << " " << field;
    }
  }
}

TEST(Detect, RefusesAnArchitectureThatNothingReads) {
  LoadOptions options = vitrail_test::with_heads(3);
  options.architecture = "vit_base_patch16_224";
  EXPECT_EQ(refusal(Tensors("tv_vit"), "", options),
            "in memory: is torchvision's, whose files tell their architecture; --arch has nothing "
            "to name");
}

TEST(Detect, RefusesTensorsOfTwoPublishersByBothNames) {
  Tensors both("tv_vit");
  both.add("patch_embed.proj.weight", {24, 3, 16, 16}).add("blocks.0.norm1.weight", {24});
  EXPECT_EQ(refusal(both),
            "in memory: holds tensors of both timm and torchvision, expected one publisher's");
}

TEST(Detect, SaysWhatTensorsOfNoPublisherBeginWith) {
  const std::string message = refusal(Tensors().add("fc.weight", {2, 2}).add("fc.bias", {2}));
  EXPECT_CONTAINS(message,
                  "in memory: 2 tensors of no known Vision Transformer (the first is 'fc.bias')");
  for (const Publisher& publisher : publishers)
    EXPECT_CONTAINS(message, std::string(publisher.name));
  EXPECT_CONTAINS(refusal(Tensors()), "0 tensors of no known Vision Transformer (no tensors)");
}

}  // namespace
