// Hugging Face's preprocessor_config.json: what each processor class does with the keys, and what
// it assumes for those that are missing.
#ifndef VITRAIL_IMAGE_RECIPE_HUGGINGFACE_HPP
#define VITRAIL_IMAGE_RECIPE_HUGGINGFACE_HPP

#include <vitrail/image/recipe_json.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// The defaults of one class in transformers/models/*/image_processing_*.py.
struct ProcessorClass {
  std::string_view name;  // without ImageProcessor, ImageProcessorFast, FeatureExtractor
  bool edge;              // a size of one number is the shortest edge, else a square
  Index size;
  bool crops;  // the class looks at do_center_crop and crop_size (224 by default)
  Filter filter;
  std::array<float, 3> mean;
  std::array<float, 3> std;
};

inline constexpr std::array processor_classes = {
    ProcessorClass{"ViT", false, 224, false, Filter::bilinear, standard_mean, standard_mean},
    ProcessorClass{"DeiT", false, 256, true, Filter::bicubic, standard_mean, standard_mean},
    ProcessorClass{"Beit", false, 256, true, Filter::bicubic, standard_mean, standard_mean},
    ProcessorClass{"CLIP", true, 224, true, Filter::bicubic, clip_mean, clip_std},
    ProcessorClass{"ChineseCLIP", true, 224, true, Filter::bicubic, clip_mean, clip_std},
    ProcessorClass{"Bit", true, 224, true, Filter::bicubic, clip_mean, clip_std},
    ProcessorClass{"ViTHybrid", true, 224, true, Filter::bicubic, clip_mean, clip_std},
    ProcessorClass{"Siglip", false, 224, false, Filter::bicubic, standard_mean, standard_mean},
    ProcessorClass{"Blip", false, 384, false, Filter::bicubic, clip_mean, clip_std},
    ProcessorClass{"Pvt", false, 224, false, Filter::bilinear, imagenet_mean, imagenet_std},
};

[[nodiscard]] inline bool is_huggingface_recipe(const RecipeJson& recipe) {
  for (const char* key : {"image_processor_type", "feature_extractor_type", "do_resize",
                          "do_normalize", "do_rescale", "do_center_crop", "image_mean"})
    if (recipe.has(key)) return true;
  return false;
}

/// The class a recipe names, or nullptr when it names none. Throws Error for one not in the table.
[[nodiscard]] inline const ProcessorClass* processor_class(const RecipeJson& recipe) {
  const char* key =
      recipe.has("image_processor_type") ? "image_processor_type" : "feature_extractor_type";
  if (!recipe.has(key)) return nullptr;
  std::string name = recipe.text(key, "");
  for (const std::string_view suffix : {"Fast", "ImageProcessor", "FeatureExtractor"})
    if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
  std::string known;
  for (const ProcessorClass& candidate : processor_classes) {
    if (name == candidate.name) return &candidate;
    known += (known.empty() ? "" : ", ") + std::string(candidate.name);
  }
  recipe.fail_at(key, join("one of ", known, " with ImageProcessor behind"));
}

/// {"height", "width"}, {"shortest_edge"}, {"longest_edge"}, n, [n] or [height, width].
[[nodiscard]] inline Extent huggingface_size(const RecipeJson& recipe, std::string_view key,
                                             Extent missing, ResizeMode& mode) {
  const Json* value = recipe.find(key);
  if (value == nullptr || !value->is_object()) {
    const Extent extent = recipe.extent(key, missing);
    mode = extent.is_edge ? ResizeMode::shortest_edge : ResizeMode::squash;
    return extent;
  }
  const auto side = [&](const char* name) -> std::optional<Index> {
    const Json* const found = json_find(*value, name);
    if (found == nullptr || found->is_null()) return std::nullopt;
    const auto size = RecipeJson::as_size(*found);
    if (!size) recipe.fail_at(key, join(name, " to be a positive number of pixels"));
    return size;
  };
  const auto height = side("height");
  const auto width = side("width");
  const auto shortest = side("shortest_edge");
  const auto longest = side("longest_edge");
  if (height && width && !shortest && !longest) {
    mode = ResizeMode::squash;
    return {*height, *width, false};
  }
  if (height || width || shortest.has_value() == longest.has_value())
    recipe.fail_at(key, "height and width, or shortest_edge, or longest_edge");
  mode = shortest ? ResizeMode::shortest_edge : ResizeMode::longest_edge;
  return {shortest ? *shortest : *longest, shortest ? *shortest : *longest, false};
}

[[nodiscard]] inline PreprocessConfig parse_huggingface(const RecipeJson& recipe) {
  const ProcessorClass* known = processor_class(recipe);
  const auto needs = [&](bool needed, const char* key) {
    if (known == nullptr && needed && !recipe.has(key))
      recipe.fail_at(key, "a value, as the file names no image_processor_type with a default");
  };
  PreprocessConfig config;
  config.rounding = RoundingRule::huggingface;

  const bool resizes = recipe.flag("do_resize", known != nullptr || recipe.has("size"));
  const bool crops = (known == nullptr || known->crops) &&
                     recipe.flag("do_center_crop", known != nullptr || recipe.has("crop_size"));
  config.resize = ResizeMode::none;
  if (resizes) {
    needs(true, "size");
    needs(true, "resample");
    config.filter = recipe.filter("resample", known == nullptr ? Filter::bicubic : known->filter);
    const Index side = known == nullptr ? 0 : known->size;
    const Extent size = huggingface_size(recipe, "size", {side, side, true}, config.resize);
    if (size.is_edge) {  // one number, or none: the class decides
      if (known == nullptr && crops)
        recipe.fail_at("size",
                       "shortest_edge, or height and width: without an image_processor_type one "
                       "number may mean either");
      config.resize =
          known != nullptr && known->edge ? ResizeMode::shortest_edge : ResizeMode::squash;
    }
    config.resize_height = size.height;
    config.resize_width = size.width;
  }
  config.height = config.width = 0;
  if (config.resize == ResizeMode::squash) {
    config.height = config.resize_height;
    config.width = config.resize_width;
  }
  if (crops) {
    needs(true, "crop_size");
    ResizeMode mode{};
    const Extent crop = huggingface_size(recipe, "crop_size", {224, 224, true}, mode);
    if (mode != ResizeMode::squash && !crop.is_edge)
      recipe.fail_at("crop_size", "height and width, or one number");
    config.height = crop.height;
    config.width = crop.width;
  }

  config.rescale_factor =
      recipe.flag("do_rescale", true) ? recipe.number("rescale_factor", 1.0 / 255) : 1.0;
  if (recipe.flag("do_normalize", known != nullptr || recipe.has("image_mean"))) {
    needs(true, "image_mean");
    needs(true, "image_std");
    config.mean = recipe.channels("image_mean", known == nullptr ? standard_mean : known->mean);
    config.std = recipe.channels("image_std", known == nullptr ? standard_mean : known->std);
  }
  return config;
}

}  // namespace detail

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IMAGE_RECIPE_HUGGINGFACE_HPP
