// The layers of a transformer as their formulas, element by element in double; and parameters made
// up for a module, remembered for the formula it is compared with.
#ifndef VITRAIL_TESTS_SUPPORT_PLAIN_LAYERS_HPP
#define VITRAIL_TESTS_SUPPORT_PLAIN_LAYERS_HPP

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>
#include <vitrail/nn/parameters.hpp>

namespace vitrail_test {

using Numbers = std::vector<double>;
using Rows = std::vector<Numbers>;

/// Gives every name values of its own: around 1 what scales, around 0 the rest.
template <class T>
class MadeUpParameters final : public vitrail::Parameters<T> {
 public:
  [[nodiscard]] bool contains(std::string_view name) const override { return name != missing; }
  [[nodiscard]] vitrail::Tensor<T, 1> tensor(std::string_view name,
                                             const vitrail::Shape& shape) override {
    const bool scales = name.ends_with("gamma") || (name.ends_with(".weight") && shape.rank() == 1);
    return made_up(name, shape, scales ? 1 : 0, 0.3);
  }
  [[nodiscard]] vitrail::PackedMatrix<T> matrix(std::string_view name,
                                                const vitrail::Shape& shape) override {
    const vitrail::Index K = shape.count() / shape[0];
    const auto values = made_up(name, shape, 0, 1 / std::sqrt(static_cast<double>(K)));
    vitrail::SerialExecutor serial;
    return vitrail::PackedMatrix<T>::pack({values.data(), {shape[0], K}}, vitrail::Precision::f32,
                                          serial);
  }

  [[nodiscard]] const Numbers& operator[](const std::string& name) const { return seen.at(name); }
  /// The parameters below `start`, by the rest of their names.
  [[nodiscard]] auto below(std::string start) const {
    return [this, start = std::move(start)](const std::string& name) -> const Numbers& {
      return seen.at(start + name);
    };
  }

  std::map<std::string, Numbers> seen;        // what was asked for
  std::map<std::string, std::string> shapes;  // "(3, 4)"
  std::string missing = "no such name";

 private:
  vitrail::Tensor<T, 1> made_up(std::string_view name, const vitrail::Shape& shape, double center,
                                double deviation) {
    vitrail::Tensor<T, 1> values({shape.count()});
    std::normal_distribution<double> normal(center, deviation);
    for (T& value : values.flat()) value = static_cast<T>(normal(generator_));
    seen[std::string(name)].assign(values.flat().begin(), values.flat().end());
    shapes[std::string(name)] = shape.to_string();
    return values;
  }

  std::mt19937 generator_{11};
};

/// Distinct values, the same for each test, representable in float.
inline Rows some_rows(std::size_t count, std::size_t D, double phase = 0) {
  Rows rows(count, Numbers(D));
  for (std::size_t t = 0; t < count; ++t)
    for (std::size_t d = 0; d < D; ++d)
      rows[t][d] = static_cast<double>(
          static_cast<float>(std::sin(static_cast<double>(t * 31 + d * 7) + phase)));
  return rows;
}

template <class T>
vitrail::Tensor<T, 2> as_tensor(const Rows& rows) {
  vitrail::Tensor<T, 2> tensor(
      {static_cast<vitrail::Index>(rows.size()), static_cast<vitrail::Index>(rows[0].size())});
  T* to = tensor.data();
  for (const Numbers& row : rows)
    for (const double value : row) *to++ = static_cast<T>(value);
  return tensor;
}

template <class T>
void expect_rows(const vitrail::MatrixView<const T>& found, const Rows& expected,
                 double tolerance = std::is_same_v<T, float> ? 4e-6 : 1e-12) {
  ASSERT_EQ(found.extent(0), static_cast<vitrail::Index>(expected.size()));
  ASSERT_EQ(found.extent(1), static_cast<vitrail::Index>(expected[0].size()));
  for (vitrail::Index i = 0; i < found.extent(0); ++i)
    for (vitrail::Index j = 0; j < found.extent(1); ++j)
      ASSERT_NEAR(static_cast<double>(found(i, j)),
                  expected[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)], tolerance)
          << "row " << i << ", column " << j;
}

inline void add(Rows& x, const Rows& branch) {
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t d = 0; d < x[0].size(); ++d) x[i][d] += branch[i][d];
}

inline void scale_columns(Rows& x, const Numbers& by) {
  for (Numbers& row : x)
    for (std::size_t d = 0; d < row.size(); ++d) row[d] *= by[d];
}

