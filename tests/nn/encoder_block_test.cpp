// One block in double against the equations written out, element by element.
#include <gtest/gtest.h>

#include <cmath>
#include <support/plain_layers.hpp>
#include <vitrail/models/load_block.hpp>

namespace {

using namespace vitrail;
using vitrail_test::add;
using vitrail_test::attended;
using vitrail_test::normed;
using vitrail_test::product;
using vitrail_test::Rows;
using vitrail_test::some_rows;

void expect_block_gives(const EncoderBlock<double>& block, const Rows& z, const Rows& expected) {
  Tensor<double, 2> x = vitrail_test::as_tensor<double>(z);
  SerialExecutor serial;
  Workspace workspace;
  block(x, 1, {serial, workspace});
  vitrail_test::expect_rows<double>(x, expected);
}

/// The MLP's branch with the parameters that `p` gives.
template <class Named>
Rows mlp_of(const Rows& z, const Named& p, double eps) {
  const Rows hidden = product(normed(z, p("norm2.weight"), p("norm2.bias"), eps),
                              p("mlp.fc1.weight"), p("mlp.fc1.bias"));
  return product(vitrail_test::each(hidden, vitrail_test::gelu), p("mlp.fc2.weight"),
                 p("mlp.fc2.bias"));
}

/// z + h + scale * up(relu(down(z))) beside the MLP, z + h + up(silu(down(h))) behind the
/// attention.
TEST(EncoderBlock, AdaptersAreTheirEquationsInDouble) {
  ViTConfig c;
  c.embed_dim = 20;
  c.heads = 4;
  c.head_dim = 5;
  c.mlp_hidden = 36;
  c.attn_adapter =
      AdapterConfig{.hidden = {3}, .input = AdapterInput::branch, .activation = Activation::silu};
  c.mlp_adapter = AdapterConfig{.hidden = {6}, .scale = 0.25};
  vitrail_test::MadeUpParameters<double> parameters;
  EncoderBlock<double> block;
  detail::load_block<double>(c, parameters, 0, block);
  const auto p = parameters.below("blocks.0.");
  const auto adapter = [&](const Rows& u, const std::string& name, bool relu, double scale) {
    Rows hidden = product(u, p(name + ".down.weight"), p(name + ".down.bias"));
    for (std::vector<double>& row : hidden)
      for (double& v : row) v = relu ? std::max(v, 0.0) : v / (1 + std::exp(-v));
    Rows up = product(hidden, p(name + ".up.weight"), p(name + ".up.bias"));
    for (std::vector<double>& row : up)
      for (double& v : row) v *= scale;
    return up;
  };
  const Rows input = some_rows(7, 20);
  Rows z = input;
  const Rows attention =
      product(attended(product(normed(z, p("norm1.weight"), p("norm1.bias"), 1e-6),
                               p("attn.qkv.weight"), p("attn.qkv.bias")),
                       4),
              p("attn.proj.weight"), p("attn.proj.bias"));
  add(z, attention);
  add(z, adapter(attention, "attn_adapter", false, 1));
  const Rows mlp = mlp_of(z, p, 1e-6);
  add(z, adapter(z, "mlp_adapter", true, 0.25));
  add(z, mlp);
  expect_block_gives(block, input, z);
}

/// (softmax(q1 k1) - lambda softmax(q2 k2)) v, then RMSNorm times 1 - lambda_init, per head.
TEST(EncoderBlock, DifferentialAttentionIsItsEquationInDouble) {
  constexpr std::size_t D = 36;
  constexpr std::size_t A = 3;
  constexpr std::size_t half = D / A / 2;
  ViTConfig c;
  c.embed_dim = static_cast<Index>(D);
  c.heads = static_cast<Index>(A);
  c.head_dim = static_cast<Index>(D / A);
  c.mlp_hidden = 40;
  c.differential_attention = true;
  vitrail_test::MadeUpParameters<double> parameters;  // has lambda_a and lambda_b
  EncoderBlock<double> block;
  detail::load_block<double>(c, parameters, 4, block);
  const auto p = parameters.below("blocks.4.");
  const double initial = 0.8 - 0.6 * std::exp(-0.3 * 4);
  const double lambda = std::exp(p("attn.lambda_a")[0]) - std::exp(p("attn.lambda_b")[0]) + initial;
  const Rows input = some_rows(9, D);
  Rows z = input;
  const Rows qkv = product(normed(z, p("norm1.weight"), p("norm1.bias"), 1e-6),
                           p("attn.qkv.weight"), p("attn.qkv.bias"));
  Rows joined(z.size(), std::vector<double>(D));
  for (std::size_t a = 0; a < A; ++a)
    for (std::size_t i = 0; i < z.size(); ++i) {
      double* out = joined[i].data() + a * 2 * half;
      for (const std::size_t part : {std::size_t{0}, std::size_t{1}}) {
        std::vector<double> weight(z.size());
        double sum = 0;
        for (std::size_t j = 0; j < z.size(); ++j) {
          double dot = 0;
          for (std::size_t d = 0; d < half; ++d)
            dot += qkv[i][(2 * a + part) * half + d] * qkv[j][D + (2 * a + part) * half + d];
          sum += weight[j] = std::exp(dot / std::sqrt(static_cast<double>(half)));
        }
        for (std::size_t j = 0; j < z.size(); ++j)
          for (std::size_t d = 0; d < 2 * half; ++d)
            out[d] +=
                (part == 0 ? 1 : -lambda) * weight[j] / sum * qkv[j][2 * D + a * 2 * half + d];
      }
      double square = 0;
      for (std::size_t d = 0; d < 2 * half; ++d) square += out[d] * out[d] / (2.0 * half);
      for (std::size_t d = 0; d < 2 * half; ++d)
        out[d] *= p("attn.sub_norm.weight")[d] * (1 - initial) / std::sqrt(square + 1e-5);
    }
  add(z, product(joined, p("attn.proj.weight"), p("attn.proj.bias")));
  add(z, mlp_of(z, p, 1e-6));
  expect_block_gives(block, input, z);
}

TEST(EncoderBlock, IsItsEquationsInDouble) {
  ViTConfig c;
  c.embed_dim = 20;
  c.heads = 4;
  c.head_dim = 5;
  c.mlp_hidden = 36;
  c.layer_scale = true;
  c.norm_eps = 1e-5;
  vitrail_test::MadeUpParameters<double> parameters;
  EncoderBlock<double> block;
  detail::load_block<double>(c, parameters, 0, block);
  const auto p = parameters.below("blocks.0.");

  const Rows input = some_rows(7, 20);
  Rows z = input;
  Rows attention = product(attended(product(normed(z, p("norm1.weight"), p("norm1.bias"), 1e-5),
                                            p("attn.qkv.weight"), p("attn.qkv.bias")),
                                    4),
                           p("attn.proj.weight"), p("attn.proj.bias"));
  vitrail_test::scale_columns(attention, p("ls1.gamma"));
  add(z, attention);
  Rows mlp = mlp_of(z, p, 1e-5);
  vitrail_test::scale_columns(mlp, p("ls2.gamma"));
  add(z, mlp);
  expect_block_gives(block, input, z);
}

}  // namespace
