// A thousand names in the order of the classes.
#include <gtest/gtest.h>

#include <vitrail/models/imagenet_labels.hpp>

namespace {

TEST(ImagenetLabels, AreAThousandInTheUsualOrder) {
  const std::vector<std::string> labels = vitrail::imagenet_labels();
  ASSERT_EQ(labels.size(), 1000U);
  EXPECT_EQ(labels[0], "tench, Tinca tinca");
  EXPECT_EQ(labels[207], "golden retriever");
  EXPECT_EQ(labels[281], "tabby, tabby cat");
  EXPECT_EQ(labels[999], "toilet tissue, toilet paper, bathroom tissue");
  for (const std::string& label : labels) {
    EXPECT_FALSE(label.empty());
    EXPECT_NE(label.front(), ' ') << label;
    EXPECT_NE(label.back(), ' ') << label;
  }
}

}  // namespace
