// The dialects of timm's names, each told by one tensor, and what may stand before them.
#include <gtest/gtest.h>

#include <support/tensors.hpp>

namespace {

using namespace vitrail;
using vitrail_test::Tensors;

std::vector<std::string> timm_source(const Tensors& tensors, const char* ours) {
  return detail::timm_names(tensors.named(), "m.").find(ours)->names;
}

TEST(TimmNames, AreOursWhereNoTensorTellsADialect) {
  EXPECT_EQ(timm_source(Tensors(), "blocks.1.ls1.gamma"),
            std::vector<std::string>{"m.blocks.1.ls1.gamma"});
}

TEST(TimmNames, HaveADialectForEachFamily) {
  struct Row {
    const char* probe;  // of the first block
    const char* ours;
    std::vector<std::string> theirs;
  };
  const Row rows[] = {
      {"gamma_1", "ls2.gamma", {"gamma_2"}},
      {"attn.q_bias", "attn.qkv.bias", {"attn.q_bias", "", "attn.v_bias"}},
      {"attn.k_proj.weight",
       "attn.qkv.weight",
       {"attn.q_proj.weight", "attn.k_proj.weight", "attn.v_proj.weight"}},
      {"attn.q_proj.bias", "attn.qkv.bias", {"attn.q_proj.bias", "", "attn.v_proj.bias"}},
      {"mlp.fc1_g.weight", "mlp.fc1.bias", {"mlp.fc1_g.bias", "mlp.fc1_x.bias"}},
      {"mlp.w12.weight", "mlp.fc1.weight", {"mlp.w12.weight"}},
      {"mlp.w12.weight", "mlp.fc2.weight", {"mlp.w3.weight"}},
      {"mlp.w1.weight", "mlp.fc1.weight", {"mlp.w1.weight", "mlp.w2.weight"}},
      {"mlp.ffn_ln.weight", "mlp.norm.bias", {"mlp.ffn_ln.bias"}},
      {"attn.inner_attn_ln.weight", "attn.norm.weight", {"attn.inner_attn_ln.weight"}}};
  for (const Row& row : rows) {
    Tensors tensors;
    tensors.add(join("m.blocks.0.", row.probe), {1});
    std::vector<std::string> expected = row.theirs;
    for (std::string& name : expected)
      if (!name.empty()) name = "m.blocks.7." + name;
    EXPECT_EQ(timm_source(tensors, join("blocks.7.", row.ours).c_str()), expected) << row.probe;
  }
}

TEST(TimmNames, AKeyWithABiasOfItsOwnIsRead) {
  Tensors tensors;
  tensors.add("m.blocks.0.attn.q_proj.bias", {1}).add("m.blocks.0.attn.k_proj.bias", {1});
  EXPECT_EQ(timm_source(tensors, "blocks.0.attn.qkv.bias").at(1), "m.blocks.0.attn.k_proj.bias");
}

TEST(TimmNames, TheProductIntoAParallelBlockIsTheMlpsThenQkvs) {
  Tensors tensors;
  tensors.add("m.blocks.0.in_proj.weight", {168, 24});
  tensors.add("m.blocks.0.mlp_out_proj.weight", {24, 96});
  const NameTable names = detail::timm_names(tensors.named(), "m.");
  EXPECT_EQ(names.find("blocks.1.mlp.fc1.weight")->end, 96);
  EXPECT_EQ(names.find("blocks.1.attn.qkv.weight")->begin, 96);
  EXPECT_EQ(names.find("blocks.1.attn.qkv.weight")->end, 168);
  EXPECT_EQ(names.find("blocks.1.ls2.gamma")->names.front(), "m.blocks.1.ls.gamma");
}

TEST(TimmNames, AreFoundBehindThePrefixOfAnotherMaker) {
  for (const char* prefix : {"", "module.", "teacher.backbone.", "visual.trunk."}) {
    const Tensors tensors = Tensors("timm_vit_cls").prefix(prefix);
    EXPECT_EQ(detail::timm_prefix(tensors.named()), prefix);
  }
  EXPECT_FALSE(detail::timm_prefix(Tensors("timm_vit_cls").prefix("other.").named()).has_value());
  EXPECT_FALSE(detail::timm_prefix(Tensors("timm_swin").named()).has_value());
}

}  // namespace
