#include <vitrail/io/text.hpp>

#include "support/io_files.hpp"

namespace {

using namespace vitrail;

TEST(Text, MakesHostileNamesFitForOneLine) {
  EXPECT_EQ(detail::in_quotes("a\nb\x1b[31m"), "'a?b?[31m'");
  EXPECT_EQ(detail::one_line(std::string(300, 'x')).size(), 203U);
}

TEST(Text, AnErrorIsOneLineWhateverAPathHolds) {
  EXPECT_EQ(
      vitrail_test::error_of([] { fail("a\nb\x1b[31m.png", "is no '", "\tb\x7f", "' file"); }),
      "a?b?[31m.png: is no '?b?' file");
}

TEST(Text, MeasuresEditDistanceUpToItsLimit) {
  EXPECT_EQ(detail::edit_distance("kitten", "sitting", 10), 3U);
  EXPECT_EQ(detail::edit_distance("kitten", "sitting", 2), 2U);
  EXPECT_EQ(detail::edit_distance("", "abc", 10), 3U);
  EXPECT_EQ(detail::edit_distance("same", "same", 10), 0U);
}

}  // namespace
