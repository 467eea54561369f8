// vitrail run: tensors in, every stage's tensor out.

#include <iostream>
#include <vitrail/checkpoints/stages.hpp>
#include <vitrail/vitrail.hpp>

#include "commands.hpp"
#include "options.hpp"

namespace {

using namespace vitrail;

struct RunOptions {
  ModelOptions model;
  std::string input;
  std::string output;
};

int run(const RunOptions& options) {
  const std::unique_ptr<Executor> executor = make_executor(options.model.threads);
  LoadOptions load_options = options.model.load_options();
  load_options.executor = executor.get();
  const TensorFile input = open_tensor_file(options.input);
  const AnyView& view = input.at("pixel_values");
  if (view.shape.rank() != 4) {
    fail(options.input, "pixel_values is " + view.shape.to_string() + ", expected (B, C, H, W)");
  }
  const Tensor<float, 4> pixels = view.to<float, 4>();
  const Checkpoint checkpoint = open_checkpoint(options.model.model_path(), load_options);
  const VisionModel<float> model = load_model<float>(checkpoint, load_options);
  Workspace workspace;
  Trace trace;
  model.forward(pixels, {}, {*executor, workspace}, &trace);
  std::vector<NamedTensor> tensors;
  const std::vector<PublishedStage> stages = published_stages(checkpoint, trace);
  for (const auto& [name, tensor] : stages) tensors.push_back({name, tensor.view()});
  write_safetensors(options.output, tensors);
  std::cout << options.output << ": " << tensors.size() << " tensors\n";
  return 0;
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "Tensors in, every stage's tensor out");
  add_model_options(*command, options->model, true);
  command
      ->add_option("--input,-i", options->input,
                   "A safetensors file with pixel_values (B, 3, H, W)")
      ->required();
  command->add_option("--output,-o", options->output, "The safetensors file to write")->required();
  command->callback([options, &exit_code] { exit_code = run(*options); });
}
