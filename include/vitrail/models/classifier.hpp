// A model with its preprocessing and its labels: from a picture to the k most likely classes.
#ifndef VITRAIL_MODELS_CLASSIFIER_HPP
#define VITRAIL_MODELS_CLASSIFIER_HPP

#include <memory>
#include <mutex>
#include <numeric>
#include <vitrail/image/preprocess.hpp>
#include <vitrail/models/vision_model.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// One answer of a classifier.
struct Prediction {
  std::string label;      // the class's name, or its number where the checkpoint has no names
  float probability = 0;  // softmax over all classes
  Index index = 0;        // the class
};

/// The k largest of `logits` (K) with their softmax probabilities, most likely first.
[[nodiscard]] inline std::vector<Prediction> top_k(std::span<const float> logits, std::size_t k,
                                                   const std::vector<std::string>& labels) {
  std::vector<float> probabilities(logits.begin(), logits.end());
  softmax(std::span<float>(probabilities));
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  k = std::min(k, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(),
                    [&](std::size_t a, std::size_t b) {
                      return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
                    });
  std::vector<Prediction> predictions;
  for (std::size_t i = 0; i < k; ++i) {
    const std::size_t index = order[i];
    predictions.push_back({index < labels.size() ? labels[index] : join("class ", index),
                           probabilities[index], static_cast<Index>(index)});
  }
  return predictions;
}

/// Thread safety: const functions may be called from any number of threads at once; scratch memory
/// is borrowed from a pool inside and kept for the next call.
class Classifier {
 public:
  Classifier(VisionModel<float> model, PreprocessConfig preprocess, std::vector<std::string> labels)
      : model_(std::move(model)), preprocess_(std::move(preprocess)), labels_(std::move(labels)) {}

  [[nodiscard]] const VisionModel<float>& model() const { return model_; }
  /// Throws Error when the model is no plain Vision Transformer.
  [[nodiscard]] const ViT<float>& vit() const { return model_.vit(); }
  [[nodiscard]] const ViTConfig& config() const { return model_.config(); }
  [[nodiscard]] const PreprocessConfig& preprocess_config() const { return preprocess_; }
  [[nodiscard]] const std::vector<std::string>& labels() const { return labels_; }

  /// The k most likely classes of a picture, most likely first. `executor` runs the loops; null:
  /// the calling thread. Throws Error when the model has no classifier.
  [[nodiscard]] std::vector<Prediction> classify(const Image& picture, std::size_t k = 5,
                                                 Executor* executor = nullptr) const {
    const Tensor<float, 2> scores = logits(std::span<const Image>(&picture, 1), executor);
    return top_k(scores.flat(), k, labels_);
  }

  /// (B, K) of B pictures. Throws Error when the model has no classifier.
  [[nodiscard]] Tensor<float, 2> logits(std::span<const Image> pictures,
                                        Executor* executor = nullptr) const {
    if (config().classes == 0)
      fail(config().architecture, "has no classifier; use embed() for its features");
    Tensor<float, 2> scores({static_cast<Index>(pictures.size()), config().classes});
    run(pictures, {.logits = scores}, executor);
    return scores;
  }

  /// Features (B, feature_dim()) of B pictures: what the classifier would see.
  [[nodiscard]] Tensor<float, 2> embed(std::span<const Image> pictures,
                                       Executor* executor = nullptr) const {
    Tensor<float, 2> features({static_cast<Index>(pictures.size()), config().feature_dim()});
    run(pictures, {.features = features}, executor);
    return features;
  }

 private:
  /// Hands out workspaces and takes them back; grows to the number of threads that call at once.
  class WorkspacePool {
   public:
    [[nodiscard]] std::unique_ptr<Workspace> borrow() {
      const std::scoped_lock lock(mutex_);
      if (free_.empty()) return std::make_unique<Workspace>();
      std::unique_ptr<Workspace> workspace = std::move(free_.back());
      free_.pop_back();
      return workspace;
    }
    void give_back(std::unique_ptr<Workspace> workspace) {
      const std::scoped_lock lock(mutex_);
      free_.push_back(std::move(workspace));
    }

   private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<Workspace>> free_;
  };
  /// A workspace for the length of a call, given back whatever happens.
  struct Borrowed {
    explicit Borrowed(WorkspacePool& from) : pool(from), workspace(from.borrow()) {}
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    ~Borrowed() { pool.give_back(std::move(workspace)); }

    WorkspacePool& pool;
    std::unique_ptr<Workspace> workspace;
  };

  void run(std::span<const Image> pictures, const ViTOutputs<float>& out,
           Executor* executor) const {
    if (pictures.empty()) return;
    SerialExecutor serial;
    const Borrowed workspace(*workspaces_);
    const Context context{executor == nullptr ? serial : *executor, *workspace.workspace};
    // Recipes without a crop leave each picture its own size; such pictures cannot share a batch.
    const std::size_t step = preprocess_.height > 0 ? pictures.size() : 1;
    for (std::size_t begin = 0; begin < pictures.size(); begin += step) {
      const auto [H, W] =
          preprocessed_size(pictures[begin].height(), pictures[begin].width(), preprocess_);
      Tensor<float, 4> pixels({static_cast<Index>(step), 3, H, W});
      for (std::size_t b = 0; b < step; ++b) {
        preprocess(pictures[begin + b], preprocess_, context.executor,
                   pixels.view()[static_cast<Index>(b)]);
      }
      const auto rows = [&](const MatrixView<float>& view) {
        return view.data() == nullptr
                   ? view
                   : view.slice(static_cast<Index>(begin), static_cast<Index>(begin + step));
      };
      model_.forward(pixels, {.logits = rows(out.logits), .features = rows(out.features)}, context);
    }
  }

  VisionModel<float> model_;
  PreprocessConfig preprocess_;
  std::vector<std::string> labels_;
  std::unique_ptr<WorkspacePool> workspaces_ = std::make_unique<WorkspacePool>();
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_MODELS_CLASSIFIER_HPP
