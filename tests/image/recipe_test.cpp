#include <gtest/gtest.h>

#include <support/recipes.hpp>

namespace {

using namespace vitrail;
using recipes::error_in;
using recipes::expect_sizes;
using recipes::parse;

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
