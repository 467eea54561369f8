// Attention on the tiles of the packed product, without a T x T matrix in memory.
//
// For one head, keys become the panels of a product q k^T and values the panels of a product w v:
//
//   keys (Tk, hd)   -> transposed panels, hd rows of 48 keys         (once per head and worker)
//   values (Tk, hd) -> panels, Tk rows of 48 columns                 (once per head and worker)
//   9 queries -> scores (9, Tk), stored as the left side of the next product needs them
//             -> softmax in place -> times the values' panels -> divided by the sum -> out
//
// The scores of a tile (9 x 197 floats: 7 KiB) never leave the first cache, the panels of a head
// the second, where each worker has its own.
#ifndef VITRAIL_OPS_ATTENTION_TILES_HPP
#define VITRAIL_OPS_ATTENTION_TILES_HPP

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
    const Index units = in_.batch * in_.heads * tiles_;
    if (units == 0 || hd_ == 0) return;
    const Index workers = WorkRanges::workers_for(context.executor, units);
    const Workspace::Scope scope(context.workspace);
    const auto each = [&](Index count) { return context.workspace.matrix<float>(workers, count); };
    const Index rows = kernels_.tile_rows;
    const MatrixView<float> keys = each(hd_ * key_panels_.total);
    const MatrixView<float> values = each(Tk_ * value_panels_.total);
    const MatrixView<float> queries = each(rows * to_block(hd_));
    const MatrixView<float> scores = each(rows * to_block(Tk_));
    const MatrixView<float> sums = each(rows * kernels_.vector * kernels_.panel_vectors);
    WorkRanges ranges(units, workers);
    context.executor.parallel_for(workers, [&](Index worker) {
      const Scratch scratch{&keys(worker, 0), &values(worker, 0), &queries(worker, 0),
                            &scores(worker, 0), &sums(worker, 0)};
      Index packed = -1;
      for (Index unit = ranges.next(worker); unit >= 0; unit = ranges.next(worker)) {
        const Index head = unit / tiles_;
        if (head != packed) pack_head(head, scratch);
        packed = head;
        run_tile(head, unit % tiles_, scratch);
      }
    });
  }

 private:
  [[nodiscard]] static Index to_block(Index n) { return (n + 15) / 16 * 16; }

  /// What one worker needs.
  struct Scratch {
    float* keys;     // (hd, Tk padded to vectors), panel by panel
    float* values;   // (Tk, hd padded to vectors), panel by panel
    float* queries;  // a tile of (hd), in blocks
    float* scores;   // a tile of (Tk), in blocks
    float* sums;     // a tile of one panel
  };

  /// Brings the keys and values of head `head` (counted over the batch) into panels.
  void pack_head(Index head, const Scratch& scratch) const {
    const Index row = head / in_.heads * Tk_;
    const Index column = head % in_.heads * hd_;
    for (Index p = 0; p < key_panels_.count; ++p) {
      const Index key = key_panels_.begin(p);
      const Index width = key_panels_.width(p);
      kernels_.transpose(&in_.k(row + key, column), in_.k.stride(0), Tk_ - key, hd_,
                         scratch.keys + key * hd_, width);
    }
    for (Index p = 0; p < value_panels_.count; ++p) {
      const Index d = value_panels_.begin(p);
      const Index width = value_panels_.width(p);
      kernels_.copy_rows(&in_.v(row, column + d), in_.v.stride(0), Tk_, hd_ - d,
                         scratch.values + d * Tk_, width);
    }
  }

  /// A tile of queries: rows of the head's pictures, and where its rows are in a block.
  struct Tile {
    Index begin;
    Index rows;
    Index padded;
    [[nodiscard]] Index block() const { return padded * 16; }  // floats
  };
  [[nodiscard]] Tile tile_at(Index tile) const {
    const Index larger = Tq_ - rows_ * tiles_;  // so many tiles have one row more
    const Index rows = rows_ + (tile < larger ? 1 : 0);
    return {tile * rows_ + std::min(tile, larger), rows,
            padded_tile_rows(rows, kernels_.tile_rows)};
  }

  void run_tile(Index head, Index index, const Scratch& scratch) const {
    const Tile tile = tile_at(index);
    pack_queries(head, tile, scratch.queries);
    for (Index p = 0; p < key_panels_.count; ++p) score(tile, p, scratch);
    float inverse[most_tile_rows];
    soften(head, tile, scratch.scores, inverse);
    for (Index p = 0; p < value_panels_.count; ++p) weigh(head, index, p, inverse, scratch);
  }

  void pack_queries(Index head, const Tile& tile, float* queries) const {
    const Index row = head / in_.heads * Tq_ + tile.begin;
    const Index column = head % in_.heads * hd_;
    for (Index r = 0; r < tile.padded; ++r) {  // rows past the last repeat it; nobody reads them
      kernels_.pack_left(LeftFormat::f32, &in_.q(row + std::min(r, tile.rows - 1), column), hd_,
                         reinterpret_cast<std::byte*>(queries + r * 16), tile.block() * 4, nullptr);
    }
  }

  /// One tile's scores with panel `p` of the keys.
  void score(const Tile& tile, Index p, const Scratch& scratch) const {
    const Index key = key_panels_.begin(p);
    const Index width = key_panels_.width(p);
    TileArguments arguments{};
    arguments.left = reinterpret_cast<const std::byte*>(scratch.queries);
    arguments.right = reinterpret_cast<const std::byte*>(scratch.keys + key * hd_);
    arguments.steps = hd_;
    arguments.sums = reinterpret_cast<std::byte*>(scratch.scores + key / 16 * tile.block());
    arguments.row_bytes = 64;
    // One vector is a whole block, or half of one (and the panel then is one block).
    arguments.vector_bytes = kernels_.vector == 16 ? tile.block() * 4 : kernels_.vector * 4;
    arguments.first = true;
    kernels_.f32.tile[width / kernels_.vector][tile.rows](arguments);
  }

  /// Scores to weights, up to the factors `inverse`.
  void soften(Index head, const Tile& tile, float* scores, float* inverse) const {
    const float* bias = nullptr;
    Index bias_stride = 0;
    if (in_.bias.data() != nullptr) {
      const MatrixView<const float> of_head = in_.bias[head % in_.heads];
      bias = of_head[tile.begin].data();
      bias_stride = of_head.stride(0);
    }
    kernels_.exponentials(scores, tile.rows, Tk_, tile.block(), in_.scale, bias, bias_stride,
                          inverse);
    for (Index r = 0; r < tile.rows; ++r) inverse[r] = 1.0F / inverse[r];
  }

  /// One tile of weights times panel `p` of the values. The next tile's queries are fetched
  /// meanwhile.
  void weigh(Index head, Index index, Index p, const float* inverse, const Scratch& scratch) const {
    const Tile tile = tile_at(index);
    const Index d = value_panels_.begin(p);
    const Index width = value_panels_.width(p);
    const Index row = head / in_.heads * Tq_;
    const Index column = head % in_.heads * hd_ + d;
    TileArguments arguments{};
    arguments.left = reinterpret_cast<const std::byte*>(scratch.scores);
    arguments.right = reinterpret_cast<const std::byte*>(scratch.values + d * Tk_);
    arguments.steps = Tk_;
    arguments.sums = reinterpret_cast<std::byte*>(scratch.sums);
    arguments.row_bytes = width * 4;
    arguments.vector_bytes = kernels_.vector * 4;
    arguments.first = true;
    if (index + 1 < tiles_) {
      const Tile ahead = tile_at(index + 1);
      arguments.near = reinterpret_cast<const std::byte*>(&in_.q(row + ahead.begin, column));
      arguments.near_stride = in_.q.stride(0) * Index{sizeof(float)};
      arguments.near_rows = ahead.rows;
      arguments.near_rows_per_block = 1;
    }
    kernels_.f32.tile[width / kernels_.vector][tile.rows](arguments);
    kernels_.multiply_rows(scratch.sums, width, tile.rows, std::min(width, hd_ - d), inverse,
                           &out_(row + tile.begin, column), out_.stride(0));
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
};

inline void tiled_attention(const Kernels& kernels, const AttentionInput<float>& in,
                            MatrixView<float> out, const Context& context) {
  TiledAttention(kernels, in, out).run(context);
}

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_ATTENTION_TILES_HPP
