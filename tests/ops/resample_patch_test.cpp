#include <gtest/gtest.h>

#include <vitrail/io/safetensors.hpp>
#include <vitrail/ops/resample_patch.hpp>

namespace {

using namespace vitrail;

TEST(ResamplePatch, AgreesWithTimmUpAndDown) {
  const Safetensors golden(VITRAIL_GOLDEN_DIR "/patch_resize/expected.safetensors");
  const Tensor<float, 4> kernel = golden.at("kernel").to<float, 4>();
  for (const Index side : {4, 6, 10, 12, 16}) {
    const Tensor<float, 4> expected = golden.at("to_" + std::to_string(side)).to<float, 4>();
    Tensor<float, 4> found({2, 3, side, side});
    resample_patch_kernels<float>(kernel, found);
    for (std::size_t i = 0; i < found.flat().size(); ++i)
      EXPECT_NEAR(found.flat()[i], expected.flat()[i], 2e-6) << side;
  }
}

TEST(ResamplePatch, OfTheSameSizeChangesNothing) {
  Tensor<double, 4> kernel({1, 1, 5, 5});
  for (Index i = 0; i < 25; ++i)
    kernel.flat()[static_cast<std::size_t>(i)] = static_cast<double>(i * i % 7);
  Tensor<double, 4> same({1, 1, 5, 5});
  resample_patch_kernels<double>(kernel, same);
  for (std::size_t i = 0; i < 25; ++i) EXPECT_NEAR(same.flat()[i], kernel.flat()[i], 1e-12);
}

}  // namespace
