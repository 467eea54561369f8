// BiT's convolutions as their definition, pixel by pixel in double.
#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <support/plain_layers.hpp>
#include <vitrail/nn/resnet_stem.hpp>

namespace {

using namespace vitrail;
using vitrail_test::MadeUpParameters;
using vitrail_test::Rows;

/// A picture of H * W rows of channels.
struct PlainMap {
  Index H, W;
  Rows rows;
  [[nodiscard]] bool has(Index y, Index x) const { return y >= 0 && y < H && x >= 0 && x < W; }
  [[nodiscard]] const vitrail_test::Numbers& at(Index y, Index x) const {
    return rows[static_cast<std::size_t>(y * W + x)];
  }
};

/// What TensorFlow's "SAME" puts before the first element.
Index padding_before(Index n, Index kernel, Index stride) {
  const Index all = std::max<Index>(((n + stride - 1) / stride - 1) * stride + kernel - n, 0);
  return all / 2;  // the odd one goes behind
}

/// The convolution with standardised weights, and its group norm.
PlainMap convolved(const PlainMap& in, const MadeUpParameters<double>& p, const std::string& conv,
                   const std::string& norm, Index k, Index stride, const ResNetConfig& c) {
  const auto C = static_cast<Index>(in.rows[0].size());
  vitrail_test::Numbers weight = p[conv + ".weight"];
  const std::size_t each = static_cast<std::size_t>(C * k * k);
  const std::size_t N = weight.size() / each;
  for (std::size_t n = 0; n < N; ++n) {
    double mean = 0;
    double variance = 0;
    for (std::size_t i = 0; i < each; ++i) mean += weight[n * each + i] / static_cast<double>(each);
    for (std::size_t i = 0; i < each; ++i)
      variance += std::pow(weight[n * each + i] - mean, 2) / static_cast<double>(each);
    for (std::size_t i = 0; i < each; ++i)
      weight[n * each + i] = (weight[n * each + i] - mean) /
                             (c.weight_eps_outside ? std::sqrt(variance) + c.weight_eps
                                                   : std::sqrt(variance + c.weight_eps));
  }
  PlainMap out{(in.H + stride - 1) / stride, (in.W + stride - 1) / stride, {}};
  for (Index y = 0; y < out.H; ++y)
    for (Index x = 0; x < out.W; ++x) {
      vitrail_test::Numbers sums(N);
      for (std::size_t n = 0; n < N; ++n)
        for (Index i = 0; i < C * k * k; ++i) {
          const Index sy = y * stride - padding_before(in.H, k, stride) + i / k % k;
          const Index sx = x * stride - padding_before(in.W, k, stride) + i % k;
          if (in.has(sy, sx))
            sums[n] += weight[n * each + static_cast<std::size_t>(i)] *
                       in.at(sy, sx)[static_cast<std::size_t>(i / (k * k))];
        }
      out.rows.push_back(sums);
    }
  const std::size_t per_group = N / static_cast<std::size_t>(c.groups);
  for (std::size_t first = 0; first < N; first += per_group) {
    const double count = static_cast<double>(per_group * out.rows.size());
    double mean = 0;
    double variance = 0;
    for (const auto& row : out.rows)
      for (std::size_t n = first; n < first + per_group; ++n) mean += row[n] / count;
    for (const auto& row : out.rows)
      for (std::size_t n = first; n < first + per_group; ++n)
        variance += std::pow(row[n] - mean, 2) / count;
    for (auto& row : out.rows)
      for (std::size_t n = first; n < first + per_group; ++n)
        row[n] = (row[n] - mean) / std::sqrt(variance + c.norm_eps) * p[norm + ".weight"][n] +
                 p[norm + ".bias"][n];
  }
  return out;
}

PlainMap relu(PlainMap map) {
  map.rows = vitrail_test::each(map.rows, [](double v) { return v > 0 ? v : 0; });
  return map;
}

PlainMap max_pooled(const PlainMap& in) {
  PlainMap out{(in.H + 1) / 2, (in.W + 1) / 2, {}};
  for (Index y = 0; y < out.H; ++y)
    for (Index x = 0; x < out.W; ++x) {
      vitrail_test::Numbers largest(in.rows[0].size(), -1e300);
      for (Index i = 0; i < 9; ++i) {
        const Index sy = y * 2 - padding_before(in.H, 3, 2) + i / 3;
        const Index sx = x * 2 - padding_before(in.W, 3, 2) + i % 3;
        for (std::size_t c = 0; in.has(sy, sx) && c < largest.size(); ++c)
          largest[c] = std::max(largest[c], in.at(sy, sx)[c]);
      }
      out.rows.push_back(largest);
    }
  return out;
}

PlainMap some_map(Index H, Index W, std::size_t channels, double phase = 0) {
  return {H, W, vitrail_test::some_rows(static_cast<std::size_t>(H * W), channels, phase)};
}

TEST(NormedConvolution, IsItsDefinitionForOddAndEvenSizes) {
  for (const bool eps_outside : {false, true})
    for (const Index k : {1, 3, 7})
      for (const Index stride : {1, 2})
        for (const auto& [H, W] : {std::pair<Index, Index>{5, 8}, {6, 7}}) {
          const ResNetConfig c{
              .groups = 3, .norm_eps = 1e-3, .weight_eps = 0.1, .weight_eps_outside = eps_outside};
          MadeUpParameters<double> p;
          const auto conv = NormedConvolution<double>::load(p, "conv", "norm", 6, 5, k, stride, c);
          const PlainMap first = some_map(H, W, 5);
          const PlainMap second = some_map(H, W, 5, 0.7);
          Rows x = first.rows;
          x.insert(x.end(), second.rows.begin(), second.rows.end());
          Rows expected = convolved(first, p, "conv", "norm", k, stride, c).rows;
          for (auto& row : convolved(second, p, "conv", "norm", k, stride, c).rows)
            expected.push_back(row);
          Tensor<double, 2> y({static_cast<Index>(expected.size()), 6});
          vitrail_test::Serial serial;
          conv(vitrail_test::as_tensor<double>(x), 2, H, W, y, false, serial.context);
          vitrail_test::expect_rows<double>(y.view(), expected, 1e-11);
        }
}

TEST(NormedConvolution, RefusesGroupsThatDoNotDivideItsChannels) {
  MadeUpParameters<float> p;
  for (const Index groups : {0, 4}) {
    const ResNetConfig c{.groups = groups};
    try {
      (void)NormedConvolution<float>::load(p, "conv", "stem.norm", 6, 3, 1, 1, c);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.what(),
                "stem.norm: 6 channels do not divide into " + std::to_string(groups) + " groups");
    }
  }
}

