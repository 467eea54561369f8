// The weights of one product, packed once at load in the order in which the product reads them.
#ifndef VITRAIL_OPS_PACKED_MATRIX_HPP
#define VITRAIL_OPS_PACKED_MATRIX_HPP

#include <cstring>
#include <vector>
#include <vitrail/ops/panels.hpp>
#include <vitrail/runtime/executor.hpp>

VITRAIL_BEGIN_NAMESPACE

/// Writes rows [begin, end) of a matrix, contiguous, to `out`: where it is stored in another type
/// or order, or should not be in memory all at once.
template <Scalar T>
using RowSource = FunctionRef<void(Index begin, Index end, T* out)>;

/// An immutable (N, K) weight matrix: N outputs, K inputs, as nn.Linear stores it. Shared freely
/// between threads.
///
/// f32 is packed for the kernels of the CPU level in use at that moment. Where there are none, and
/// for double, the matrix is kept, as round_weights() leaves it, and Eigen multiplies: the
/// definition.
template <Scalar T>
class PackedMatrix {
 public:
  PackedMatrix() = default;
  // Out of line: every layer has some.
  VITRAIL_NOINLINE PackedMatrix(PackedMatrix&&) noexcept = default;
  VITRAIL_NOINLINE PackedMatrix& operator=(PackedMatrix&&) noexcept = default;
  VITRAIL_NOINLINE ~PackedMatrix() = default;

  /// Packs `weight` (N, K), which may be freed afterwards. The panels lie in `memory`, here and
  /// below, or where that is null in memory of their own.
  [[nodiscard]] static PackedMatrix pack(MatrixView<const T> weight, Precision precision,
                                         Executor& executor, WeightMemory* memory = nullptr) {
    const Index stride = weight.stride(0);
    return pack_panels(weight.extent(0), weight.extent(1), precision, executor, memory,
                       [&](PackedMatrix& packed, Index begin, Index end, std::vector<T>&) {
                         packed.fill(begin, end, weight.data() + begin * stride, stride);
                       });
  }

  /// Packs (N, K) weights read piece by piece from `source`, which is called from several threads
  /// at once, for each row once.
  [[nodiscard]] static PackedMatrix pack(Index N, Index K, RowSource<T> source, Precision precision,
                                         Executor& executor, WeightMemory* memory = nullptr) {
    return pack_panels(N, K, precision, executor, memory,
                       [&](PackedMatrix& packed, Index begin, Index end, std::vector<T>& scratch) {
                         scratch.resize(static_cast<std::size_t>((end - begin) * K));
                         source(begin, end, scratch.data());
                         packed.fill(begin, end, scratch.data(), K);
                       });
  }

  /// Packs (N, K) weights that are bf16 already, for Precision::bf16; `rows` has any alignment.
  [[nodiscard]] static PackedMatrix pack_bf16(Index N, Index K, const std::byte* rows,
                                              Executor& executor, WeightMemory* memory = nullptr) {
    const Index row_bytes = K * Index{sizeof(bf16)};
    return pack_panels(N, K, Precision::bf16, executor, memory,
                       [&](PackedMatrix& packed, Index begin, Index end, std::vector<T>&) {
                         packed.fill_bf16(begin, end, rows + begin * row_bytes);
                       });
  }

  /// Packs (N, K) weights that were mixed (detail::hadamard_blocks) and quantised before, for
  /// Precision::int8: `rows` times `scales` (N).
  [[nodiscard]] static PackedMatrix pack_int8(Index N, Index K, const std::int8_t* rows,
                                              const float* scales, Executor& executor,
                                              WeightMemory* memory = nullptr) {
    return pack_panels(N, K, Precision::int8, executor, memory,
                       [&](PackedMatrix& packed, Index begin, Index end, std::vector<T>&) {
                         packed.fill_int8(begin, end, rows + begin * K, scales + begin);
                       });
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
  /// Row n of the weights (K), as products see it. Slow: for whoever packs it anew.
  [[nodiscard]] Tensor<T, 1> row(Index n) const {
    Tensor<T, 1> result({inputs_});
    if constexpr (std::same_as<T, float>) {
      if (has_panels_) {
        panels_.row(n, result.data());
        return result;
      }
    }
    copy(plain_.view()[n], result.view());
    if (precision_ == Precision::int8) detail::hadamard_blocks(result.data(), inputs_);
    return result;
  }

 private:
  /// Puts rows [begin, end), one panel of them, in their place.
  using FillPanel =
      FunctionRef<void(PackedMatrix& packed, Index begin, Index end, std::vector<T>& scratch)>;

  static PackedMatrix pack_panels(Index N, Index K, Precision precision, Executor& executor,
                                  WeightMemory* memory, FillPanel fill_panel) {
    PackedMatrix packed;
    packed.outputs_ = N;
    packed.inputs_ = K;
    packed.precision_ = precision;
    if (packed.empty()) return packed;
    Index width = 16;
    if constexpr (std::same_as<T, float>) {
      if (const detail::Kernels* kernels = detail::kernels(); kernels != nullptr) {
        packed.panels_ = detail::Panels(*kernels, precision, N, K, memory);
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
      for (Index p = ranges.next(worker); p >= 0; p = ranges.next(worker))
        fill_panel(packed, p * width, std::min(N, (p + 1) * width), scratch);
    });
    return packed;
  }

  void fill(Index begin, Index end, const T* rows, Index stride) {
    if constexpr (std::same_as<T, float>) {
      if (has_panels_) return panels_.fill(begin / panels_.width(), rows, stride);
    }
    for (Index n = begin; n < end; ++n, rows += stride) {
      T* const row = &plain_(n, 0);
      std::copy_n(rows, inputs_, row);
      detail::round_weights(precision_, row, inputs_);
    }
  }

  void fill_bf16(Index begin, Index end, const std::byte* rows) {
    if (has_panels_) return panels_.fill_stored_bf16(begin / panels_.width(), rows);
    for (Index n = begin; n < end; ++n)
      for (Index k = 0; k < inputs_; ++k, rows += sizeof(bf16)) {
        bf16 value;
        std::memcpy(&value, rows, sizeof value);
        plain_(n, k) = static_cast<T>(value);
      }
  }

  void fill_int8(Index begin, Index end, const std::int8_t* rows, const float* scales) {
    if (has_panels_) return panels_.fill_stored_int8(begin / panels_.width(), rows, scales);
    for (Index n = begin; n < end; ++n, ++scales)
      for (Index k = 0; k < inputs_; ++k)
        plain_(n, k) = static_cast<T>(*scales) * static_cast<T>(*rows++);
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
