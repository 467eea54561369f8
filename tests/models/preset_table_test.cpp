// Every row of the table says something that can be built, in words that are read.
#include <gtest/gtest.h>

#include <set>
#include <vitrail/models/preset_table.hpp>

namespace {

using namespace vitrail;

TEST(PresetTable, NamesAreUniqueAndHeadsDivideTheWidth) {
  std::set<std::string_view> names;
  for (const Preset& preset : presets) {
    EXPECT_TRUE(names.insert(preset.name).second) << preset.name;
    EXPECT_EQ(preset.embed_dim % preset.heads, 0) << preset.name;
    EXPECT_GT(preset.mlp_hidden, 0) << preset.name;
  }
}

TEST(PresetTable, HoldsNoWordThatNothingReads) {
  const std::set<std::string_view> words = {"no_class",   "distilled",
                                            "reg4",       "reg1",
                                            "pre_norm",   "patch_positions",
                                            "rms",        "no_qkv_bias",
                                            "qk_norm",    "layer_scale",
                                            "eps1e-5",    "gelu_tanh",
                                            "silu",       "gated",
                                            "rope",       "attn_norm",
                                            "mlp_norm",   "embed_norm",
                                            "dinov3",     "relative_positions",
                                            "stem",       "res_post_norm",
                                            "r26",        "parallel_things",
                                            "r50_s16",    "diff_attention",
                                            "r50_s32",    "parallel_scaling",
                                            "avg",        "map",
                                            "fc_norm",    "no_final_norm",
                                            "pool_prefix"};
  for (const Preset& preset : presets) {
    std::string_view rest = preset.departures;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      EXPECT_TRUE(words.contains(rest.substr(0, end))) << preset.name << ": " << rest;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
}

TEST(PresetTable, ADepartureIsAWholeWord) {
  constexpr Preset preset{"x", 224, 16, 192, 12, 3, 768, "no_class eps1e-5 avg"};
  static_assert(preset.has("no_class") && preset.has("eps1e-5") && preset.has("avg"));
  static_assert(!preset.has("class") && !preset.has("eps1e") && !preset.has("av"));
  static_assert(!preset.has("") && !preset.has("no_class eps1e-5"));
}

}  // namespace
