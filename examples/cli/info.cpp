// vitrail info: what a checkpoint is, and why it is taken for that.

#include <algorithm>
#include <cstdio>
#include <vitrail/checkpoints/convert.hpp>

#include "commands.hpp"
#include "options.hpp"

namespace {

using namespace vitrail;

struct InfoOptions {
  ModelOptions model;
  bool tensors = false;
};

std::string prefix_order(const ViTConfig& c) {
  std::string order;
  if (c.class_token) order += "class, ";
  if (c.distillation_token) order += "distillation, ";
  if (c.register_tokens > 0) order += std::to_string(c.register_tokens) + " registers, ";
  return order + "patches";
}

std::string positions(const ViTConfig& c) {
  if (c.sincos_positions) return "computed sines and cosines";
  if (c.shared_relative_positions) return "a relative bias, one table for all blocks";
  if (c.relative_positions) return "a relative bias in each block";
  if (c.rotary != RotaryKind::none && c.positions == PositionCoverage::none)
    return "rotary, on the patches";
  switch (c.positions) {
    case PositionCoverage::all: return "learned, for every token";
    case PositionCoverage::class_and_patches: return "learned, for class token and patches";
    case PositionCoverage::patches: return "learned, for patches only";
    case PositionCoverage::none: break;
  }
  return "none";
}

/// What a picture of another size does to positions that are not rows of a table.
std::string resampler_of_computed(const ViTConfig& c) {
  if (!c.relative_positions) return "none: positions are computed for each size";
  switch (c.relative_rule) {
    case RelativeRule::beit: return "of the tables: bilinear, between distances that grow";
    case RelativeRule::huggingface: return "of the tables: bilinear";
    case RelativeRule::swin: break;
  }
  return "of the tables: bicubic";
}

std::string adapters(const AdapterConfig& a) {
  const auto [least, most] = std::minmax_element(a.hidden.begin(), a.hidden.end());
  std::string text = std::string(name_of(a.input)) + ", " + std::to_string(*most) + " wide";
  if (*least != *most) text += " at most";
  text += ", " + std::string(name_of(a.activation));
  if (a.norm_before) text += ", a norm before";
  if (a.norm_after) text += ", a norm after";
  char scale[32];
  std::snprintf(scale, sizeof scale, "%g", a.scale);
  return text + ", scale " + (a.stored_scale ? "in the file" : scale);
}

int info(const InfoOptions& options) {
  LoadOptions load_options = options.model.load_options();
  load_options.lenient = true;
  const std::unique_ptr<Executor> executor = make_executor(options.model.threads);
  load_options.executor = executor.get();
  const Checkpoint checkpoint = open_checkpoint(options.model.model_path(), load_options);
  const ViTConfig& c = checkpoint.config;
  const auto line = [&](const char* what, const std::string& value, const char* field = "") {
    const std::string* reason = checkpoint.because.find(field);
    std::printf("%-16s %s%s\n", what, shown(value).c_str(),
                reason == nullptr ? "" : shown("   [" + *reason + "]").c_str());
  };
  const auto text = [](auto number) { return std::to_string(number); };
  char eps[32];
  std::snprintf(eps, sizeof eps, "%g", c.norm_eps);

  std::uint64_t elements = 0;
  std::uint64_t bytes = 0;
  for (const auto& [name, view] : checkpoint.files.tensors) {
    elements += static_cast<std::uint64_t>(view.shape.count());
    bytes += view.bytes.size();
  }
  line("file", checkpoint.path());
  line("publisher", checkpoint.publisher + "   [the tensors' names]");
  line("architecture", c.architecture, "architecture");
  std::printf("%-16s %.2f million in %zu tensors, %.1f MiB\n", "parameters",
              static_cast<double>(elements) / 1e6, checkpoint.files.tensors.size(),
              static_cast<double>(bytes) / (1 << 20));
  const auto& metadata = checkpoint.files.tensors.metadata();
  if (const auto stored = metadata.find(converted_key); stored != metadata.end())
    line("products", "stored in " + stored->second + "   [the file's metadata]");
  line("picture",
       text(c.image_height) + " x " + text(c.image_width) + ", patches of " + text(c.patch_height) +
           " x " + text(c.patch_width),
       "size");
  line("width", text(c.embed_dim) + ", MLP " + text(c.mlp_hidden) + (c.gated_mlp ? " gated" : ""));
  line("depth", text(c.depth) + " blocks");
  line("heads", text(c.heads) + " of " + text(c.head_dim), "heads");
  if (c.block == BlockKind::post_norm) line("blocks", "norms after the branches");
  if (c.block == BlockKind::parallel_things)
    line("blocks", text(c.branches) + " branches side by side");
  if (c.block == BlockKind::parallel_scaling) line("blocks", "attention and MLP side by side");
  if (c.differential_attention) line("attention", "the difference of two softmaxes");
  if (c.attention_scale > 0) line("attention", "scaled as if there were one head");
  if (c.attn_adapter) line("attn adapters", adapters(*c.attn_adapter), "adapters");
  if (c.mlp_adapter) line("MLP adapters", adapters(*c.mlp_adapter), "adapters");
  if (c.stem) line("stem", "ResNet with a stride of " + text(c.stem->stride()));
  if (checkpoint.swin)
    line("windows", text(checkpoint.swin->window) + " x " + text(checkpoint.swin->window));
  line("tokens", prefix_order(c), "tokens");
  line("positions",
       positions(c) + (c.rotary != RotaryKind::none && c.positions != PositionCoverage::none
                           ? ", and rotary on the patches"
                           : ""));
  if (c.positions != PositionCoverage::none) {
    line("resampler", std::string(name_of(c.position_rule)), "position_rule");
  } else {
    line("resampler", resampler_of_computed(c));
  }
  line("norm",
       std::string(c.norm == NormKind::layer_norm ? "LayerNorm" : "RMSNorm") + ", eps " + eps,
       "norm_eps");
  line("activation", std::string(name_of(c.activation)), "activation");
  line("pooling", std::string(name_of(c.pooling)), "pooling");
  if (c.representation_size > 0)
    line("pre_logits",
         text(c.representation_size) + ", " + std::string(name_of(c.representation_activation)));
  line("classes", text(c.classes) + (c.distilled_head ? ", two heads averaged" : ""));
  if (!checkpoint.labels.empty()) line("labels", checkpoint.labels.front() + ", ...", "labels");
  line("preprocessing", checkpoint.preprocess ? checkpoint.preprocess->describe() : "unknown",
       "preprocess");

  std::vector<std::string> surplus;
  (void)load_model<float>(checkpoint, load_options, &surplus);
  for (const std::string& name : surplus) line("ignored", name);
  for (const auto& [name, reason] : checkpoint.files.tensors.unreadable())
    line("unreadable", name + " " + reason);
  if (options.tensors) {
    for (const auto& [name, view] : checkpoint.files.tensors) {
      std::printf("  %-56s %-5s %s\n", shown(name).c_str(),
                  std::string(name_of(view.dtype)).c_str(), view.shape.to_string().c_str());
    }
  }
  return 0;
}

}  // namespace

void add_info(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<InfoOptions>();
  CLI::App* command = app.add_subcommand("info", "What a checkpoint is, and what decided it");
  add_model_options(*command, options->model, false);
  command->add_option("checkpoint", options->model.path, "The checkpoint: a folder or a file");
  command->add_flag("--tensors", options->tensors, "List every tensor too");
  command->callback([options, &exit_code] { exit_code = info(*options); });
}
