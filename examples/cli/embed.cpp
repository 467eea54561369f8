// vitrail embed: the features of each picture, as a safetensors file.

#include <iostream>
#include <vitrail/image/decode.hpp>
#include <vitrail/vitrail.hpp>

#include "commands.hpp"
#include "options.hpp"

namespace {

using namespace vitrail;

struct EmbedOptions {
  ModelOptions model;
  std::vector<std::string> pictures;
  std::string output;
  bool tokens = false;
  bool exif = false;
};

int embed(const EmbedOptions& options) {
  const std::vector<std::string> pictures = expand_pictures(options.pictures);
  const std::unique_ptr<Executor> executor = make_executor(options.model.threads);
  LoadOptions load_options = options.model.load_options();
  load_options.executor = executor.get();
  const Checkpoint checkpoint = open_checkpoint(options.model.model_path(), load_options);
  const PreprocessConfig preprocess_config = preprocess_for(checkpoint, load_options);
  const VisionModel<float> vit = load_model<float>(checkpoint, load_options);

  Workspace workspace;
  const Context context{*executor, workspace};
  std::vector<std::pair<std::string, AnyTensor>> results;
  std::vector<std::string> failures;
  Progress progress(pictures.size());
  for (const std::string& picture : pictures) {
    try {
      const Image image = read_image(picture, {.apply_exif_orientation = options.exif});
      const Tensor<float, 3> pixels = preprocess(image, preprocess_config, *executor);
      Tensor<float, 2> features({1, vit.config().feature_dim()});
      const Index kept = options.tokens ? 1 : 0;
      Tensor<float, 3> tokens(
          {kept, vit.tokens_for(pixels.extent(1), pixels.extent(2)), vit.config().embed_dim});
      vit.forward(
          as_batch(pixels),
          {.features = features, .tokens = options.tokens ? tokens.view() : TensorView<float, 3>{}},
          context);
      results.emplace_back(picture, AnyTensor(features.view().reshape<1>({features.count()})));
      if (options.tokens) results.emplace_back(picture + "/tokens", AnyTensor(tokens.view()[0]));
    } catch (const Error& error) {
      failures.emplace_back(error.what());
    }
    progress.step();
  }
  progress.hide();
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : results) tensors.push_back({name, tensor.view()});
  write_safetensors(
      options.output, tensors,
      {{"architecture", checkpoint.config.architecture}, {"model", checkpoint.path()}});
  std::cout << options.output << ": " << results.size() << " tensors of "
            << pictures.size() - failures.size() << " pictures\n";
  for (const std::string& failure : failures) std::cerr << "vitrail: " << failure << '\n';
  return failures.empty() ? 0 : 1;
}

}  // namespace

void add_embed(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<EmbedOptions>();
  CLI::App* command =
      app.add_subcommand("embed", "Write the features of each picture, named after it");
  command
      ->add_option("pictures", options->pictures, "Pictures (JPEG, PNG, PPM), or folders of them")
      ->required();
  command->add_option("--output,-o", options->output, "The safetensors file to write")->required();
  command->add_flag("--tokens", options->tokens,
                    "Also every token after the last norm, as <picture>/tokens");
  add_model_options(*command, options->model, false);
  command->add_flag("--exif", options->exif, "Turn pictures as their EXIF orientation says");
  command->callback([options, &exit_code] { exit_code = embed(*options); });
}
