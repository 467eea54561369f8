// The convolutions in front of a hybrid's patches: a ResNetV2 after BiT (Kolesnikov et al. 2020),
// with standardised weights, group norm and TensorFlow's "SAME" padding.
//
//   pixels (B, C, H, W) -> 7x7/2, norm, relu, 3x3/2 max -> stages of bottlenecks -> (B, C', H', W')
//   bottleneck: relu(shortcut + norm3(1x1(relu(norm2(3x3/s(relu(norm1(1x1(x)))))))))
#ifndef VITRAIL_NN_RESNET_STEM_HPP
#define VITRAIL_NN_RESNET_STEM_HPP

#include <limits>
#include <vector>
#include <vitrail/nn/dense.hpp>

VITRAIL_BEGIN_NAMESPACE

struct ResNetConfig {
  Index width = 64;                 // channels of the first convolution
  std::vector<Index> layers = {};   // bottlenecks of each stage; none: the first convolution alone
  std::vector<Index> middle = {};   // channels inside the bottlenecks of each stage
  std::vector<Index> outputs = {};  // channels of each stage
  Index groups = 32;
  double norm_eps = 1e-5;
  double weight_eps = 1e-8;
  bool weight_eps_outside = false;  // (w - mean) / (std + eps), not / sqrt(var + eps)

  /// Output channels.
  [[nodiscard]] Index channels() const { return outputs.empty() ? width : outputs.back(); }
  /// Pixels per cell of the feature map: the first stage keeps the size, each further one halves
  /// it.
  [[nodiscard]] Index stride() const {
    return Index{4} << (layers.empty() ? 0 : layers.size() - 1);
  }
  /// Cells for an extent in pixels; every stride rounds up, which comes to the same.
  [[nodiscard]] Index cells(Index pixels) const { return (pixels + stride() - 1) / stride(); }
};

/// A square convolution and the group norm behind it.
template <Scalar T>
struct NormedConvolution {
  PackedMatrix<T> weight;  // (N, k * k * C), standardised, each row laid out (ky, kx, C)
  Tensor<T, 1> gamma;      // (N)
  Tensor<T, 1> beta;       // (N)
  Index kernel = 1;
  Index stride = 1;
  Index groups = 32;
  double eps = 1e-5;

  /// Reads `conv`.weight (N, C, k, k) and `norm`.weight, `norm`.bias (N).
  [[nodiscard]] static NormedConvolution load(Parameters<T>& parameters, const std::string& conv,
                                              const std::string& norm, Index N, Index C, Index k,
                                              Index stride, const ResNetConfig& config);

  /// Height and width after this convolution.
  [[nodiscard]] Index reduced(Index extent) const { return (extent + stride - 1) / stride; }

  /// y (B * h * w, N) of x (B * H * W, C), rows in the order of the pixels; h = reduced(H).
  void operator()(MatrixView<const T> x, Index batch, Index H, Index W, MatrixView<T> y, bool relu,
                  const Context& context) const;
};

template <Scalar T>
struct Bottleneck {
  NormedConvolution<T> shortcut;  // 1x1 with the block's stride, or empty
  NormedConvolution<T> conv1;     // 1x1
  NormedConvolution<T> conv2;     // 3x3 with the block's stride
  NormedConvolution<T> conv3;     // 1x1
};

template <Scalar T>
class ResNetStem {
 public:
  /// Reads what `config` implies below `name`.
  [[nodiscard]] static ResNetStem load(Parameters<T>& parameters, std::string_view name, Index C,
                                       const ResNetConfig& config);
  [[nodiscard]] bool empty() const { return root_.weight.empty(); }

  /// The feature map (B, C', H', W') of pixels (B, C, H, W), in the context's workspace.
  [[nodiscard]] TensorView<T, 4> operator()(const TensorView<const T, 4>& pixels,
                                            const Context& context) const;

 private:
  NormedConvolution<T> root_;
  std::vector<Bottleneck<T>> blocks_;
};

namespace detail {

/// What "SAME" pads before the first element (half of it, rounded down) for n elements.
inline Index same_padding(Index n, Index kernel, Index stride) {
  const Index outputs = (n + stride - 1) / stride;
  return std::max<Index>((outputs - 1) * stride + kernel - n, 0) / 2;
}

/// 3x3 maximum with stride 2, padded "SAME": y (B * h * w, C) of x (B * H * W, C).
template <Scalar T>
void max_pool(MatrixView<const T> x, Index batch, Index H, Index W, MatrixView<T> y) {
  const Index h = (H + 1) / 2;
  const Index w = (W + 1) / 2;
  const Index top = same_padding(H, 3, 2);
  const Index left = same_padding(W, 3, 2);
  for (Index row = 0; row < batch * h * w; ++row) {
    const Index b = row / (h * w);
    T* to = y[row].data();
    std::fill_n(to, y.extent(1), -std::numeric_limits<T>::infinity());
    for (Index k = 0; k < 9; ++k) {
      const Index sy = row / w % h * 2 - top + k / 3;
      const Index sx = row % w * 2 - left + k % 3;
      if (sy < 0 || sy >= H || sx < 0 || sx >= W) continue;
      const T* from = x[(b * H + sy) * W + sx].data();
      for (Index c = 0; c < y.extent(1); ++c) to[c] = std::max(to[c], from[c]);
    }
  }
}

}  // namespace detail

