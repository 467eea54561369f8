// Weights in the order in which the kernels read them.
//
// The N outputs are cut into panels of `width` (48 for AVX-512, 16 for AVX2). In a panel, one row
// holds 4 bytes for each output: 1 value of K in f32, 2 in bf16, 4 in int8.
//
//   panel 0:  k=0   w[0][0]  w[1][0]  ... w[47][0]          panel 1:  k=0  w[48][0] ...
//             k=1   w[0][1]  w[1][1]  ... w[47][1]                    ...
//             ...
//
// Outputs past N are zero; the last panel is as many vectors wide as it needs.
#ifndef VITRAIL_OPS_PANELS_HPP
#define VITRAIL_OPS_PANELS_HPP

#include <vitrail/ops/kernels/select.hpp>
#include <vitrail/ops/precision.hpp>
#include <vitrail/ops/weight_memory.hpp>
#include <vitrail/runtime/work_ranges.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

class Panels {
 public:
  Panels() = default;
  /// Empty panels for (N, K) weights, in `memory` or, without, in memory of their own.
  Panels(const Kernels& kernels, Precision precision, Index N, Index K,
         WeightMemory* memory = nullptr)
      : kernels_(&kernels), precision_(precision), outputs_(N), inputs_(K) {
    steps_ = (K + product().step - 1) / product().step;
    if (product().whole_blocks) steps_ = padded_steps();
    if (N > 0) bytes_ = first_byte(count() - 1) + steps_ * vectors(count() - 1) * vector_bytes();
    WeightMemory own(0);
    memory_ = (memory == nullptr ? own : *memory).take(static_cast<std::size_t>(bytes_));
    if (precision == Precision::int8) column_values_ = Tensor<float, 2>({2, N});
    if (precision == Precision::f32 && kernels.pairs(N, K)) {
      pairs_ = Tensor<float, 1>({N});
      squares_ = Tensor<double, 1>({count()});
    }
  }

  [[nodiscard]] const Kernels& kernels() const { return *kernels_; }
  [[nodiscard]] const ProductKernels& product() const {
    return precision_ == Precision::f32    ? kernels_->f32
           : precision_ == Precision::bf16 ? kernels_->bf16
                                           : kernels_->int8;
  }
  [[nodiscard]] Index outputs() const { return outputs_; }  // N
  [[nodiscard]] Index inputs() const { return inputs_; }    // K
  [[nodiscard]] Index steps() const { return steps_; }      // rows of a panel
  [[nodiscard]] Index width() const { return kernels_->vector * product().panel_vectors; }
  [[nodiscard]] Index count() const { return (outputs_ + width() - 1) / width(); }
  /// Vectors in one row of a panel.
  [[nodiscard]] Index vectors(Index panel) const {
    if (!product().narrow_panels) return product().panel_vectors;
    const Index left = outputs_ - panel * width();
    return std::min(product().panel_vectors, (left + kernels_->vector - 1) / kernels_->vector);
  }
  /// A product begins to read the panels.
  void count_use() const {
    if (memory_.chunk != nullptr) memory_.chunk->count_use();
  }
  [[nodiscard]] const std::byte* panel(Index panel) const {
    return memory_.data + first_byte(panel);
  }
  /// Row n of the weights (K), as products see it.
  void row(Index n, float* out) const {
    const Index step = product().step;
    const Index row_bytes = vectors(n / width()) * vector_bytes();
    const std::byte* const first = panel(n / width()) + n % width() * 4;
    for (Index k = 0; k < inputs_; ++k) {
      const std::byte* const at = first + k / step * row_bytes + k % step * (4 / step);
      out[k] = precision_ == Precision::f32 ? *reinterpret_cast<const float*>(at)
               : precision_ == Precision::bf16
                   ? static_cast<float>(*reinterpret_cast<const bf16*>(at))
                   : static_cast<float>(std::to_integer<int>(*at) - 128) * column_values_(0, n);
    }
    if (precision_ == Precision::int8) hadamard_blocks(out, inputs_);
  }
  [[nodiscard]] const float* column_scale() const {
    return column_values_.empty() ? nullptr : column_values_.data();
  }
  [[nodiscard]] const float* column_sum() const {
    return column_values_.empty() ? nullptr : column_values_.data() + outputs_;
  }
  /// Whether Kernels::paired multiplies rows that a norm has made as large as the weights.
  [[nodiscard]] bool paired() const { return !pairs_.empty(); }
  /// What it takes away for each output: (N).
  [[nodiscard]] const float* column_pairs() const { return pairs_.data(); }
  /// How large a weight is: the root of the mean square. Where paired().
  [[nodiscard]] double weight_size() const {
    double sum = 0;
    for (const double square : squares_.flat()) sum += square;
    return std::sqrt(sum / static_cast<double>(outputs_ * inputs_));
  }
  [[nodiscard]] std::size_t byte_size() const {
    return static_cast<std::size_t>(bytes_) +
           static_cast<std::size_t>(column_values_.count() + pairs_.count()) * sizeof(float);
  }

