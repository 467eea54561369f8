// The picture towers of transformers' CLIP, SigLIP and BLIP: told apart by names, settled by what
// their configs leave out.
#include <gtest/gtest.h>

#include <support/twins.hpp>

namespace {

using namespace vitrail;
using vitrail_test::opened;
using vitrail_test::refusal;
using vitrail_test::Tensors;

/// timm_vit_eps under BLIP's names.
Tensors blip_tower() {
  Tensors blip("timm_vit_eps");
  blip.drop("head.")
      .replace("cls_token", "vision_model.embeddings.class_embedding")
      .replace("pos_embed", "vision_model.embeddings.position_embedding")
      .replace("patch_embed.proj", "vision_model.embeddings.patch_embedding")
      .replace("attn.qkv", "self_attn.qkv")
      .replace("attn.proj", "self_attn.projection")
      .replace("norm1", "layer_norm1")
      .replace("norm2", "layer_norm2")
      .replace("blocks.", "vision_model.encoder.layers.")
      .rename("norm.weight", "vision_model.post_layernorm.weight")
      .rename("norm.bias", "vision_model.post_layernorm.bias");
  return blip;
}

TEST(HuggingFaceClip, ReadsBlip) {
  const std::string config = R"({"model_type": "blip", "vision_config": {
      "model_type": "blip_vision_model", "num_attention_heads": 3, "hidden_act": "gelu",
      "layer_norm_eps": 1e-06, "image_size": 32}})";
  vitrail_test::expect_twin(vitrail_test::files_of(blip_tower(), config),
                            {"timm_vit_eps", "Hugging Face", false, PositionRule::huggingface});
}

TEST(HuggingFaceClip, NamesTellEpsAndActivation) {
  const LoadOptions three = vitrail_test::with_heads(3);
  const ViTConfig clip = opened(Tensors("hf_clip_eos"), "", three).config;
  EXPECT_EQ(clip.architecture, "clip_vision_model");
  EXPECT_EQ(clip.activation, Activation::quick_gelu);
  EXPECT_EQ(clip.norm_eps, 1e-5);
  const ViTConfig siglip = opened(Tensors("hf_siglip"), "", three).config;
  EXPECT_EQ(siglip.architecture, "siglip_vision_model");
  EXPECT_EQ(siglip.activation, Activation::gelu_tanh);
  EXPECT_EQ(siglip.norm_eps, 1e-6);
  EXPECT_EQ(siglip.pooling, Pooling::map);
  const ViTConfig blip = opened(blip_tower(), "", three).config;
  EXPECT_EQ(blip.architecture, "blip_vision_model");
  EXPECT_EQ(blip.activation, Activation::gelu_erf);
  EXPECT_EQ(blip.norm_eps, 1e-5);
}

TEST(HuggingFaceClip, AConfigLeavesOutWhatIsTransformersDefault) {
  const Checkpoint checkpoint = opened(Tensors("hf_clip_eos"), R"({"vision_config": {}})");
  EXPECT_EQ(checkpoint.config.heads, 12);
  EXPECT_TRUE(checkpoint.because.says("heads", "config.json"));
  const std::string blip2 = R"({"vision_config": {"model_type": "blip_2_vision_model"}})";
  EXPECT_CONTAINS(refusal(blip_tower(), blip2), "24 attention columns do not divide into 16 heads");
  const ViTConfig told =
      opened(blip_tower(), R"({"model_type": "blip_2_vision_model", "num_attention_heads": 3})")
          .config;  // a tower's config alone
  EXPECT_EQ(told.norm_eps, 1e-6);
}

TEST(HuggingFaceClip, SigLipsQueryIsTheFirstThirdOfItsProduct) {
  const NameTable names = detail::huggingface_clip_names(Tensors("hf_siglip").named());
  const TensorSource q = *names.find("attn_pool.q.weight");
  const TensorSource kv = *names.find("attn_pool.kv.bias");
  EXPECT_EQ(q.begin, 0);
  EXPECT_EQ(q.end, 24);
  EXPECT_EQ(kv.begin, 24);
  EXPECT_EQ(kv.end, 72);
}

TEST(HuggingFaceClip, PreparesPicturesAsEachProcessorDoesByDefault) {
  const LoadOptions three = vitrail_test::with_heads(3);
  const PreprocessConfig clip = *opened(Tensors("hf_clip_eos"), "", three).preprocess;
  EXPECT_EQ(clip.resize, ResizeMode::shortest_edge);
  EXPECT_EQ(clip.mean, clip_mean);
  EXPECT_EQ(clip.height, 56);
  const PreprocessConfig siglip = *opened(Tensors("hf_siglip"), "", three).preprocess;
  EXPECT_EQ(siglip.resize, ResizeMode::squash);
  EXPECT_EQ(siglip.mean, standard_mean);
}

TEST(HuggingFaceClip, LeavesEverythingButTheTowerAlone) {
  Tensors tensors("hf_siglip");
  tensors.add("text_model.stray", {1}).add("vision_model.embeddings.position_ids", {1, 16});
  const Checkpoint checkpoint = opened(tensors, "", vitrail_test::with_heads(3));
  EXPECT_NO_THROW((void)load_vit<float>(checkpoint, {}));
  tensors.add("vision_model.stray", {1});
  const Checkpoint stray = opened(tensors, "", vitrail_test::with_heads(3));
  EXPECT_CONTAINS(vitrail_test::error_of([&] { (void)load_vit<float>(stray, {}); }),
                  "'vision_model.stray'");
}

}  // namespace
