// Whatever a checkpoint holds, a ViT or a Swin, behind one face.
#ifndef VITRAIL_MODELS_VISION_MODEL_HPP
#define VITRAIL_MODELS_VISION_MODEL_HPP

#include <memory>
#include <vitrail/models/swin.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// Immutable after load: share one between threads, each with its own Context.
template <Scalar T>
class VisionModel {
 public:
  explicit VisionModel(std::unique_ptr<ViT<T>> vit) : vit_(std::move(vit)) {}
  explicit VisionModel(std::unique_ptr<Swin<T>> swin) : swin_(std::move(swin)) {}

  /// What both have: picture and patch size, classes, width of the features, eps, activation.
  [[nodiscard]] const ViTConfig& config() const { return swin_ ? swin_->config() : vit_->config(); }
  /// The ViT. Throws Error when this is none.
  [[nodiscard]] const ViT<T>& vit() const {
    if (!vit_) fail(config().architecture, "is no plain Vision Transformer");
    return *vit_;
  }

  /// Tokens that a pass hands out for pictures of H x W: T of a ViT, those of Swin's last stage.
  [[nodiscard]] Index tokens_for(Index H, Index W) const {
    return swin_ ? swin_->tokens_for(H, W) : vit_->tokens_for(H, W);
  }
  /// As ViT's.
  void check_size(Index H, Index W) const {
    return swin_ ? swin_->check_size(H, W) : vit_->check_size(H, W);
  }
  void set_image_size(Index H, Index W) {
    return swin_ ? swin_->set_image_size(H, W) : vit_->set_image_size(H, W);
  }
  void forward(const TensorView<const T, 4>& pixels, const ViTOutputs<T>& out,
               const Context& context, Trace* trace = nullptr) const;

 private:
  std::unique_ptr<ViT<T>> vit_;  // one of the two
  std::unique_ptr<Swin<T>> swin_;
};

template <Scalar T>
void VisionModel<T>::forward(const TensorView<const T, 4>& pixels, const ViTOutputs<T>& out,
                             const Context& context, Trace* trace) const {
  if (swin_) return swin_->forward(pixels, out, context, trace);
  vit_->forward(pixels, out, context, trace);
}

#if defined(VITRAIL_COMPILED)
VITRAIL_API_TEMPLATE void ViT<float>::forward(const TensorView<const float, 4>&,
                                              const ViTOutputs<float>&, const Context&,
                                              Trace*) const;
VITRAIL_API_TEMPLATE void VisionModel<float>::forward(const TensorView<const float, 4>&,
                                                      const ViTOutputs<float>&, const Context&,
                                                      Trace*) const;
#endif

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_MODELS_VISION_MODEL_HPP
