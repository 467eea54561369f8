#include <gtest/gtest.h>

#include <vitrail/models/random_parameters.hpp>

namespace {

using namespace vitrail;

TEST(PatchEmbedding, IsTheStridedConvolution) {
  constexpr Index D = 5, C = 3, P = 4, H = 8, W = 12;
  SerialExecutor serial;
  Workspace workspace;
  RandomParameters<double> parameters(3, Precision::f32, serial);
  RandomParameters<double> again(3, Precision::f32, serial);
  const auto embedding =
      PatchEmbedding<double>::load(parameters, "patch_embed.proj", D, C, P, P, true);
  const Tensor<double, 2> weight =
      Tensor<double, 2>::copy_of(again.matrix("patch_embed.proj.weight", {D, C, P, P}).plain());
  const Tensor<double, 1> bias = again.tensor("patch_embed.proj.bias", {D});
  Tensor<double, 4> pixels({2, C, H, W});
  for (Index i = 0; i < pixels.count(); ++i) pixels.data()[i] = static_cast<double>(i * i % 23);
  Tensor<double, 2> tokens({2 * 6, D});
  for (Index b = 0; b < 2; ++b)
    embedding(pixels.view()[b], tokens.view().slice(6 * b, 6 * b + 6), {serial, workspace});
  for (Index b = 0; b < 2; ++b)
    for (Index gy = 0; gy < 2; ++gy)
      for (Index gx = 0; gx < 3; ++gx)
        for (Index d = 0; d < D; ++d) {
          double sum = bias(d);
          for (Index c = 0; c < C; ++c)
            for (Index y = 0; y < P; ++y)
              for (Index x = 0; x < P; ++x)
                sum += weight(d, (c * P + y) * P + x) * pixels(b, c, gy * P + y, gx * P + x);
          EXPECT_NEAR(tokens((b * 2 + gy) * 3 + gx, d), sum, 1e-10);
        }
}

}  // namespace
