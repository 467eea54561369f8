// One Swin, described, where it is not described by a ViTConfig.
#ifndef VITRAIL_MODELS_SWIN_CONFIG_HPP
#define VITRAIL_MODELS_SWIN_CONFIG_HPP

#include <vector>
#include <vitrail/tensor/shape.hpp>

VITRAIL_BEGIN_NAMESPACE

/// What Swin has beside ViTConfig, whose embed_dim is here the width of the last stage.
struct SwinConfig {
  Index width = 96;  // of the first stage; each further one is twice as wide
  std::vector<Index> depths = {2, 2, 6, 2};  // blocks of each stage
  std::vector<Index> heads = {3, 6, 12, 24};
  Index window = 7;  // the side of a window, where the map is larger
  std::vector<Index> hidden = {384, 768, 1536, 3072};  // M of each stage
  std::vector<Index> windows = {7, 7, 7, 7};           // that the tables of each stage are for
  bool patch_norm = true;
  bool pad_before_shift = false;  // see WindowPartition
  /// A side no longer than the window is one window, unshifted: each side by itself (timm), or both
  /// as soon as the shorter one is (Microsoft, Hugging Face).
  bool sides_alone = true;
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_MODELS_SWIN_CONFIG_HPP
