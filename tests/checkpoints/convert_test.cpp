// Converted checkpoints: the model that the original gives in that precision, bit for bit.
#include <gtest/gtest.h>

#include <filesystem>
#include <support/io_files.hpp>
#include <vitrail/checkpoints/convert.hpp>

namespace {

using namespace vitrail;
namespace fs = std::filesystem;

/// A copy of a golden folder's configs beside a converted file; removed at the end of the test.
class ConvertedFolder {
 public:
  ConvertedFolder(const std::string& golden, Precision precision,
                  Index int8_width = default_int8_width) {
    const std::string from = VITRAIL_GOLDEN_DIR "/" + golden;
    for (const char* name : {"config.json", "preprocessor_config.json"})
      if (fs::exists(fs::path(from) / name)) fs::copy(fs::path(from) / name, folder_ / name);
    converted = convert_checkpoint(
        from, {.precision = precision, .int8_width = int8_width, .lenient = true}, file().string());
  }
  [[nodiscard]] fs::path file() const { return folder_ / "model.safetensors"; }
  [[nodiscard]] std::string path() const { return file().parent_path().string(); }

  Converted converted;

 private:
  vitrail_test::TemporaryFolder folder_;
};

/// Features of a made-up picture, at the model's own size.
template <Scalar T>
Tensor<T, 2> features_of(const std::string& path, Precision precision,
                         Index int8_width = default_int8_width) {
  const LoadOptions options{.precision = precision, .int8_width = int8_width, .lenient = true};
  const VisionModel<T> model = load_model<T>(open_checkpoint(path, options), options);
  const ViTConfig& c = model.config();
  Tensor<T, 4> pixels({1, c.channels, c.image_height, c.image_width});
  for (Index i = 0; i < pixels.count(); ++i)
    pixels.data()[i] = static_cast<T>(i * 37 % 255) / T(127.5) - T(1);
  Tensor<T, 2> features({1, c.feature_dim()});
  SerialExecutor executor;
  Workspace workspace;
  model.forward(pixels, {.features = features}, {executor, workspace});
  return features;
}

template <Scalar T>
void expect_equal(const Tensor<T, 2>& a, const Tensor<T, 2>& b, const std::string& what) {
  ASSERT_EQ(a.count(), b.count()) << what;
  for (Index i = 0; i < a.count(); ++i) ASSERT_EQ(a.data()[i], b.data()[i]) << what << ' ' << i;
}

class Convert : public testing::TestWithParam<const char*> {};

TEST_P(Convert, GivesTheSameBitsAsRoundingAtLoad) {
  const std::string golden = std::string(VITRAIL_GOLDEN_DIR "/") + GetParam();
  for (const auto& [precision, int8_width] :
       {std::pair{Precision::bf16, Index{0}}, {Precision::int8, 0}, {Precision::int8, 64}}) {
    const ConvertedFolder folder(GetParam(), precision, int8_width);
    if (int8_width == 0) {
      EXPECT_GT(folder.converted.products, 0U);
    }
    expect_equal(features_of<float>(folder.path(), precision, int8_width),
                 features_of<float>(golden, precision, int8_width),
                 std::string(name_of(precision)));
  }
}

// Separate and joined q, k and v; kernels (K, N) and convolutions (P, P, C, D); Swin.
INSTANTIATE_TEST_SUITE_P(Publishers, Convert,
                         testing::Values("timm_vit_cls", "hf_vit", "npz_vit", "hf_swin"));

TEST(ConvertedFile, ServesInAnyPrecision) {
  const ConvertedFolder folder("timm_vit_cls", Precision::int8, 0);
  const auto exact = features_of<double>(folder.path(), Precision::f32);
  const auto f32 = features_of<float>(folder.path(), Precision::f32);
  for (Index i = 0; i < f32.count(); ++i)
    EXPECT_NEAR(exact.data()[i], static_cast<double>(f32.data()[i]), 1e-4);
}

TEST(ConvertedFile, SaysWhatItsProductsAreAndHoldsAScaleForEachOutput) {
  const ConvertedFolder folder("timm_vit_cls", Precision::int8, 0);
  const Safetensors file(folder.file().string());
  EXPECT_EQ(file.metadata().at(converted_key), "int8");
  EXPECT_EQ(file.metadata().at(converted_mixing_key), converted_mixing);
  const AnyView& weight = file.at("blocks.0.attn.qkv.weight");
  EXPECT_EQ(weight.dtype, DType::i8);
  EXPECT_EQ(file.at("blocks.0.attn.qkv.weight.scale").shape, Shape({weight.shape[0]}));
  EXPECT_NE(file.at("head.weight").dtype, DType::i8);
  EXPECT_EQ(file.at("blocks.0.norm1.weight").dtype, DType::f32);
}

/// Whatever width is asked for: int8 products are used as they are stored.
TEST(ConvertedFile, DecidesItselfWhatIsInInt8) {
  const ConvertedFolder folder("timm_vit_cls", Precision::int8, 0);
  const Checkpoint checkpoint = open_checkpoint(folder.path(), {.precision = Precision::int8});
  SerialExecutor serial;
  for (const Index width : {Index{0}, default_int8_width}) {
    FileParameters<float> parameters(checkpoint, Precision::int8, serial, width);
    EXPECT_EQ(parameters.matrix("blocks.1.mlp.fc1.weight", {96, 24}).precision(), Precision::int8);
  }
}

TEST(ConvertedFile, HoldsNarrowProductsInBf16AndThoseOfTheFirstBlockAsTheyWere) {
  const ConvertedFolder folder("timm_vit_cls", Precision::int8);
  const Safetensors file(folder.file().string());
  EXPECT_EQ(file.at("blocks.2.attn.qkv.weight").dtype, DType::bf16);
  EXPECT_FALSE(file.contains("blocks.2.attn.qkv.weight.scale"));
  EXPECT_EQ(file.at("blocks.0.attn.qkv.weight").dtype, DType::f32);
}

TEST(ConvertedFile, ThatDoesNotSaySoHoldsNumbersThatAreNotMixed) {
  const ConvertedFolder folder("timm_vit_cls", Precision::int8, 0);
  const ConvertedFolder products("timm_vit_cls", Precision::int8, 0);
  {
    const Safetensors file(folder.file().string());
    std::vector<NamedTensor> numbers;
    std::vector<std::pair<std::string, AnyTensor>> made;
    for (const auto& [name, view] : file) {
      numbers.push_back({name, view});
      if (name.ends_with(".scale")) continue;
      made.emplace_back(name, AnyTensor(DType::f32, view.shape));
      const std::span<float> values(reinterpret_cast<float*>(made.back().second.bytes().data()),
                                    static_cast<std::size_t>(view.shape.count()));
      view.convert_to(values);
      if (view.dtype != DType::i8) continue;
      std::vector<float> scales(static_cast<std::size_t>(view.shape[0]));
      file.at(name + ".scale").convert_to(std::span<float>(scales));
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] *= scales[i / (values.size() / scales.size())];
    }
    std::vector<NamedTensor> multiplied;
    for (const auto& [name, tensor] : made) multiplied.push_back({name, tensor.view()});
    write_safetensors(products.file().string(), multiplied);
    write_safetensors((folder.file().string() + ".new"), numbers);
  }
  fs::rename(folder.file().string() + ".new", folder.file());
  for (const Precision precision : {Precision::f32, Precision::int8})
    expect_equal(features_of<float>(folder.path(), precision, 0),
                 features_of<float>(products.path(), precision, 0), "timm_vit_cls");
}

TEST(ConvertedFile, IsRefusedWithoutItsScales) {
  const ConvertedFolder folder("timm_vit_cls", Precision::int8, 0);
  const Safetensors file(folder.file().string());
  std::vector<NamedTensor> tensors;
  for (const auto& [name, view] : file)
    if (name != "blocks.0.attn.qkv.weight.scale") tensors.push_back({name, view});
  write_safetensors(folder.file().string(), tensors);
  try {
    (void)features_of<float>(folder.path(), Precision::int8);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("blocks.0.attn.qkv.weight.scale"), std::string::npos);
  }
}

}  // namespace
