// Which tensors a block asks for, and in which shapes, for every kind of block.
#include <gtest/gtest.h>

#include <map>
#include <vitrail/models/load_block.hpp>

namespace {

using namespace vitrail;

/// Writes down what it is asked for.
class Asked final : public Parameters<float> {
 public:
  [[nodiscard]] bool contains(std::string_view) const override { return true; }
  [[nodiscard]] Tensor<float, 1> tensor(std::string_view name, const Shape& shape) override {
    shapes[std::string(name)] = shape;
    return Tensor<float, 1>({shape.count()});
  }
  [[nodiscard]] PackedMatrix<float> matrix(std::string_view name, const Shape& shape) override {
    shapes[std::string(name)] = shape;
    return {};
  }
  std::map<std::string, Shape> shapes;
};

/// Two heads of 4 in a width of 10.
ViTConfig narrow_config() {
  ViTConfig c;
  c.embed_dim = 10;
  c.heads = 2;
  c.head_dim = 4;
  c.mlp_hidden = 30;
  return c;
}
std::map<std::string, Shape> asked_by(const ViTConfig& c) {
  Asked parameters;
  EncoderBlock<float> block;
  detail::load_block<float>(c, parameters, 3, block);
  return parameters.shapes;
}

TEST(LoadBlock, AsksForThePlainBlocksTwelveTensors) {
  const std::map<std::string, Shape> shapes = asked_by(narrow_config());
  EXPECT_EQ(shapes.size(), 12U);
  EXPECT_EQ(shapes.at("blocks.3.norm1.weight"), Shape{10});
  EXPECT_EQ(shapes.at("blocks.3.attn.qkv.weight"), (Shape{24, 10}));
  EXPECT_EQ(shapes.at("blocks.3.attn.proj.weight"), (Shape{10, 8}));
  EXPECT_EQ(shapes.at("blocks.3.mlp.fc1.bias"), Shape{30});
  EXPECT_EQ(shapes.at("blocks.3.mlp.fc2.weight"), (Shape{10, 30}));
}

TEST(LoadBlock, AsksForTheOptionalPartsThatTheConfigHas) {
  ViTConfig c = narrow_config();
  c.qkv_bias = c.proj_bias = c.mlp_bias = false;
  EXPECT_EQ(asked_by(c).size(), 8U);
  c.qk_norm = c.attn_norm = c.mlp_norm = c.layer_scale = c.gated_mlp = true;
  c.norm = NormKind::rms_norm;
  const std::map<std::string, Shape> shapes = asked_by(c);
  EXPECT_EQ(shapes.at("blocks.3.attn.q_norm.weight"), Shape{4});
  EXPECT_EQ(shapes.at("blocks.3.attn.norm.weight"), Shape{8});
  EXPECT_EQ(shapes.at("blocks.3.mlp.norm.weight"), Shape{30});
  EXPECT_EQ(shapes.at("blocks.3.mlp.fc1.weight"), (Shape{60, 10}));
  EXPECT_EQ(shapes.at("blocks.3.ls2.gamma"), Shape{10});
  EXPECT_FALSE(shapes.contains("blocks.3.norm1.bias"));
  c.attn_proj = false;
  EXPECT_FALSE(asked_by(c).contains("blocks.3.attn.proj.weight"));
}

TEST(LoadBlock, ATableOfRelativePositionsIsTheBlocksOnlyWhereItIsNotShared) {
  const std::string table = "blocks.3.attn.relative_position_bias_table";
  ViTConfig c = narrow_config();
  c.image_height = c.image_width = 64;
  c.relative_positions = true;
  EXPECT_EQ(asked_by(c).at(table), (Shape{7 * 7 + 3, 2}));
  c.class_token = false;
  EXPECT_EQ(asked_by(c).at(table), (Shape{7 * 7, 2}));
  c.shared_relative_positions = true;
  EXPECT_FALSE(asked_by(c).contains(table));
}

TEST(LoadBlock, ParallelBlocksHaveTheirNormsAndBranchesElsewhere) {
  ViTConfig c = narrow_config();
  c.block = BlockKind::parallel_scaling;
  EXPECT_FALSE(asked_by(c).contains("blocks.3.norm2.weight"));
  c.block = BlockKind::parallel_things;
  c.branches = 2;
  c.layer_scale = true;
  const std::map<std::string, Shape> shapes = asked_by(c);
  EXPECT_EQ(shapes.size(), 28U);
  for (const char* name : {"attns.0.norm.weight", "attns.1.attn.qkv.weight", "attns.1.ls.gamma",
                           "ffns.0.norm.bias", "ffns.1.mlp.fc2.weight", "ffns.1.ls.gamma"})
    EXPECT_TRUE(shapes.contains(join("blocks.3.", name))) << name;
}

TEST(LoadBlock, DifferentialAttentionHasHeadsOfTwoHalves) {
  ViTConfig c = narrow_config();
  c.differential_attention = c.qk_norm = true;
  EXPECT_EQ(asked_by(c).at("blocks.3.attn.q_norm.weight"), Shape{2});
}

TEST(LoadBlock, AnAdapterIsReadWhereItsBlockHasOne) {
  ViTConfig c = narrow_config();
  c.mlp_adapter.emplace();
  c.mlp_adapter->hidden = {0, 0, 0, 5};
  const std::size_t with = asked_by(c).size();
  c.mlp_adapter->hidden = {5, 5, 5, 0};
  EXPECT_EQ(asked_by(c).size(), 12U);
  EXPECT_GT(with, 12U);
}

}  // namespace
