// Layouts without a golden of their own: a golden's tensors under the names that another publisher
// gives them have to give its twin's answers, bit for bit.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <support/golden_folder.hpp>
#include <vitrail/vitrail.hpp>

namespace {

using namespace vitrail;
namespace fs = std::filesystem;

/// A golden's tensors, to be renamed, cut and added to.
class Renamed {
 public:
  explicit Renamed(const std::string& source)
      : file_(open_tensor_file((golden::folder(source) / "model.safetensors").string())) {
    for (const auto& [name, view] : file_) tensors_.push_back({name, view});
  }

  /// Replaces `from` by `to` in every name.
  Renamed& replace(const std::string& from, const std::string& to) {
    for (NamedTensor& tensor : tensors_) {
      if (const std::size_t at = tensor.name.find(from); at != std::string::npos)
        tensor.name.replace(at, from.size(), to);
    }
    return *this;
  }
  /// Gives the tensor `from` the name `to`.
  Renamed& rename(const std::string& from, const std::string& to) {
    for (NamedTensor& tensor : tensors_)
      if (tensor.name == from) tensor.name = to;
    return *this;
  }
  Renamed& prefix(const std::string& start) {
    for (NamedTensor& tensor : tensors_) tensor.name = start + tensor.name;
    return *this;
  }
  Renamed& drop(const std::string& part) {
    std::erase_if(tensors_, [&](const NamedTensor& tensor) {
      return tensor.name.find(part) != std::string::npos;
    });
    return *this;
  }
  /// Cuts every tensor whose name holds `from` into as many parts of rows as `names` has.
  Renamed& cut(const std::string& from, const std::vector<std::string>& names) {
    std::vector<NamedTensor> result;
    for (const NamedTensor& tensor : tensors_) {
      const std::size_t at = tensor.name.find(from);
      if (at == std::string::npos) {
        result.push_back(tensor);
        continue;
      }
      const Index rows = tensor.view.shape[0] / static_cast<Index>(names.size());
      for (std::size_t i = 0; i < names.size(); ++i) {
        std::string name = tensor.name;
        const auto first = static_cast<Index>(i) * rows;
        result.push_back({name.replace(at, from.size(), names[i]),
                          detail::rows_of(tensor.view, first, first + rows)});
      }
    }
    tensors_ = std::move(result);
    return *this;
  }
  /// Adds zeros.
  Renamed& add(const std::string& name, const Shape& shape) {
    added_.push_back(std::make_unique<AnyTensor>(DType::f32, shape));
    std::memset(added_.back()->bytes().data(), 0, added_.back()->bytes().size());
    tensors_.push_back({name, added_.back()->view()});
    return *this;
  }
  /// "blocks.1." becomes "blocks.CHUNK.1.", `size` blocks to a chunk.
  Renamed& chunk(int size) {
    for (NamedTensor& tensor : tensors_) {
      if (!tensor.name.starts_with("blocks.")) continue;
      const std::string number = tensor.name.substr(7, tensor.name.find('.', 7) - 7);
      tensor.name.insert(7, std::to_string(std::stoi(number) / size) + ".");
    }
    return *this;
  }

  [[nodiscard]] const std::vector<NamedTensor>& tensors() const { return tensors_; }

