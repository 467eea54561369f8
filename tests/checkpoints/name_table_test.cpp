// One publisher's names for our tensors: what the marks in a rule stand for.
#include <gtest/gtest.h>

#include <vitrail/checkpoints/name_table.hpp>

namespace {

using namespace vitrail;
using Names = std::vector<std::string>;

Names names_by(const NameRule& rule, std::string_view ours) {
  return NameTable("vit.", std::span(&rule, 1), "block").find(ours)->names;
}

TEST(NameTable, WithoutRulesOurNamesAreTheFiles) {
  EXPECT_EQ(NameTable("model.").find("norm.weight")->names, Names{"model.norm.weight"});
}

TEST(NameTable, PutsNumbersPrefixAndBlockWhereTheRuleSays) {
  EXPECT_EQ(names_by({"blocks.{}.norm1.bias", "~layer.{}.^.bias"}, "blocks.12.norm1.bias"),
            Names{"vit.layer.12.block.bias"});
  EXPECT_EQ(names_by({"layers.{}.blocks.{}.a", "s{}.b{}"}, "layers.3.blocks.17.a"),
            Names{"s3.b17"});
  EXPECT_EQ(names_by({"layers.{}.a", "{-1}.a"}, "layers.3.a"), Names{"2.a"});
  EXPECT_EQ(names_by({"layers.{}.a", "{+1}.a"}, "layers.9.a"), Names{"10.a"});
}

TEST(NameTable, JoinsTheListInBracesAndLeavesZerosOut) {
  EXPECT_EQ(names_by({"blocks.{}.qkv", "~{}.{q,k,v}.w"}, "blocks.2.qkv"),
            (Names{"vit.2.q.w", "vit.2.k.w", "vit.2.v.w"}));
  EXPECT_EQ(names_by({"blocks.{}.qkv", "{q,0,v}_bias.{}"}, "blocks.2.qkv"),
            (Names{"q_bias.2", "", "v_bias.2"}));
}

TEST(NameTable, ANameWithoutOurNumberStacksTheBlocks) {
  constexpr NameRule rules[] = {{"blocks.{}.norm1.bias", "blocks/norm1/bias"},
                                {"blocks.{}.q", "in_proj.{}", Layout::same, 4, 8}};
  const NameTable table("", rules);
  const TensorSource stacked = *table.find("blocks.5.norm1.bias");
  EXPECT_EQ(stacked.names, Names{"blocks/norm1/bias"});
  EXPECT_EQ(stacked.begin, 5);
  EXPECT_EQ(stacked.end, 6);
  const TensorSource rows = *table.find("blocks.5.q");
  EXPECT_EQ(rows.begin, 4);
  EXPECT_EQ(rows.end, 8);
}

TEST(NameTable, TheFirstRuleThatFitsDecidesAndSingleNamesGoBeforeAll) {
  constexpr NameRule rules[] = {
      {"head.weight", "first", Layout::transposed}, {"head.weight", "second"}, {"*", "*"}};
  NameTable table("~", rules);
  EXPECT_EQ(table.find("head.weight")->names, Names{"first"});
  EXPECT_EQ(table.find("head.weight")->layout, Layout::transposed);
  EXPECT_EQ(table.find("anything.else")->names, Names{"~anything.else"});
  table.add("head.weight", {{"single"}});
  EXPECT_EQ(table.find("head.weight")->names, Names{"single"});
  table.add("head.weight", {{"later"}});
  EXPECT_EQ(table.find("head.weight")->names, Names{"later"});
  constexpr NameRule one[] = {{"norm.weight", "ln.weight"}};
  EXPECT_FALSE(NameTable("", one).find("norm.bias").has_value());
}

TEST(NameTable, OnlyWholeWordsOfDigitsAreNumbers) {
  constexpr NameRule rules[] = {{"fc1.weight", "one"}, {"blocks.{}.x", "b{}"}};
  const NameTable table("", rules);
  EXPECT_EQ(table.find("fc1.weight")->names, Names{"one"});
  EXPECT_EQ(table.find("blocks.007.x")->names, Names{"b7"});
  EXPECT_FALSE(table.find("blocks.1234567890.x").has_value());
  EXPECT_FALSE(table.find("blocks.-1.x").has_value());
}

}  // namespace
