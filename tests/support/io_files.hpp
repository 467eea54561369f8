// For tests of readers: whole files, bytes put together by hand, the text of an Error.
#ifndef VITRAIL_TESTS_SUPPORT_IO_FILES_HPP
#define VITRAIL_TESTS_SUPPORT_IO_FILES_HPP

#include <gtest/gtest.h>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <support/temporary_folder.hpp>
#include <vitrail/error.hpp>

namespace vitrail_test {

[[nodiscard]] inline std::string golden(const std::string& name) {
  return std::string(VITRAIL_GOLDEN_DIR) + "/" + name;
}

[[nodiscard]] inline std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// `value` as `size` little-endian bytes.
[[nodiscard]] inline std::string little(std::uint64_t value, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>((value >> (8 * i)) & 0xff);
  return bytes;
}

[[nodiscard]] inline std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// What the Error says that `action` throws; "no error" when it throws none.
template <class Action>
[[nodiscard]] std::string error_of(Action&& action) {
  try {
    action();
  } catch (const vitrail::Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace vitrail_test

#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE((text).find(part), std::string::npos) << "the text is: " << (text)

#endif  // VITRAIL_TESTS_SUPPORT_IO_FILES_HPP
