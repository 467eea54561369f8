// Tensors cut or multiplied out before any name can stand for them.
#include <gtest/gtest.h>

#include <support/io_files.hpp>
#include <vitrail/checkpoints/rewritten.hpp>

namespace {

using namespace vitrail;
using vitrail_test::error_of;

/// Tensors of f32 by name.
class Plain : public NamedTensors {
 public:
  Plain() : NamedTensors("plain") {}
  Plain& put(const std::string& name, const Shape& shape, const std::vector<float>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    const std::span<std::byte> kept = keep(AlignedBytes(bytes.size()));
    std::copy(bytes.begin(), bytes.end(), kept.begin());
    add(name, {DType::f32, shape, kept}, {});
    return *this;
  }
};

std::vector<float> values_of(const NamedTensors& tensors, const std::string& name) {
  const AnyView& view = tensors.at(name);
  std::vector<float> values(static_cast<std::size_t>(view.shape.count()));
  view.convert_to(std::span<float>(values));
  return values;
}

TEST(SplitOutProjections, CutsTheColumnsOfTheHeadsFromThoseOfTheMlp) {
  Plain whole;
  whole.put("m.blocks.0.out_proj.weight", {2, 3}, {1, 2, 3, 4, 5, 6});
  whole.put("m.blocks.0.out_proj.bias", {2}, {7, 8}).put("other.out_proj.weight", {1, 2}, {9, 10});
  const SplitOutProjections split(whole, "m.", {});
  EXPECT_EQ(values_of(split, "m.blocks.0.attn_out_proj.weight"), (std::vector<float>{1, 2, 4, 5}));
  EXPECT_EQ(values_of(split, "m.blocks.0.mlp_out_proj.weight"), (std::vector<float>{3, 6}));
  EXPECT_EQ(values_of(split, "m.blocks.0.attn_out_proj.bias"), (std::vector<float>{7, 8}));
  EXPECT_EQ(values_of(split, "m.blocks.0.mlp_out_proj.bias"), (std::vector<float>{0, 0}));
  EXPECT_EQ(values_of(split, "other.out_proj.weight"), (std::vector<float>{9, 10}));
  EXPECT_EQ(split.size(), 5U);
}

TEST(MaskedBiases, AreMultipliedByTheirMasksWhichVanish) {
  Plain whole;
  whole.put("qkv.bias", {3}, {1, 2, 3})
      .put("qkv.bias_mask", {3}, {1, 0, 1})
      .put("b.bias", {1}, {4});
  const MaskedBiases masked(whole, {});
  EXPECT_EQ(values_of(masked, "qkv.bias"), (std::vector<float>{1, 0, 3}));
  EXPECT_EQ(values_of(masked, "b.bias"), std::vector<float>{4});
  EXPECT_EQ(masked.size(), 2U);
  Plain wrong;
  wrong.put("qkv.bias", {3}, {1, 2, 3}).put("qkv.bias_mask", {2}, {1, 0});
  EXPECT_EQ(error_of([&] { (void)MaskedBiases(wrong, {}); }),
            "plain: qkv.bias_mask is (2), expected (3) as qkv.bias");
}

/// A probe of two columns and one class below `prefix`.
Plain probe(const std::string& prefix) {
  Plain whole;
  whole.put(prefix + "head.0.running_mean", {2}, {1, 2});
  whole.put(prefix + "head.0.running_var", {2}, {4, 16});
  whole.put(prefix + "head.1.weight", {1, 2}, {6, 8});
  whole.put(prefix + "head.1.bias", {1}, {10});
  return whole;
}

TEST(FoldedProbe, IsTheProductOfTheNormAndTheLinear) {
  EXPECT_EQ(FoldedProbe::prefix_in(probe("module.")), "module.");
  const FoldedProbe folded(probe("module."), "module.", {});
  const std::vector<float> weight = values_of(folded, "module.head.weight");
  EXPECT_NEAR(weight.at(0), 3, 1e-5);  // 6 / 2
  EXPECT_NEAR(weight.at(1), 2, 1e-5);  // 8 / 4
  EXPECT_NEAR(values_of(folded, "module.head.bias").at(0), 10 - 3 * 1 - 2 * 2, 1e-5);
  EXPECT_EQ(folded.size(), 2U);
}

TEST(FoldedProbe, IsNoneWhereTheNormHasAGammaOrNoLinearFollows) {
  EXPECT_FALSE(FoldedProbe::prefix_in(probe("").put("head.0.weight", {2}, {1, 1})).has_value());
  Plain alone;
  EXPECT_FALSE(FoldedProbe::prefix_in(alone.put("head.0.running_mean", {1}, {0})).has_value());
  Plain wide = probe("x.");
  EXPECT_CONTAINS(error_of([&] { (void)FoldedProbe(wide, "", {}); }), "head.1.weight");
  Plain misshapen;
  misshapen.put("head.0.running_mean", {3}, {1, 2, 3}).put("head.0.running_var", {2}, {4, 16});
  misshapen.put("head.1.weight", {1, 2}, {6, 8}).put("head.1.bias", {1}, {10});
  EXPECT_EQ(error_of([&] { (void)FoldedProbe(misshapen, "", {}); }),
            "plain: head.0.running_mean is (3), but head.1.weight is (1, 2)");
}

}  // namespace
