// The weights of one product, packed once at load in the order in which the product reads them.
#ifndef VITRAIL_OPS_PACKED_MATRIX_HPP
#define VITRAIL_OPS_PACKED_MATRIX_HPP

#include <vector>
#include <vitrail/ops/panels.hpp>
#include <vitrail/runtime/executor.hpp>

VITRAIL_BEGIN_NAMESPACE

/// Writes rows [begin, end) of a weight matrix, contiguous, to `out`: for weights that are stored
/// in another type, or that should not stay in memory.
template <Scalar T>
using RowSource = FunctionRef<void(Index begin, Index end, T* out)>;

/// An immutable (N, K) weight matrix: N outputs, K inputs, as nn.Linear stores it. Shared freely
/// between threads.
///
/// f32 is packed for the kernels of the CPU level in use at that moment. Where there are none, and
/// for double, the (rounded) matrix is kept as it is and Eigen multiplies: the definition.
template <Scalar T>
class PackedMatrix {
 public:
  PackedMatrix() = default;

  /// Packs `weight` (N, K), which may be freed afterwards.
  [[nodiscard]] static PackedMatrix pack(MatrixView<const T> weight, Precision precision,
                                         Executor& executor) {
    return pack_panels(
        weight.extent(0), weight.extent(1), precision, executor,
        [&](Index begin, Index, T*) { return weight.data() + begin * weight.stride(0); },
        weight.stride(0));
  }

  /// Packs (N, K) weights read piece by piece from `source`, which is called from several threads
  /// at once, for each row once.
  [[nodiscard]] static PackedMatrix pack(Index N, Index K, RowSource<T> source, Precision precision,
                                         Executor& executor) {
    return pack_panels(
        N, K, precision, executor,
        [&](Index begin, Index end, T* scratch) {
          source(begin, end, scratch);
          return static_cast<const T*>(scratch);
        },
        K);
  }

  [[nodiscard]] Index outputs() const { return outputs_; }  // N
  [[nodiscard]] Index inputs() const { return inputs_; }    // K
  [[nodiscard]] Precision precision() const { return precision_; }
  [[nodiscard]] bool empty() const { return outputs_ * inputs_ == 0; }
  /// Bytes held.
  [[nodiscard]] std::size_t byte_size() const {
    return static_cast<std::size_t>(plain_.count()) * sizeof(T) + panels_.byte_size();
  }

  /// True if the kernels multiply; then panels() holds the weights, else plain() does.
  [[nodiscard]] bool has_panels() const { return has_panels_; }
  [[nodiscard]] const detail::Panels& panels() const { return panels_; }
  [[nodiscard]] MatrixView<const T> plain() const { return plain_.view(); }

 private:
  template <class Rows>
  static PackedMatrix pack_panels(Index N, Index K, Precision precision, Executor& executor,
                                  Rows&& rows, Index stride) {
    PackedMatrix packed;
    packed.outputs_ = N;
    packed.inputs_ = K;
    packed.precision_ = precision;
    if (packed.empty()) return packed;
    Index width = 16;
    if constexpr (std::same_as<T, float>) {
      if (const detail::Kernels* kernels = detail::kernels(); kernels != nullptr) {
        packed.panels_ = detail::Panels(*kernels, precision, N, K);
        packed.has_panels_ = true;
        width = packed.panels_.width();
      }
    }
    if (!packed.has_panels_) packed.plain_ = Tensor<T, 2>({N, K});
    const Index count = (N + width - 1) / width;
    const Index workers = detail::WorkRanges::workers_for(executor, count);
    detail::WorkRanges ranges(count, workers);
    executor.parallel_for(workers, [&](Index worker) {
      std::vector<T> scratch;
      for (Index p = ranges.next(worker); p >= 0; p = ranges.next(worker)) {
        scratch.resize(static_cast<std::size_t>(width * K));
        const Index begin = p * width;
        const Index end = std::min(N, begin + width);
        const T* from = rows(begin, end, scratch.data());
        if constexpr (std::same_as<T, float>) {
          if (packed.has_panels_) {
            packed.panels_.fill(p, from, stride);
            continue;
          }
        }
        for (Index n = begin; n < end; ++n) {
          T* row = &packed.plain_(n, 0);
          std::copy_n(from + (n - begin) * stride, K, row);
          detail::round_weights(precision, row, K);
        }
      }
    });
    return packed;
  }

  Index outputs_ = 0;
  Index inputs_ = 0;
  Precision precision_ = Precision::f32;
  bool has_panels_ = false;
  detail::Panels panels_;
  Tensor<T, 2> plain_;
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_PACKED_MATRIX_HPP
