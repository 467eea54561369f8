// One block of the encoder out of its tensors, for every kind of block that a ViTConfig names.
#ifndef VITRAIL_MODELS_LOAD_BLOCK_HPP
#define VITRAIL_MODELS_LOAD_BLOCK_HPP

#include <array>
#include <string>
#include <vitrail/models/config.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// `attn` and `mlp` are the parents of the two branches' names: both the block itself but in
/// parallel things.
template <Scalar T>
[[gnu::cold]] void load_branches(const ViTConfig& c, Parameters<T>& parameters,
                                 const std::array<std::string, 4>& names,
                                 std::string_view attn_name, std::string_view mlp_name, Index index,
                                 EncoderBlock<T>& block) {
  const Index D = c.embed_dim;
  const Index inner = c.heads * c.head_dim;
  const auto norm = [&](std::string_view name, Index width) {
    return LayerNorm<T>::load(parameters, name, width, c.norm_eps, c.norm);
  };
  block.kind = c.block;
  block.norm1 = norm(names[0], D);
  block.attn.heads = c.heads;
  block.attn.scale = static_cast<T>(c.attention_scale);
  block.attn.qkv = Dense<T>::load(parameters, join(attn_name, ".qkv"), 3 * inner, D, c.qkv_bias);
  const Index qk_dim = c.differential_attention ? c.head_dim / 2 : c.head_dim;
  if (c.qk_norm) block.attn.q_norm = norm(join(attn_name, ".q_norm"), qk_dim);
  if (c.qk_norm) block.attn.k_norm = norm(join(attn_name, ".k_norm"), qk_dim);
  if (c.differential_attention) {
    block.attn.differential =
        DifferentialAttention<T>::load(parameters, attn_name, c.head_dim, index);
  }
  if (c.attn_norm) block.attn.norm = norm(join(attn_name, ".norm"), inner);
  if (c.attn_proj) {
    block.attn.proj = Dense<T>::load(parameters, join(attn_name, ".proj"), D, inner, c.proj_bias);
  }
  if (c.relative_positions && !c.shared_relative_positions) {
    block.attn.relative =
        RelativePositionBias<T>::load(parameters, join(attn_name, ".relative_position_bias_table"),
                                      c.grid(), c.class_token ? 3 : 0, c.heads, c.relative_rule);
  }
  if (index + 1 == c.depth && c.last_block_absorbs())
    block.attn.few = FewQueries<T>::of(block.attn.qkv, inner);
  if (c.layer_scale) block.gamma1 = parameters.tensor(names[1], {D});
  if (c.block != BlockKind::parallel_scaling) block.norm2 = norm(names[2], D);
  block.mlp.activation = c.activation;
  block.mlp.gated = c.gated_mlp;
  block.mlp.fc1 = Dense<T>::load(parameters, join(mlp_name, ".fc1"),
                                 c.gated_mlp ? 2 * c.mlp_hidden : c.mlp_hidden, D, c.mlp_bias);
  if (c.mlp_norm) block.mlp.norm = norm(join(mlp_name, ".norm"), c.mlp_hidden);
  block.mlp.fc2 = Dense<T>::load(parameters, join(mlp_name, ".fc2"), D, c.mlp_hidden, c.mlp_bias);
  if (c.layer_scale) block.gamma2 = parameters.tensor(names[3], {D});
}

template <Scalar T>
[[gnu::cold]] void load_block(const ViTConfig& c, Parameters<T>& parameters, Index index,
                              EncoderBlock<T>& block) {
  const std::string name = join("blocks.", index);
  if (c.block != BlockKind::parallel_things) {
    load_branches<T>(c, parameters,
                     {join(name, ".norm1"), join(name, ".ls1.gamma"), join(name, ".norm2"),
                      join(name, ".ls2.gamma")},
                     join(name, ".attn"), join(name, ".mlp"), index, block);
    const auto load_adapter = [&](const std::optional<AdapterConfig>& config, const char* place,
                                  Adapter<T>& adapter) {
      const Index R = config ? config->hidden.at(static_cast<std::size_t>(index)) : 0;
      if (R > 0) adapter = Adapter<T>::load(parameters, join(name, place), c.embed_dim, R, *config);
    };
    load_adapter(c.attn_adapter, ".attn_adapter", block.attn_adapter);
    load_adapter(c.mlp_adapter, ".mlp_adapter", block.mlp_adapter);
    return;
  }
  block.beside = std::vector<EncoderBlock<T>>(static_cast<std::size_t>(c.branches - 1));
  for (Index i = 0; i < c.branches; ++i) {
    const std::string attn = join(name, ".attns.", i);
    const std::string mlp = join(name, ".ffns.", i);
    load_branches<T>(
        c, parameters,
        {join(attn, ".norm"), join(attn, ".ls.gamma"), join(mlp, ".norm"), join(mlp, ".ls.gamma")},
        join(attn, ".attn"), join(mlp, ".mlp"), index,
        i == 0 ? block : block.beside[static_cast<std::size_t>(i - 1)]);
  }
}

}  // namespace detail

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_MODELS_LOAD_BLOCK_HPP
