// The vitrail program run by a test as a user runs it.
#ifndef VITRAIL_TESTS_SUPPORT_PROGRAM_HPP
#define VITRAIL_TESTS_SUPPORT_PROGRAM_HPP

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <support/temporary_folder.hpp>
#include <vector>

namespace vitrail_test {

inline const std::string model = VITRAIL_SOURCE_DIR "/examples/models/fashion_mnist";
inline const std::string golden = VITRAIL_GOLDEN_DIR;

struct Outcome {
  int code = -1;
  std::string out;    // standard output
  std::string error;  // standard error
};

/// Runs a command of the shell's and waits for it.
inline Outcome run(const std::string& command) {
  const std::filesystem::path log =
      std::filesystem::temp_directory_path() / ("vitrail_cli_" + std::to_string(getpid()));
  Outcome outcome;
  FILE* pipe = popen((command + " 2>" + log.string()).c_str(), "r");
  char buffer[4096];
  for (std::size_t n = 0; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    outcome.out.append(buffer, n);
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::ifstream file(log);
  outcome.error.assign(std::istreambuf_iterator<char>(file), {});
  std::filesystem::remove(log);
  return outcome;
}

/// `before` stands before the program in the shell's command: "ulimit -f 8; ", "setpriv ... ".
inline Outcome vitrail_program(const std::string& arguments, const std::string& before = "") {
  return run(before + VITRAIL_PROGRAM + " " + arguments);
}

/// Exit code 1, and one line that has all of `words`.
inline void expect_one_line(const Outcome& outcome, const std::vector<std::string>& words,
                            const std::string& arguments) {
  EXPECT_EQ(outcome.code, 1) << arguments;
  EXPECT_EQ(std::count(outcome.error.begin(), outcome.error.end(), '\n'), 1) << outcome.error;
  for (const std::string& word : words)
    EXPECT_NE(outcome.error.find(word), std::string::npos) << outcome.error << word;
}
inline void expect_error(const std::string& arguments, const std::vector<std::string>& words,
                         const std::string& before = "") {
  expect_one_line(vitrail_program(arguments, before), words, arguments);
}

inline void write(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

inline std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace vitrail_test

#endif  // VITRAIL_TESTS_SUPPORT_PROGRAM_HPP
