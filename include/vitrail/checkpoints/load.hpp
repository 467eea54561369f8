// From a path to a model: the front door.
#ifndef VITRAIL_CHECKPOINTS_LOAD_HPP
#define VITRAIL_CHECKPOINTS_LOAD_HPP

#include <vitrail/checkpoints/detect.hpp>
#include <vitrail/checkpoints/file_parameters.hpp>
#include <vitrail/models/classifier.hpp>
#include <vitrail/ops/resample_patch.hpp>
#include <vitrail/runtime/abi_check.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// Gives `vit` the checkpoint's patch kernel for patches of P x P: by timm's rule, for google's npz
/// by theirs.
template <Scalar T>
[[gnu::cold]] void resize_patches(const ViTConfig& c, Index P, FileParameters<T>& parameters,
                                  const LoadOptions& options, Executor& executor, ViT<T>& vit) {
  const Tensor<T, 1> stored = parameters.tensor(
      "patch_embed.proj.weight", {c.embed_dim, c.channels, c.patch_height, c.patch_width});
  Tensor<T, 4> kernel({c.embed_dim, c.channels, P, P});
  const bool google =
      c.position_rule == PositionRule::google || c.position_rule == PositionRule::timm_npz;
  resample_patch_kernels<T>(
      {stored.data(), {c.embed_dim, c.channels, c.patch_height, c.patch_width}}, kernel.view(),
      google ? PositionRule::timm_npz : PositionRule::timm);
  vit.set_patch_kernel(
      PackedMatrix<T>::pack({kernel.data(), {c.embed_dim, c.channels * P * P}},
                            product_precision("patch_embed.proj.weight", c.embed_dim,
                                              c.channels * P * P, options.precision),
                            executor),
      P);
}

/// Refuses tensors that no module asked for, or hands their names out. The file need not stay in
/// memory from here on: everything was packed or copied.
[[gnu::cold]] inline void settle_surplus(const Checkpoint& checkpoint, const LoadOptions& options,
                                         std::vector<std::string> left,
                                         std::vector<std::string>* surplus) {
  if (!left.empty() && !options.lenient) {
    fail(checkpoint.path(), "'", left.front(), "' and ", left.size() - 1,
         " other tensors have no place in this architecture; load leniently to ignore them");
  }
  if (surplus != nullptr) *surplus = std::move(left);
  checkpoint.files.tensors.check_size();
  checkpoint.files.tensors.release_all();
}

/// The size asked for, where it is not the checkpoint's own.
template <class Model>
void set_size(const Checkpoint& checkpoint, const LoadOptions& options, Model& model) {
  const Index H = options.image_height > 0 ? options.image_height : checkpoint.config.image_height;
  const Index W = options.image_width > 0 ? options.image_width : checkpoint.config.image_width;
  if (H != checkpoint.config.image_height || W != checkpoint.config.image_width)
    model.set_image_size(H, W);
}

}  // namespace detail

/// The plain ViT of an opened checkpoint, in float or in double. `surplus` receives the tensors
/// that it does not use; without it, or unless `options.lenient`, such a tensor is an Error. Throws
/// Error for missing and mis-shaped tensors too, and when the checkpoint holds another model.
template <Scalar T>
[[nodiscard]] ViT<T> load_vit(const Checkpoint& checkpoint, const LoadOptions& options,
                              std::vector<std::string>* surplus = nullptr) {
  check_abi();
  if (checkpoint.swin) fail(checkpoint.path(), "holds a Swin, expected a Vision Transformer");
  SerialExecutor serial;
  Executor& executor = options.executor == nullptr ? serial : *options.executor;
  FileParameters<T> parameters(checkpoint, options.precision, executor, options.int8_width);
  ViT<T> vit = ViT<T>::load(checkpoint.config, parameters);
  detail::settle_surplus(checkpoint, options, parameters.surplus(), surplus);
  const Index P = options.patch_size;
  if (P > 0 && (P != checkpoint.config.patch_height || P != checkpoint.config.patch_width)) {
    detail::resize_patches<T>(checkpoint.config, P, parameters, options, executor, vit);
  }
  detail::set_size(checkpoint, options, vit);
  return vit;
}

/// The model of an opened checkpoint, whatever it is; the rest as in load_vit.
template <Scalar T>
[[nodiscard]] VisionModel<T> load_model(const Checkpoint& checkpoint, const LoadOptions& options,
                                        std::vector<std::string>* surplus = nullptr) {
  if (!checkpoint.swin) {
    return VisionModel<T>(
        std::unique_ptr<ViT<T>>(new ViT<T>(load_vit<T>(checkpoint, options, surplus))));
  }
  check_abi();
  if (options.patch_size > 0)
    fail(checkpoint.path(), "holds a Swin, whose patches cannot be resized");
  SerialExecutor serial;
  FileParameters<T> parameters(checkpoint, options.precision,
                               options.executor == nullptr ? serial : *options.executor,
                               options.int8_width);
  std::unique_ptr<Swin<T>> swin(
      new Swin<T>(Swin<T>::load(checkpoint.config, *checkpoint.swin, parameters)));
  detail::settle_surplus(checkpoint, options, parameters.surplus(), surplus);
  detail::set_size(checkpoint, options, *swin);
  return VisionModel<T>(std::move(swin));
}

/// How the model of `checkpoint` wants its pictures, at the size asked for. Throws Error when
/// nothing tells.
[[nodiscard]] VITRAIL_API PreprocessConfig preprocess_for(const Checkpoint& checkpoint,
                                                          const LoadOptions& options);

/// Opens a checkpoint as its publisher ships it, a folder or a file, and makes a classifier of it.
/// Throws Error with the file, what was found and what was expected.
[[nodiscard]] VITRAIL_API Classifier load(const std::string& path, const LoadOptions& options = {});

#if VITRAIL_HAS_BODIES

VITRAIL_API PreprocessConfig preprocess_for(const Checkpoint& checkpoint,
                                            const LoadOptions& options) {
  if (!checkpoint.preprocess) {
    fail(checkpoint.path(),
         "neither a config beside it nor a table tells how its pictures are prepared; name the "
         "architecture with --arch");
  }
  if (options.image_height == 0) return *checkpoint.preprocess;
  return with_size(*checkpoint.preprocess, options.image_height, options.image_width);
}

VITRAIL_API Classifier load(const std::string& path, const LoadOptions& options) {
  const Checkpoint checkpoint = open_checkpoint(path, options);
  PreprocessConfig preprocess = preprocess_for(checkpoint, options);
  return {load_model<float>(checkpoint, options), std::move(preprocess), checkpoint.labels};
}

#endif  // VITRAIL_HAS_BODIES

#if defined(VITRAIL_COMPILED)
VITRAIL_API_TEMPLATE ViT<float> load_vit<float>(const Checkpoint&, const LoadOptions&,
                                                std::vector<std::string>*);
VITRAIL_API_TEMPLATE VisionModel<float> load_model<float>(const Checkpoint&, const LoadOptions&,
                                                          std::vector<std::string>*);
#endif

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_LOAD_HPP
