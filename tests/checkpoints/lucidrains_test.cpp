// vit-pytorch: what its releases differ in, and what its files leave open.
#include <gtest/gtest.h>

#include <support/twins.hpp>

namespace {

using namespace vitrail;
using vitrail_test::error_of;
using vitrail_test::opened;
using vitrail_test::refusal;
using vitrail_test::Tensors;
using vitrail_test::with_heads;

TEST(Lucidrains, ReadsItsFirstReleases) {
  const std::string config = R"({"model_args": {"heads": 4, "dim_head": 20, "pool": "cls"}})";
  Tensors wrapped("vitp_v0_40_2_cls");
  wrapped.replace(".0.fn.", ".0.fn.fn.").replace(".1.fn.", ".1.fn.fn.");
  wrapped.replace(".0.norm.", ".0.fn.norm.").replace(".1.norm.", ".1.fn.norm.");
  vitrail_test::expect_twin(vitrail_test::files_of(wrapped, config),
                            {"vitp_v0_40_2_cls", "lucidrains"});
  wrapped.replace("to_patch_embedding.1.", "patch_to_embedding.");
  const std::string release = R"({"version": "0.6.8", )" + config.substr(1);
  vitrail_test::expect_twin(vitrail_test::files_of(wrapped, release),
                            {"vitp_v0_40_2_cls", "lucidrains"});
}

TEST(Lucidrains, TheFirstReleasesSayThatTheReleaseSettlesTheirScale) {
  LoadOptions options = with_heads(3);
  const Tensors undated("vitp_v0_6_7");
  EXPECT_CONTAINS(refusal(undated, "", options), "--arch vit-pytorch-0.6.6");
  options.architecture = "vit-pytorch-0.6.7";
  EXPECT_EQ(opened(undated, "", options).config.attention_scale, 0);
  options.architecture = "vit-pytorch-0.6.6";
  EXPECT_NEAR(opened(undated, "", options).config.attention_scale, 1 / std::sqrt(24.0), 1e-12);
  options.architecture = "vit-pytorch-newest";
  EXPECT_CONTAINS(refusal(undated, "", options), "newest");
  const Tensors dated("vitp_first");  // by its tensors; so are its heads not
  EXPECT_CONTAINS(refusal(dated), "--heads");
  EXPECT_NE(opened(dated, "", with_heads(3)).config.attention_scale, 0);
}

TEST(Lucidrains, ReleasesAreComparedAsNumbers) {
  const auto old = [](const char* release) {
    return detail::lucidrains_scales_by_width(release, "--arch");
  };
  for (const char* release : {"0.0.1", "0.6", "0.6.6"}) EXPECT_TRUE(old(release)) << release;
  for (const char* release : {"0.6.7", "0.6.10", "0.10", "0.7", "1.0.0", "1"})
    EXPECT_FALSE(old(release)) << release;
  EXPECT_EQ(error_of([&] { (void)old("v1"); }),
            "--arch: 'v1' is no release of vit-pytorch, expected one such as 0.6.6");
}

TEST(Lucidrains, HeadsAre64WideUnlessTold) {
  Tensors wide("vitp_head_cls");  // 4 heads of 20
  EXPECT_CONTAINS(refusal(wide), "--heads");
  EXPECT_EQ(opened(wide, R"({"model_args": {"heads": 4}})").config.head_dim, 20);
  for (const char* block : {"0", "1", "2"}) {
    const std::string layer = join("transformer.layers.", block, ".0.");
    wide.add(join(layer, "to_qkv.weight"), {384, 24})
        .add(join(layer, "to_out.0.weight"), {24, 128});
  }
  EXPECT_EQ(opened(wide).config.heads, 2);
  const Checkpoint one = opened(Tensors("vitp_head_1head"));
  EXPECT_EQ(one.config.heads, 1);
  EXPECT_FALSE(one.config.attn_proj);
}

TEST(Lucidrains, TheMeanIsOverTheClassTokenToo) {
  const std::string mean = R"({"model_args": {"heads": 4, "pool": "mean"}})";
  const ViTConfig old = opened(Tensors("vitp_v1_6_5_mean"), mean).config;
  EXPECT_TRUE(old.class_token);
  EXPECT_TRUE(old.pool_includes_prefix);
  const ViTConfig newest = opened(Tensors("vitp_head_mean"), "", with_heads(4)).config;
  EXPECT_FALSE(newest.class_token);  // of no rows
  EXPECT_EQ(newest.pooling, Pooling::avg);
  EXPECT_CONTAINS(
      refusal(Tensors("vitp_head_cls"), R"({"model_args": {"heads": 4, "pool": "max"}})"),
      "config.json: 'pool' is 'max', expected cls or mean");
}

TEST(Lucidrains, SimpleViTComputesPositionsForTheSizeAskedFor) {
  LoadOptions options = with_heads(4);
  options.image_height = 96;
  options.image_width = 64;
  const ViTConfig simple = opened(Tensors("vitp_simple"), "", options).config;
  EXPECT_TRUE(simple.sincos_positions);
  EXPECT_EQ(simple.positions, PositionCoverage::none);
  EXPECT_EQ(simple.image_height, 96);
  EXPECT_EQ(simple.image_width, 64);
}

TEST(Lucidrains, AClassifierIsANormOrNoneBeforeOneProductOrTwo) {
  const auto place = [](const Tensors& tensors, const char* ours) -> std::string {
    NameTable names("");
    detail::add_lucidrains_head(tensors.named(), "mlp_head", names);
    names.add(detail::lucidrains_rules);
    const auto source = names.find(ours);
    return source ? source->names.front() : "nowhere";
  };
  Tensors normed;
  normed.add("mlp_head.0.weight", {24}).add("mlp_head.1.weight", {10, 24});
  EXPECT_EQ(place(normed, "fc_norm.weight"), "mlp_head.0.weight");
  EXPECT_EQ(place(normed, "head.bias"), "mlp_head.1.bias");
  Tensors two;
  two.add("mlp_head.0.weight", {32, 24}).add("mlp_head.3.weight", {10, 32});
  EXPECT_EQ(place(two, "pre_logits.weight"), "mlp_head.0.weight");
  EXPECT_EQ(place(two, "head.weight"), "mlp_head.3.weight");
  EXPECT_EQ(place(two, "fc_norm.weight"), "nowhere");
  EXPECT_EQ(place(Tensors().add("mlp_head.weight", {10, 24}), "head.weight"), "mlp_head.weight");
}

}  // namespace
