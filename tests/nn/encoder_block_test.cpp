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
  [[nodiscard]] bool contains(const std::string&) const override { return true; }
  [[nodiscard]] Tensor<double, 1> tensor(const std::string& name, const Shape& shape) override {
    Tensor<double, 1> values = random_.tensor(name, shape);
    seen[name].assign(values.flat().begin(), values.flat().end());
    return values;
  }
  [[nodiscard]] PackedMatrix<double> matrix(const std::string& name, const Shape& shape) override {
    const Tensor<double, 1> values = tensor(name, shape);
    return PackedMatrix<double>::pack({values.data(), {shape[0], shape.count() / shape[0]}},
                                      Precision::f32, serial_);
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

TEST(EncoderBlock, IsItsEquationsInDouble) {
  ViTConfig c;
  c.embed_dim = 20;
  c.heads = 4;
  c.head_dim = 5;
  c.mlp_hidden = 36;
  c.layer_scale = true;
  c.norm_eps = 1e-5;
  Remembering parameters;
  const EncoderBlock<double> block = detail::load_block(c, parameters, "b");
  auto& p = parameters.seen;

  constexpr std::size_t T = 7;
  Tensor<double, 2> x({T, 20});
  Rows z(T, std::vector<double>(20));
  for (std::size_t t = 0; t < T; ++t)
    for (std::size_t d = 0; d < 20; ++d)
      x(static_cast<Index>(t), static_cast<Index>(d)) = z[t][d] =
          std::sin(static_cast<double>(t * 31 + d * 7));

  const Rows attention =
      product(attended(product(normed(z, p["b.norm1.weight"], p["b.norm1.bias"], 1e-5),
                               p["b.attn.qkv.weight"], p["b.attn.qkv.bias"]),
                       4),
              p["b.attn.proj.weight"], p["b.attn.proj.bias"]);
  for (std::size_t t = 0; t < T; ++t)
    for (std::size_t d = 0; d < 20; ++d) z[t][d] += p["b.ls1.gamma"][d] * attention[t][d];
  Rows hidden = product(normed(z, p["b.norm2.weight"], p["b.norm2.bias"], 1e-5),
                        p["b.mlp.fc1.weight"], p["b.mlp.fc1.bias"]);
  for (std::vector<double>& row : hidden)
    for (double& v : row) v = 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
  const Rows mlp = product(hidden, p["b.mlp.fc2.weight"], p["b.mlp.fc2.bias"]);
  for (std::size_t t = 0; t < T; ++t)
    for (std::size_t d = 0; d < 20; ++d) z[t][d] += p["b.ls2.gamma"][d] * mlp[t][d];

  SerialExecutor serial;
  Workspace workspace;
  block(x, 1, {serial, workspace});
  for (std::size_t t = 0; t < T; ++t)
    for (std::size_t d = 0; d < 20; ++d)
      EXPECT_NEAR(x(static_cast<Index>(t), static_cast<Index>(d)), z[t][d], 1e-12);
}

}  // namespace
