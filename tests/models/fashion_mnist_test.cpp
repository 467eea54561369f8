// The bundled model on its whole test set, by the path of the program: as many right answers as
// PyTorch counted.
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <vitrail/runtime/thread_pool.hpp>
#include <vitrail/vitrail.hpp>

namespace {

using namespace vitrail;

const std::string data_folder = "/usr/share/datasets/fashion-mnist/";
const std::string model_folder = VITRAIL_SOURCE_DIR "/examples/models/fashion_mnist";

/// The bytes of a gzipped IDX file after its header of `header` bytes.
std::vector<std::uint8_t> read_idx(const std::string& path, std::size_t header, std::size_t bytes) {
  std::vector<std::uint8_t> data(header + bytes);
  gzFile file = gzopen(path.c_str(), "rb");
  const int read =
      file == nullptr ? -1 : gzread(file, data.data(), static_cast<unsigned>(data.size()));
  if (file != nullptr) gzclose(file);
  if (read != static_cast<int>(data.size())) fail(path, "is missing or too short");
  data.erase(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(header));
  return data;
}

TEST(FashionMnist, GivesAsManyRightAnswersAsPyTorchCounted) {
  if (!std::filesystem::exists(data_folder + "t10k-images-idx3-ubyte.gz")) {
    GTEST_SKIP() << "Debian's dataset-fashion-mnist is not installed";
  }
  constexpr std::size_t count = 10000;
  constexpr std::size_t side = 28;
  const auto pixels = read_idx(data_folder + "t10k-images-idx3-ubyte.gz", 16, count * side * side);
  const auto classes = read_idx(data_folder + "t10k-labels-idx1-ubyte.gz", 8, count);

  ThreadPool executor(2);
  const Classifier model = load(model_folder, {.executor = &executor});
  std::vector<Image> pictures;
  Index correct = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Image& picture = pictures.emplace_back(side, side);
    for (std::size_t p = 0; p < side * side; ++p) {
      std::fill_n(picture.row(0) + 3 * p, 3, pixels[i * side * side + p]);
    }
    if (pictures.size() < 100) continue;
    const Tensor<float, 2> logits = model.logits(pictures, &executor);
    for (std::size_t b = 0; b < pictures.size(); ++b) {
      const auto row = logits.view()[static_cast<Index>(b)].flat();
      const auto best = std::max_element(row.begin(), row.end()) - row.begin();
      correct += best == classes[i + 1 - pictures.size() + b] ? 1 : 0;
    }
    pictures.clear();
  }
  const Json config = read_json(model_folder + "/config.json");
  const Json* const evaluation = json_find(config, "evaluation");
  ASSERT_NE(evaluation, nullptr);
  EXPECT_EQ(correct, json_get<Index>(*evaluation, "correct", "config.json"));
}

}  // namespace
