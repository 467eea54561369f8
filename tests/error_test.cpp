// The one way to fail: where, what was found, what was expected, on one line.
#include <gtest/gtest.h>

#include <limits>
#include <vitrail/error.hpp>

namespace {

using namespace vitrail;

template <class... Parts>
std::string failure(std::string_view where, const Parts&... parts) {
  try {
    fail(where, parts...);
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Error, SaysWhereAndJoinsTextAndIntegers) {
  EXPECT_EQ(failure("a.npz", "has ", 3, std::string(" heads"), std::string_view(", expected "), 4U),
            "a.npz: has 3 heads, expected 4");
  EXPECT_EQ(failure("", "nothing"), ": nothing");
}

TEST(Error, IsARuntimeError) { EXPECT_THROW(fail("x", "y"), std::runtime_error); }

TEST(Error, ShowsNoControlCharacters) {
  EXPECT_EQ(failure("a\nb", "\x1b[31m", "\x7f", "\t"), "a?b: ?[31m??");
  EXPECT_EQ(failure("f", "\xc3\xa9"), "f: \xc3\xa9");  // UTF-8 is left as it is
}

TEST(Join, WritesIntegersOfEveryWidthAndSign) {
  EXPECT_EQ(join("blocks.", 3, ".norm1"), "blocks.3.norm1");
  EXPECT_EQ(join(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(join(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(join(std::int8_t{-1}, std::uint8_t{255}, std::int16_t{-2}), "-1255-2");
  EXPECT_EQ(join(std::numeric_limits<std::uint32_t>::max(), " ", -1), "4294967295 -1");
  EXPECT_EQ(join(), "");
}

TEST(Join, KeepsZerosWithinATextAndTakesNoCharacter) {
  using namespace std::string_view_literals;
  EXPECT_EQ(join("a\0b"sv).size(), 3U);
  static_assert(!std::is_constructible_v<detail::MessagePart, char>);
  static_assert(!std::is_constructible_v<detail::MessagePart, double>);
}

}  // namespace
