#include <gtest/gtest.h>

#include <vitrail/nn/parameters.hpp>

namespace {

using namespace vitrail;

TEST(Parameters, InInt8KeepTheLayersOfPixelsAndOfLogitsInF32) {
  for (const char* name : {"patch_embed.proj.weight", "head.weight", "head_dist.weight"}) {
    EXPECT_EQ(product_precision(name, Precision::int8), Precision::f32) << name;
    EXPECT_EQ(product_precision(name, Precision::bf16), Precision::bf16) << name;
    EXPECT_EQ(product_precision(name, Precision::f32), Precision::f32) << name;
  }
  for (const char* name :
       {"blocks.0.attn.proj.weight", "attn_pool.proj.weight", "pre_logits.weight"})
    EXPECT_EQ(product_precision(name, Precision::int8), Precision::int8) << name;
}

}  // namespace
