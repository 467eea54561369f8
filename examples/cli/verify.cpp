// vitrail verify: a checkpoint against the outputs stored beside it.

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <vitrail/checkpoints/verify.hpp>
#include <vitrail/image/decode.hpp>
#include <vitrail/vitrail.hpp>

#include "commands.hpp"
#include "options.hpp"

namespace fs = std::filesystem;

namespace {

using namespace vitrail;

struct VerifyOptions {
  ModelOptions model;
  std::vector<std::string> folders;
  bool table = false;
  double tolerance = 0;  // as verify_folder takes it
};

/// What one folder has come to.
struct Tally {
  int compared = 0;
  int failed = 0;
};

/// One line of a table in markdown: a family of a publisher's, over all its folders.
struct Row {
  std::string publisher;
  std::string family;
  int models = 0;
  double difference = 0;
  bool failed = false;
};

/// The family that an architecture's name belongs to; the first word that fits decides.
const char* family_of(const VerifyResult& result) {
  constexpr std::pair<const char*, const char*> families[] = {
      {"swin", "Swin"},
      {"_r26_", "hybrids (ResNetV2 stems)"},
      {"_r50_", "hybrids (ResNetV2 stems)"},
      {"_r_s16_", "hybrids (ResNetV2 stems)"},
      {"xp_", "parallel blocks, norms after branches, AIMv2"},
      {"x2_", "parallel blocks, norms after branches, AIMv2"},
      {"rpn", "parallel blocks, norms after branches, AIMv2"},
      {"aimv2", "parallel blocks, norms after branches, AIMv2"},
      {"_dwee_", "differential attention"},
      {"_dpwee_", "differential attention"},
      {"_dlittle_", "differential attention"},
      {"beit", "BEiT"},
      {"eva", "EVA, EVA-02"},
      {"dinov3", "DINOv3"},
      {"dinov2", "DINOv2, registers, SwiGLU"},
      {"dino", "DINO"},
      {"deit", "DeiT, DeiT III"},
      {"siglip", "SigLIP"},
      {"clip", "CLIP towers"},
      {"CLIP", "CLIP towers"},
      {"BLIP", "BLIP towers"}};
  for (const auto& [word, family] : families) {
    if (result.architecture.find(word) != std::string::npos) return family;
  }
  return result.publisher == "lucidrains" ? "ViT, SimpleViT" : "ViT";
}

void add_to(std::vector<Row>& rows, const VerifyResult& result) {
  const std::string family = family_of(result);
  auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& known) {
    return known.publisher == result.publisher && known.family == family;
  });
  if (row == rows.end()) {
    Row fresh;
    fresh.publisher = result.publisher;
    fresh.family = family;
    row = rows.insert(rows.end(), std::move(fresh));
  }
  ++row->models;
  row->difference = std::max(row->difference, result.largest_difference());
  row->failed = row->failed || result.failures() > 0;
}

void print(const VerifyResult& result, bool table, Tally& tally) {
  std::string file;
  for (const Verdict& verdict : result.verdicts) {
    if (verdict.problem.empty() || verdict.failed) ++tally.compared;
    if (verdict.failed) ++tally.failed;
    if (table) continue;
    if (verdict.file != file) std::printf(" %s\n", verdict.file.c_str());
    file = verdict.file;
    if (!verdict.problem.empty()) {
      std::printf("  %-32s %s: %s\n", shown(verdict.name).c_str(),
                  verdict.failed ? "FAILED" : "not compared", verdict.problem.c_str());
    } else {
      std::printf("  %-32s %-18s max |difference| %.2e%s\n", shown(verdict.name).c_str(),
                  verdict.shape.to_string().c_str(), verdict.difference,
                  verdict.failed ? "  FAILED" : "");
    }
  }
}

void print_table(std::vector<Row> rows) {
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::tie(a.publisher, a.family) < std::tie(b.publisher, b.family);
  });
  std::printf("| publisher | family | models | largest difference |\n");
  std::printf("|---|---|---:|---:|\n");
  for (const Row& row : rows) {
    std::printf("| %s | %s | %d | %.1e%s |\n", row.publisher.c_str(), row.family.c_str(),
                row.models, row.difference, row.failed ? " **fails**" : "");
  }
}

