// One block in double against the equations written out, element by element.
#include <gtest/gtest.h>

#include <cmath>
#include <vitrail/models/random_parameters.hpp>

namespace {

using namespace vitrail;
using Rows = std::vector<std::vector<double>>;

/// The parameters of a block, remembered as plain vectors while the block is loaded.
class Remembering final : public Parameters<double> {
 public:
  [[nodiscard]] bool contains(std::string_view) const override { return true; }
  [[nodiscard]] Tensor<double, 1> tensor(std::string_view name, const Shape& shape) override {
    Tensor<double, 1> values = random_.tensor(name, shape);
    seen[std::string(name)].assign(values.flat().begin(), values.flat().end());
    return values;
  }
  [[nodiscard]] PackedMatrix<double> matrix(std::string_view name, const Shape& shape) override {
    const Tensor<double, 1> values = tensor(name, shape);
    return PackedMatrix<double>::pack({values.data(), {shape[0], shape.count() / shape[0]}},
                                      Precision::f32, serial_);
  }

  /// The parameters below `start`, by the rest of their names.
  [[nodiscard]] auto below(std::string start) const {
    return [ this, start = std::move(start) ](const std::string& name) -> const auto& {
      return seen.at(start + name);
    };
  }

  std::map<std::string, std::vector<double>> seen;

 private:
  SerialExecutor serial_;
  RandomParameters<double> random_{11, Precision::f32, serial_};
};

Rows product(const Rows& x, const std::vector<double>& weight, const std::vector<double>& bias) {
  const std::size_t K = x[0].size();
  const std::size_t N = bias.size();
  Rows y(x.size(), std::vector<double>(N));
  for (std::size_t m = 0; m < x.size(); ++m)
    for (std::size_t n = 0; n < N; ++n) {
      y[m][n] = bias[n];
      for (std::size_t k = 0; k < K; ++k) y[m][n] += x[m][k] * weight[n * K + k];
    }
  return y;
}

Rows normed(const Rows& x, const std::vector<double>& gamma, const std::vector<double>& beta,
            double eps) {
  Rows y = x;
  for (std::vector<double>& row : y) {
    double mean = 0;
    double square = 0;
    for (const double v : row) mean += v / static_cast<double>(row.size());
    for (const double v : row) square += (v - mean) * (v - mean) / static_cast<double>(row.size());
    for (std::size_t d = 0; d < row.size(); ++d)
      row[d] = (row[d] - mean) / std::sqrt(square + eps) * gamma[d] + beta[d];
  }
  return y;
}

Rows attended(const Rows& qkv, std::size_t heads) {
  const std::size_t D = qkv[0].size() / 3;
  const std::size_t hd = D / heads;
  Rows out(qkv.size(), std::vector<double>(D));
  for (std::size_t a = 0; a < heads; ++a)
    for (std::size_t i = 0; i < qkv.size(); ++i) {
      std::vector<double> weight(qkv.size());
      double sum = 0;
      for (std::size_t j = 0; j < qkv.size(); ++j) {
        double dot = 0;
        for (std::size_t d = 0; d < hd; ++d) dot += qkv[i][a * hd + d] * qkv[j][D + a * hd + d];
        sum += weight[j] = std::exp(dot / std::sqrt(static_cast<double>(hd)));
      }
      for (std::size_t j = 0; j < qkv.size(); ++j)
        for (std::size_t d = 0; d < hd; ++d)
          out[i][a * hd + d] += weight[j] / sum * qkv[j][2 * D + a * hd + d];
    }
  return out;
}

/// Distinct values, the same for each test.
Rows some_tokens(std::size_t T, std::size_t D) {
  Rows z(T, std::vector<double>(D));
  for (std::size_t t = 0; t < T; ++t)
    for (std::size_t d = 0; d < D; ++d) z[t][d] = std::sin(static_cast<double>(t * 31 + d * 7));
  return z;
}

void expect_block_gives(const EncoderBlock<double>& block, const Rows& z, const Rows& expected) {
  Tensor<double, 2> x({static_cast<Index>(z.size()), static_cast<Index>(z[0].size())});
  for (std::size_t t = 0; t < z.size(); ++t)
    for (std::size_t d = 0; d < z[0].size(); ++d)
      x(static_cast<Index>(t), static_cast<Index>(d)) = z[t][d];
  SerialExecutor serial;
  Workspace workspace;
  block(x, 1, {serial, workspace});
  for (std::size_t t = 0; t < z.size(); ++t)
    for (std::size_t d = 0; d < z[0].size(); ++d)
      EXPECT_NEAR(x(static_cast<Index>(t), static_cast<Index>(d)), expected[t][d], 1e-12);
}

void add(Rows& z, const Rows& branch) {
  for (std::size_t t = 0; t < z.size(); ++t)
    for (std::size_t d = 0; d < z[0].size(); ++d) z[t][d] += branch[t][d];
}

/// The MLP's branch with the parameters that `p` gives.
template <class Named>
Rows mlp_of(const Rows& z, const Named& p, double eps) {
  Rows hidden = product(normed(z, p("norm2.weight"), p("norm2.bias"), eps), p("mlp.fc1.weight"),
                        p("mlp.fc1.bias"));
  for (std::vector<double>& row : hidden)
    for (double& v : row) v = 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
  return product(hidden, p("mlp.fc2.weight"), p("mlp.fc2.bias"));
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
  Remembering parameters;
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
  const Rows input = some_tokens(7, 20);
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
  Remembering parameters;  // has lambda_a and lambda_b
  EncoderBlock<double> block;
  detail::load_block<double>(c, parameters, 4, block);
  const auto p = parameters.below("blocks.4.");
  const double initial = 0.8 - 0.6 * std::exp(-0.3 * 4);
  const double lambda = std::exp(p("attn.lambda_a")[0]) - std::exp(p("attn.lambda_b")[0]) + initial;
  const Rows input = some_tokens(9, D);
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
  Remembering parameters;
  EncoderBlock<double> block;
  detail::load_block<double>(c, parameters, 0, block);
  const auto p = parameters.below("blocks.0.");

  const Rows input = some_tokens(7, 20);
  Rows z = input;
  Rows attention = product(attended(product(normed(z, p("norm1.weight"), p("norm1.bias"), 1e-5),
                                            p("attn.qkv.weight"), p("attn.qkv.bias")),
                                    4),
                           p("attn.proj.weight"), p("attn.proj.bias"));
  const auto scale = [](Rows& branch, const std::vector<double>& gamma) {
    for (std::vector<double>& row : branch)
      for (std::size_t d = 0; d < row.size(); ++d) row[d] *= gamma[d];
  };
  scale(attention, p("ls1.gamma"));
  add(z, attention);
  Rows mlp = mlp_of(z, p, 1e-5);
  scale(mlp, p("ls2.gamma"));
  add(z, mlp);
  expect_block_gives(block, input, z);
}

}  // namespace
