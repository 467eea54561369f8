#include <gtest/gtest.h>

#include <support/levels.hpp>
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
  for (const char* name : {"blocks.1.attn.qkv.weight", "blocks.10.mlp.fc1.weight",
                           "attn_pool.proj.weight", "pre_logits.weight"}) {
    EXPECT_EQ(product_precision(name, 256, 256, Precision::int8), Precision::int8) << name;
    EXPECT_EQ(product_precision(name, 255, 256, Precision::int8), Precision::bf16) << name;
    EXPECT_EQ(product_precision(name, 256, 255, Precision::int8), Precision::bf16) << name;
    EXPECT_EQ(product_precision(name, 64, 192, Precision::int8, 64), Precision::int8) << name;
    EXPECT_EQ(product_precision(name, 1, 1, Precision::int8, 0), Precision::int8) << name;
    EXPECT_EQ(product_precision(name, 1, 1, Precision::f32), Precision::f32) << name;
  }
}

TEST(Parameters, InInt8KeepTheFirstBlockAndProjectionsInF32WhereTheyAreNarrow) {
  for (const char* name : {"blocks.0.mlp.fc1.weight", "blocks.11.attn.proj.weight"}) {
    EXPECT_EQ(product_precision(name, 256, 256, Precision::int8), Precision::int8) << name;
    EXPECT_EQ(product_precision(name, 255, 256, Precision::int8), Precision::f32) << name;
    EXPECT_EQ(product_precision(name, 255, 256, Precision::int8, 0), Precision::int8) << name;
    EXPECT_EQ(product_precision(name, 255, 256, Precision::bf16), Precision::bf16) << name;
  }
}

/// On a level with instructions for int8 and none for bf16 everything but the two ends is in int8.
TEST(Parameters, InInt8GoToInt8WhereBf16HasNoInstructions) {
  for (const CpuLevel level : vitrail_test::levels()) {
    const ScopedCpuLevel scope(level);
    const detail::Kernels* const k = detail::kernels();
    const bool goes = k != nullptr && k->int8.left == detail::LeftFormat::s8 &&
                      k->bf16.left != detail::LeftFormat::bf16;
    for (const Precision held : {Precision::f32, Precision::bf16}) {
      EXPECT_EQ(detail::goes_to_int8("blocks.0.mlp.fc1.weight", Precision::int8, held), goes);
      EXPECT_FALSE(detail::goes_to_int8("head.weight", Precision::int8, held));
      EXPECT_FALSE(detail::goes_to_int8("blocks.0.mlp.fc1.weight", held, held));
    }
  }
}

}  // namespace
