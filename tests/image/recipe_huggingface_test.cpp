// preprocessor_config.json: what each class of transformers makes of the keys.
#include <gtest/gtest.h>

#include <support/recipes.hpp>

namespace {

using namespace vitrail;
using recipes::error_in;
using recipes::expect_sizes;
using recipes::parse;

TEST(HuggingFaceRecipe, ItsClassesReadOneNumberDifferently) {
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

TEST(HuggingFaceRecipe, ItsClassesHaveTheirOwnDefaults) {
  const auto of = [](const char* type) {
    return recipes::parse(join(R"({"image_processor_type": ")", type, R"("})").c_str());
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

TEST(HuggingFaceRecipe, ItsStepsCanBeSwitchedOff) {
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

TEST(HuggingFaceRecipe, WithoutAClassMustSayEverything) {
  const char* complete = R"({"do_resize": true, "do_normalize": true, "size": 224, "resample": 2,
      "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]})";
  expect_sizes(parse(complete), ResizeMode::squash, 224, 224);
  EXPECT_NE(error_in(R"({"do_resize": true, "do_center_crop": true, "crop_size": 224, "size": 256,
                         "resample": 3})")
                .find("size is the number 256, expected shortest_edge, or height and width"),
            std::string::npos);
  EXPECT_NE(error_in(R"({"do_normalize": true})").find("image_mean is missing"), std::string::npos);
}

TEST(HuggingFaceRecipe, AClassThatIsNotKnownIsRefusedWithTheKnownOnes) {
  const std::string words = error_in(R"({"image_processor_type": "OwlViTImageProcessor"})");
  for (const detail::ProcessorClass& known : detail::processor_classes)
    EXPECT_NE(words.find(known.name), std::string::npos) << words;
  EXPECT_NE(words.find("image_processor_type is"), std::string::npos) << words;
}

TEST(HuggingFaceRecipe, ASizeIsHeightAndWidthOrOneEdge) {
  const auto with_size = [](const std::string& size) {
    return R"({"image_processor_type": "CLIPImageProcessor", "do_center_crop": false, "size": )" +
           size + "}";
  };
  const PreprocessConfig both = parse(with_size(R"({"height": 30, "width": 40})").c_str());
  EXPECT_EQ(both.resize, ResizeMode::squash);
  EXPECT_EQ(both.resize_height, 30);
  EXPECT_EQ(both.resize_width, 40);
  EXPECT_EQ(both.height, 30);
  for (const char* size : {R"({"height": 30})", R"({"shortest_edge": 30, "longest_edge": 40})",
                           R"({"height": 30, "width": 40, "shortest_edge": 30})", "{}"})
    EXPECT_NE(error_in(with_size(size).c_str())
                  .find("expected height and width, or shortest_edge, or longest_edge"),
              std::string::npos)
        << size;
  EXPECT_NE(error_in(with_size(R"({"shortest_edge": 0})").c_str())
                .find("shortest_edge to be a positive number of pixels"),
            std::string::npos);
}

TEST(HuggingFaceRecipe, ACropIsNeverOneEdge) {
  EXPECT_NE(error_in(R"({"image_processor_type": "CLIPImageProcessor",
                         "crop_size": {"shortest_edge": 224}})")
                .find("crop_size is"),
            std::string::npos);
}

}  // namespace