TEST(ResNetStem, IsItsStagesOneAfterTheOther) {
  const ResNetConfig c{
      .width = 4, .layers = {2, 1}, .middle = {2, 4}, .outputs = {6, 8}, .groups = 2};
  EXPECT_EQ(c.channels(), 8);
  EXPECT_EQ(c.stride(), 8);
  MadeUpParameters<double> p;
  const auto stem = ResNetStem<double>::load(p, "stem", 3, c);
  const PlainMap picture = some_map(19, 26, 3);
  Tensor<double, 4> pixels({1, 3, 19, 26});
  for (Index ch = 0; ch < 3; ++ch)
    for (Index n = 0; n < 19 * 26; ++n)
      pixels(0, ch, n / 26, n % 26) = picture.at(n / 26, n % 26)[static_cast<std::size_t>(ch)];

  PlainMap x = max_pooled(relu(convolved(picture, p, "stem.stem.conv", "stem.stem.norm", 7, 2, c)));
  for (const auto& [block, stride, resized] :
       {std::tuple<std::string, Index, bool>{"stem.stages.0.blocks.0.", 1, true},
        {"stem.stages.0.blocks.1.", 1, false},
        {"stem.stages.1.blocks.0.", 2, true}}) {
    PlainMap y = relu(convolved(x, p, block + "conv1", block + "norm1", 1, 1, c));
    y = relu(convolved(y, p, block + "conv2", block + "norm2", 3, stride, c));
    y = convolved(y, p, block + "conv3", block + "norm3", 1, 1, c);
    if (resized)
      x = convolved(x, p, block + "downsample.conv", block + "downsample.norm", 1, stride, c);
    vitrail_test::add(y.rows, x.rows);
    x = relu(y);
  }

  vitrail_test::Serial serial;
  const Workspace::Scope scope(serial.workspace);
  const TensorView<double, 4> found = stem(pixels, serial.context);
  ASSERT_EQ(found.shape(), Shape({1, 8, c.cells(19), c.cells(26)}));
  ASSERT_EQ(found.shape(), Shape({1, 8, x.H, x.W}));
  for (Index n = 0; n < x.H * x.W; ++n)
    for (Index ch = 0; ch < 8; ++ch)
      EXPECT_NEAR(found(0, ch, n / x.W, n % x.W),
                  x.rows[static_cast<std::size_t>(n)][static_cast<std::size_t>(ch)], 1e-10);
}

TEST(ResNetStem, WithoutStagesIsItsFirstConvolution) {
  const ResNetConfig c{.width = 4, .groups = 2};
  EXPECT_EQ(c.channels(), 4);
  EXPECT_EQ(c.stride(), 4);
  EXPECT_EQ(c.cells(9), 3);
  MadeUpParameters<double> p;
  EXPECT_FALSE(ResNetStem<double>::load(p, "stem", 3, c).empty());
  EXPECT_EQ(p.shapes.at("stem.conv.weight"), "(4, 3, 7, 7)");
  EXPECT_TRUE(ResNetStem<double>{}.empty());
}

}  // namespace
