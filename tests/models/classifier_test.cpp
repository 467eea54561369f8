#include <gtest/gtest.h>

#include <thread>
#include <vitrail/vitrail.hpp>

namespace {

using namespace vitrail;

TEST(TopK, OrdersByProbabilityAndSumsToOne) {
  const std::vector<float> logits = {0.5F, 3.0F, -1.0F, 3.0F};
  const std::vector<Prediction> all = top_k(logits, 9, {"a", "b"});
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].label, "b");
  EXPECT_EQ(all[1].label, "class 3");  // no name: its number; equal scores keep their order
  EXPECT_EQ(all[3].index, 2);
  float sum = 0;
  for (const Prediction& prediction : all) sum += prediction.probability;
  EXPECT_NEAR(sum, 1, 1e-6);
  EXPECT_TRUE(top_k(logits, 0, {}).empty());
}

TEST(Classifier, IsSharedByEightThreads) {
  const Classifier model = load(VITRAIL_SOURCE_DIR "/examples/models/fashion_mnist");
  Image picture(28, 28);
  for (Index y = 4; y < 24; ++y) std::fill_n(picture.row(y) + 3 * 8, 3 * 12, std::uint8_t{200});
  const std::vector<Prediction> expected = model.classify(picture, 3);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        const std::vector<Prediction> found = model.classify(picture, 3);
        EXPECT_EQ(found[0].label, expected[0].label);
        EXPECT_EQ(found[0].probability, expected[0].probability);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Classifier, EmbedsAndScoresBatches) {
  const Classifier model = load(VITRAIL_SOURCE_DIR "/examples/models/fashion_mnist");
  std::vector<Image> pictures;
  for (int i = 0; i < 3; ++i) pictures.emplace_back(28 + i, 28);
  EXPECT_EQ(model.embed(pictures).shape(), Shape({3, 128}));
  EXPECT_EQ(model.logits(pictures).shape(), Shape({3, 10}));
  EXPECT_EQ(model.logits({}).shape(), Shape({0, 10}));
}

}  // namespace
