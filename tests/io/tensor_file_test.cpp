#include <vitrail/io/tensor_file.hpp>

#include "support/io_files.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

TEST(TensorFile, RecognisesEveryFormatByItsContent) {
  const TemporaryFolder folder;
  const auto format_of = [&](const std::string& source) {
    std::filesystem::copy_file(source, folder / "renamed.bin",
                               std::filesystem::copy_options::overwrite_existing);
    return open_tensor_file(folder / "renamed.bin").format();
  };
  EXPECT_EQ(format_of(golden("timm_vit_cls/model.safetensors")), FileFormat::safetensors);
  EXPECT_EQ(format_of(golden("npz_vit/model.npz")), FileFormat::npz);
  EXPECT_EQ(format_of(golden("torch_files/flat.pth")), FileFormat::torch);
  EXPECT_EQ(format_of(golden("torch_files/flat_legacy.pth")), FileFormat::torch);
  const std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }";
  const std::string npy = folder.file(
      "npy", "\x93NUMPY\x01" + std::string(1, '\0') + little(header.size(), 2) + header + "x");
  EXPECT_EQ(format_of(npy), FileFormat::npy);
}

TEST(TensorFile, FollowsAnIndexToItsShards) {
  const TemporaryFolder folder;
  std::filesystem::copy_file(golden("timm_vit_cls/model.safetensors"), folder / "1.safetensors");
  const std::string index =
      folder.file("index", R"({"metadata": {}, "weight_map": {"cls_token": "1.safetensors"}})");
  const TensorFile file = open_tensor_file(index);
  EXPECT_EQ(file.format(), FileFormat::index);
  EXPECT_TRUE(file.contains("cls_token"));
}

TEST(TensorFile, FollowsAnIndexToShardsOfAnyFormat) {
  const TemporaryFolder folder;
  std::filesystem::copy_file(golden("torch_files/flat.pth"), folder / "1.bin");
  const std::string index = folder.file("index", R"({"weight_map": {"bf16": "1.bin"}})");
  EXPECT_EQ(open_tensor_file(index).size(), 18U);
  const std::string nested = folder.file("nested", R"({"weight_map": {"a": "index"}})");
  EXPECT_CONTAINS(error_of([&] { (void)open_tensor_file(nested); }), "is of no known format");
}

TEST(TensorFile, GivesTheSameTensorsAsTheReaderOfTheFormat) {
  const std::string path = golden("timm_vit_cls/model.safetensors");
  const TensorFile file = open_tensor_file(path);
  EXPECT_EQ(file.names(), Safetensors(path).names());
  EXPECT_EQ(file.path(), path);
  EXPECT_EQ(file.metadata().at("format"), "pt");
}

TEST(TensorFile, PassesTheGroupOnToTorchFiles) {
  TorchOptions options;
  options.group = "model_ema";
  const TensorFile file = open_tensor_file(golden("torch_files/nested.pth"), {}, options);
  EXPECT_EQ(file.names(), std::vector<std::string>{"w"});
}

TEST(TensorFile, SaysWhatAFileIsThatItCannotRead) {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& content) {
    return error_of([&] { (void)open_tensor_file(folder.file("m", content)); });
  };
  EXPECT_EQ(
      error("hello, world"),
      (folder / "m") + ": is of no known format, expected safetensors, npz, npy or a PyTorch file");
  EXPECT_CONTAINS(error("version https://git-lfs.github.com/spec/v1\noid sha256:0"),
                  "is a Git LFS pointer");
  EXPECT_CONTAINS(error("\x80\x02N."), "is a Python pickle, but not one that torch.save wrote");
  EXPECT_CONTAINS(error("{\"a\": 1}"), "is of no known format");
  EXPECT_CONTAINS(error("PK\x03\x04"), "no zip end record");
  EXPECT_CONTAINS(error_of([&] { (void)open_tensor_file(folder / "absent"); }), "does not exist");
}

}  // namespace
