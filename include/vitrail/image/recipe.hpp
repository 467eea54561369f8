// Preprocessing recipes as publishers ship them: JSON of timm, Hugging Face, torchvision, OpenAI
// and open_clip -> PreprocessConfig. Which one it is shows from its keys.
//
//   timm          input_size, crop_pct, ...         or {"pretrained_cfg": {...}}
//   Hugging Face  image_processor_type, size, ...   preprocessor_config.json, old and new
//   torchvision   crop_size, resize_size, ...       or {"transforms": {...}}
//   OpenAI CLIP   n_px, or image_resolution
//   open_clip     {"preprocess_cfg": {...}}
#ifndef VITRAIL_IMAGE_RECIPE_HPP
#define VITRAIL_IMAGE_RECIPE_HPP

#include <vitrail/image/recipe_huggingface.hpp>
#include <vitrail/image/recipe_json.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// What timm makes of size, crop_fraction (0: 0.875), filter, mean, std and ResizeMode: the rest
/// follows. Other publishers' evaluations are said in these words too.
[[nodiscard]] inline PreprocessConfig completed_as_timm(PreprocessConfig config) {
  if (config.crop_fraction == 0) config.crop_fraction = 0.875;  // timm reads 0 as "not given"
  // timm calls ResizeKeepRatio without its interpolation argument here; the default is bilinear.
  if (config.resize == ResizeMode::shortest_edge && config.height != config.width)
    config.filter = Filter::bilinear;
  config.resize_height = detail::divided_by_crop_fraction(config.height, config.crop_fraction);
  config.resize_width = detail::divided_by_crop_fraction(config.width, config.crop_fraction);
  return config;
}

/// CLIP's own: the shortest edge to the size, bicubically, and the center of it.
[[nodiscard]] inline PreprocessConfig clip_preprocess(Index height, Index width) {
  return {.height = height,
          .width = width,
          .resize_height = height,
          .resize_width = width,
          .mean = clip_mean,
          .std = clip_std};
}

