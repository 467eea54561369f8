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
#include <new>
#include <vitrail/ops/attention_input.hpp>
#include <vitrail/ops/kernels/select.hpp>
#include <vitrail/runtime/context.hpp>
#include <vitrail/runtime/work_ranges.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// `columns`, rounded up to vectors, cut into panels: as few as possible. Where a vector is a whole
/// block of the scores they are about equally wide: 64 is 32 + 32, as 48 + 16 would keep fewer
/// multiply-adds in flight. Else they begin at whole blocks.
struct PanelSplit {
  Index count = 0;
  Index total = 0;  // columns, rounded up
  Index vector = 1;
  Index base = 0;   // vectors of a panel
  Index wider = 0;  // the first so many have one more

  PanelSplit() = default;
  PanelSplit(const Kernels& kernels, Index columns) : vector(kernels.vector) {
    const Index vectors = (columns + vector - 1) / vector;
    total = vectors * vector;
    count = (vectors + kernels.panel_vectors - 1) / kernels.panel_vectors;
    base = vector < 16 ? kernels.panel_vectors : vectors / std::max(count, Index{1});
    wider = vector < 16 ? 0 : vectors - base * count;
  }
  [[nodiscard]] Index begin(Index panel) const {
    return std::min(total, (panel * base + std::min(panel, wider)) * vector);
  }
  [[nodiscard]] Index width(Index panel) const { return begin(panel + 1) - begin(panel); }
};

class TiledAttention {
 public:
  TiledAttention(const Kernels& kernels, const AttentionInput<float>& in, MatrixView<float> out)
      : kernels_(kernels), in_(in), out_(out) {
    hd_ = in.q.extent(1) / in.heads;
    Tq_ = in.queries();
    Tk_ = in.keys();
    tiles_ = (Tq_ + kernels.tile_rows - 1) / kernels.tile_rows;
    rows_ = Tq_ / std::max(tiles_, Index{1});
    key_panels_ = PanelSplit(kernels, Tk_);
    value_panels_ = PanelSplit(kernels, hd_);
  }

