#include <gtest/gtest.h>

#include <support/picture.hpp>
#include <vitrail/image/recipe.hpp>

namespace {

using namespace vitrail;
using nlohmann::json;

PreprocessConfig parse(const char* text) { return parse_recipe(json::parse(text), "recipe.json"); }
std::string error_in(const char* text) {
  return error_of([&] { (void)parse(text); });
}

void expect_sizes(const PreprocessConfig& config, ResizeMode mode, Index resize, Index size) {
  EXPECT_EQ(config.resize, mode);
  if (mode != ResizeMode::none) {
    EXPECT_EQ(config.resize_height, resize);
    EXPECT_EQ(config.resize_width, resize);
  }
  EXPECT_EQ(config.height, size);
  EXPECT_EQ(config.width, size);
}

TEST(Recipe, TimmIsReadNestedOrAloneAndIgnoresTheTestSize) {
  for (const char* text :
       {R"({"architecture": "vit", "pretrained_cfg": {"input_size": [3, 224, 224], "crop_pct": 0.9,
            "interpolation": "bicubic", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
            "test_input_size": [3, 288, 288], "test_crop_pct": 1.0}})",
        R"({"input_size": [3, 224, 224], "crop_pct": 0.9, "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5], "crop_mode": null})"}) {
    const PreprocessConfig config = parse(text);
    expect_sizes(config, ResizeMode::shortest_edge, 248, 224);
    EXPECT_EQ(config.filter, Filter::bicubic);
    EXPECT_EQ(config.mean[0], 0.5F);
  }
}

TEST(Recipe, TimmHasDefaultsAndBordersInTheMeanColour) {
  const PreprocessConfig config = parse(R"({"pretrained_cfg": {"crop_mode": "border"}})");
  expect_sizes(config, ResizeMode::longest_edge, 256, 224);
  EXPECT_EQ(config.mean, imagenet_mean);
  EXPECT_EQ(config.fill, (std::array<std::uint8_t, 3>{124, 116, 104}));
}

TEST(Recipe, HuggingFaceClassesReadOneNumberDifferently) {
  // As published for openai/clip-vit-base-patch32 and facebook/deit-base-distilled-patch16-224.
  PreprocessConfig config =
      parse(R"({"crop_size": 224, "do_center_crop": true, "do_normalize": true, "do_resize": true,
        "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3, "size": 224,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711]})");
  expect_sizes(config, ResizeMode::shortest_edge, 224, 224);
  EXPECT_EQ(config.rounding, RoundingRule::huggingface);
  config = parse(R"({"crop_size": 224, "do_center_crop": true, "do_normalize": true,
        "do_resize": true, "feature_extractor_type": "DeiTFeatureExtractor", "resample": 3,
        "size": 256, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]})");
  expect_sizes(config, ResizeMode::squash, 256, 224);
  config = parse(R"({"do_resize": true, "size": 384, "resample": 2, "do_normalize": true,
        "image_processor_type": "ViTFeatureExtractor"})");
  expect_sizes(config, ResizeMode::squash, 384, 384);
}

TEST(Recipe, HuggingFaceClassesHaveTheirOwnDefaults) {
  const auto of = [](const char* type) {
    return parse_recipe({{"image_processor_type", type}}, "recipe.json");
  };
  expect_sizes(of("ViTImageProcessor"), ResizeMode::squash, 224, 224);
  EXPECT_EQ(of("ViTImageProcessor").filter, Filter::bilinear);
  expect_sizes(of("DeiTImageProcessor"), ResizeMode::squash, 256, 224);
  expect_sizes(of("BeitFeatureExtractor"), ResizeMode::squash, 256, 224);
  expect_sizes(of("CLIPImageProcessorFast"), ResizeMode::shortest_edge, 224, 224);
  EXPECT_EQ(of("BitImageProcessor").mean, clip_mean);
  expect_sizes(of("SiglipImageProcessor"), ResizeMode::squash, 224, 224);
  expect_sizes(of("BlipImageProcessor"), ResizeMode::squash, 384, 384);
}

TEST(Recipe, HuggingFaceStepsCanBeSwitchedOff) {
  PreprocessConfig config = parse(R"({"image_processor_type": "CLIPImageProcessor",
      "do_resize": false, "do_rescale": false, "do_normalize": false})");
  expect_sizes(config, ResizeMode::none, 0, 224);
  EXPECT_EQ(config.rescale_factor, 1);
  EXPECT_EQ(config.std[1], 1);
  config = parse(R"({"image_processor_type": "CLIPImageProcessor", "do_center_crop": false,
      "size": {"shortest_edge": 30}})");
  expect_sizes(config, ResizeMode::shortest_edge, 30, 0);
  config = parse(R"({"image_processor_type": "CLIPImageProcessor",
      "size": {"longest_edge": 30}, "crop_size": [40, 50], "image_mean": 0.5})");
  EXPECT_EQ(config.resize, ResizeMode::longest_edge);
  EXPECT_EQ(config.width, 50);
  EXPECT_EQ(config.mean[2], 0.5F);
}

