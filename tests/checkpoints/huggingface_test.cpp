// Hugging Face: what each family of transformers does where tensors and configs are silent.
#include <gtest/gtest.h>

#include <support/twins.hpp>

namespace {

using namespace vitrail;
using vitrail_test::error_of;
using vitrail_test::opened;
using vitrail_test::Tensors;

const std::string three_heads = R"({"num_attention_heads": 3})";

TEST(HuggingFace, ReadsDinov3) {
  Tensors hf("timm_dinov3");
  hf.drop("head.")
      .cut("attn.qkv.weight",
           {"attention.q_proj.weight", "attention.k_proj.weight", "attention.v_proj.weight"})
      .replace("patch_embed.proj", "embeddings.patch_embeddings")
      .replace("cls_token", "embeddings.cls_token")
      .replace("reg_token", "embeddings.register_tokens")
      .replace("blocks.", "layer.")
      .replace("attn.proj", "attention.o_proj")
      .replace("gamma_1", "layer_scale1.lambda1")
      .replace("gamma_2", "layer_scale2.lambda1")
      .replace("mlp.fc1", "mlp.up_proj")
      .replace("mlp.fc2", "mlp.down_proj")
      .add("embeddings.mask_token", {1, 1, 24});
  const std::string config = R"({"model_type": "dinov3_vit", "num_attention_heads": 3,
      "hidden_act": "gelu", "layer_norm_eps": 1e-05, "image_size": 64, "rope_theta": 100.0})";
  vitrail_test::expect_twin(vitrail_test::files_of(hf, config),
                            {"timm_dinov3", "Hugging Face", false});
}

TEST(HuggingFace, EpsIsTheFamilysUnlessTheConfigTells) {
  const auto eps = [](const char* golden, const std::string& config) {
    return opened(Tensors(golden), config).config.norm_eps;
  };
  EXPECT_EQ(eps("hf_vit", three_heads), 1e-12);
  EXPECT_EQ(eps("hf_dinov2", three_heads), 1e-6);
  EXPECT_EQ(eps("hf_vit", R"({"num_attention_heads": 3, "layer_norm_eps": 1e-5})"), 1e-5);
}

TEST(HuggingFace, AConfigHasToTellTheHeads) {
  EXPECT_CONTAINS(vitrail_test::refusal(Tensors("hf_vit"), R"({"model_type": "vit"})"),
                  "config.json: no key 'num_attention_heads'");
  EXPECT_CONTAINS(vitrail_test::refusal(Tensors("hf_vit")), "--heads");
}

TEST(HuggingFace, AKeyWithoutBiasTellsABeitFromAVit) {
  using enum detail::HuggingFaceFamily;
  EXPECT_EQ(detail::huggingface_file(Tensors("hf_vit").named())->family, vit);
  EXPECT_EQ(detail::huggingface_file(Tensors("hf_vit").drop("key.bias").named())->family, beit);
  const Tensors no_biases = Tensors("hf_vit").drop("key.bias").drop("query.bias");
  EXPECT_EQ(detail::huggingface_file(no_biases.named())->family, vit);
  EXPECT_EQ(detail::huggingface_file(Tensors("hf_beit").drop("lambda").named())->family, beit);
  EXPECT_EQ(detail::huggingface_file(Tensors("hf_dinov2").named())->prefix, "dinov2.");
}

TEST(HuggingFace, RegistersAreResampledWithAntialiasingAndHaveNoPositions) {
  const ViTConfig plain = opened(Tensors("hf_dinov2"), three_heads).config;
  EXPECT_EQ(plain.position_rule, PositionRule::huggingface);
  EXPECT_EQ(plain.positions, PositionCoverage::all);
  EXPECT_EQ(plain.pooling, Pooling::token_and_avg);  // its classifier reads both
  const ViTConfig registers = opened(Tensors("hf_dinov2_reg"), three_heads).config;
  EXPECT_EQ(registers.position_rule, PositionRule::timm);
  EXPECT_EQ(registers.positions, PositionCoverage::class_and_patches);
  EXPECT_EQ(registers.register_tokens, 4);
}

TEST(HuggingFace, OnlyBeitIsPooledAsItsConfigSays) {
  const std::string mean = R"({"num_attention_heads": 3, "use_mean_pooling": true})";
  EXPECT_EQ(opened(Tensors("hf_beit"), mean).config.pooling, Pooling::avg);
  EXPECT_EQ(opened(Tensors("hf_vit"), mean).config.pooling, Pooling::token);
}

TEST(HuggingFace, PreparesPicturesAsItsProcessorsDoByDefault) {
  const PreprocessConfig vit = *opened(Tensors("hf_vit"), three_heads).preprocess;
  EXPECT_EQ(vit.resize, ResizeMode::squash);
  EXPECT_EQ(vit.filter, Filter::bilinear);
  EXPECT_EQ(vit.resize_height, 64);
  const PreprocessConfig dinov2 = *opened(Tensors("hf_dinov2"), three_heads).preprocess;
  EXPECT_EQ(dinov2.resize, ResizeMode::shortest_edge);
  EXPECT_EQ(dinov2.resize_height, 256);
  EXPECT_EQ(dinov2.height, 224);
  EXPECT_EQ(dinov2.mean, imagenet_mean);
}

TEST(HuggingFace, LabelsStandInTheOrderOfTheirIds) {
  const auto labels = [](const char* json) {
    return detail::huggingface_labels({"config.json", parse_json(json, "config.json")});
  };
  EXPECT_EQ(labels(R"({"id2label": {"10": "k", "2": "c", "0": "a", "1": "b", "3": "d", "4": "e",
                       "5": "f", "6": "g", "7": "h", "8": "i", "9": "j"}})"),
            (std::vector<std::string>{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}));
  EXPECT_TRUE(labels("{}").empty());
  for (const char* id : {"2", "-1", "1x", "", "99999999999999999999"}) {
    const std::string json = join(R"({"id2label": {"0": "a", ")", id, R"(": "b"}})");
    EXPECT_EQ(error_of([&] { (void)labels(json.c_str()); }),
              join("config.json: 'id2label' has the id '", id, "', expected 0 to 1"));
  }
}

TEST(HuggingFace, RotaryPeriodsFollowTheConfigsBase) {
  const auto periods = [](const char* json) {
    ViTConfig c;
    c.head_dim = 8;
    detail::read_huggingface_rope({"config.json", parse_json(json, "config.json")}, c);
    return c.rotary_periods;
  };
  EXPECT_TRUE(periods("{}").empty());  // 100, the model's own
  EXPECT_TRUE(periods(R"({"rope_theta": 100})").empty());
  EXPECT_EQ(periods(R"({"rope_theta": 16})"), (std::vector<double>{1, 4}));
  EXPECT_EQ(periods(R"({"rope_theta": 9, "rope_parameters": {"rope_theta": 16}})"),
            (std::vector<double>{1, 4}));
  EXPECT_CONTAINS(error_of([&] { (void)periods(R"({"rope_theta": 0})"); }),
                  "'rope_theta' is 0.000000, expected more than 0");
}

}  // namespace