  void run(const Context& context) {
    const Index heads = in_.batch * in_.heads;
    const Index units = heads * tiles_;
    if (units == 0 || hd_ == 0) return;
    const Index workers = WorkRanges::workers_for(context.executor, units);
    const Workspace::Scope scope(context.workspace);
    keys_ = context.workspace.matrix<float>(heads, hd_ * key_panels_.total);
    values_ = context.workspace.matrix<float>(heads, Tk_ * value_panels_.total);
    static_assert(sizeof(std::atomic<int>) == sizeof(int));
    states_ = reinterpret_cast<std::atomic<int>*>(context.workspace.take<int>(heads));
    for (Index head = 0; head < heads; ++head) new (states_ + head) std::atomic<int>(0);
    const Index rows = kernels_.tile_rows;
    const MatrixView<float> queries =
        context.workspace.matrix<float>(workers, rows * to_block(hd_));
    const MatrixView<float> scores = context.workspace.matrix<float>(workers, rows * to_block(Tk_));
    const MatrixView<float> sums =
        context.workspace.matrix<float>(workers, rows * kernels_.vector * kernels_.panel_vectors);
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
  [[nodiscard]] static Index to_block(Index n) { return (n + 15) / 16 * 16; }
  /// Panels of head `head` (counted over the batch); waits if another thread is at it.
  void ensure_packed(Index head) {
    std::atomic<int>& state = states_[head];  // 0 untouched, 1 being packed, 2 there
    int expected = 0;
    if (state.load(std::memory_order_acquire) == 2) return;
    if (!state.compare_exchange_strong(expected, 1)) {
      spin_until([&] { return state.load(std::memory_order_acquire) == 2; });
      return;
    }
    const Index row = head / in_.heads * Tk_;
    const Index column = head % in_.heads * hd_;
    for (Index p = 0; p < key_panels_.count; ++p) {
      const Index key = key_panels_.begin(p);
      const Index width = key_panels_.width(p);
      kernels_.transpose(&in_.k(row + key, column), in_.k.stride(0), Tk_ - key, hd_,
                         &keys_(head, 0) + key * hd_, width);
    }
    for (Index p = 0; p < value_panels_.count; ++p) {
      const Index d = value_panels_.begin(p);
      const Index width = value_panels_.width(p);
      kernels_.copy_rows(&in_.v(row, column + d), in_.v.stride(0), Tk_, hd_ - d,
                         &values_(head, 0) + d * Tk_, width);
    }
    state.store(2, std::memory_order_release);
  }

  void run_tile(Index head, Index tile, float* queries, float* scores, float* sums) const {
    const Index larger = Tq_ - rows_ * tiles_;  // so many tiles have one row more
    const Index begin = tile * rows_ + std::min(tile, larger);
    const Index rows = rows_ + (tile < larger ? 1 : 0);
    const Index padded = padded_tile_rows(rows, kernels_.tile_rows);
    const Index block = padded * 16;  // floats of one block of the tile
    const Index row = head / in_.heads * Tq_ + begin;
    const Index column = head % in_.heads * hd_;
    for (Index r = 0; r < padded; ++r) {  // rows past the last repeat it, and nobody reads them
      kernels_.pack_left(LeftFormat::f32, &in_.q(row + std::min(r, rows - 1), column), hd_,
                         reinterpret_cast<std::byte*>(queries + r * 16), block * 4, nullptr);
    }
    // The next tile's queries are fetched meanwhile.
    const bool more = begin + rows < Tq_;
    const float* const next = &in_.q(more ? row + rows : row, column);
    for (Index p = 0; p < key_panels_.count; ++p) {
      const Index key = key_panels_.begin(p);
      const Index width = key_panels_.width(p);
      const Index fetched = p * width;
      kernels_.f32.tile[width / kernels_.vector][rows]({
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
          .near = reinterpret_cast<const std::byte*>(next + fetched),
          .near_stride = in_.q.stride(0) * Index{sizeof(float)},
          .near_rows = more && fetched < hd_ ? std::min(rows, Tq_ - begin - rows) : 0,
          .near_rows_per_block = 4,
      });
    }
    float inverse[most_tile_rows];
    for (Index r = 0; r < rows; ++r) {
      const float* bias = nullptr;
      if (in_.bias.data() != nullptr) bias = in_.bias[head % in_.heads][begin + r].data();
      inverse[r] = 1.0F / kernels_.exponentials(scores + r * 16, Tk_, block, in_.scale, bias);
    }
    for (Index p = 0; p < value_panels_.count; ++p) {
      const Index d = value_panels_.begin(p);
      const Index width = value_panels_.width(p);
      kernels_.f32.tile[width / kernels_.vector][rows]({
          .left = reinterpret_cast<const std::byte*>(scores),
          .right = reinterpret_cast<const std::byte*>(&values_(head, 0) + d * Tk_),
          .steps = Tk_,
          .sums = reinterpret_cast<std::byte*>(sums),
          .row_bytes = width * 4,
          .vector_bytes = kernels_.vector * 4,
          .first = true,
          .ahead = nullptr,
          .ahead_lines_per_block = 0,
          .near = nullptr,
          .near_stride = 0,
          .near_rows = 0,
          .near_rows_per_block = 0,
      });
      kernels_.multiply_rows(sums, width, rows, std::min(width, hd_ - d), inverse,
                             &out_(row, column + d), out_.stride(0));
    }
  }

  const Kernels& kernels_;
  const AttentionInput<float>& in_;
  MatrixView<float> out_;
  Index hd_ = 0;
  Index Tq_ = 0;
  Index Tk_ = 0;
  Index tiles_ = 0;  // of queries per head
  Index rows_ = 0;   // of the smaller tiles
  PanelSplit key_panels_;
  PanelSplit value_panels_;
  MatrixView<float> keys_;              // (B * A, hd * Tk padded to vectors)
  MatrixView<float> values_;            // (B * A, Tk * hd padded to vectors)
  std::atomic<int>* states_ = nullptr;  // (B * A)
};

inline void tiled_attention(const Kernels& kernels, const AttentionInput<float>& in,
                            MatrixView<float> out, const Context& context) {
  TiledAttention(kernels, in, out).run(context);
}

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_ATTENTION_TILES_HPP