/// A folder of pictures, the pixels they decode to, and what each recipe makes of them.
void verify_pictures(const fs::path& folder, const Json& recipes, double asked, Executor& executor,
                     Tally& tally) {
  const TensorFile decoded = open_tensor_file((folder / "decoded.safetensors").string());
  std::map<std::string, Image> pictures;
  for (const auto& [name, expected] : decoded) {
    const std::size_t slash = name.rfind('/');
    const std::string file = name.substr(0, slash);
    const bool turned = name.substr(slash + 1) == "rgb_exif_transposed";
    Image image = read_image((folder / file).string(), {.apply_exif_orientation = turned});
    ++tally.compared;
    if (!(image.view().shape() == expected.shape) ||
        largest_difference(AnyTensor(image.view()).view(), expected) != 0) {
      ++tally.failed;
      std::printf("  %-32s FAILED: the pixels differ\n", name.c_str());
    }
    if (!turned) pictures.emplace(file, std::move(image));
  }
  std::printf(" decoded.safetensors: pixels of %d pictures\n", tally.compared);
  if (!recipes.is_object()) fail(folder.string(), "'pipelines' in its config.json is no object");
  for (const auto& [recipe, json] : recipes.members()) {
    const PreprocessConfig config =
        parse_recipe(json, (folder / "config.json").string() + ": " + recipe);
    const TensorFile expected =
        open_tensor_file((folder / ("expected_" + recipe + ".safetensors")).string());
    double largest = 0;
    for (const auto& [name, wanted] : expected) {
      const std::string file = pictures.contains(name) ? name : name.substr(0, name.rfind('/'));
      const auto picture = pictures.find(file);
      if (picture == pictures.end())
        fail(expected.path(), "'" + name + "' is of a picture that was not decoded");
      const Tensor<float, 3> pixels = preprocess(picture->second, config, executor);
      ++tally.compared;
      const double gap = pixels.shape() == wanted.shape
                             ? largest_difference(AnyTensor(pixels.view()).view(), wanted)
                             : HUGE_VAL;
      largest = std::max(largest, gap);
      if (gap > (asked > 0 ? asked : 1e-6)) {
        ++tally.failed;
        std::printf("  %-32s %s FAILED: max |difference| %.2e\n", recipe.c_str(), name.c_str(),
                    gap);
      }
    }
    std::printf("  %-32s %zu pictures        max |difference| %.2e\n", recipe.c_str(),
                expected.size(), largest);
  }
}

int verify(const VerifyOptions& options) {
  const std::unique_ptr<Executor> executor = make_executor(options.model.threads);
  std::vector<std::string> failures;
  std::vector<Row> rows;
  for (const std::string& folder : options.folders) {
    Tally tally;
    if (!options.table) std::printf("%s\n", folder.c_str());
    try {
      if (!fs::is_directory(folder)) fail(folder, "is no folder");
      const fs::path config = fs::path(folder) / "config.json";
      const Json json = fs::exists(config) ? read_json(config.string()) : Json::empty_object();
      if (const Json* recipes = json_find(json, "pipelines")) {
        verify_pictures(folder, *recipes, options.tolerance, *executor, tally);
      } else {
        const VerifyResult result =
            verify_folder(folder, options.model.load_options(), options.tolerance, *executor);
        print(result, options.table, tally);
        add_to(rows, result);
      }
      if (tally.compared == 0 && tally.failed == 0) fail(folder, "nothing in it could be compared");
      if (tally.failed > 0)
        failures.push_back(folder + ": " + std::to_string(tally.failed) + " of " +
                           std::to_string(tally.compared) + " tensors differ");
    } catch (const std::exception& error) {
      failures.emplace_back(error.what());
    }
    std::fflush(stdout);
  }
  if (options.table) print_table(rows);
  for (const std::string& failure : failures) std::cerr << "vitrail: " << failure << '\n';
  if (!options.table) {
    std::printf("%zu of %zu folders agree\n", options.folders.size() - failures.size(),
                options.folders.size());
  }
  return failures.empty() ? 0 : 1;
}

}  // namespace

void add_verify(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<VerifyOptions>();
  CLI::App* command =
      app.add_subcommand("verify", "Run a checkpoint against the outputs stored beside it");
  command
      ->add_option(
          "folders", options->folders,
          "Each with a checkpoint, input*.safetensors and expected*.safetensors; or with pictures, "
          "decoded.safetensors and a config.json of recipes")
      ->required();
  add_model_options(*command, options->model, false);
  command->remove_option(command->get_option("--model"));  // the folders are the models
  command
      ->add_option("--tolerance", options->tolerance,
                   "Largest difference, relative to max(1, largest value); default 2e-5 on logits "
                   "and pooled features, 5e-5 elsewhere")
      ->check(CLI::PositiveNumber);
  command->add_flag("--table", options->table,
                    "Print a table in markdown, a line for each publisher's family of models");
  command->callback([options, &exit_code] { exit_code = verify(*options); });
}
