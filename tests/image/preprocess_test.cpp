#include <gtest/gtest.h>

#include <support/golden.hpp>
#include <support/picture.hpp>
#include <vitrail/image/decode.hpp>
#include <vitrail/image/recipe.hpp>

namespace {

using namespace vitrail;

const std::filesystem::path pictures = golden::folder("prep_images");

// Both sides resize to the same bytes and normalise them in f32; what is left is the rounding of
// one product, one difference and one quotient, all below 1e-6.
TEST(Preprocess, EqualsEveryPublishersPipelineOnEveryPicture) {
  SerialExecutor serial;
  const nlohmann::json config = golden::read_json(pictures / "config.json");
  int compared = 0;
  int equal = 0;
  for (const auto& [pipeline, recipe] : config.at("pipelines").items()) {
    const PreprocessConfig parsed = parse_recipe(recipe, pipeline);
    const golden::Archive expected(pictures / ("expected_" + pipeline + ".safetensors"));
    EXPECT_FALSE(expected.tensors.empty());
    for (const auto& [key, view] : expected.tensors) {
      const std::string name = key.substr(0, key.find('/'));
      const Tensor<float, 3> found = preprocess(read_image(pictures / name), parsed, serial);
      ASSERT_EQ(found.shape(), view.shape) << pipeline << " " << key;
      const Tensor<float, 3> wanted = view.to<float, 3>();
      float worst = 0;
      for (std::size_t i = 0; i < found.flat().size(); ++i)
        worst = std::max(worst, std::abs(found.flat()[i] - wanted.flat()[i]));
      EXPECT_LE(worst, 1e-6F) << pipeline << " " << key;
      ++compared;
      equal += worst == 0;
    }
  }
  EXPECT_GE(compared, 90);
  EXPECT_EQ(equal, compared) << "bit-equal";
}

}  // namespace