template <Scalar T>
[[gnu::cold]] NormedConvolution<T> NormedConvolution<T>::load(Parameters<T>& parameters,
                                                              const std::string& conv,
                                                              const std::string& norm, Index N,
                                                              Index C, Index k, Index stride,
                                                              const ResNetConfig& config) {
  NormedConvolution layer;
  layer.kernel = k;
  layer.stride = stride;
  layer.groups = config.groups;
  layer.eps = config.norm_eps;
  const Tensor<T, 1> stored = parameters.tensor(join(conv, ".weight"), {N, C, k, k});
  Tensor<T, 2> rows({N, k * k * C});
  for (Index n = 0; n < N; ++n) {
    const T* filter = stored.data() + n * C * k * k;
    const auto count = static_cast<double>(C * k * k);
    double mean = 0;
    double variance = 0;
    for (Index i = 0; i < C * k * k; ++i) mean += static_cast<double>(filter[i]) / count;
    for (Index i = 0; i < C * k * k; ++i) {
      const double gap = static_cast<double>(filter[i]) - mean;
      variance += gap * gap / count;
    }
    const double scale = config.weight_eps_outside ? 1 / (std::sqrt(variance) + config.weight_eps)
                                                   : 1 / std::sqrt(variance + config.weight_eps);
    for (Index c = 0; c < C; ++c)
      for (Index i = 0; i < k * k; ++i)
        rows(n, i * C + c) =
            static_cast<T>((static_cast<double>(filter[c * k * k + i]) - mean) * scale);
  }
  SerialExecutor serial;
  layer.weight = PackedMatrix<T>::pack(MatrixView<const T>(rows.view()), Precision::f32, serial);
  layer.gamma = parameters.tensor(join(norm, ".weight"), {N});
  layer.beta = parameters.tensor(join(norm, ".bias"), {N});
  if (config.groups < 1 || N % config.groups != 0)
    fail(norm, N, " channels do not divide into ", config.groups, " groups");
  return layer;
}

template <Scalar T>
void NormedConvolution<T>::operator()(MatrixView<const T> x, Index batch, Index H, Index W,
                                      MatrixView<T> y, bool relu, const Context& context) const {
  const Workspace::Scope scope(context.workspace);
  const Index C = x.extent(1);
  const Index N = y.extent(1);
  const Index h = reduced(H);
  const Index w = reduced(W);
  if (kernel == 1 && stride == 1) {
    linear<T>(x, weight, {}, y, context);
  } else {
    const Index top = detail::same_padding(H, kernel, stride);
    const Index left = detail::same_padding(W, kernel, stride);
    const MatrixView<T> patches =
        context.workspace.template matrix<T>(batch * h * w, kernel * kernel * C);
    context.executor.parallel_for(batch * h * w, [&](Index row) {
      const Index b = row / (h * w);
      T* to = patches[row].data();
      for (Index k = 0; k < kernel * kernel; ++k, to += C) {
        const Index sy = row / w % h * stride - top + k / kernel;
        const Index sx = row % w * stride - left + k % kernel;
        const bool inside = sy >= 0 && sy < H && sx >= 0 && sx < W;
        if (inside) std::copy_n(x[(b * H + sy) * W + sx].data(), C, to);
        if (!inside) std::fill_n(to, C, T(0));
      }
    });
    linear<T>(patches, weight, {}, y, context);
  }
  const Index per_group = N / groups;
  context.executor.parallel_for(batch * groups, [&](Index task) {
    const Index first = task % groups * per_group;
    const Index begin = task / groups * h * w;
    const double count = static_cast<double>(per_group * h * w);
    double mean = 0;
    double variance = 0;
    for (Index row = begin; row < begin + h * w; ++row)
      for (Index c = first; c < first + per_group; ++c) mean += static_cast<double>(y(row, c));
    mean /= count;
    for (Index row = begin; row < begin + h * w; ++row)
      for (Index c = first; c < first + per_group; ++c) {
        const double gap = static_cast<double>(y(row, c)) - mean;
        variance += gap * gap;
      }
    const double scale = 1 / std::sqrt(variance / count + eps);
    for (Index row = begin; row < begin + h * w; ++row)
      for (Index c = first; c < first + per_group; ++c) {
        const T value =
            static_cast<T>((static_cast<double>(y(row, c)) - mean) * scale) * gamma(c) + beta(c);
        y(row, c) = relu ? std::max(value, T(0)) : value;
      }
  });
}

