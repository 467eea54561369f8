// Microsoft's BEiT-3 as Microsoft ships it: the picture's branch (".A.") of a multiway transformer.
//
// Facts: microsoft/unilm beit3 and timm's conversion of it. eps 1e-5, erf GELU, norms inside both
// branches, heads of 64 (88 in the giant), the mean of the patches; the first two rows of the
// position table are padding.
#ifndef VITRAIL_CHECKPOINTS_BEIT3_HPP
#define VITRAIL_CHECKPOINTS_BEIT3_HPP

#include <vitrail/checkpoints/settle.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

inline constexpr NameRule beit3_rules[] = {
    {"cls_token", "beit3.vision_embed.cls_token"},
    {"patch_embed.proj.weight", "beit3.vision_embed.proj.weight"},
    {"patch_embed.proj.bias", "beit3.vision_embed.proj.bias"},
    {"blocks.{}.norm1.weight", "~{}.self_attn_layer_norm.A.weight"},
    {"blocks.{}.norm1.bias", "~{}.self_attn_layer_norm.A.bias"},
    {"blocks.{}.attn.qkv.weight", "~{}.self_attn.{q_proj,k_proj,v_proj}.A.weight"},
    {"blocks.{}.attn.qkv.bias", "~{}.self_attn.{q_proj,k_proj,v_proj}.A.bias"},
    {"blocks.{}.attn.norm.weight", "~{}.self_attn.inner_attn_ln.A.weight"},
    {"blocks.{}.attn.norm.bias", "~{}.self_attn.inner_attn_ln.A.bias"},
    {"blocks.{}.attn.proj.weight", "~{}.self_attn.out_proj.A.weight"},
    {"blocks.{}.attn.proj.bias", "~{}.self_attn.out_proj.A.bias"},
    {"blocks.{}.norm2.weight", "~{}.final_layer_norm.A.weight"},
    {"blocks.{}.norm2.bias", "~{}.final_layer_norm.A.bias"},
    {"blocks.{}.mlp.fc1.weight", "~{}.ffn.A.fc1.weight"},
    {"blocks.{}.mlp.fc1.bias", "~{}.ffn.A.fc1.bias"},
    {"blocks.{}.mlp.norm.weight", "~{}.ffn.A.ffn_layernorm.weight"},
    {"blocks.{}.mlp.norm.bias", "~{}.ffn.A.ffn_layernorm.bias"},
    {"blocks.{}.mlp.fc2.weight", "~{}.ffn.A.fc2.weight"},
    {"blocks.{}.mlp.fc2.bias", "~{}.ffn.A.fc2.bias"},
    {"norm.weight", "beit3.encoder.layer_norm.A.weight"},
    {"norm.bias", "beit3.encoder.layer_norm.A.bias"},
    {"fc_norm.weight", "fc_norm.weight"},
    {"fc_norm.bias", "fc_norm.bias"},
    {"head.weight", "head.weight"},
    {"head.bias", "head.bias"}};

}  // namespace detail

[[nodiscard]] inline bool is_beit3(const NamedTensors& tensors) {
  return tensors.contains("beit3.vision_embed.proj.weight") &&
         tensors.contains("beit3.encoder.embed_positions.A.weight");
}

[[nodiscard, gnu::cold]] inline Checkpoint open_beit3(CheckpointFiles files,
                                                      const LoadOptions& options) {
  Checkpoint checkpoint(std::move(files), "Microsoft");
  const NamedTensors& tensors = checkpoint.files.tensors;
  checkpoint.names = NameTable("beit3.encoder.layers.", detail::beit3_rules);
  const AnyView& positions = tensors.at("beit3.encoder.embed_positions.A.weight");
  if (positions.shape.rank() != 2 || positions.shape[0] < 3)
    fail(checkpoint.path(), "beit3.encoder.embed_positions.A.weight is ",
         positions.shape.to_string(), ", expected (2 + T, D)");
  checkpoint.names.add(
      "pos_embed",
      {{"beit3.encoder.embed_positions.A.weight"}, Layout::same, 2, positions.shape[0]});
  for (const auto& [name, view] : tensors) {  // the text's branch, its embeddings, its heads
    if (name.find(".B.") != std::string::npos || name.starts_with("beit3.text_embed.") ||
        name.ends_with("mask_token") || name.starts_with("logit_scale")) {
      checkpoint.unused.push_back(name);
    }
  }
  const TensorShapes shapes(tensors, checkpoint.names);
  ViTConfig& c = checkpoint.config;
  c.architecture = "beit3";
  c.norm_eps = 1e-5;
  c.pooling = Pooling::avg;
  settle_heads(options, heads_in_config(checkpoint), shapes, checkpoint);
  for (const char* field : {"architecture", "norm_eps", "activation", "pooling", "position_rule"})
    checkpoint.because.set(field, "BEiT-3's, as timm reads it");
  infer_from_tensors(shapes, checkpoint.names, false, c);
  apply_options(options, checkpoint);
  settle_evaluation(1, standard_mean, standard_std, "BEiT-3's", checkpoint);
  settle_labels({}, "", checkpoint);
  return checkpoint;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_BEIT3_HPP
