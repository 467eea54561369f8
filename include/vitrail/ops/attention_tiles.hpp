// Attention on the tiles of the packed product, without a T x T matrix in memory.
//
// For one head, keys become the panels of a product q k^T and values the panels of a product w v:
//
//   keys (Tk, hd)  -> transposed panels, hd rows of 48 keys          (once per head)
//   values (Tk, hd) -> panels, Tk rows of 48 columns                 (once per head)
//   9 queries -> scores (9, Tk), stored as the left side of the next product needs them
//             -> softmax in place -> times the values' panels -> divided by the sum -> out
//
// The scores of a tile (9 x 197 floats: 7 KiB) never leave the first cache. A head's panels are
// packed by whichever thread needs them first.
#ifndef VITRAIL_OPS_ATTENTION_TILES_HPP
#define VITRAIL_OPS_ATTENTION_TILES_HPP

#include <atomic>
#include <vitrail/ops/attention_input.hpp>
#include <vitrail/ops/kernels/select.hpp>
#include <vitrail/runtime/context.hpp>
#include <vitrail/runtime/work_ranges.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

class TiledAttention {
 public:
  TiledAttention(const Kernels& kernels, const AttentionInput<float>& in, MatrixView<float> out)
      : kernels_(kernels), in_(in), out_(out) {
    hd_ = in.q.extent(1) / in.heads;
    Tq_ = in.queries();
    Tk_ = in.keys();
    tiles_ = (Tq_ + kernels.tile_rows - 1) / kernels.tile_rows;
  }

  void run(const Context& context) {
    const Index heads = in_.batch * in_.heads;
    const Index units = heads * tiles_;
    if (units == 0 || hd_ == 0) return;
    const Index workers = WorkRanges::workers_for(context.executor, units);
    const Workspace::Scope scope(context.workspace);
    keys_ = context.workspace.matrix<float>(heads, hd_ * to_vectors(Tk_));
    values_ = context.workspace.matrix<float>(heads, Tk_ * to_vectors(hd_));
    states_ = context.workspace.take<int>(heads);
    std::fill_n(states_, heads, 0);
    const Index rows = kernels_.tile_rows;
    const MatrixView<float> queries =
        context.workspace.matrix<float>(workers, rows * to_block(hd_));
    const MatrixView<float> scores = context.workspace.matrix<float>(workers, rows * to_block(Tk_));
    const MatrixView<float> sums = context.workspace.matrix<float>(workers, rows * width());
    WorkRanges ranges(units, workers);
    context.executor.parallel_for(workers, [&](Index worker) {
      for (Index unit = ranges.next(worker); unit >= 0; unit = ranges.next(worker)) {
        ensure_packed(unit / tiles_);
        run_tile(unit / tiles_, unit % tiles_, &queries(worker, 0), &scores(worker, 0),
                 &sums(worker, 0));
      }
    });
  }

 private:
  [[nodiscard]] Index width() const { return kernels_.vector * kernels_.panel_vectors; }
  [[nodiscard]] Index to_vectors(Index n) const {
    return (n + kernels_.vector - 1) / kernels_.vector * kernels_.vector;
  }
  [[nodiscard]] static Index to_block(Index n) { return (n + 15) / 16 * 16; }
  [[nodiscard]] Index vectors_at(Index column, Index columns) const {
    return std::min(kernels_.panel_vectors, to_vectors(columns - column) / kernels_.vector);
  }

  /// Panels of head `head` (counted over the batch); waits if another thread is at it.
  void ensure_packed(Index head) {
    std::atomic_ref<int> state(states_[head]);  // 0 untouched, 1 being packed, 2 there
    int expected = 0;
    if (state.load(std::memory_order_acquire) == 2) return;
    if (!state.compare_exchange_strong(expected, 1)) {
      spin_until([&] { return state.load(std::memory_order_acquire) == 2; });
      return;
    }
    const Index row = head / in_.heads * Tk_;
    const Index column = head % in_.heads * hd_;
    for (Index key = 0; key < Tk_; key += width()) {
      kernels_.transpose(&in_.k(row + key, column), in_.k.stride(0), Tk_ - key, hd_,
                         &keys_(head, 0) + key * hd_, vectors_at(key, Tk_) * kernels_.vector);
    }
    for (Index d = 0; d < hd_; d += width()) {
      kernels_.copy_rows(&in_.v(row, column + d), in_.v.stride(0), Tk_, hd_ - d,
                         &values_(head, 0) + d * Tk_, vectors_at(d, hd_) * kernels_.vector);
    }
    state.store(2, std::memory_order_release);
  }

