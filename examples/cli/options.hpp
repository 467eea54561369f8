// Flags that several commands share, and what they stand for.
#ifndef VITRAIL_EXAMPLES_CLI_OPTIONS_HPP
#define VITRAIL_EXAMPLES_CLI_OPTIONS_HPP

#include <chrono>
#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include <vitrail/checkpoints/options.hpp>

/// --model and everything that can be said about it.
struct ModelOptions {
  std::string path;
  std::string architecture;
  vitrail::Index heads = 0;
  std::string size;
  vitrail::Index patch = 0;
  int threads = 0;
  std::string precision = "f32";
  vitrail::Index int8_width = vitrail::default_int8_width;
  std::string position_rule;
  std::string gelu;
  std::string pooling;
  double eps = -1;
  std::optional<double> adapter_scale;
  std::string fidelity = "timm";
  std::string group;
  std::vector<std::string> overlays;
  bool pad = false;
  bool lenient = false;
  bool no_mmap = false;

  /// The model's path, or the bundled model's when none was given.
  [[nodiscard]] std::string model_path() const;
  [[nodiscard]] vitrail::LoadOptions load_options() const;
};

/// Adds the flags to a command. `required`: there is no default model.
void add_model_options(CLI::App& command, ModelOptions& options, bool required);
/// Adds --threads alone.
void add_threads_option(CLI::App& command, int& threads);
void add_int8_width_option(CLI::App& command, vitrail::Index& width);

/// "384" or "384x256" (height x width) to two extents. Throws CLI::ValidationError.
std::pair<vitrail::Index, vitrail::Index> parse_size(const std::string& text);

/// Throws Error when what was printed has not arrived: a full disk, a closed pipe.
void check_standard_output();

/// A name out of a file, fit for a terminal: without control characters.
std::string shown(std::string_view text);

/// Files and the pictures of folders, in order. Throws Error for a folder without pictures.
std::vector<std::string> expand_pictures(const std::vector<std::string>& arguments);

/// An executor of `threads` threads; 0: one for each processor.
std::unique_ptr<vitrail::Executor> make_executor(int threads);

/// (3, H, W) as a batch of one.
inline vitrail::TensorView<const float, 4> as_batch(const vitrail::Tensor<float, 3>& pixels) {
  return pixels.view().reshape<4>({1, pixels.extent(0), pixels.extent(1), pixels.extent(2)});
}

/// Milliseconds since construction or the last lap().
class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double elapsed = std::chrono::duration<double, std::milli>(now - start_).count();
    start_ = now;
    return elapsed;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// A bar on a terminal's standard error; nothing where there is no terminal.
class Progress {
 public:
  explicit Progress(std::size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void step();
  /// Clears the line, so that other output may follow.
  void hide();

 private:
  std::size_t total_;
  std::size_t done_ = 0;
  bool shown_;
};

#endif  // VITRAIL_EXAMPLES_CLI_OPTIONS_HPP
