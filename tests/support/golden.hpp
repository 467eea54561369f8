// The golden files as tests read them: a folder of safetensors and JSON, sizes trusted.
#ifndef VITRAIL_TESTS_SUPPORT_GOLDEN_HPP
#define VITRAIL_TESTS_SUPPORT_GOLDEN_HPP

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <support/golden_folder.hpp>
#include <vector>
#include <vitrail/tensor/any_tensor.hpp>

namespace golden {

inline std::vector<std::byte> read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
  const auto view = std::as_bytes(std::span<const char>(bytes));
  return {view.begin(), view.end()};
}

inline nlohmann::json read_json(const std::filesystem::path& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

/// name -> tensor; the views live as long as the Archive.
struct Archive {
  explicit Archive(const std::filesystem::path& path) : bytes(read_bytes(path)) {
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof header);
    const char* text = reinterpret_cast<const char*>(bytes.data()) + 8;
    const nlohmann::json entries = nlohmann::json::parse(text, text + header);
    for (const auto& [name, entry] : entries.items()) {
      if (name == "__metadata__") continue;
      const std::size_t begin = entry.at("data_offsets").at(0);
      const std::size_t end = entry.at("data_offsets").at(1);
      const std::vector<vitrail::Index> shape = entry.at("shape");
      tensors[name] = {entry.at("dtype") == "U8" ? vitrail::DType::u8 : vitrail::DType::f32,
                       vitrail::Shape(std::span<const vitrail::Index>(shape)),
                       std::span<const std::byte>(bytes).subspan(8 + header + begin, end - begin)};
    }
  }
  std::vector<std::byte> bytes;
  std::map<std::string, vitrail::AnyView> tensors;
};

}  // namespace golden

#endif  // VITRAIL_TESTS_SUPPORT_GOLDEN_HPP
