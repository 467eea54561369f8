// What load() refuses, and what it says then.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <vitrail/vitrail.hpp>

namespace {

using namespace vitrail;
namespace fs = std::filesystem;

/// What `action` throws, or "" when it does not.
template <class Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// A folder that is removed at the end of the test.
class Folder {
 public:
  Folder()
      : path_(fs::temp_directory_path() /
              ("vitrail_load_" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) +
               testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  [[nodiscard]] std::string operator/(const char* name) const { return (path_ / name).string(); }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

/// Writes the golden model `name` with `extra` tensors to `to`.
void write_with(const std::string& name, const std::vector<NamedTensor>& extra,
                const std::string& to) {
  const Safetensors file(VITRAIL_GOLDEN_DIR "/" + name + "/model.safetensors");
  std::vector<NamedTensor> tensors = extra;
  for (const auto& [tensor, view] : file) tensors.push_back({tensor, view});
  write_safetensors(to, tensors);
}

TEST(Load, NamesASurplusTensorUnlessLenient) {
  const Folder folder;
  fs::copy(VITRAIL_GOLDEN_DIR "/timm_vit_cls/config.json", folder / "config.json");
  const Tensor<float, 1> stray({3});
  const AnyTensor tensor(stray.view());
  write_with("timm_vit_cls", {{"blocks.0.attn.mystery", tensor.view()}},
             folder / "model.safetensors");
  EXPECT_NE(error_of([&] { (void)load(folder.path()); }).find("blocks.0.attn.mystery"),
            std::string::npos);
  EXPECT_EQ(error_of([&] { (void)load(folder.path(), {.lenient = true}); }), "");
}

TEST(Load, SaysWhichFlagSettlesABareFile) {
  const Folder folder;
  write_with("timm_vit_cls", {}, folder / "bare.safetensors");
  const std::string message = error_of([&] { (void)load(folder / "bare.safetensors"); });
  EXPECT_NE(message.find("--heads"), std::string::npos) << message;
  EXPECT_EQ(error_of([&] {
              const LoadOptions options{.heads = 3};
              const Checkpoint checkpoint = open_checkpoint(folder / "bare.safetensors", options);
              EXPECT_EQ(checkpoint.config.heads, 3);
              EXPECT_EQ(checkpoint.config.image_height, 64);
            }),
            "");
}

TEST(Load, RefusesHeadsThatDoNotDivideTheWidth) {
  const LoadOptions options{.heads = 5};
  const std::string message =
      error_of([&] { (void)open_checkpoint(VITRAIL_GOLDEN_DIR "/timm_vit_cls", options); });
  EXPECT_NE(message.find("5 heads"), std::string::npos) << message;
}

TEST(Load, RefusesFoldersWithoutWeightsAndPathsThatAreNot) {
  const Folder folder;
  EXPECT_NE(error_of([&] { (void)load(folder.path()); }).find("model.safetensors"),
            std::string::npos);
  EXPECT_NE(error_of([&] { (void)load(folder / "nothing"); }), "");
}

TEST(Load, ReadsAnotherSizeAndPatch) {
  SerialExecutor serial;
  Workspace workspace;
  const LoadOptions options{.image_height = 96, .image_width = 48, .patch_size = 12};
  const Checkpoint checkpoint = open_checkpoint(VITRAIL_GOLDEN_DIR "/timm_vit_cls", options);
  const ViT<float> vit = load_vit<float>(checkpoint, options);
  EXPECT_EQ(vit.tokens_for(96, 48), 1 + 8 * 4);
  Tensor<float, 2> logits({1, 10});
  vit.forward(Tensor<float, 4>({1, 3, 96, 48}), {.logits = logits}, {serial, workspace});
  for (const float value : logits.flat()) EXPECT_TRUE(std::isfinite(value));
}

TEST(Presets, HoldEveryPublishedWeightsArchitecture) {
  for (const TimmWeights& weights : timm_weights) {
    const std::string_view architecture = weights.name.substr(0, weights.name.find('.'));
    const Preset* preset = find_preset(architecture);
    ASSERT_NE(preset, nullptr) << weights.name;
    EXPECT_EQ(preset->embed_dim % preset->heads, 0) << weights.name;
    EXPECT_TRUE(detail::timm_preprocess(weights.name, "test").has_value()) << weights.name;
  }
}

TEST(Load, NoticesAFileThatShrinksWhileItIsInUse) {
  const Folder folder;
  for (const char* name : {"config.json", "model.safetensors"})
    fs::copy(std::string(VITRAIL_GOLDEN_DIR "/timm_vit_cls/") + name, folder / name);
  const LoadOptions mapped;
  LoadOptions copied;
  copied.limits.map_files = false;
  const Checkpoint first = open_checkpoint(folder.path(), mapped);
  const Checkpoint second = open_checkpoint(folder.path(), copied);
  const auto size = fs::file_size(folder / "model.safetensors");
  fs::resize_file(folder / "model.safetensors", size / 2);
  const std::string error = error_of([&] { (void)load_vit<float>(first, mapped); });
  EXPECT_NE(error.find("changed from " + std::to_string(size)), std::string::npos) << error;
  EXPECT_EQ(error_of([&] { (void)load_vit<float>(second, copied); }), "");
}

TEST(Load, AConfigCannotAskForAnEnormousPicture) {
  const Folder folder;
  fs::copy(VITRAIL_GOLDEN_DIR "/hf_vit/model.safetensors", folder / "model.safetensors");
  fs::copy(VITRAIL_GOLDEN_DIR "/hf_vit/config.json", folder / "config.json");
  const auto with_recipe = [&](const char* text) {
    std::ofstream(folder / "preprocessor_config.json") << text;
    return error_of([&] { (void)load(folder.path()); });
  };
  EXPECT_EQ(with_recipe(R"({"image_processor_type":"ViTImageProcessor","size":2048})"), "");
  const std::string error =
      with_recipe(R"({"image_processor_type":"ViTImageProcessor","size":100000})");
  EXPECT_NE(error.find("the limit is 4194304"), std::string::npos) << error;
}

}  // namespace
