// Text whose length its type tells.
#include <gtest/gtest.h>

#include <vitrail/literal.hpp>

namespace {

using vitrail::detail::Literal;

TEST(Literal, IsAsLongAsItsTextWithoutTheFinalZero) {
  constexpr Literal text = "head.weight";
  static_assert(text.size() == 11 && text == "head.weight");
  static_assert(Literal("").empty());
  static_assert(Literal("a\0b").size() == 3);  // a zero does not end it
  EXPECT_EQ(text.substr(5), "weight");
}

}  // namespace
