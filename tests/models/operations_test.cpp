// Counted by hand: a multiply-add is two operations.
#include <gtest/gtest.h>

#include <vitrail/models/operations.hpp>

namespace {

using namespace vitrail;

TEST(Operations, OfABlockAreThoseOfItsSixProducts) {
  ViTConfig c;
  c.embed_dim = 10;
  c.heads = 2;
  c.head_dim = 4;  // narrower than D together
  c.mlp_hidden = 30;
  const double T = 7;
  const double products = 10 * 24 + 8 * 10 + 10 * 30 + 30 * 10;  // qkv, proj, fc1, fc2
  const double attention = 2 * 8 * T;                            // q k^T and the sum of v
  EXPECT_EQ(block_operations(c, 7), 2 * T * (products + attention));
  // Heads of as many columns as the tokens have, and no keys and values of all.
  EXPECT_EQ(block_operations(c, 7, 2), 2 * 2 * (products + 2 * 2 * 10 * T));
  c.qk_norm = true;
  EXPECT_EQ(block_operations(c, 7, 2), 2 * T * 10 * 24 + 2 * 2 * (products - 10 * 24 + attention));
  c.gated_mlp = true;
  EXPECT_EQ(block_operations(c, 7), 2 * T * (products + attention + 10 * 30));
}

TEST(Operations, OfAPictureCountPatchesBlocksAndHead) {
  ViTConfig c;  // ViT-B/16
  const double ends = 2.0 * 196 * 768 * 768 + 2.0 * 768 * 1000;
  EXPECT_EQ(picture_operations(c, 197),
            ends + 11 * block_operations(c, 197) + block_operations(c, 197, 1));
  c.pooling = Pooling::avg;  // every token counts
  EXPECT_EQ(picture_operations(c, 197), ends + 12 * block_operations(c, 197));
  EXPECT_NEAR(picture_operations(c, 197), 35.1e9, 0.1e9);  // 17.6 GMACs, as published
  c.register_tokens = 4;
  EXPECT_EQ(picture_operations(c, 201) - 12 * block_operations(c, 201), ends);
}

}  // namespace
