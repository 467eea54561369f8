#include <gtest/gtest.h>

#include <vitrail/nn/parameters.hpp>

namespace {

using namespace vitrail;

TEST(Parameters, InInt8KeepTheLayersOfPixelsAndOfLogitsInF32) {
  for (const char* name : {"patch_embed.proj.weight", "head.weight", "head_dist.weight"})
    for (const Index width : {64, 1024}) {
      EXPECT_EQ(product_precision(name, width, 768, Precision::int8), Precision::f32) << name;
      EXPECT_EQ(product_precision(name, width, 768, Precision::int8, 0), Precision::f32) << name;
      EXPECT_EQ(product_precision(name, width, 768, Precision::bf16), Precision::bf16) << name;
      EXPECT_EQ(product_precision(name, width, 768, Precision::f32), Precision::f32) << name;
    }
}

TEST(Parameters, InInt8KeepTheFirstProjectionInBf16) {
  const char* const name = "blocks.0.attn.proj.weight";
  EXPECT_EQ(product_precision(name, 768, 768, Precision::int8), Precision::bf16);
  EXPECT_EQ(product_precision(name, 768, 768, Precision::int8, 0), Precision::bf16);
  EXPECT_EQ(product_precision(name, 768, 768, Precision::f32), Precision::f32);
}

TEST(Parameters, InInt8KeepNarrowProductsInBf16) {
  for (const char* name :
       {"blocks.1.attn.proj.weight", "attn_pool.proj.weight", "pre_logits.weight"}) {
    EXPECT_EQ(product_precision(name, 256, 256, Precision::int8), Precision::int8) << name;
    EXPECT_EQ(product_precision(name, 255, 256, Precision::int8), Precision::bf16) << name;
    EXPECT_EQ(product_precision(name, 256, 255, Precision::int8), Precision::bf16) << name;
    EXPECT_EQ(product_precision(name, 64, 192, Precision::int8, 64), Precision::int8) << name;
    EXPECT_EQ(product_precision(name, 1, 1, Precision::int8, 0), Precision::int8) << name;
    EXPECT_EQ(product_precision(name, 1, 1, Precision::f32), Precision::f32) << name;
  }
}

}  // namespace
