// timm's tensor names, which are ours but for the dialects of some families: tables of rules, each
// for files that hold a certain tensor, and the prefixes that other makers put before them.
#ifndef VITRAIL_CHECKPOINTS_TIMM_NAMES_HPP
#define VITRAIL_CHECKPOINTS_TIMM_NAMES_HPP

#include <vitrail/checkpoints/checkpoint.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// Names that some families have in the place of our own.
inline constexpr NameRule timm_gammas[] = {{"blocks.{}.ls1.gamma", "~blocks.{}.gamma_1"},
                                           {"blocks.{}.ls2.gamma", "~blocks.{}.gamma_2"}};
inline constexpr NameRule timm_qv_bias[] = {
    {"blocks.{}.attn.qkv.bias", "~blocks.{}.attn.{q_bias,0,v_bias}"}};
inline constexpr NameRule timm_split_qkv[] = {
    {"blocks.{}.attn.qkv.weight", "~blocks.{}.attn.{q_proj,k_proj,v_proj}.weight"}};
inline constexpr NameRule timm_split_qkv_bias[] = {
    {"blocks.{}.attn.qkv.bias", "~blocks.{}.attn.{q_proj,k_proj,v_proj}.bias"}};
inline constexpr NameRule timm_split_qv_bias[] = {
    {"blocks.{}.attn.qkv.bias", "~blocks.{}.attn.{q_proj,0,v_proj}.bias"}};
inline constexpr NameRule timm_split_gate[] = {
    {"blocks.{}.mlp.fc1.weight", "~blocks.{}.mlp.{fc1_g,fc1_x}.weight"},
    {"blocks.{}.mlp.fc1.bias", "~blocks.{}.mlp.{fc1_g,fc1_x}.bias"}};
inline constexpr NameRule timm_w12[] = {{"blocks.{}.mlp.fc1.weight", "~blocks.{}.mlp.w12.weight"},
                                        {"blocks.{}.mlp.fc1.bias", "~blocks.{}.mlp.w12.bias"},
                                        {"blocks.{}.mlp.fc2.weight", "~blocks.{}.mlp.w3.weight"},
                                        {"blocks.{}.mlp.fc2.bias", "~blocks.{}.mlp.w3.bias"}};
inline constexpr NameRule timm_w1_w2[] = {
    {"blocks.{}.mlp.fc1.weight", "~blocks.{}.mlp.{w1,w2}.weight"},
    {"blocks.{}.mlp.fc1.bias", "~blocks.{}.mlp.{w1,w2}.bias"},
    {"blocks.{}.mlp.fc2.weight", "~blocks.{}.mlp.w3.weight"},
    {"blocks.{}.mlp.fc2.bias", "~blocks.{}.mlp.w3.bias"}};
inline constexpr NameRule timm_ffn_norm[] = {
    {"blocks.{}.mlp.norm.weight", "~blocks.{}.mlp.ffn_ln.weight"},
    {"blocks.{}.mlp.norm.bias", "~blocks.{}.mlp.ffn_ln.bias"}};
inline constexpr NameRule timm_inner_attn_norm[] = {
    {"blocks.{}.attn.norm.weight", "~blocks.{}.attn.inner_attn_ln.weight"},
    {"blocks.{}.attn.norm.bias", "~blocks.{}.attn.inner_attn_ln.bias"}};
inline constexpr NameRule timm_adaptformer[] = {
    {"blocks.{}.mlp.fc1.weight", "~blocks.{}.fc1.weight"},
    {"blocks.{}.mlp.fc1.bias", "~blocks.{}.fc1.bias"},
    {"blocks.{}.mlp.fc2.weight", "~blocks.{}.fc2.weight"},
    {"blocks.{}.mlp.fc2.bias", "~blocks.{}.fc2.bias"}};
inline constexpr NameRule timm_register_tokens[] = {{"reg_token", "~register_tokens"}};
inline constexpr NameRule timm_storage_tokens[] = {{"reg_token", "~storage_tokens"}};

inline constexpr NameRules timm_dialects[] = {
    {"blocks.0.gamma_1", timm_gammas},       // BEiT, EVA, DINOv3, DeiT III
    {"blocks.0.attn.q_bias", timm_qv_bias},  // BEiT, EVA: k has no bias
    {"blocks.0.attn.k_proj.weight", timm_split_qkv},
    {"blocks.0.attn.k_proj.bias", timm_split_qkv_bias},
    {"blocks.0.attn.q_proj.bias", timm_split_qv_bias},
    {"blocks.0.mlp.fc1_g.weight", timm_split_gate},
    {"blocks.0.mlp.w12.weight", timm_w12},   // DINOv2
    {"blocks.0.mlp.w1.weight", timm_w1_w2},  // EVA-02 and DINOv3 as their authors ship them
    {"blocks.0.mlp.ffn_ln.weight", timm_ffn_norm},
    {"blocks.0.attn.inner_attn_ln.weight", timm_inner_attn_norm},
    {"blocks.0.fc1.weight", timm_adaptformer},  // AdaptFormer
    {"register_tokens", timm_register_tokens},
    {"storage_tokens", timm_storage_tokens},
};

