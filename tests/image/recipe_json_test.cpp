// The getters of a recipe: value, default, or the words that name the key.
#include <gtest/gtest.h>

#include <support/picture.hpp>
#include <vitrail/image/recipe_json.hpp>

namespace {

using namespace vitrail;
using detail::RecipeJson;

/// What `get` makes of the value under "k"; its error, as text, where it throws.
template <class Get>
auto at_k(const char* value, const Get& get) {
  const Json json = parse_json(std::string(R"({"k": )") + value + "}", "r.json");
  return get(RecipeJson(json, "r.json"));
}
template <class Get>
std::string words_at_k(const char* value, const Get& get) {
  return error_of([&] { (void)at_k(value, get); });
}

TEST(RecipeJson, NullAndMissingAreTheDefault) {
  const Json json = parse_json(R"({"null": null})", "r.json");
  const RecipeJson recipe(json, "r.json");
  for (const char* key : {"null", "missing"}) {
    EXPECT_FALSE(recipe.has(key));
    EXPECT_TRUE(recipe.flag(key, true));
    EXPECT_EQ(recipe.number(key, 0.875), 0.875);
    EXPECT_EQ(recipe.text(key, "center"), "center");
    EXPECT_EQ(recipe.filter(key, Filter::lanczos), Filter::lanczos);
    EXPECT_EQ(recipe.extent(key, {224, 112, false}).width, 112);
  }
  EXPECT_NE(error_of([] { (void)RecipeJson(parse_json("[]", "r.json"), "r.json"); }), "");
}

TEST(RecipeJson, AnExtentIsOneNumberOrHeightAndWidth) {
  const auto extent = [](const RecipeJson& recipe) { return recipe.extent("k", {}); };
  EXPECT_TRUE(at_k("224", extent).is_edge);
  EXPECT_TRUE(at_k("[224]", extent).is_edge);
  EXPECT_EQ(at_k("224.0", extent).height, 224);
  EXPECT_FALSE(at_k("[96, 64]", extent).is_edge);
  EXPECT_EQ(at_k("[96, 64]", extent).height, 96);
  EXPECT_EQ(at_k("[96, 64]", extent).width, 64);
  for (const char* none : {"0", "-1", "1.5", "1e9", "\"224\"", "[]", "[1, 2, 3]", "[96, 0]"}) {
    const std::string words = words_at_k(none, extent);
    EXPECT_TRUE(words.starts_with("r.json: k is ")) << words;
    EXPECT_TRUE(words.ends_with("expected a positive number of pixels, or [height, width]"))
        << words;
  }
}

TEST(RecipeJson, AFilterIsANameOrPillowsNumber) {
  const auto filter = [](const RecipeJson& recipe) { return recipe.filter("k", Filter::box); };
  EXPECT_EQ(at_k("0", filter), Filter::nearest);
  EXPECT_EQ(at_k("1", filter), Filter::lanczos);
  EXPECT_EQ(at_k("2", filter), Filter::bilinear);
  EXPECT_EQ(at_k("3", filter), Filter::bicubic);
  EXPECT_EQ(at_k("4", filter), Filter::box);
  EXPECT_EQ(at_k("5", filter), Filter::hamming);
  EXPECT_EQ(at_k("\"InterpolationMode.BICUBIC\"", filter), Filter::bicubic);
  for (const char* none : {"6", "-1", "2.0", "\"cubic\"", "\"\"", "true"})
    EXPECT_TRUE(words_at_k(none, filter).starts_with("r.json: k is ")) << none;
}

TEST(RecipeJson, ChannelsAreThreeNumbersOrOneForAll) {
  const auto channels = [](const RecipeJson& recipe) { return recipe.channels("k", {9, 9, 9}); };
  EXPECT_EQ(at_k("[1, 2, 3]", channels), (std::array<float, 3>{1, 2, 3}));
  EXPECT_EQ(at_k("0.5", channels), (std::array<float, 3>{0.5F, 0.5F, 0.5F}));
  for (const char* none : {"[1, 2]", "[1, 2, \"3\"]", "[]", "{}"})
    EXPECT_NE(words_at_k(none, channels).find("expected three numbers"), std::string::npos) << none;
}

TEST(RecipeJson, SizesAreThreeWholeNumbers) {
  const auto sizes = [](const RecipeJson& recipe) { return recipe.sizes3("k", {3, 224, 224}); };
  EXPECT_EQ(at_k("[3, 96, 64]", sizes), (std::array<Index, 3>{3, 96, 64}));
  for (const char* none : {"[96, 64]", "[3, 96, 64, 1]", "[3, 0, 64]", "96"})
    EXPECT_NE(words_at_k(none, sizes).find("expected [channels, height, width]"), std::string::npos)
        << none;
}

TEST(RecipeJson, FlagsTextsAndNumbersAreNotConverted) {
  EXPECT_NE(words_at_k("1", [](const RecipeJson& r) { return r.flag("k", true); }), "");
  EXPECT_NE(words_at_k("1", [](const RecipeJson& r) { return r.text("k", ""); }), "");
  EXPECT_NE(words_at_k("\"1\"", [](const RecipeJson& r) { return r.number("k", 0); }), "");
  EXPECT_NE(words_at_k("true", [](const RecipeJson& r) { return r.number("k", 0); }), "");
}

}  // namespace