  void run_tile(Index head, Index tile, float* queries, float* scores, float* sums) const {
    const Index begin = tile * Tq_ / tiles_;
    const Index rows = (tile + 1) * Tq_ / tiles_ - begin;
    const Index padded = padded_tile_rows(rows, kernels_.tile_rows);
    const Index block = padded * 16;  // floats of one block of the tile
    const Index row = head / in_.heads * Tq_ + begin;
    const Index column = head % in_.heads * hd_;
    for (Index r = 0; r < padded; ++r) {  // rows past the last repeat it, and nobody reads them
      kernels_.pack_left(LeftFormat::f32, &in_.q(row + std::min(r, rows - 1), column), hd_,
                         reinterpret_cast<std::byte*>(queries + r * 16), block * 4, nullptr);
    }
    for (Index key = 0; key < Tk_; key += width()) {
      const Index vectors = vectors_at(key, Tk_);
      kernels_.f32.tile[vectors][rows]({
          .left = reinterpret_cast<const std::byte*>(queries),
          .right = reinterpret_cast<const std::byte*>(&keys_(head, 0) + key * hd_),
          .steps = hd_,
          .sums = reinterpret_cast<std::byte*>(scores + key / 16 * block),
          .row_bytes = 64,
          // One vector is a whole block, or half of one (and the panel then is one block).
          .vector_bytes = kernels_.vector == 16 ? block * 4 : kernels_.vector * 4,
          .first = true,
          .ahead = nullptr,
          .ahead_lines_per_block = 0,
          .near = nullptr,
          .near_stride = 0,
          .near_rows = 0,
          .near_rows_per_block = 0,
      });
    }
    float inverse[most_tile_rows];
    for (Index r = 0; r < rows; ++r) {
      const float* bias = nullptr;
      if (in_.bias.data() != nullptr) bias = in_.bias[head % in_.heads][begin + r].data();
      inverse[r] = 1.0F / kernels_.exponentials(scores + r * 16, Tk_, block, in_.scale, bias);
    }
    for (Index d = 0; d < hd_; d += width()) {
      const Index vectors = vectors_at(d, hd_);
      const Index stride = vectors * kernels_.vector;
      kernels_.f32.tile[vectors][rows]({
          .left = reinterpret_cast<const std::byte*>(scores),
          .right = reinterpret_cast<const std::byte*>(&values_(head, 0) + d * Tk_),
          .steps = Tk_,
          .sums = reinterpret_cast<std::byte*>(sums),
          .row_bytes = stride * 4,
          .vector_bytes = kernels_.vector * 4,
          .first = true,
          .ahead = nullptr,
          .ahead_lines_per_block = 0,
          .near = nullptr,
          .near_stride = 0,
          .near_rows = 0,
          .near_rows_per_block = 0,
      });
      for (Index r = 0; r < rows; ++r) {
        kernels_.multiply(sums + r * stride, std::min(width(), hd_ - d), inverse[r],
                          &out_(row + r, column + d));
      }
    }
  }

  const Kernels& kernels_;
  const AttentionInput<float>& in_;
  MatrixView<float> out_;
  Index hd_ = 0;
  Index Tq_ = 0;
  Index Tk_ = 0;
  Index tiles_ = 0;           // of queries per head
  MatrixView<float> keys_;    // (B * A, hd * Tk padded to vectors)
  MatrixView<float> values_;  // (B * A, Tk * hd padded to vectors)
  int* states_ = nullptr;     // (B * A)
};

inline void tiled_attention(const Kernels& kernels, const AttentionInput<float>& in,
                            MatrixView<float> out, const Context& context) {
  TiledAttention(kernels, in, out).run(context);
}

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_ATTENTION_TILES_HPP