 private:
  TensorFile file_;
  std::vector<NamedTensor> tensors_;
  std::vector<std::unique_ptr<AnyTensor>> added_;
};

struct Answer {
  std::string publisher;
  PositionRule rule;
  std::vector<float> tokens;  // forward_features
  std::vector<float> logits;  // or the features of a model without classes
};

Answer answer_of(const std::string& path, const std::string& source, const LoadOptions& options) {
  const Checkpoint checkpoint = open_checkpoint(path, options);
  const ViT<float> vit = load_vit<float>(checkpoint, options);
  const TensorFile input =
      open_tensor_file((golden::folder(source) / "input.safetensors").string());
  const Tensor<float, 4> pixels = input.at("pixel_values").to<float, 4>();
  const Index B = pixels.extent(0);
  const Index K = checkpoint.config.classes;
  Tensor<float, 3> tokens(
      {B, vit.tokens_for(pixels.extent(2), pixels.extent(3)), checkpoint.config.embed_dim});
  Tensor<float, 2> out({B, K > 0 ? K : checkpoint.config.feature_dim()});
  SerialExecutor serial;
  Workspace workspace;
  ViTOutputs<float> outputs{.tokens = tokens};
  (K > 0 ? outputs.logits : outputs.features) = out;
  vit.forward(pixels, outputs, {serial, workspace});
  return {checkpoint.publisher,
          checkpoint.config.position_rule,
          {tokens.flat().begin(), tokens.flat().end()},
          {out.flat().begin(), out.flat().end()}};
}

struct Expected {
  std::string source;
  std::string publisher;
  bool logits = true;  // the answers too, not only the tokens
  PositionRule rule = PositionRule::timm;
};

/// Writes `renamed` (and a config, if there is one) and compares what it gives with its source.
void expect_twin(const std::string& name, const Renamed& renamed, const Expected& expected,
                 Index heads, const std::string& config_name = "", const std::string& json = "") {
  const fs::path folder = fs::path(testing::TempDir()) / ("layout_" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  write_safetensors((folder / "model.safetensors").string(), renamed.tensors());
  if (!json.empty()) std::ofstream(folder / config_name) << json;
  LoadOptions options;
  options.heads = heads;
  try {
    const Answer found = answer_of(folder.string(), expected.source, options);
    const Answer twin = answer_of(golden::folder(expected.source).string(), expected.source, {});
    EXPECT_EQ(found.publisher, expected.publisher) << name;
    EXPECT_EQ(found.rule, expected.rule) << name << ": " << name_of(found.rule);
    EXPECT_EQ(found.tokens, twin.tokens) << name;
    if (expected.logits) {
      EXPECT_EQ(found.logits, twin.logits) << name;
    }
  } catch (const Error& error) {
    ADD_FAILURE() << name << ": " << error.what();
  }
}

TEST(Layouts, MetasDino) {
  Renamed dino("timm_vit_eps");
  dino.drop("head.").prefix("module.backbone.");
  dino.add("module.head.mlp.0.weight", {8, 24}).add("module.head.last_layer.weight_g", {4, 1});
  expect_twin("dino", dino, {"timm_vit_eps", "Meta", false, PositionRule::dinov2}, 3);
}

TEST(Layouts, MetasMaskedAutoencoder) {
  Renamed mae("timm_vit_eps");
  mae.drop("head.").add("mask_token", {1, 1, 16}).add("decoder_pos_embed", {1, 17, 16});
  mae.add("decoder_embed.weight", {16, 24}).add("decoder_blocks.0.norm1.weight", {16});
  mae.add("decoder_norm.weight", {16}).add("decoder_pred.weight", {192, 16});
  expect_twin("mae", mae, {"timm_vit_eps", "Meta", false, PositionRule::huggingface}, 3);
}

TEST(Layouts, AMaskedAutoencoderFinetunedPoolsItsPatches) {
  const Renamed finetuned("timm_vit_gap_fcnorm");
  expect_twin("mae_finetuned", finetuned, {"timm_vit_gap_fcnorm", "timm"}, 4);
}

TEST(Layouts, MetasDinov2InTrainingsChunks) {
  for (const char* source : {"fb_dinov2", "fb_dinov2_swiglu"}) {
    Renamed chunks(source);
    chunks.chunk(2);
    expect_twin("chunks", chunks, {source, "Meta", true, PositionRule::dinov2}, 3);
    expect_twin("chunked_teacher", chunks.prefix("teacher.backbone."),
                {source, "Meta", true, PositionRule::dinov2}, 3);
  }
  Renamed registers("fb_dinov2_reg");
  expect_twin("chunked_registers", registers.chunk(1), {"fb_dinov2_reg", "Meta"}, 3);
}

TEST(Layouts, ApplesAimv2) {
  Renamed apple("plain_aimv2");
  apple.replace("patch_embed.", "preprocessor.patchifier.")
      .replace("pos_embed", "preprocessor.pos_embed")
      .replace("blocks.", "trunk.blocks.")
      .replace("norm1", "norm_1")
      .replace("norm2", "norm_2")
      .replace("fc1_g", "fc1")
      .replace("fc1_x", "fc3")
      .rename("norm.weight", "trunk.post_trunk_norm.weight");
  expect_twin("aimv2", apple, {"plain_aimv2", "Apple"}, 3);
}

TEST(Layouts, HuggingFacesDinov3) {
  Renamed hf("timm_dinov3");
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
  expect_twin("hf_dinov3", hf, {"timm_dinov3", "Hugging Face", false}, 0, "config.json", config);
}

TEST(Layouts, OpenClipsTowersOfTimms) {
  Renamed tower("timm_vit_clip_quickgelu");
  tower.drop("head.bias").prefix("visual.trunk.");
  tower.replace("visual.trunk.head.weight", "visual.head.proj.weight");
  tower.add("logit_scale", {1}).add("text.transformer.resblocks.0.ln_1.weight", {8});
  const std::string config = R"({"model_cfg": {"embed_dim": 12, "vision_cfg": {
      "timm_model_name": "vit_base_patch16_clip_quickgelu_224", "image_size": 64}}})";
  expect_twin("open_clip_timm", tower, {"timm_vit_clip_quickgelu", "timm", false}, 3,
              "open_clip_config.json", config);
  Renamed siglip("timm_siglip_map");
  siglip.drop("head.").prefix("visual.trunk.").add("logit_bias", {1});
  const std::string siglip_config = R"({"model_cfg": {"embed_dim": 24, "vision_cfg": {
      "timm_model_name": "vit_base_patch16_siglip_224", "image_size": 64}}})";
  expect_twin("open_clip_siglip", siglip, {"timm_siglip_map", "timm", false}, 3,
              "open_clip_config.json", siglip_config);
}

