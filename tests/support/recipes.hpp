// Recipes as tests write them, and the sizes they come to.
#ifndef VITRAIL_TESTS_SUPPORT_RECIPES_HPP
#define VITRAIL_TESTS_SUPPORT_RECIPES_HPP

#include <support/picture.hpp>
#include <vitrail/image/recipe.hpp>

namespace recipes {

/// What the JSON `text` means.
inline vitrail::PreprocessConfig parse(const char* text) {
  return vitrail::parse_recipe(vitrail::parse_json(text, "recipe.json"), "recipe.json");
}
/// Its error.
inline std::string error_in(const char* text) {
  return error_of([&] { (void)parse(text); });
}

inline void expect_sizes(const vitrail::PreprocessConfig& config, vitrail::ResizeMode mode,
                         vitrail::Index resize, vitrail::Index size) {
  EXPECT_EQ(config.resize, mode);
  if (mode != vitrail::ResizeMode::none) {
    EXPECT_EQ(config.resize_height, resize);
    EXPECT_EQ(config.resize_width, resize);
  }
  EXPECT_EQ(config.height, size);
  EXPECT_EQ(config.width, size);
}

}  // namespace recipes

#endif  // VITRAIL_TESTS_SUPPORT_RECIPES_HPP
