#include "options.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <thread>
#include <vitrail/io/mapped_file.hpp>
#include <vitrail/io/text.hpp>
#include <vitrail/runtime/thread_pool.hpp>

namespace fs = std::filesystem;

std::string ModelOptions::model_path() const {
  if (!path.empty()) return path;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path installed =
      program.parent_path().parent_path() / "share/vitrail/models/fashion_mnist";
  if (!error && fs::is_directory(installed)) return installed.string();
  return VITRAIL_MODELS_DIR "/fashion_mnist";
}

vitrail::LoadOptions ModelOptions::load_options() const {
  vitrail::LoadOptions options;
  options.architecture = architecture;
  options.heads = heads;
  options.pad_to_patch = pad;
  options.patch_size = patch;
  options.lenient = lenient;
  options.limits.map_files = !no_mmap;
  if (!size.empty()) std::tie(options.image_height, options.image_width) = parse_size(size);
  if (precision == "bf16") options.precision = vitrail::Precision::bf16;
  if (precision == "int8") options.precision = vitrail::Precision::int8;
  options.int8_width = int8_width;
  for (std::size_t i = 0; i < std::size(vitrail::position_rule_names); ++i) {
    if (position_rule == vitrail::position_rule_names[i])
      options.position_rule = static_cast<vitrail::PositionRule>(i);
  }
  if (gelu == "erf") options.activation = vitrail::Activation::gelu_erf;
  if (gelu == "tanh") options.activation = vitrail::Activation::gelu_tanh;
  if (gelu == "quick") options.activation = vitrail::Activation::quick_gelu;
  for (const vitrail::Pooling known : {vitrail::Pooling::token, vitrail::Pooling::avg,
                                       vitrail::Pooling::max, vitrail::Pooling::avgmax}) {
    if (pooling == name_of(known)) options.pooling = known;
  }
  if (eps >= 0) options.norm_eps = eps;
  options.group = group;
  options.overlays = overlays;
  options.adapter_scale = adapter_scale;
  if (fidelity == "google") options.fidelity = vitrail::Fidelity::google;
  return options;
}

void add_threads_option(CLI::App& command, int& threads) {
  command.add_option("--threads", threads, "Threads; 0: one for each processor")
      ->check(CLI::Range(0, 1024));
}

void add_int8_width_option(CLI::App& command, vitrail::Index& width) {
  command
      .add_option(
          "--int8-width", width,
          "In int8, products of fewer inputs or outputs stay in bf16, some in f32; 0: none do, "
          "which is sooner and less exact in narrow models")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
}

void add_model_options(CLI::App& command, ModelOptions& options, bool required) {
  auto* model = command.add_option(
      "--model,-m", options.path,
      required ? "The checkpoint: a folder or a file"
               : "The checkpoint: a folder or a file; the bundled model if not given");
  if (required) model->required();
  command.add_option("--arch", options.architecture,
                     "Architecture of a bare file, such as vit_base_patch16_224, or the release "
                     "that wrote it, as in vit-pytorch-0.6.6");
  command.add_option("--heads", options.heads, "Attention heads, where nothing else tells")
      ->check(CLI::Range(1, 1024));
  command
      .add_option("--size", options.size,
                  "Picture size, 384 or 384x256 (height x width); positions are resampled")
      ->check([](const std::string& text) -> std::string {
        try {
          (void)parse_size(text);
          return "";
        } catch (const CLI::ValidationError& error) {
          return error.what();
        }
      });
  command
      .add_option("--patch", options.patch,
                  "Patch size other than the checkpoint's own; the kernel is resized (FlexiViT)")
      ->check(CLI::Range(1, 256));
  command.add_flag("--pad", options.pad,
                   "Pad a size that the patch does not divide with zeros, instead of refusing it");
  add_threads_option(command, options.threads);
  command.add_option("--precision", options.precision, "Products in f32, bf16 or int8")
      ->check(CLI::IsMember({"f32", "bf16", "int8"}))
      ->capture_default_str();
  add_int8_width_option(command, options.int8_width);
  const std::vector<std::string> rules(std::begin(vitrail::position_rule_names),
                                       std::end(vitrail::position_rule_names));
  command
      .add_option("--position-resample", options.position_rule, "Whose rule resamples positions")
      ->check(CLI::IsMember(rules));
  command.add_option("--gelu", options.gelu, "The GELU, over what the checkpoint implies")
      ->check(CLI::IsMember({"erf", "tanh", "quick"}));
  command
      .add_option("--pooling", options.pooling,
                  "How tokens become one vector, over what the checkpoint implies")
      ->check(CLI::IsMember({"token", "avg", "max", "avgmax"}));
  command
      .add_option("--fidelity", options.fidelity,
                  "Read google's npz as timm does or as flax does (tanh GELU, scipy's zoom)")
      ->check(CLI::IsMember({"google", "timm"}));
  command.add_option("--overlay", options.overlays,
                     "A partial fine-tune laid over the checkpoint: a head, some blocks, LoRA, "
                     "adapters");
  command.add_option("--adapter-scale", options.adapter_scale,
                     "Scale of adapters whose files do not tell it");
  command.add_option("--group", options.group,
                     "Which model of a PyTorch file that holds several, such as model_ema");
  command.add_option("--eps", options.eps, "The norms' eps, over what the checkpoint implies")
      ->check(CLI::Range(0.0, 1.0));
  command.add_flag("--lenient", options.lenient,
                   "Ignore tensors that the architecture has no place for");
  command.add_flag("--no-mmap", options.no_mmap,
                   "Read the files into memory, for those that may be truncated while in use");
}

