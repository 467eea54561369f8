#include <gtest/gtest.h>

#include <limits>
#include <type_traits>
#include <vitrail/io/json.hpp>

namespace {

using namespace vitrail;

TEST(JsonValue, CopiesAreOfTheirOwnAndWhatWasMovedIsNull) {
  Json first = parse_json(R"({"list": [1, {"text": "deep"}], "n": -3, "x": 0.5})", "x");
  Json second = first;
  first.members().at("list").items().clear();
  const Json::Array& items = json_find(second, "list")->items();
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(json_get<std::string>(items[1], "text", "x"), "deep");
  EXPECT_EQ(json_find(second, "n")->number(), -3.0);
  first = std::move(second);
  EXPECT_TRUE(second.is_null());      // NOLINT(bugprone-use-after-move)
  first = *json_find(first, "list");  // a part of itself
  EXPECT_EQ(first.items().size(), 2U);
}

TEST(JsonValue, ANumberKeepsHowItWasWritten) {
  const Json list = parse_json("[18446744073709551615, -9223372036854775808, 3.0, 3]", "x");
  EXPECT_EQ(list.items()[0].natural(), 18446744073709551615U);
  EXPECT_EQ(list.items()[1].negative(), std::numeric_limits<std::int64_t>::min());
  EXPECT_FALSE(list.items()[1].is_natural());
  EXPECT_FALSE(list.items()[2].is_integer());
  EXPECT_TRUE(list.items()[3].is_natural());
  for (const Json& number : list.items()) EXPECT_TRUE(number.is_number());
}

TEST(JsonValue, ALiteralIsNotTakenForAFlagAndAValueIsSmall) {
  static_assert(!std::is_constructible_v<Json, const char*>);
  static_assert(sizeof(Json) == 16);
}

}  // namespace