/// A parallel block, but for its one product in.
inline constexpr NameRule timm_parallel_scaling[] = {
    {"blocks.{}.norm1.weight", "~blocks.{}.in_norm.weight"},
    {"blocks.{}.norm1.bias", "~blocks.{}.in_norm.bias"},
    {"blocks.{}.attn.q_norm.weight", "~blocks.{}.q_norm.weight"},
    {"blocks.{}.attn.q_norm.bias", "~blocks.{}.q_norm.bias"},
    {"blocks.{}.attn.k_norm.weight", "~blocks.{}.k_norm.weight"},
    {"blocks.{}.attn.k_norm.bias", "~blocks.{}.k_norm.bias"},
    {"blocks.{}.attn.sub_norm.weight", "~blocks.{}.sub_norm.weight"},
    {"blocks.{}.attn.lambda_a", "~blocks.{}.lambda_a"},
    {"blocks.{}.attn.lambda_b", "~blocks.{}.lambda_b"},
    {"blocks.{}.attn.lambda_q1", "~blocks.{}.lambda_q1"},
    {"blocks.{}.attn.lambda_k1", "~blocks.{}.lambda_k1"},
    {"blocks.{}.attn.lambda_q2", "~blocks.{}.lambda_q2"},
    {"blocks.{}.attn.lambda_k2", "~blocks.{}.lambda_k2"},
    {"blocks.{}.attn.proj.weight", "~blocks.{}.attn_out_proj.weight"},
    {"blocks.{}.attn.proj.bias", "~blocks.{}.attn_out_proj.bias"},
    {"blocks.{}.mlp.fc2.weight", "~blocks.{}.mlp_out_proj.weight"},
    {"blocks.{}.mlp.fc2.bias", "~blocks.{}.mlp_out_proj.bias"},
    {"blocks.{}.ls1.gamma", "~blocks.{}.ls.gamma"},
    {"blocks.{}.ls2.gamma", "~blocks.{}.ls.gamma"}};

/// The product in: the rows of the MLP, then those of q, k and v.
[[gnu::cold]] inline void add_parallel_scaling(const NamedTensors& tensors, Index hidden,
                                               Index rows, NameTable& names) {
  const auto same = Layout::same;
  const NameRule in_proj[] = {
      {"blocks.{}.mlp.fc1.weight", "~blocks.{}.in_proj.weight", same, 0, hidden},
      {"blocks.{}.attn.qkv.weight", "~blocks.{}.in_proj.weight", same, hidden, rows}};
  const NameRule bias[] = {
      {"blocks.{}.mlp.fc1.bias", "~blocks.{}.in_proj.bias", same, 0, hidden},
      {"blocks.{}.attn.qkv.bias", "~blocks.{}.in_proj.bias", same, hidden, rows}};
  constexpr NameRule mlp_bias[] = {{"blocks.{}.mlp.fc1.bias", "~blocks.{}.mlp_bias"}};
  const NameRules sets[] = {{"blocks.0.in_proj.weight", in_proj},
                            {"blocks.0.in_proj.bias", bias},
                            {"blocks.0.mlp_bias", mlp_bias},
                            {"", timm_parallel_scaling}};
  add_rules(tensors, sets, names);
}

/// The names of a file whose tensors carry `prefix`.
[[nodiscard, gnu::cold]] inline NameTable timm_names(const NamedTensors& tensors,
                                                     const std::string& prefix) {
  NameTable names(prefix);
  add_rules(tensors, timm_dialects, names);
  const AnyView* in = tensors.find(join(prefix, "blocks.0.in_proj.weight"));
  const AnyView* out = tensors.find(join(prefix, "blocks.0.mlp_out_proj.weight"));
  if (in != nullptr && out != nullptr && in->shape.rank() == 2 && out->shape.rank() == 2 &&
      out->shape[1] < in->shape[0]) {
    add_parallel_scaling(tensors, out->shape[1], in->shape[0], names);
  }
  constexpr NameRule others[] = {{"*", "*"}};
  names.add(others);
  return names;
}

/// What wraps timm's names in files of other makers: training harnesses, open_clip's towers, BLIP.
[[nodiscard]] inline std::optional<std::string> timm_prefix(const NamedTensors& tensors) {
  for (const char* prefix :
       {"", "module.", "model.", "backbone.", "module.backbone.", "model.backbone.", "encoder.",
        "module.encoder.", "visual.trunk.", "module.visual.trunk.", "visual_encoder.",
        "module.visual_encoder.", "vision_encoder.", "teacher.backbone.", "student.backbone."}) {
    const std::string start(prefix);
    if (tensors.contains(start, "patch_embed.proj.weight") &&
        (tensors.contains(start, "blocks.0.norm1.weight") ||
         tensors.contains(start, "blocks.0.in_norm.weight") ||
         tensors.contains(start, "blocks.0.attns.0.norm.weight"))) {
      return start;
    }
  }
  return std::nullopt;
}

}  // namespace detail

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_TIMM_NAMES_HPP
