// Swin's block written as the paper has it: the whole map rolled, padded, cut, masked and put back.
#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <support/plain_layers.hpp>
#include <vitrail/nn/swin_block.hpp>

namespace {

using namespace vitrail;
using vitrail_test::MadeUpParameters;
using vitrail_test::product;
using vitrail_test::Rows;

constexpr Index swin_channels = 12;
constexpr Index swin_heads = 3;

/// Stripe of the mask (Liu et al., figure 4).
Index mask_stripe(Index at, Index padded, Index window, Index shift) {
  return at < padded - window ? 0 : at < padded - shift ? 1 : 2;
}

/// x + the attention of one picture's map (H * W, swin_channels) inside its windows.
Rows attended_in_windows(const Rows& x, Grid map, Grid window, Index shift,
                         MadeUpParameters<double>& p) {
  const Index height = (map.height + window.height - 1) / window.height * window.height;
  const Index width = (map.width + window.width - 1) / window.width * window.width;
  const Rows normed = vitrail_test::normed(x, p["norm1.weight"], p["norm1.bias"], 1e-6);
  Rows out = x;
  for (Index top = 0; top < height; top += window.height)
    for (Index left = 0; left < width; left += window.width) {
      Rows rows;                   // of this window
      std::vector<Index> tokens;   // of the map, or -1
      std::vector<Index> regions;  // of the mask
      for (Index y = top; y < top + window.height; ++y)
        for (Index x_ = left; x_ < left + window.width; ++x_) {
          const bool inside = y < map.height && x_ < map.width;
          tokens.push_back(inside ? (y + shift) % map.height * map.width + (x_ + shift) % map.width
                                  : -1);
          rows.push_back(inside ? normed[static_cast<std::size_t>(tokens.back())]
                                : vitrail_test::Numbers(swin_channels));
          regions.push_back(shift == 0 ? 0
                                       : mask_stripe(y, height, window.height, shift) * 3 +
                                             mask_stripe(x_, width, window.width, shift));
        }
      const Rows qkv = product(rows, p["qkv.weight"], p["qkv.bias"]);
      const auto bias = [&](std::size_t head, std::size_t i, std::size_t j) {
        const auto a = static_cast<Index>(i);
        const auto b = static_cast<Index>(j);
        const Index dy = a / window.width - b / window.width + window.height - 1;
        const Index dx = a % window.width - b % window.width + window.width - 1;
        const auto row = static_cast<std::size_t>(dy * (2 * window.width - 1) + dx);
        return p["table"][row * swin_heads + head] + (regions[i] == regions[j] ? 0.0 : -100.0);
      };
      const Rows joined = vitrail_test::attended(
          vitrail_test::columns_of(qkv, 0, swin_channels),
          vitrail_test::columns_of(qkv, swin_channels, 2 * swin_channels),
          vitrail_test::columns_of(qkv, 2 * swin_channels, 3 * swin_channels), swin_heads,
          1 / std::sqrt(4.0), bias);
      const Rows answer = product(joined, p["proj.weight"], p["proj.bias"]);
      for (std::size_t t = 0; t < tokens.size(); ++t)
        for (std::size_t c = 0; tokens[t] >= 0 && c < swin_channels; ++c)
          out[static_cast<std::size_t>(tokens[t])][c] += answer[t][c];
    }
  return out;
}

void expect_paper(Grid map, Grid window, Index shift) {
  MadeUpParameters<double> p;
  SwinBlock<double> block;
  block.heads = swin_heads;
  block.norm1 = LayerNorm<double>::load(p, "norm1", swin_channels, 1e-6);
  block.qkv = Dense<double>::load(p, "qkv", 3 * swin_channels, swin_channels);
  block.proj = Dense<double>::load(p, "proj", swin_channels, swin_channels);
  block.relative =
      RelativePositionBias<double>::load(p, "table", window, 0, swin_heads, RelativeRule::swin);
  block.norm2 = LayerNorm<double>::load(p, "norm2", swin_channels, 1e-6);
  block.mlp.fc1 = Dense<double>::load(p, "fc1", 17, swin_channels);
  block.mlp.fc2 = Dense<double>::load(p, "fc2", swin_channels, 17);
  const auto count = static_cast<std::size_t>(map.count());
  const Rows input = vitrail_test::some_rows(2 * count, swin_channels);
  Rows expected;
  for (std::size_t picture = 0; picture < 2; ++picture) {
    const Rows one(input.begin() + static_cast<std::ptrdiff_t>(picture * count),
                   input.begin() + static_cast<std::ptrdiff_t>((picture + 1) * count));
    for (const auto& row : attended_in_windows(one, map, window, shift, p)) expected.push_back(row);
  }
  const Rows hidden =
      product(vitrail_test::normed(expected, p["norm2.weight"], p["norm2.bias"], 1e-6),
              p["fc1.weight"], p["fc1.bias"]);
  vitrail_test::add(expected, product(vitrail_test::each(hidden, vitrail_test::gelu),
                                      p["fc2.weight"], p["fc2.bias"]));
  Tensor<double, 2> x = vitrail_test::as_tensor<double>(input);
  vitrail_test::Serial serial;
  block(x, 2, {.map = map, .window = window, .shift = {shift, shift}}, serial.context);
  vitrail_test::expect_rows<double>(x.view(), expected);
}

TEST(SwinBlock, AttendsInsideItsWindows) { expect_paper({6, 9}, {3, 3}, 0); }

TEST(SwinBlock, MasksWhatTheShiftBringsTogether) { expect_paper({6, 8}, {3, 4}, 1); }

TEST(SwinBlock, PadsAMapThatTheWindowDoesNotDivide) {
  expect_paper({5, 7}, {3, 4}, 0);
  expect_paper({5, 7}, {3, 4}, 1);
}

}  // namespace
