// TensorFlow's resize, against torch's equal one (golden/tensorflow_resize/make.py).
#include <gtest/gtest.h>

#include <support/golden.hpp>
#include <vitrail/image/preprocess.hpp>

namespace {

using namespace vitrail;

class TensorflowResize : public testing::Test {
 protected:
  TensorflowResize() : image_(11, 17) {
    const AnyView& rgb = pictures_.tensors.at("rgb");
    std::vector<float> values(static_cast<std::size_t>(rgb.shape.count()));
    rgb.convert_to(std::span<float>(values));
    for (Index y = 0; y < 11; ++y)
      for (Index i = 0; i < 51; ++i)
        image_.row(y)[i] = static_cast<std::uint8_t>(values[static_cast<std::size_t>(y * 51 + i)]);
  }

  golden::Archive pictures_{golden::folder("tensorflow_resize") / "pictures.safetensors"};
  Image image_;
  SerialExecutor serial_;
};

TEST_F(TensorflowResize, IsBilinearWithoutAntialiasing) {
  int compared = 0;
  for (const auto& [name, view] : pictures_.tensors) {
    if (name == "rgb") continue;
    const Tensor<float, 3> expected = view.to<float, 3>();
    Tensor<float, 3> found({expected.extent(0), expected.extent(1), expected.extent(2)});
    resize_as_tensorflow(image_, serial_, found);
    for (std::size_t i = 0; i < found.flat().size(); ++i)
      ASSERT_NEAR(found.flat()[i], expected.flat()[i], 5e-4) << name << " " << i;  // f32 positions
    ++compared;
  }
  EXPECT_EQ(compared, 4);
}

TEST_F(TensorflowResize, IsPartOfPreprocessing) {
  const Tensor<float, 3> expected = pictures_.tensors.at("to_5x5").to<float, 3>();
  PreprocessConfig config{.height = 5, .width = 5, .resize = ResizeMode::squash};
  config.resize_height = config.resize_width = 5;
  config.filter = Filter::bilinear;
  config.mean = config.std = {0.5F, 0.5F, 0.5F};
  config.resizer = Resizer::tensorflow;
  const Tensor<float, 3> whole = preprocess(image_, config, serial_);
  config.resizer = Resizer::tensorflow_8bit;
  const Tensor<float, 3> truncated = preprocess(image_, config, serial_);
  for (std::size_t i = 0; i < expected.flat().size(); ++i) {
    const float value = expected.flat()[i];
    EXPECT_NEAR(whole.flat()[i], (value - 127.5F) / 127.5F, 2e-6);
    if (std::abs(value - std::round(value)) > 1e-3F) {  // else rounding decides
      EXPECT_NEAR(truncated.flat()[i], (std::floor(value) - 127.5F) / 127.5F, 1e-6);
    }
  }
}

TEST_F(TensorflowResize, RefusesWhatItsPipelinesDoNot) {
  PreprocessConfig config;
  config.resizer = Resizer::tensorflow;  // but shortest_edge and bicubic
  EXPECT_THROW((void)preprocess(image_, config, serial_), Error);
}

}  // namespace
