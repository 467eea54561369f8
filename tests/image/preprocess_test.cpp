#include <gtest/gtest.h>

#include <support/golden.hpp>
#include <support/picture.hpp>
#include <support/recipes.hpp>
#include <vitrail/image/decode.hpp>
#include <vitrail/image/recipe.hpp>

namespace {

using namespace vitrail;

const std::filesystem::path picture_folder = golden::folder("prep_images");

// Both sides resize to the same bytes and normalise them in f32; what is left is the rounding of
// one product, one difference and one quotient, all below 1e-6.
TEST(Preprocess, EqualsEveryPublishersPipelineOnEveryPicture) {
  SerialExecutor serial;
  const nlohmann::json config = golden::read_json(picture_folder / "config.json");
  int compared = 0;
  int equal = 0;
  for (const auto& [pipeline, recipe] : config.at("pipelines").items()) {
    const PreprocessConfig parsed = parse_recipe(parse_json(recipe.dump(), pipeline), pipeline);
    const golden::Archive expected(picture_folder / ("expected_" + pipeline + ".safetensors"));
    EXPECT_FALSE(expected.tensors.empty());
    for (const auto& [key, view] : expected.tensors) {
      const std::string name = key.substr(0, key.find('/'));
      const Tensor<float, 3> found = preprocess(read_image(picture_folder / name), parsed, serial);
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

TEST(Preprocess, DividesBy255AsTorchvisionDoes) {
  const auto values = detail::normalised_values({}, 0);
  for (std::size_t v = 0; v < 256; ++v) EXPECT_EQ(values[v], static_cast<float>(v) / 255.0F);
}

TEST(Preprocess, CropsWhereTheLibrariesDo) {
  using enum RoundingRule;
  // H, S, torchvision, Hugging Face
  for (const auto& [size, crop, a, b] : {std::array<Index, 4>{251, 248, 2, 1},
                                         {249, 248, 0, 0},
                                         {255, 224, 16, 15},
                                         {227, 224, 2, 1},
                                         {229, 224, 2, 2},
                                         {224, 224, 0, 0},
                                         {21, 24, -1, -2},
                                         {20, 24, -2, -2}}) {
    EXPECT_EQ(detail::crop_begin(size, crop, torchvision), a) << size << " " << crop;
    EXPECT_EQ(detail::crop_begin(size, crop, huggingface), b) << size << " " << crop;
  }
}

TEST(Preprocess, WritesOneRowOfABatch) {
  SerialExecutor serial;
  const Image image = noise(30, 41);
  const PreprocessConfig config{.height = 16, .width = 12, .resize_height = 16, .resize_width = 16};
  Tensor<float, 4> batch({2, 3, 16, 12});
  preprocess(image, config, serial, batch.view()[1]);
  const Tensor<float, 3> alone = preprocess(image, config);
  EXPECT_TRUE(std::ranges::equal(batch.view()[1].flat(), alone.flat()));
  for (const float value : batch.view()[0].flat()) EXPECT_EQ(value, 0);
  EXPECT_EQ(error_of([&] { preprocess(image, {}, serial, batch.view()[1]); }),
            "preprocess: the target is (3, 16, 12), the result is (3, 224, 224)");
}

TEST(Preprocess, PadsWithTheFillColour) {
  PreprocessConfig config{
      .height = 4, .width = 4, .resize = ResizeMode::none, .fill = {255, 0, 51}};
  const Image image(2, 1);  // black
  const Tensor<float, 3> padded = preprocess(image, config);
  for (Index y = 0; y < 4; ++y) {
    for (Index x = 0; x < 4; ++x) {
      const bool inside = x == 1 && (y == 1 || y == 2);
      EXPECT_EQ(padded(0, y, x), inside ? 0.0F : 1.0F);
      EXPECT_EQ(padded(2, y, x), inside ? 0.0F : 0.2F);
    }
  }
}

TEST(Preprocess, WithoutASizeTheResultFollowsThePicture) {
  const PreprocessConfig config{.height = 0, .width = 0, .resize_height = 20, .resize_width = 20};
  EXPECT_EQ(preprocess(noise(40, 61), config).shape(), (Shape{3, 20, 30}));
  EXPECT_EQ(preprocess(noise(61, 40), config).shape(), (Shape{3, 30, 20}));
}

TEST(Preprocess, RefusesConfigsAndPicturesThatLeadNowhere) {
  const Image image = noise(2, 400);
  EXPECT_NE(error_of([&] { (void)preprocess(Image(), {}); }), "");
  EXPECT_NE(error_of([&] { (void)preprocess(image, {.height = 5, .width = 0}); }), "");
  EXPECT_NE(error_of([&] { (void)preprocess(image, {.resize_height = 0}); }), "");
  EXPECT_NE(error_of([&] { (void)preprocess(image, {.std = {1, 0, 1}}); }), "");
  EXPECT_EQ(error_of([&] {
              (void)preprocess(
                  image,
                  {.resize = ResizeMode::longest_edge, .resize_height = 10, .resize_width = 10});
            }),
            "preprocess: a picture of 400 x 2 pixels shrinks to nothing");
  EXPECT_NE(error_of([&] { (void)preprocess(noise(1, 100000), {}); }).find("becomes 22400000"),
            std::string::npos);
}

TEST(WithSize, ScalesWhatIsResizedToByEachPublishersRule) {
  const char* const timm = R"({"input_size": [3, 224, 224], "crop_pct": 0.9})";
  PreprocessConfig config = with_size(recipes::parse(timm), 384, 384);
  EXPECT_EQ(config.height, 384);
  EXPECT_EQ(config.resize_height, 426);  // floor(384 / 0.9)
  const char* const torchvision = R"({"crop_size": 224, "resize_size": 256})";
  config = with_size(recipes::parse(torchvision), 384, 384);
  EXPECT_EQ(config.resize_height, 438);  // int(256 / 224 * 384)
  config = with_size(recipes::parse(R"({"n_px": 224})"), 336, 448);
  EXPECT_EQ(preprocess(noise(50, 40), config).shape(), (Shape{3, 336, 448}));
  EXPECT_NE(error_of([&] { (void)with_size(config, 0, 4); }), "");
}

TEST(PreprocessConfig, DescribesItselfInOneSentence) {
  EXPECT_EQ(recipes::parse(R"({"crop_size": 224, "resize_size": 256})").describe(),
            "resize the shorter edge to 256 (bilinear), take the centre 224 x 224 as torchvision "
            "rounds, times 1/255, mean (0.485, 0.456, 0.406), std (0.229, 0.224, 0.225)");
  EXPECT_EQ(recipes::parse(R"({"image_processor_type": "ViTImageProcessor"})").describe(),
            "resize to 224 x 224 (bilinear), times 1/255, mean (0.5, 0.5, 0.5), std (0.5, 0.5, "
            "0.5)");
}

}  // namespace