TEST(Recipe, HuggingFaceWithoutAClassMustSayEverything) {
  const char* complete = R"({"do_resize": true, "do_normalize": true, "size": 224, "resample": 2,
      "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]})";
  expect_sizes(parse(complete), ResizeMode::squash, 224, 224);
  EXPECT_NE(error_in(R"({"do_resize": true, "do_center_crop": true, "crop_size": 224, "size": 256,
                         "resample": 3})")
                .find("size is the number 256, expected shortest_edge, or height and width"),
            std::string::npos);
  EXPECT_NE(error_in(R"({"do_normalize": true})").find("image_mean is missing"), std::string::npos);
}

TEST(Recipe, TorchvisionIsReadNestedOrAlone) {
  for (const char* text :
       {R"({"framework": "torchvision", "transforms": {"resize_size": 72, "crop_size": 64,
            "interpolation": "bilinear"}})",
        R"({"crop_size": [64], "resize_size": [72],
            "interpolation": "InterpolationMode.BILINEAR"})"}) {
    const PreprocessConfig config = parse(text);
    expect_sizes(config, ResizeMode::shortest_edge, 72, 64);
    EXPECT_EQ(config.filter, Filter::bilinear);
    EXPECT_EQ(config.mean, imagenet_mean);
  }
}

TEST(Recipe, OpenAiNeedsOneNumber) {
  for (const char* text : {R"({"n_px": 288})", R"({"image_resolution": 288, "embed_dim": 64})"}) {
    const PreprocessConfig config = parse(text);
    expect_sizes(config, ResizeMode::shortest_edge, 288, 288);
    EXPECT_EQ(config.std, clip_std);
  }
}

TEST(Recipe, OpenClipSaysHowItResizes) {
  PreprocessConfig config = parse(R"({"preprocess_cfg": {"size": [64, 64], "mean": [0, 0, 0],
      "std": [1, 1, 1], "interpolation": "bilinear", "resize_mode": "longest", "fill_color": 7}})");
  expect_sizes(config, ResizeMode::longest_edge, 64, 64);
  EXPECT_EQ(config.fill[2], 7);
  config = parse(R"({"model_cfg": {"vision_cfg": {"image_size": 240}},
                     "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}})");
  expect_sizes(config, ResizeMode::shortest_edge, 240, 240);
}

TEST(Recipe, ErrorsNameTheKeyWhatIsThereAndWhatWasExpected) {
  EXPECT_EQ(error_in(R"({"input_size": [3, 224]})"),
            "recipe.json: input_size is the array [3, 224], expected [channels, height, width]");
  EXPECT_EQ(error_in(R"({"pretrained_cfg": {"input_size": [1, 224, 224]}})"),
            "recipe.json: pretrained_cfg: input_size is the array [1, 224, 224], expected 3 "
            "channels first");
  EXPECT_EQ(
      error_in(R"({"n_px": "big"})"),
      "recipe.json: n_px is the string 'big', expected a positive number of pixels, or [height, "
      "width]");
  EXPECT_EQ(error_in(R"({"crop_size": 224, "mean": [1, 2]})"),
            "recipe.json: mean is the array [1, 2], expected three numbers");
  EXPECT_EQ(error_in(R"({"image_processor_type": "ViTImageProcessor", "do_resize": 1})"),
            "recipe.json: do_resize is the number 1, expected true or false");
  EXPECT_EQ(error_in("[1, 2]"), "recipe.json: is the array [1, 2], wanted a JSON object");
  EXPECT_NE(error_in(R"({"crop_size": 224, "interpolation": "cubic"})").find("interpolation is"),
            std::string::npos);
  for (const char* text :
       {R"({})", R"({"hidden_size": 768})", R"({"n_px": 0})", R"({"n_px": 2.5})",
        R"({"n_px": 1e99})", R"({"crop_pct": -1})", R"({"crop_pct": 1e-300})",
        R"({"input_size": [3, 224, 224], "crop_mode": "fit"})", R"({"crop_size": 8, "std": 0})",
        R"({"image_processor_type": "DonutImageProcessor"})", R"({"image_processor_type": 3})",
        R"({"crop_size": 8, "interpolation": 9})",
        R"({"image_processor_type": "CLIPImageProcessor", "size": {"height": 3}})",
        R"({"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": [[3]]}})",
        R"({"preprocess_cfg": {"fill_color": 300}})"})
    EXPECT_TRUE(error_in(text).starts_with("recipe.json: ")) << text << " -> " << error_in(text);
}

}  // namespace
