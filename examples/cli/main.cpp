// The vitrail program: what most people meet first.

#include <unistd.h>

#include <csignal>
#include <exception>
#include <iostream>
#include <new>
#include <string_view>

#include "commands.hpp"
#include "options.hpp"

#include <vitrail/macros.hpp>

#define VITRAIL_TEXT_RAW(x) #x
#define VITRAIL_TEXT(x) VITRAIL_TEXT_RAW(x)

namespace {

/// A mapped file was truncated by another process between a check of its size and its use.
extern "C" void on_lost_pages(int) {
  constexpr std::string_view text =
      "vitrail: a file shrank while it was read; --no-mmap reads files into memory first\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  ::_exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Runs Vision Transformers on the CPU, from checkpoints as their publishers ship them.",
      "vitrail"};
  app.footer(
      "Start here:\n"
      "  vitrail classify photo.jpg --model vit_base_patch16_224/\n"
      "  vitrail info model.safetensors\n"
      "Exit codes: 0 done, 1 the work failed, 2 the command line is wrong.");
  app.set_version_flag("--version",
                       "vitrail " VITRAIL_TEXT(VITRAIL_VERSION_MAJOR) "." VITRAIL_TEXT(
                           VITRAIL_VERSION_MINOR) "." VITRAIL_TEXT(VITRAIL_VERSION_PATCH));
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);

  int exit_code = 0;
  add_classify(app, exit_code);
  add_embed(app, exit_code);
  add_run(app, exit_code);
  add_preprocess(app, exit_code);
  add_verify(app, exit_code);
  add_info(app, exit_code);
  add_convert(app, exit_code);
  add_compare_precision(app, exit_code);
  add_bench(app, exit_code);

  // A reader that leaves (`| head -1`) makes a write fail, with a message, instead of ending us.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGBUS, on_lost_pages);
  try {
    app.parse(argc, argv);
    check_standard_output();
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::bad_alloc&) {
    std::cerr << "vitrail: out of memory\n";
    return 1;
  } catch (const std::exception& error) {
    std::cerr << "vitrail: " << error.what() << '\n';
    return 1;
  }
  return exit_code;
}