template <Scalar T>
[[gnu::cold]] ResNetStem<T> ResNetStem<T>::load(Parameters<T>& parameters, std::string_view name,
                                                Index C, const ResNetConfig& config) {
  using Conv = NormedConvolution<T>;
  ResNetStem stem;
  const std::string root = join(name, config.layers.empty() ? "" : ".stem");
  stem.root_ = Conv::load(parameters, join(root, ".conv"), join(root, ".norm"), config.width, C, 7,
                          2, config);
  std::size_t count = 0;
  for (const Index blocks : config.layers) count += static_cast<std::size_t>(blocks);
  stem.blocks_ = std::vector<Bottleneck<T>>(count);
  Bottleneck<T>* next = stem.blocks_.data();
  Index in = config.width;
  for (std::size_t s = 0; s < config.layers.size(); ++s) {
    const Index M = config.middle[s];
    const Index N = config.outputs[s];
    for (Index u = 0; u < config.layers[s]; ++u, in = N) {
      const std::string part = join(name, ".stages.", s, ".blocks.", u, ".");
      const Index stride = s > 0 && u == 0 ? 2 : 1;
      Bottleneck<T>& block = *next++;
      if (u == 0) {
        block.shortcut = Conv::load(parameters, join(part, "downsample.conv"),
                                    join(part, "downsample.norm"), N, in, 1, stride, config);
      }
      block.conv1 =
          Conv::load(parameters, join(part, "conv1"), join(part, "norm1"), M, in, 1, 1, config);
      block.conv2 =
          Conv::load(parameters, join(part, "conv2"), join(part, "norm2"), M, M, 3, stride, config);
      block.conv3 =
          Conv::load(parameters, join(part, "conv3"), join(part, "norm3"), N, M, 1, 1, config);
    }
  }
  return stem;
}

template <Scalar T>
TensorView<T, 4> ResNetStem<T>::operator()(const TensorView<const T, 4>& pixels,
                                           const Context& context) const {
  Workspace& workspace = context.workspace;
  const Index B = pixels.extent(0);
  const Index C = pixels.extent(1);
  Index H = pixels.extent(2);
  Index W = pixels.extent(3);
  MatrixView<T> x = workspace.matrix<T>(B * H * W, C);
  for (Index row = 0; row < x.extent(0); ++row)
    for (Index c = 0; c < C; ++c) x(row, c) = pixels(row / (H * W), c, row / W % H, row % W);

  Index h = root_.reduced(H);
  Index w = root_.reduced(W);
  MatrixView<T> y = workspace.matrix<T>(B * h * w, root_.weight.outputs());
  root_(x, B, H, W, y, true, context);
  H = (h + 1) / 2;
  W = (w + 1) / 2;
  x = workspace.matrix<T>(B * H * W, y.extent(1));
  detail::max_pool<T>(y, B, h, w, x);
  for (const Bottleneck<T>& block : blocks_) {
    h = block.conv2.reduced(H);
    w = block.conv2.reduced(W);
    y = workspace.matrix<T>(B * h * w, block.conv3.weight.outputs());
    const Workspace::Scope scope(workspace);
    const MatrixView<T> first = workspace.matrix<T>(B * H * W, block.conv1.weight.outputs());
    const MatrixView<T> second = workspace.matrix<T>(B * h * w, block.conv2.weight.outputs());
    block.conv1(x, B, H, W, first, true, context);
    block.conv2(first, B, H, W, second, true, context);
    block.conv3(second, B, h, w, y, false, context);
    MatrixView<T> shortcut = x;
    if (!block.shortcut.weight.empty()) {
      shortcut = workspace.matrix<T>(B * h * w, y.extent(1));
      block.shortcut(x, B, H, W, shortcut, false, context);
    }
    for (Index row = 0; row < y.extent(0); ++row)
      for (Index c = 0; c < y.extent(1); ++c)
        y(row, c) = std::max(y(row, c) + shortcut(row, c), T(0));
    x = y;
    H = h;
    W = w;
  }
  const TensorView<T, 4> map(workspace.take<T>(x.count()), {B, x.extent(1), H, W});
  for (Index row = 0; row < x.extent(0); ++row)
    for (Index c = 0; c < x.extent(1); ++c) map(row / (H * W), c, row / W % H, row % W) = x(row, c);
  return map;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_NN_RESNET_STEM_HPP
