#include <vitrail/io/json.hpp>

#include "support/io_files.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

TEST(Json, ReadsEveryTypeOfAConfig) {
  const Json config = parse_json(
      R"({"act": "gelu", "eps": 1e-12, "width": 768, "qkv_bias": true, "mean": [0.5, 1], "crop": null})",
      "config.json");
  EXPECT_EQ(json_get<std::string>(config, "act", "config.json"), "gelu");
  EXPECT_EQ(json_get<double>(config, "eps", "config.json"), 1e-12);
  EXPECT_EQ(json_get<std::int64_t>(config, "width", "config.json"), 768);
  EXPECT_TRUE(json_get<bool>(config, "qkv_bias", "config.json"));
  EXPECT_EQ(json_get<std::vector<float>>(config, "mean", "config.json"),
            (std::vector<float>{0.5F, 1.0F}));
  EXPECT_FALSE(json_get_if<double>(config, "crop", "config.json").has_value());
  EXPECT_FALSE(json_get_if<double>(config, "absent", "config.json").has_value());
  EXPECT_EQ(json_get_if<int>(config, "width", "config.json"), 768);
}

TEST(Json, NamesTheKeyWhatWasFoundAndWhatWasExpected) {
  const Json config =
      parse_json(R"({"eps": "small", "width": 2.5, "n": -1, "list": [1, "a"]})", "config.json");
  EXPECT_EQ(error_of([&] { (void)json_get<double>(config, "eps", "config.json"); }),
            "config.json: 'eps' is the string 'small', expected a number");
  EXPECT_CONTAINS(error_of([&] { (void)json_get<std::int32_t>(config, "width", "config.json"); }),
                  "'width' is the number 2.5, expected an integer between -2147483648 and");
  EXPECT_CONTAINS(error_of([&] { (void)json_get<std::uint8_t>(config, "n", "config.json"); }),
                  "'n' is the number -1, expected an integer between 0 and 255");
  EXPECT_EQ(error_of([&] { (void)json_get<std::int64_t>(config, "eps", "config.json"); }),
            "config.json: 'eps' is the string 'small', expected an integer");
  EXPECT_EQ(
      error_of([&] { (void)json_get<std::vector<double>>(config, "list", "config.json"); }),
      "config.json: 'list' is the array [1, 'a'], expected an array whose elements are each a "
      "number");
  EXPECT_EQ(error_of([&] { (void)json_get<bool>(config, "absent", "config.json"); }),
            "config.json: no key 'absent', expected true or false");
}

TEST(Json, SaysWhereTheSyntaxIsBroken) {
  const std::string error =
      error_of([] { (void)parse_json("{\n  \"a\": 1,\n  oops\n}", "config.json"); });
  EXPECT_CONTAINS(error, "config.json: not valid JSON: ");
  EXPECT_CONTAINS(error, "line 3, column 3");
  EXPECT_EQ(error.find('\n'), std::string::npos);
  EXPECT_CONTAINS(error_of([] { (void)parse_json("{} {}", "x"); }), "not valid JSON");
  EXPECT_CONTAINS(error_of([] { (void)parse_json("", "x"); }), "not valid JSON");
  EXPECT_CONTAINS(error_of([] { (void)parse_json("{\"a\": 1e999}", "x"); }), "not valid JSON");
  EXPECT_CONTAINS(error_of([] { (void)parse_json("\"\xff\"", "x"); }), "not valid JSON");
}

TEST(Json, RefusesDuplicateKeysOnEveryLevel) {
  EXPECT_EQ(error_of([] { (void)parse_json(R"({"a": 1, "a": 2})", "x"); }), "x: duplicate key 'a'");
  EXPECT_EQ(error_of([] { (void)parse_json(R"([{"b": {"c": 1, "d": [], "c": 2}}])", "x"); }),
            "x: duplicate key 'c'");
  EXPECT_NO_THROW((void)parse_json(R"({"a": {"a": 1}, "b": {"a": 2}})", "x"));
}

TEST(Json, RefusesDeepNestingAndLongTexts) {
  EXPECT_EQ(error_of([] { (void)parse_json(std::string(100'000, '['), "x"); }),
            "x: JSON nested deeper than the limit of 100");
  EXPECT_NO_THROW((void)parse_json(std::string(100, '[') + std::string(100, ']'), "x"));
  Limits limits;
  limits.max_header_bytes = 3;
  EXPECT_EQ(error_of([&] { (void)parse_json("[1,2]", "x", limits); }),
            "x: JSON of 5 bytes, the limit is 3");
}

TEST(Json, WritesStringsThatItReads) {
  for (const std::string text :
       {"", "plain", "\"quoted\" \\ /", "\x01\n\t\x1f\x7f", "gr\xc3\xbc\xc3\x9f"})
    EXPECT_EQ(parse_json(detail::json_string(text, "x"), "x").text(), text);
  EXPECT_EQ(error_of([] { (void)detail::json_string("\xff", "x"); }).substr(0, 3), "x: ");
  EXPECT_CONTAINS(error_of([] { (void)detail::json_string("\xff", "x"); }), "is not UTF-8");
}

TEST(Json, ReadsAFile) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_json(folder.file("config.json", "[1]")).items().size(), 1U);
  EXPECT_CONTAINS(error_of([&] { (void)read_json(folder / "absent.json"); }), "does not exist");
}

}  // namespace