  /// Fills one panel of bf16 from its rows as they are stored: contiguous, at any address.
  void fill_stored_bf16(Index panel, const std::byte* rows) {
    const Index count = rows_of(panel);
    const auto bytes = static_cast<std::size_t>(inputs_) * sizeof(bf16);
    AlignedBytes groups(static_cast<std::size_t>(count * padded_steps() * 4));
    for (Index n = 0; n < count; ++n) {
      std::byte* const to = groups.data() + n * padded_steps() * 4;
      std::memcpy(to, rows + static_cast<std::size_t>(n) * bytes, bytes);
      std::memset(to + bytes, 0, static_cast<std::size_t>(padded_steps() * 4) - bytes);
    }
    transpose_groups(panel, groups);
  }

  /// Fills one panel of int8 from rows mixed and quantised before, contiguous, with a scale for
  /// each.
  void fill_stored_int8(Index panel, const std::int8_t* rows, const float* scales) {
    const Index count = rows_of(panel);
    AlignedBytes groups(static_cast<std::size_t>(count * padded_steps() * 4));
    for (Index n = 0; n < count; ++n) {
      std::byte* const to = groups.data() + n * padded_steps() * 4;
      const Index sum = copy_as_unsigned(rows + n * inputs_, inputs_, to);
      end_quantised_row(panel, n, to, scales[n], static_cast<int>(sum));
    }
    transpose_groups(panel, groups);
  }

  /// Fills one panel from its rows of the weights, the first of which is at `rows`.
  void fill(Index panel, const float* rows, Index stride) {
    switch (precision_) {
      case Precision::f32:
        kernels_->transpose(rows, stride, rows_of(panel), inputs_, at(panel), row_width(panel));
        if (paired()) add_pairs(panel);
        break;
      case Precision::bf16: fill_bf16(panel, rows, stride); break;
      case Precision::int8: fill_int8(panel, rows, stride); break;
    }
  }

 private:
  [[nodiscard]] Index vector_bytes() const { return kernels_->vector * 4; }
  [[nodiscard]] Index first_byte(Index panel) const { return panel * steps_ * width() * 4; }

  [[nodiscard]] float* at(Index panel) {
    return reinterpret_cast<float*>(memory_.data + first_byte(panel));
  }
  [[nodiscard]] Index row_width(Index panel) const { return vectors(panel) * kernels_->vector; }
  /// Rows of the weights in a panel.
  [[nodiscard]] Index rows_of(Index panel) const {
    return std::min(row_width(panel), outputs_ - panel * width());
  }

  /// What multiply_pairs has too much for each output, and the squares of the weights.
  void add_pairs(Index panel) {
    const Index row = width();
    const float* y = at(panel);
    float* const pairs = &pairs_(panel * row);
    Tensor<float, 1> squares({row});
    float* const square = squares.data();
    for (Index k = 0; k < inputs_; k += 8, y += 8 * row) {
      for (Index n = 0; n < row; ++n)
        pairs[n] += y[n] * y[row + n] - y[4 * row + n] * y[5 * row + n];
      for (Index i = 0; i < 8; ++i)
        for (Index n = 0; n < row; ++n) square[n] += y[i * row + n] * y[i * row + n];
    }
    for (const float sum : squares.flat()) squares_(panel) += static_cast<double>(sum);
  }