std::pair<vitrail::Index, vitrail::Index> parse_size(const std::string& text) {
  const auto number = [&](const std::string& part) -> vitrail::Index {
    const bool digits =
        !part.empty() && part.size() < 6 &&
        std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    const vitrail::Index value = digits ? std::stol(part) : 0;
    if (value < 1)
      throw CLI::ValidationError("--size", "'" + text + "' is no size, expected 384 or 384x256");
    return value;
  };
  const std::size_t x = text.find('x');
  const vitrail::Index height = number(text.substr(0, x));
  return {height, x == std::string::npos ? height : number(text.substr(x + 1))};
}

void check_standard_output() {
  errno = 0;
  std::cout.flush();
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout) return;
  vitrail::fail("standard output", "cannot write: ",
                errno == 0 ? "an earlier write failed" : vitrail::detail::system_reason(errno));
}

std::string shown(std::string_view text) {
  return vitrail::detail::one_line(text, std::string_view::npos);
}

std::vector<std::string> expand_pictures(const std::vector<std::string>& arguments) {
  std::vector<std::string> pictures;
  for (const std::string& argument : arguments) {
    std::error_code error;
    if (!fs::is_directory(argument, error)) {
      pictures.push_back(argument);
      continue;
    }
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(argument, error)) {
      std::string kind = entry.path().extension().string();
      std::transform(kind.begin(), kind.end(), kind.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      for (const char* wanted : {".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".pbm"}) {
        if (kind == wanted) found.push_back(entry.path().string());
      }
    }
    if (error) vitrail::fail(argument, "cannot list the folder: " + error.message());
    if (found.empty()) vitrail::fail(argument, "no JPEG, PNG or PPM picture in this folder");
    std::sort(found.begin(), found.end());
    pictures.insert(pictures.end(), found.begin(), found.end());
  }
  return pictures;
}

std::unique_ptr<vitrail::Executor> make_executor(int threads) {
  if (threads == 0) threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  if (threads == 1) return std::make_unique<vitrail::SerialExecutor>();
  return std::make_unique<vitrail::ThreadPool>(threads);
}

Progress::Progress(std::size_t total)
    : total_(total), shown_(total > 1 && isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() { hide(); }

void Progress::step() {
  ++done_;
  if (!shown_) return;
  constexpr std::size_t width = 30;
  const std::size_t filled = total_ == 0 ? width : width * done_ / total_;
  std::cerr << '\r' << '[' << std::string(filled, '#') << std::string(width - filled, ' ') << "] "
            << done_ << '/' << total_ << std::flush;
}

void Progress::hide() {
  if (shown_) std::cerr << "\r\033[K" << std::flush;
}
