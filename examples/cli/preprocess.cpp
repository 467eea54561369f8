// vitrail preprocess: what a model would see of each picture.

#include <filesystem>
#include <iostream>
#include <vitrail/image/decode.hpp>
#include <vitrail/vitrail.hpp>

#include "commands.hpp"
#include "options.hpp"

namespace {

using namespace vitrail;

struct PreprocessOptions {
  ModelOptions model;
  std::vector<std::string> pictures;
  std::string recipe;
  std::string output;
  bool exif = false;
};

PreprocessConfig config_of(const PreprocessOptions& options) {
  const LoadOptions load_options = options.model.load_options();
  if (options.recipe.empty()) {
    return preprocess_for(open_checkpoint(options.model.model_path(), load_options), load_options);
  }
  const PreprocessConfig config = parse_recipe(read_json(options.recipe), options.recipe);
  if (load_options.image_height == 0) return config;
  return with_size(config, load_options.image_height, load_options.image_width);
}

int preprocess_pictures(const PreprocessOptions& options) {
  const PreprocessConfig config = config_of(options);
  const std::vector<std::string> pictures = expand_pictures(options.pictures);
  const std::unique_ptr<Executor> executor = make_executor(options.model.threads);
  std::vector<std::pair<std::string, AnyTensor>> results;
  std::vector<std::string> failures;
  Progress progress(pictures.size());
  for (const std::string& picture : pictures) {
    try {
      const Image image = read_image(picture, {.apply_exif_orientation = options.exif});
      const std::string name = std::filesystem::path(picture).filename().string();
      results.emplace_back(name + "/rgb", AnyTensor(image.view()));
      results.emplace_back(name + "/pixel_values",
                           AnyTensor(preprocess(image, config, *executor).view()));
    } catch (const Error& error) {
      failures.emplace_back(error.what());
    }
    progress.step();
  }
  progress.hide();
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : results) tensors.push_back({name, tensor.view()});
  write_safetensors(options.output, tensors);
  std::cout << options.output << ": " << tensors.size() << " tensors; " << config.describe()
            << '\n';
  for (const std::string& failure : failures) std::cerr << "vitrail: " << failure << '\n';
  return failures.empty() ? 0 : 1;
}

}  // namespace

void add_preprocess(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<PreprocessOptions>();
  CLI::App* command =
      app.add_subcommand("preprocess", "Write what the model would see of each picture");
  command
      ->add_option("pictures", options->pictures, "Pictures (JPEG, PNG, PPM), or folders of them")
      ->required();
  command
      ->add_option("--output,-o", options->output,
                   "The safetensors file: <file name>/rgb and <file name>/pixel_values")
      ->required();
  add_model_options(*command, options->model, false);
  for (const char* flag : {"--precision", "--int8-width", "--gelu", "--eps", "--position-resample",
                           "--patch", "--pad", "--lenient"})
    command->remove_option(command->get_option(flag));  // these say nothing about pictures
  command
      ->add_option("--recipe", options->recipe,
                   "A publisher's JSON, instead of a model's own: timm's config.json, "
                   "preprocessor_config.json, torchvision's or CLIP's")
      ->excludes("--model");
  command->add_flag("--exif", options->exif, "Turn pictures as their EXIF orientation says");
  command->callback([options, &exit_code] { exit_code = preprocess_pictures(*options); });
}