namespace detail {

/// timm/data/config.py and transforms_factory.py (transforms_imagenet_eval). `test_input_size` and
/// `test_crop_pct` describe a second, larger evaluation and are left alone, as timm does by
/// default.
[[nodiscard]] inline PreprocessConfig parse_timm(const RecipeJson& recipe) {
  PreprocessConfig config;
  const auto [channels, height, width] = recipe.sizes3("input_size", {3, 224, 224});
  if (channels != 3) recipe.fail_at("input_size", "3 channels first");
  config.height = height;
  config.width = width;
  config.crop_fraction = recipe.number("crop_pct", 0);
  if (config.crop_fraction < 0) recipe.fail_at("crop_pct", "a positive number");
  config.filter = recipe.filter("interpolation", Filter::bicubic);
  config.mean = recipe.channels("mean", imagenet_mean);
  config.std = recipe.channels("std", imagenet_std);
  const std::string mode = recipe.text("crop_mode", "center");
  if (mode == "squash") {
    config.resize = ResizeMode::squash;
  } else if (mode == "border") {
    config.resize = ResizeMode::longest_edge;
    for (std::size_t c = 0; c < 3; ++c)
      config.fill[c] = static_cast<std::uint8_t>(
          std::clamp<Index>(round_half_even(255 * recipe.channel("mean", c, config.mean)), 0, 255));
  } else if (mode != "center") {
    recipe.fail_at("crop_mode", "\"center\", \"squash\" or \"border\"");
  }
  return completed_as_timm(config);
}

/// torchvision.transforms._presets.ImageClassification.
[[nodiscard]] inline PreprocessConfig parse_torchvision(const RecipeJson& recipe) {
  PreprocessConfig config;
  const Extent crop = recipe.extent("crop_size", {224, 224});
  const Extent resize = recipe.extent("resize_size", {256, 256});
  config.height = crop.height;
  config.width = crop.width;
  config.resize_height = resize.height;
  config.resize_width = resize.width;
  if (!resize.is_edge) config.resize = ResizeMode::squash;
  config.filter = recipe.filter("interpolation", Filter::bilinear);
  config.mean = recipe.channels("mean", imagenet_mean);
  config.std = recipe.channels("std", imagenet_std);
  return config;
}

/// clip.clip._transform(n_px).
[[nodiscard]] inline PreprocessConfig parse_openai(const RecipeJson& recipe, std::string_view key) {
  const Extent size = recipe.extent(key, {224, 224});
  return clip_preprocess(size.height, size.width);
}

/// open_clip/transform.py (image_transform_v2, evaluation). Older files leave the size to the
/// model's own.
[[nodiscard]] inline PreprocessConfig parse_open_clip(const RecipeJson& recipe, Extent model_size) {
  PreprocessConfig config;
  const Extent size = recipe.extent("size", model_size);
  config.height = config.resize_height = size.height;
  config.width = config.resize_width = size.width;
  config.filter = recipe.filter("interpolation", Filter::bicubic);
  config.mean = recipe.channels("mean", clip_mean);
  config.std = recipe.channels("std", clip_std);
  const double fill = recipe.number("fill_color", 0);
  if (fill < 0 || fill > 255) recipe.fail_at("fill_color", "a number from 0 to 255");
  config.fill.fill(static_cast<std::uint8_t>(fill));
  const std::string mode = recipe.text("resize_mode", "shortest");
  if (mode == "longest")
    config.resize = ResizeMode::longest_edge;
  else if (mode == "squash")
    config.resize = ResizeMode::squash;
  else if (mode != "shortest")
    recipe.fail_at("resize_mode", "\"shortest\", \"longest\" or \"squash\"");
  else if (size.height != size.width)
    config.filter = Filter::bicubic;  // open_clip passes no interpolation on for these
  return config;
}

[[nodiscard]] inline Extent open_clip_model_size(const Json& json, std::string_view where) {
  const RecipeJson file(json, where);
  const Json* model = file.find("model_cfg");
  if (model == nullptr || !model->is_object()) return {224, 224};
  const Json* vision = RecipeJson(*model, where).find("vision_cfg");
  if (vision == nullptr || !vision->is_object()) return {224, 224};
  return RecipeJson(*vision, where).extent("image_size", {224, 224});
}

/// Any of them, told apart by its keys.
[[nodiscard]] inline PreprocessConfig parse_plain_recipe(const RecipeJson& recipe,
                                                         std::string_view where) {
  if (is_huggingface_recipe(recipe)) return parse_huggingface(recipe);
  if (recipe.has("n_px")) return parse_openai(recipe, "n_px");
  if (recipe.has("input_size") || recipe.has("crop_pct")) return parse_timm(recipe);
  if (recipe.has("resize_size") || recipe.has("crop_size")) return parse_torchvision(recipe);
  if (recipe.has("resize_mode") || (recipe.has("size") && recipe.has("mean")))
    return parse_open_clip(recipe, {224, 224});
  if (recipe.has("image_resolution")) return parse_openai(recipe, "image_resolution");
  fail(where,
       "is no preprocessing recipe: has none of input_size or pretrained_cfg (timm), "
       "image_processor_type (Hugging Face), crop_size (torchvision), n_px (OpenAI CLIP), "
       "preprocess_cfg (open_clip)");
}

}  // namespace detail

/// What a publisher's recipe means; `where` names the file in errors. Throws Error when the JSON is
/// no recipe of a kind listed above, or names the key whose value is not what was expected. Thread
/// safe.
[[nodiscard]] inline PreprocessConfig parse_recipe(const Json& json, std::string_view where) {
  const detail::RecipeJson recipe(json, where);
  const auto parsed = [&] {
    for (const char* key : {"pretrained_cfg", "preprocess_cfg", "transforms"}) {
      const Json* nested = recipe.find(key);
      if (nested == nullptr || !nested->is_object()) continue;
      const std::string nested_where = join(where, ": ", key);
      const detail::RecipeJson inner(*nested, nested_where);
      if (key == std::string_view("preprocess_cfg"))
        return detail::parse_open_clip(inner, detail::open_clip_model_size(json, where));
      if (key == std::string_view("pretrained_cfg")) return detail::parse_timm(inner);
      return detail::parse_plain_recipe(inner, nested_where);
    }
    return detail::parse_plain_recipe(recipe, where);
  };
  PreprocessConfig config = parsed();
  detail::check_preprocess(config, where);
  return config;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IMAGE_RECIPE_HPP
