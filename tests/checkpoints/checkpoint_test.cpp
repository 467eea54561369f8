// What publishers' readers share: reasons, rules by probe, prefixes.
#include <gtest/gtest.h>

#include <support/tensors.hpp>

namespace {

using namespace vitrail;
using vitrail_test::Tensors;

TEST(Reasons, TheLastWordStandsUnlessAskedToKeepTheFirst) {
  Reasons because = {{"heads", "a default"}, {"eps", "a table"}};
  because.set("heads", "config.json");
  because.set_if_new("heads", "a guess");
  because.set_if_new("size", "the tensors");
  EXPECT_TRUE(because.says("heads", "config.json"));
  EXPECT_TRUE(because.says("size", "the tensors"));
  EXPECT_FALSE(because.says("labels", ""));
  EXPECT_EQ(because.find("labels"), nullptr);
  EXPECT_TRUE(Reasons().empty());
}

TEST(AddRules, TakesTheSetsWhoseTensorIsBelowThePrefix) {
  static constexpr NameRule gate[] = {{"fc1", "w12"}};
  static constexpr NameRule plain[] = {{"fc1", "fc1"}};
  const NameRules sets[] = {{"gate", gate}, {"", plain}};
  const auto place = [&](const Tensors& tensors) {
    NameTable names("m.");
    add_rules(tensors.named(), sets, names);
    return names.find("fc1")->names.front();
  };
  EXPECT_EQ(place(Tensors().add("m.gate", {1})), "w12");
  EXPECT_EQ(place(Tensors().add("gate", {1})), "fc1");
}

TEST(FindPrefix, IsTheFirstThatHasBothTensors) {
  constexpr const char* prefixes[] = {"", "a.", "b."};
  Tensors tensors;
  tensors.add("one", {1}).add("b.one", {1}).add("b.two", {1});
  EXPECT_EQ(find_prefix(tensors.named(), prefixes, "one", "two"), "b.");
  EXPECT_EQ(
      find_prefix(tensors.add("a.one", {1}).add("a.two", {1}).named(), prefixes, "one", "two"),
      "a.");
  EXPECT_FALSE(find_prefix(tensors.named(), prefixes, "one", "three").has_value());
}

}  // namespace
