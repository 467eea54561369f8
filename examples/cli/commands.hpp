// The commands of the program: each adds its subcommand to the app, and returns what runs it.
#ifndef VITRAIL_EXAMPLES_CLI_COMMANDS_HPP
#define VITRAIL_EXAMPLES_CLI_COMMANDS_HPP

#include <CLI/CLI.hpp>

/// Each registers a subcommand whose callback stores the exit code in `exit_code`.
void add_classify(CLI::App& app, int& exit_code);
void add_embed(CLI::App& app, int& exit_code);
void add_run(CLI::App& app, int& exit_code);
void add_preprocess(CLI::App& app, int& exit_code);
void add_verify(CLI::App& app, int& exit_code);
void add_info(CLI::App& app, int& exit_code);
void add_convert(CLI::App& app, int& exit_code);
void add_compare_precision(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);

#endif  // VITRAIL_EXAMPLES_CLI_COMMANDS_HPP
