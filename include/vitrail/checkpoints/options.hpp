// What a user may say when a checkpoint is opened; everything left alone comes from the checkpoint.
#ifndef VITRAIL_CHECKPOINTS_OPTIONS_HPP
#define VITRAIL_CHECKPOINTS_OPTIONS_HPP

#include <optional>
#include <string>
#include <vector>
#include <vitrail/io/limits.hpp>
#include <vitrail/models/config.hpp>
#include <vitrail/nn/parameters.hpp>
#include <vitrail/runtime/executor.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// Whose reading of google's npz: the same weights give other numbers in flax and in timm.
enum class Fidelity { timm, google };

struct LoadOptions {
  Precision precision = Precision::f32;   // of the products
  Index int8_width = default_int8_width;  // see product_precision()
  std::string architecture = {};          // a preset's name, for a bare file
  Index heads = 0;                        // A, where nothing else tells it
  Index image_height = 0;                 // pixels; 0: as the checkpoint was trained
  Index image_width = 0;
  Index patch_size = 0;  // P; other than the checkpoint's own: the kernel is resized (FlexiViT)
  bool pad_to_patch = false;  // pad pictures with zeros to a multiple of the patch
  Fidelity fidelity = Fidelity::timm;
  std::optional<PositionRule> position_rule = {};
  std::optional<Activation> activation = {};
  std::optional<Pooling> pooling = {};  // token, avg, max or avgmax
  std::optional<double> norm_eps = {};
  std::optional<double> adapter_scale = {};  // of adapters whose files do not hold it
  bool lenient = false;  // ignore tensors that the model does not use, instead of refusing the file
  std::vector<std::string> overlays = {};  // files of partial fine-tunes, the last on top
  std::string group = {};  // of a PyTorch file with several models: "model_ema"; see TorchOptions
  Limits limits = {};
  Executor* executor = nullptr;  // packs the weights; null: the calling thread
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_OPTIONS_HPP
