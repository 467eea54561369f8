// Where the golden files lie.
#ifndef VITRAIL_TESTS_SUPPORT_GOLDEN_FOLDER_HPP
#define VITRAIL_TESTS_SUPPORT_GOLDEN_FOLDER_HPP

#include <filesystem>
#include <string>

namespace golden {

inline std::filesystem::path folder(const std::string& name) {
  return std::filesystem::path(VITRAIL_GOLDEN_DIR) / name;
}

}  // namespace golden

#endif  // VITRAIL_TESTS_SUPPORT_GOLDEN_FOLDER_HPP
