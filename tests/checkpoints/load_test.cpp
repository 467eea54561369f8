// What load() refuses, and what it says then; what it leaves in memory.
#include <gtest/gtest.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <support/io_files.hpp>
#include <vitrail/models/random_parameters.hpp>
#include <vitrail/vitrail.hpp>

namespace {

using namespace vitrail;
using vitrail_test::error_of;
using vitrail_test::TemporaryFolder;
namespace fs = std::filesystem;

/// Writes the golden model `name` with `extra` tensors to `to`.
void write_with(const std::string& name, const std::vector<NamedTensor>& extra,
                const std::string& to) {
  const Safetensors file(VITRAIL_GOLDEN_DIR "/" + name + "/model.safetensors");
  std::vector<NamedTensor> tensors = extra;
  for (const auto& [tensor, view] : file) tensors.push_back({tensor, view});
  write_safetensors(to, tensors);
}

TEST(Load, AConfigThatIsALinkToNowhereIsMissing) {
  const TemporaryFolder folder;
  fs::copy(VITRAIL_GOLDEN_DIR "/timm_vit_cls/model.safetensors", folder / "model.safetensors");
  fs::create_symlink("../blobs/absent", folder / "config.json");
  EXPECT_EQ(error_of([&] { (void)load(folder.path()); }),
            (folder / "config.json") + ": cannot open: does not exist");
  fs::remove(folder / "config.json");
  fs::create_symlink("config.json", folder / "config.json");  // to itself
  EXPECT_NE(error_of([&] { (void)load(folder.path()); }).find("config.json: cannot open: "),
            std::string::npos);
}

TEST(Load, RefusesAnEpsThatIsNone) {
  const TemporaryFolder folder;
  fs::copy(VITRAIL_GOLDEN_DIR "/hf_vit/model.safetensors", folder / "model.safetensors");
  nlohmann::json config =
      nlohmann::json::parse(std::ifstream(VITRAIL_GOLDEN_DIR "/hf_vit/config.json"));
  for (const double eps : {-1.0, 1e308}) {
    config["layer_norm_eps"] = eps;
    std::ofstream(folder / "config.json") << config.dump();
    const std::string error = error_of([&] { (void)load(folder.path()); });
    EXPECT_NE(error.find(eps < 0 ? "eps is -1, expected" : "eps is 1e+308, expected"),
              std::string::npos)
        << error;
  }
}

TEST(Load, NamesASurplusTensorUnlessLenient) {
  const TemporaryFolder folder;
  fs::copy(VITRAIL_GOLDEN_DIR "/timm_vit_cls/config.json", folder / "config.json");
  const Tensor<float, 1> stray({3});
  const AnyTensor tensor(stray.view());
  write_with("timm_vit_cls", {{"blocks.0.attn.mystery", tensor.view()}},
             folder / "model.safetensors");
  EXPECT_NE(error_of([&] { (void)load(folder.path()); }).find("blocks.0.attn.mystery"),
            std::string::npos);
  EXPECT_EQ(error_of([&] { (void)load(folder.path(), {.lenient = true}); }), "no error");
}

TEST(Load, SaysWhichFlagSettlesABareFile) {
  const TemporaryFolder folder;
  write_with("timm_vit_cls", {}, folder / "bare.safetensors");
  const std::string message = error_of([&] { (void)load(folder / "bare.safetensors"); });
  EXPECT_NE(message.find("--heads"), std::string::npos) << message;
  EXPECT_EQ(error_of([&] {
              const LoadOptions options{.heads = 3};
              const Checkpoint checkpoint = open_checkpoint(folder / "bare.safetensors", options);
              EXPECT_EQ(checkpoint.config.heads, 3);
              EXPECT_EQ(checkpoint.config.image_height, 64);
            }),
            "no error");
}

TEST(Load, RefusesHeadsThatDoNotDivideTheWidth) {
  const LoadOptions options{.heads = 5};
  const std::string message =
      error_of([&] { (void)open_checkpoint(VITRAIL_GOLDEN_DIR "/timm_vit_cls", options); });
  EXPECT_NE(message.find("5 heads"), std::string::npos) << message;
}

TEST(Load, RefusesFoldersWithoutWeightsAndPathsThatAreNot) {
  const TemporaryFolder folder;
  EXPECT_NE(error_of([&] { (void)load(folder.path()); }).find("model.safetensors"),
            std::string::npos);
  EXPECT_NE(error_of([&] { (void)load(folder / "nothing"); }), "no error");
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

TEST(Load, NoticesAFileThatShrinksWhileItIsInUse) {
  const TemporaryFolder folder;
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
  EXPECT_EQ(error_of([&] { (void)load_vit<float>(second, copied); }), "no error");
}

TEST(Load, AConfigCannotAskForAnEnormousPicture) {
  const TemporaryFolder folder;
  fs::copy(VITRAIL_GOLDEN_DIR "/hf_vit/model.safetensors", folder / "model.safetensors");
  fs::copy(VITRAIL_GOLDEN_DIR "/hf_vit/config.json", folder / "config.json");
  const auto with_recipe = [&](const char* text) {
    std::ofstream(folder / "preprocessor_config.json") << text;
    return error_of([&] { (void)load(folder.path()); });
  };
  EXPECT_EQ(with_recipe(R"({"image_processor_type":"ViTImageProcessor","size":2048})"), "no error");
  const std::string error =
      with_recipe(R"({"image_processor_type":"ViTImageProcessor","size":100000})");
  EXPECT_NE(error.find("the limit is 4194304"), std::string::npos) << error;
}

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/// Random weights, kept under the names they were asked for by.
class CollectedParameters final : public Parameters<float> {
 public:
  [[nodiscard]] bool contains(std::string_view) const override { return true; }
  [[nodiscard]] Tensor<float, 1> tensor(std::string_view name, const Shape& shape) override {
    Tensor<float, 1> values = random_.tensor(name, shape);
    AnyTensor& kept = tensors_.emplace_back(std::string(name), AnyTensor(DType::f32, shape)).second;
    std::memcpy(kept.bytes().data(), values.data(), kept.bytes().size());
    return values;
  }
  [[nodiscard]] PackedMatrix<float> matrix(std::string_view name, const Shape& shape) override {
    (void)tensor(name, shape);
    products_.emplace_back(name);
    return {};
  }
  /// Bytes of all tensors where those of products are packed in `precision`.
  [[nodiscard]] double bytes(Precision precision) const {
    double bytes = 0;
    for (const auto& [name, tensor] : tensors_) {
      const bool product = std::find(products_.begin(), products_.end(), name) != products_.end();
      const Index N = tensor.shape()[0];
      const Precision held = product
                                 ? product_precision(name, N, tensor.shape().count() / N, precision)
                                 : Precision::f32;
      bytes += static_cast<double>(tensor.shape().count()) * (held == Precision::f32    ? 4
                                                              : held == Precision::bf16 ? 2
                                                                                        : 1);
    }
    return bytes;
  }
  void write(const std::string& path) const {
    std::vector<NamedTensor> views;
    for (const auto& [name, tensor] : tensors_) views.push_back({name, tensor.view()});
    write_safetensors(path, views);
  }

 private:
  SerialExecutor executor_;
  RandomParameters<float> random_{5, Precision::f32, executor_};
  std::vector<std::pair<std::string, AnyTensor>> tensors_;
  std::vector<std::string> products_;
};

/// Bytes of this process in memory.
double resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "VmRSS:") continue;
    double kib = 0;
    status >> kib;
    return kib * 1024;
  }
  return 0;
}

