// Apple's AIMv2: names, heads and the gate.
#include <gtest/gtest.h>

#include <support/twins.hpp>

namespace {

using namespace vitrail;
using vitrail_test::Tensors;

/// Twins with plain_aimv2, which has timm's names.
Tensors apples() {
  Tensors apple("plain_aimv2");
  apple.replace("patch_embed.", "preprocessor.patchifier.")
      .replace("pos_embed", "preprocessor.pos_embed")
      .replace("blocks.", "trunk.blocks.")
      .replace("norm1", "norm_1")
      .replace("norm2", "norm_2")
      .replace("fc1_g", "fc1")
      .replace("fc1_x", "fc3")
      .rename("norm.weight", "trunk.post_trunk_norm.weight");
  return apple;
}

TEST(Apple, ReadsAimv2BelowEveryPrefix) {
  for (const char* prefix : {"", "module.", "image_encoder.", "model."}) {
    Tensors apple = apples();
    vitrail_test::expect_twin(vitrail_test::files_of(apple.prefix(prefix)),
                              {"plain_aimv2", "Apple"}, 3);
  }
}

TEST(Apple, TheGateIsFc1AndTheValueFc3) {
  const NameTable names("", detail::aimv2_rules);
  EXPECT_EQ(
      names.find("blocks.3.mlp.fc1.weight")->names,
      (std::vector<std::string>{"trunk.blocks.3.mlp.fc1.weight", "trunk.blocks.3.mlp.fc3.weight"}));
}

TEST(Apple, HeadsAre128Wide) {
  EXPECT_CONTAINS(vitrail_test::refusal(apples()), "is 24 wide");
  Tensors wide;
  wide.add("preprocessor.patchifier.proj.weight", {256, 3, 2, 2})
      .add("preprocessor.pos_embed", {1, 4, 256})
      .add("trunk.blocks.0.norm_1.weight", {256})
      .add("trunk.blocks.0.norm_2.weight", {256})
      .add("trunk.blocks.0.attn.qkv.weight", {768, 256})
      .add("trunk.blocks.0.mlp.fc1.weight", {8, 256})
      .add("trunk.blocks.0.mlp.fc3.weight", {8, 256})
      .add("trunk.blocks.0.mlp.fc2.weight", {256, 8});
  const Checkpoint checkpoint = vitrail_test::opened(wide);
  EXPECT_EQ(checkpoint.config.heads, 2);
  EXPECT_EQ(checkpoint.config.norm_eps, 1e-5);
  EXPECT_EQ(checkpoint.config.norm, NormKind::rms_norm);
  EXPECT_EQ(checkpoint.config.activation, Activation::silu);
  EXPECT_EQ(checkpoint.preprocess->mean, clip_mean);
}

}  // namespace
