// BEiT-3: the picture's branch of a transformer that reads text too.
#include <gtest/gtest.h>

#include <support/tensors.hpp>

namespace {

using namespace vitrail;
using vitrail_test::Tensors;

TEST(Beit3, TheFirstTwoRowsOfThePositionTableArePadding) {
  const Checkpoint checkpoint =
      vitrail_test::opened(Tensors("ms_beit3"), R"({"model_args": {"num_heads": 3}})");
  const TensorSource positions = *checkpoint.names.find("pos_embed");
  EXPECT_EQ(positions.begin, 2);
  EXPECT_EQ(positions.end, 19);
  EXPECT_EQ(checkpoint.config.grid().count(), 16);
  EXPECT_EQ(checkpoint.config.pooling, Pooling::avg);
  EXPECT_EQ(checkpoint.config.norm_eps, 1e-5);
}

TEST(Beit3, RefusesAPositionTableOfNothingButPadding) {
  Tensors padding("ms_beit3");
  padding.add("beit3.encoder.embed_positions.A.weight", {2, 24});
  EXPECT_EQ(vitrail_test::refusal(padding),
            "in memory: beit3.encoder.embed_positions.A.weight is (2, 24), expected (2 + T, D)");
}

TEST(Beit3, LeavesTheBranchOfTheTextAlone) {
  const Tensors tensors("ms_beit3");
  const Checkpoint checkpoint = vitrail_test::opened(tensors, "", vitrail_test::with_heads(3));
  std::size_t text = 0;
  for (const std::string& name : checkpoint.files.tensors.names())
    text += name.find(".B.") != std::string::npos;
  EXPECT_GT(text, 0U);
  for (const std::string& name : checkpoint.unused)
    EXPECT_EQ(name.find(".A."), std::string::npos) << name;
  EXPECT_GT(checkpoint.unused.size(), text);  // and its embedding, and the mask
}

TEST(Beit3, WantsBothPositionsAndPatches) {
  EXPECT_TRUE(is_beit3(Tensors("ms_beit3").named()));
  EXPECT_FALSE(is_beit3(Tensors("ms_beit3").drop("embed_positions").named()));
}

}  // namespace