/// Columns [begin, end) of x.
inline Rows columns_of(const Rows& x, std::size_t begin, std::size_t end) {
  Rows result;
  for (const Numbers& row : x)
    result.emplace_back(row.begin() + static_cast<std::ptrdiff_t>(begin),
                        row.begin() + static_cast<std::ptrdiff_t>(end));
  return result;
}

/// x W^T + b; `bias` may be empty.
inline Rows product(const Rows& x, const Numbers& weight, const Numbers& bias) {
  const std::size_t K = x[0].size();
  const std::size_t N = weight.size() / K;
  Rows y(x.size(), Numbers(N));
  for (std::size_t m = 0; m < x.size(); ++m)
    for (std::size_t n = 0; n < N; ++n) {
      y[m][n] = bias.empty() ? 0 : bias[n];
      for (std::size_t k = 0; k < K; ++k) y[m][n] += x[m][k] * weight[n * K + k];
    }
  return y;
}

inline double gelu(double v) { return 0.5 * v * (1 + std::erf(v / std::sqrt(2.0))); }
inline double silu(double v) { return v / (1 + std::exp(-v)); }

template <class Function>
Rows each(Rows x, Function&& function) {
  for (Numbers& row : x)
    for (double& value : row) value = function(value);
  return x;
}

/// LayerNorm of each row.
inline Rows normed(const Rows& x, const Numbers& gamma, const Numbers& beta, double eps) {
  Rows y = x;
  for (Numbers& row : y) {
    const auto D = static_cast<double>(row.size());
    double mean = 0;
    double square = 0;
    for (const double v : row) mean += v / D;
    for (const double v : row) square += (v - mean) * (v - mean) / D;
    for (std::size_t d = 0; d < row.size(); ++d)
      row[d] = (row[d] - mean) / std::sqrt(square + eps) * gamma[d] + beta[d];
  }
  return y;
}

/// RMSNorm of each piece of gamma.size() columns by itself.
inline Rows rms_normed(const Rows& x, const Numbers& gamma, double eps) {
  Rows y = x;
  for (Numbers& row : y)
    for (std::size_t begin = 0; begin < row.size(); begin += gamma.size()) {
      double square = 0;
      for (std::size_t d = 0; d < gamma.size(); ++d) square += row[begin + d] * row[begin + d];
      square /= static_cast<double>(gamma.size());
      for (std::size_t d = 0; d < gamma.size(); ++d)
        row[begin + d] *= gamma[d] / std::sqrt(square + eps);
    }
  return y;
}

/// softmax(scale q k^T + bias(head, i, j)) of one head: (queries, keys).
template <class Bias>
Rows attention_map(const Rows& q, const Rows& k, std::size_t heads, std::size_t head, double scale,
                   Bias&& bias) {
  const std::size_t hd = q[0].size() / heads;
  Rows map(q.size(), Numbers(k.size()));
  for (std::size_t i = 0; i < q.size(); ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < k.size(); ++j) {
      double dot = 0;
      for (std::size_t d = head * hd; d < (head + 1) * hd; ++d) dot += q[i][d] * k[j][d];
      sum += map[i][j] = std::exp(dot * scale + bias(head, i, j));
    }
    for (double& weight : map[i]) weight /= sum;
  }
  return map;
}

/// softmax(scale q k^T + bias) v, head by head, the heads side by side.
template <class Bias>
Rows attended(const Rows& q, const Rows& k, const Rows& v, std::size_t heads, double scale,
              Bias&& bias) {
  const std::size_t hd = v[0].size() / heads;
  Rows out(q.size(), Numbers(v[0].size()));
  for (std::size_t head = 0; head < heads; ++head) {
    const Rows map = attention_map(q, k, heads, head, scale, bias);
    for (std::size_t i = 0; i < q.size(); ++i)
      for (std::size_t j = 0; j < k.size(); ++j)
        for (std::size_t d = head * hd; d < (head + 1) * hd; ++d) out[i][d] += map[i][j] * v[j][d];
  }
  return out;
}

inline double no_bias(std::size_t, std::size_t, std::size_t) { return 0; }

/// Self-attention of the rows of one product (T, 3D).
inline Rows attended(const Rows& qkv, std::size_t heads) {
  const std::size_t D = qkv[0].size() / 3;
  return attended(columns_of(qkv, 0, D), columns_of(qkv, D, 2 * D), columns_of(qkv, 2 * D, 3 * D),
                  heads, 1 / std::sqrt(static_cast<double>(D / heads)), no_bias);
}

}  // namespace vitrail_test

#endif  // VITRAIL_TESTS_SUPPORT_PLAIN_LAYERS_HPP