  /// Rows are first brought into groups of 4 bytes along K, then the groups are transposed like
  /// floats: moving them does not look at them.
  void fill_bf16(Index panel, const float* rows, Index stride) {
    const Index count = rows_of(panel);
    AlignedBytes groups(static_cast<std::size_t>(count * padded_steps() * 4));
    for (Index n = 0; n < count; ++n) {
      kernels_->round_to_bf16(rows + n * stride, inputs_, groups.data() + n * padded_steps() * 4);
    }
    transpose_groups(panel, groups);
  }

  void fill_int8(Index panel, const float* rows, Index stride) {
    const Index count = rows_of(panel);
    Tensor<float, 1> mixed({inputs_});
    float* const row = mixed.data();
    AlignedBytes groups(static_cast<std::size_t>(count * padded_steps() * 4));
    for (Index n = 0; n < count; ++n) {
      kernels_->hadamard(rows + n * stride, inputs_, row);
      std::byte* const to = groups.data() + n * padded_steps() * 4;
      const float scale = weight_scale(row, inputs_);
      int sum = 0;
      for (Index k = 0; k < inputs_; ++k) {
        const int q = quantised_weight(row[k], scale);
        sum += q;
        to[k] = static_cast<std::byte>(q + 128);
      }
      end_quantised_row(panel, n, to, scale, sum);
    }
    transpose_groups(panel, groups);
  }

  /// Row n of a panel of int8 is at `to`, as unsigned bytes, w + 128: the instructions multiply
  /// unsigned by signed.
  void end_quantised_row(Index panel, Index n, std::byte* to, float scale, int sum) {
    std::memset(to + inputs_, 0, static_cast<std::size_t>(padded_steps() * 4 - inputs_));
    column_values_(0, panel * width() + n) = scale;
    column_values_(1, panel * width() + n) = static_cast<float>(sum);
  }

  /// K signed bytes to unsigned ones, 128 more; returns the sum of the signed ones. Eight at a
  /// time: the other bit 7 adds 128, and sums of bytes fit lanes of 16 bits for 128 steps.
  static Index copy_as_unsigned(const std::int8_t* from, Index K, std::byte* to) {
    constexpr std::uint64_t low_bytes = 0x00ff00ff00ff00ffU;
    Index sum = -128 * K;
    Index k = 0;
    while (k + 8 <= K) {
      const Index end = std::min(K - K % 8, k + Index{1024});
      std::uint64_t lanes = 0;
      for (; k < end; k += 8) {
        std::uint64_t bytes = 0;
        std::memcpy(&bytes, from + k, 8);
        bytes ^= 0x8080808080808080U;
        std::memcpy(to + k, &bytes, 8);
        lanes += (bytes & low_bytes) + (bytes >> 8 & low_bytes);
      }
      for (; lanes != 0; lanes >>= 16) sum += static_cast<Index>(lanes & 0xffffU);
    }
    for (; k < K; ++k) {
      const int value = from[k] + 128;
      to[k] = static_cast<std::byte>(value);
      sum += value;
    }
    return sum;
  }

  /// Groups of one row while it is packed: whole blocks of 64 bytes.
  [[nodiscard]] Index padded_steps() const { return (steps_ + 15) / 16 * 16; }
  void transpose_groups(Index panel, const AlignedBytes& groups) {
    kernels_->transpose(reinterpret_cast<const float*>(groups.data()), padded_steps(),
                        rows_of(panel), steps_, at(panel), row_width(panel));
  }

  const Kernels* kernels_ = nullptr;
  Precision precision_ = Precision::f32;
  Index outputs_ = 0;
  Index inputs_ = 0;
  Index steps_ = 0;
  Index bytes_ = 0;
  WeightBytes memory_;
  Tensor<float, 1> pairs_;          // where paired()
  Tensor<double, 1> squares_;       // of each panel's weights
  Tensor<float, 2> column_values_;  // int8: (2, N), scale of each output and sum of its weights
};

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_PANELS_HPP