TEST(Load, LeavesThePackedWeightsInMemoryAndNotTheFile) {
  const TemporaryFolder folder;
  const std::string path = folder / "vit_small_patch16_224.safetensors";
  const LoadOptions whole{.architecture = "vit_small_patch16_224"};
  std::map<Precision, double> bytes;
  {
    CollectedParameters parameters;
    const ViTConfig config = make_config(detail::timm_preset(whole.architecture, "test"), "");
    (void)ViT<float>::load(config, parameters);
    parameters.write(path);
    for (const Precision precision : {Precision::int8, Precision::bf16, Precision::f32})
      bytes[precision] = parameters.bytes(precision);
  }
  for (const Precision precision : {Precision::int8, Precision::bf16, Precision::f32}) {
    ThreadPool pool(2);
    LoadOptions options = whole;
    options.precision = precision;
    options.executor = &pool;
    malloc_trim(0);  // what earlier models left is not to be used again
    const double before = resident_bytes();
    const Checkpoint checkpoint = open_checkpoint(path, options);
    const ViT<float> vit = load_vit<float>(checkpoint, options);
    const double left = resident_bytes() - before;
    const bool packs_f32 = precision == Precision::f32 || detail::kernels() == nullptr;
    const double packed = bytes[packs_f32 ? Precision::f32 : precision];
    EXPECT_LT(left, 1.15 * packed + 3e6) << name_of(precision);  // 3 MB: threads, heap, header
    EXPECT_GT(left, 0.5 * packed) << name_of(precision);
  }
}

#endif

}  // namespace
