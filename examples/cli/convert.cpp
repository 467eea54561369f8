// vitrail convert: a checkpoint in another precision, or in safetensors where it was published
// otherwise.

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <vitrail/vitrail.hpp>

#include "commands.hpp"
#include "options.hpp"

namespace fs = std::filesystem;

namespace {

using namespace vitrail;

struct ConvertOptions {
  std::string model;
  std::string output;
  std::string precision = "f32";
};

/// Floating tensors of any width to `dtype`; everything else stays as it is.
AnyTensor converted(const AnyView& view, DType dtype) {
  const bool floating = view.dtype == DType::f64 || view.dtype == DType::f32 ||
                        view.dtype == DType::f16 || view.dtype == DType::bf16;
  AnyTensor result(floating ? dtype : view.dtype, view.shape);
  visit_dtype(result.dtype(), [&](auto zero) {
    using T = decltype(zero);
    view.convert_to(std::span<T>(reinterpret_cast<T*>(result.bytes().data()),
                                 static_cast<std::size_t>(view.shape.count())));
  });
  return result;
}

int convert(const ConvertOptions& options) {
  const CheckpointFiles files = open_checkpoint_files(options.model, {});
  const DType dtype = options.precision == "bf16" ? DType::bf16 : DType::f32;
  fs::path file = options.output;
  const bool to_folder = file.extension() != ".safetensors";
  if (to_folder) {
    std::error_code error;
    fs::create_directories(file, error);
    if (error) fail(options.output, "cannot be created: " + error.message());
    file /= "model.safetensors";
  }
  std::vector<std::pair<std::string, AnyTensor>> tensors;
  for (const auto& [name, view] : files.tensors) {
    files.tensors.check_size(view);
    tensors.emplace_back(name, converted(view, dtype));
  }
  std::vector<NamedTensor> views;
  for (const auto& [name, tensor] : tensors) views.push_back({name, tensor.view()});
  write_safetensors(file.string(), views, files.tensors.metadata());
  if (to_folder) {
    for (const auto* config : {&files.config, &files.preprocessor_config}) {
      if (!*config) continue;
      const fs::path copy = file.parent_path() / fs::path((*config)->path).filename();
      if (fs::weakly_canonical((*config)->path) == fs::weakly_canonical(copy)) continue;
      const MappedFile original((*config)->path);
      NewFile written(copy.string());
      written.write(original.bytes());
      written.commit();
    }
  }
  std::size_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += tensor.view().bytes.size();
  std::printf("%s: %zu tensors, %.1f MiB\n", file.string().c_str(), views.size(),
              static_cast<double>(bytes) / (1 << 20));
  return 0;
}

}  // namespace

void add_convert(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ConvertOptions>();
  CLI::App* command =
      app.add_subcommand("convert", "Write a checkpoint in another precision, as safetensors");
  command->add_option("checkpoint", options->model, "The checkpoint: a folder or a file")
      ->required();
  command
      ->add_option("output", options->output,
                   "A folder, which receives the configs too, or a .safetensors file")
      ->required();
  command->add_option("--precision", options->precision, "f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  command->callback([options, &exit_code] { exit_code = convert(*options); });
}
