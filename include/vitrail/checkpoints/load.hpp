// From a path to a model: the front door.
#ifndef VITRAIL_CHECKPOINTS_LOAD_HPP
#define VITRAIL_CHECKPOINTS_LOAD_HPP

#include <vitrail/checkpoints/detect.hpp>
#include <vitrail/checkpoints/file_parameters.hpp>
#include <vitrail/models/classifier.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// Refuses tensors that no module asked for, or hands their names out; then sets the size asked
/// for.
template <class Model>
void finish_loading(const Checkpoint& checkpoint, const LoadOptions& options,
                    std::vector<std::string> left, std::vector<std::string>* surplus,
                    Model& model) {
  if (!left.empty() && !options.lenient) {
    fail(checkpoint.path(),
         "'" + left.front() + "' and " + std::to_string(left.size() - 1) +
             " other tensors have no place in this architecture; load leniently to ignore them");
  }
  if (surplus != nullptr) *surplus = std::move(left);
  checkpoint.files.tensors.check_size();
  const Index H = options.image_height > 0 ? options.image_height : checkpoint.config.image_height;
  const Index W = options.image_width > 0 ? options.image_width : checkpoint.config.image_width;
  if (H != checkpoint.config.image_height || W != checkpoint.config.image_width)
    model.set_image_size(H, W);
}

}  // namespace detail

/// The model of an opened checkpoint, in float or in double. `surplus` receives the tensors that it
/// does not use; without it, or unless `options.lenient`, such a tensor is an Error. Throws Error
/// for missing and mis-shaped tensors too.
template <Scalar T>
[[nodiscard]] VisionModel<T> load_model(const Checkpoint& checkpoint, const LoadOptions& options,
                                        std::vector<std::string>* surplus = nullptr) {
  SerialExecutor serial;
  FileParameters<T> parameters(checkpoint, options.precision,
                               options.executor == nullptr ? serial : *options.executor);
  VisionModel<T> model =
      checkpoint.swin
          ? VisionModel<T>(Swin<T>::load(checkpoint.config, *checkpoint.swin, parameters))
          : VisionModel<T>(ViT<T>::load(checkpoint.config, parameters));
  detail::finish_loading(checkpoint, options, parameters.surplus(), surplus, model);
  return model;
}

/// The same for whoever needs a plain ViT. Throws Error when the checkpoint holds another model.
template <Scalar T>
[[nodiscard]] ViT<T> load_vit(const Checkpoint& checkpoint, const LoadOptions& options,
                              std::vector<std::string>* surplus = nullptr) {
  if (checkpoint.swin) fail(checkpoint.path(), "holds a Swin, expected a Vision Transformer");
  SerialExecutor serial;
  FileParameters<T> parameters(checkpoint, options.precision,
                               options.executor == nullptr ? serial : *options.executor);
  ViT<T> vit = ViT<T>::load(checkpoint.config, parameters);
  detail::finish_loading(checkpoint, options, parameters.surplus(), surplus, vit);
  return vit;
}

/// How the model of `checkpoint` wants its pictures, at the size asked for. Throws Error when
/// nothing tells.
[[nodiscard]] inline PreprocessConfig preprocess_for(const Checkpoint& checkpoint,
                                                     const LoadOptions& options) {
  if (!checkpoint.preprocess) {
    fail(checkpoint.path(),
         "neither a config beside it nor a table tells how its pictures are prepared; name the "
         "architecture with --arch");
  }
  if (options.image_height == 0) return *checkpoint.preprocess;
  return with_size(*checkpoint.preprocess, options.image_height, options.image_width);
}

/// Opens a checkpoint as its publisher ships it, a folder or a file, and makes a classifier of it.
/// Throws Error with the file, what was found and what was expected.
[[nodiscard]] inline Classifier load(const std::string& path, const LoadOptions& options = {}) {
  const Checkpoint checkpoint = open_checkpoint(path, options);
  PreprocessConfig preprocess = preprocess_for(checkpoint, options);
  return {load_model<float>(checkpoint, options), std::move(preprocess), checkpoint.labels};
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_LOAD_HPP
