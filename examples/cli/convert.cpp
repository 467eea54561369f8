// vitrail convert: a checkpoint in another precision, or in safetensors where it was published
// otherwise.

#include <cstdio>
#include <filesystem>
#include <vitrail/checkpoints/convert.hpp>

#include "commands.hpp"
#include "options.hpp"

namespace fs = std::filesystem;

namespace {

using namespace vitrail;

struct ConvertOptions {
  ModelOptions model;  // path, architecture, heads and precision
  std::string output;
};

int convert(const ConvertOptions& options) {
  fs::path file = options.output;
  const bool to_folder = file.extension() != ".safetensors";
  if (to_folder) {
    std::error_code error;
    fs::create_directories(file, error);
    if (error) fail(options.output, "cannot be created: " + error.message());
    file /= "model.safetensors";
  }
  LoadOptions load_options = options.model.load_options();
  load_options.lenient = true;
  const Converted converted = convert_checkpoint(options.model.path, load_options, file.string());
  if (to_folder) {
    const CheckpointFiles files = open_checkpoint_files(options.model.path, {});
    for (const auto* config : {&files.config, &files.preprocessor_config, &files.open_clip_config,
                               &files.adapter_config}) {
      if (!*config) continue;
      const fs::path copy = file.parent_path() / fs::path((*config)->path).filename();
      if (fs::weakly_canonical((*config)->path) == fs::weakly_canonical(copy)) continue;
      const MappedFile original((*config)->path);
      NewFile written(copy.string());
      written.write(original.bytes());
      written.commit();
    }
  }
  std::printf("%s: %zu tensors, %.1f MiB", file.string().c_str(), converted.tensors,
              static_cast<double>(converted.bytes) / (1 << 20));
  if (converted.products + converted.in_bf16 > 0)
    std::printf("; the weights of %zu products in %s", converted.products,
                options.model.precision.c_str());
  if (converted.in_bf16 > 0) std::printf(", of %zu in bf16", converted.in_bf16);
  std::printf("\n");
  return 0;
}

}  // namespace

void add_convert(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ConvertOptions>();
  CLI::App* command =
      app.add_subcommand("convert", "Write a checkpoint in another precision, as safetensors");
  command->add_option("checkpoint", options->model.path, "The checkpoint: a folder or a file")
      ->required();
  command
      ->add_option("output", options->output,
                   "A folder, which receives the configs too, or a .safetensors file")
      ->required();
  command
      ->add_option("--precision", options->model.precision,
                   "f32: all of it; bf16 or int8: the weights of products, as load would round "
                   "them")
      ->check(CLI::IsMember({"f32", "bf16", "int8"}))
      ->capture_default_str();
  add_int8_width_option(*command, options->model.int8_width);
  command->add_option("--arch", options->model.architecture,
                      "Architecture of a bare file, such as vit_base_patch16_224");
  command->add_option("--heads", options->model.heads, "Attention heads, where nothing else tells")
      ->check(CLI::Range(1, 1024));
  command->callback([options, &exit_code] { exit_code = convert(*options); });
}