TEST(Layouts, SalesforcesBlip) {
  Renamed blip("timm_vit_eps");
  blip.drop("head.").prefix("visual_encoder.").add("text_encoder.embeddings.weight", {5, 8});
  blip.add("visual_encoder_m.cls_token", {1, 1, 24}).add("vision_proj.weight", {8, 24});
  expect_twin("blip", blip, {"timm_vit_eps", "LAVIS", false, PositionRule::huggingface}, 3);
}

TEST(Layouts, HuggingFacesBlip) {
  Renamed blip("timm_vit_eps");
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
  const std::string config = R"({"model_type": "blip", "vision_config": {
      "model_type": "blip_vision_model", "num_attention_heads": 3, "hidden_act": "gelu",
      "layer_norm_eps": 1e-06, "image_size": 32}})";
  expect_twin("hf_blip", blip, {"timm_vit_eps", "Hugging Face", false, PositionRule::huggingface},
              0, "config.json", config);
}

TEST(Layouts, Eva02AsItsAuthorsShipIt) {
  Renamed eva("timm_eva02_base_subln");
  eva.replace("mlp.fc1_g", "mlp.w1")
      .replace("mlp.fc1_x", "mlp.w2")
      .replace("mlp.fc2", "mlp.w3")
      .replace("mlp.norm", "mlp.ffn_ln")
      .replace("attn.q_proj.bias", "attn.q_bias")
      .replace("attn.v_proj.bias", "attn.v_bias")
      .add("rope.freqs_cos", {16, 8})
      .add("blocks.0.attn.rope.freqs_sin", {16, 8});
  std::ifstream file(golden::folder("timm_eva02_base_subln/config.json"));
  const std::string config{std::istreambuf_iterator<char>(file), {}};
  expect_twin("eva02", eva, {"timm_eva02_base_subln", "timm"}, 0, "config.json", config);
}

TEST(Layouts, LucidrainsFirstReleases) {
  const std::string config = R"({"model_args": {"heads": 4, "dim_head": 20, "pool": "cls"}})";
  Renamed wrapped("vitp_v0_40_2_cls");
  wrapped.replace(".0.fn.", ".0.fn.fn.").replace(".1.fn.", ".1.fn.fn.");
  wrapped.replace(".0.norm.", ".0.fn.norm.").replace(".1.norm.", ".1.fn.norm.");
  expect_twin("vitp_residual", wrapped, {"vitp_v0_40_2_cls", "lucidrains"}, 0, "config.json",
              config);
  wrapped.replace("to_patch_embedding.1.", "patch_to_embedding.");
  const std::string release = R"({"version": "0.6.8", )" + config.substr(1);
  expect_twin("vitp_first", wrapped, {"vitp_v0_40_2_cls", "lucidrains"}, 0, "config.json", release);
}

TEST(Layouts, TorchvisionsFirstReleases) {
  Renamed old("tv_vit");
  old.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2.");
  expect_twin("torchvision_0_12", old, {"tv_vit", "torchvision", true, PositionRule::torchvision},
              3);
}

}  // namespace
