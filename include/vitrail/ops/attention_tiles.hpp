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
// the second, where each worker has its own. Rotary positions turn keys and queries on their way
// into panels and tiles. Where tiles read another format than f32 (bf16 in bf16 and int8 models,
// where there are instructions for it), panels are brought into it once per head, and weights once
// per tile.
#ifndef VITRAIL_OPS_ATTENTION_TILES_HPP
#define VITRAIL_OPS_ATTENTION_TILES_HPP

#include <vitrail/ops/attention_input.hpp>
#include <vitrail/ops/kernels/select.hpp>
#include <vitrail/ops/row_tiles.hpp>
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
  PanelSplit(const Kernels& kernels, Index most, Index columns) : vector(kernels.vector) {
    const Index vectors = (columns + vector - 1) / vector;
    total = vectors * vector;
    count = (vectors + most - 1) / most;
    base = vector < 16 ? most : vectors / std::max(count, Index{1});
    wider = vector < 16 ? 0 : vectors - base * count;
  }
  [[nodiscard]] Index begin(Index panel) const {
    return std::min(total, (panel * base + std::min(panel, wider)) * vector);
  }
  [[nodiscard]] Index width(Index panel) const { return begin(panel + 1) - begin(panel); }
  [[nodiscard]] Index vectors(Index panel) const {
    return std::min(base + (panel < wider ? 1 : 0), total / vector - panel * base);
  }
};

class TiledAttention {
 public:
  TiledAttention(const Kernels& kernels, const AttentionInput<float>& in, MatrixView<float> out)
      : kernels_(kernels),
        product_(in.precision == Precision::f32 ? kernels.attention : kernels.attention_bf16),
        in_(in),
        out_(out) {
    hd_ = in.q.extent(1) / in.heads;
    Tq_ = in.queries();
    Tk_ = in.keys();
    tiles_ = RowTiles(product_, Tq_);
    key_panels_ = PanelSplit(kernels, product_.panel_vectors, Tk_);
    value_panels_ = PanelSplit(kernels, product_.panel_vectors, hd_);
  }

  void run(const Context& context) {
    const Index units = in_.batch * in_.heads * tiles_.count();
    if (units == 0 || hd_ == 0) return;
    const Index workers = WorkRanges::workers_for(context.executor, units);
    const Workspace::Scope scope(context.workspace);
    const auto floats = [&](Index count) {
      return context.workspace.per_worker<float>(workers, count);
    };
    const auto bytes = [&](Index count) {
      return context.workspace.per_worker<std::uint8_t>(workers, count);
    };
    const Index rows = product_.tile_rows();
    const MatrixView<float> keys = floats(hd_ * key_panels_.total);
    const MatrixView<float> values = floats(Tk_ * value_panels_.total);
    const auto prepared_keys = bytes(key_panels_.count * prepared_bytes(hd_));
    const auto prepared_values = bytes(value_panels_.count * prepared_bytes(Tk_));
    const auto queries = bytes(rows * row_bytes(hd_));
    const MatrixView<float> turned =
        floats(in_.rotary.empty()
                   ? 0
                   : to_block(hd_) * std::max(rows, kernels_.vector * product_.panel_vectors));
    const MatrixView<float> scores = floats(rows * to_block(Tk_));
    const auto weights = bytes(in_place() ? 0 : rows * row_bytes(Tk_));
    const MatrixView<float> sums = floats(rows * kernels_.vector * product_.panel_vectors);
    WorkRanges ranges(units, workers);
    context.executor.parallel_for(workers, [&](Index worker) {
      const TileScope tiles(product_);
      const auto of_worker = [worker](const auto& matrix) {
        return reinterpret_cast<std::byte*>(matrix[worker].data());
      };
      Scratch scratch{keys[worker].data(),
                      values[worker].data(),
                      of_worker(prepared_keys),
                      of_worker(prepared_values),
                      of_worker(queries),
                      turned[worker].data(),
                      scores[worker].data(),
                      of_worker(weights),
                      sums[worker].data(),
                      {},
                      {}};
      set_up(scratch);
      Index packed = -1;
      for (Index unit = ranges.next(worker); unit >= 0; unit = ranges.next(worker)) {
        const Index head = unit / tiles_.count();
        if (head != packed) pack_head(head, scratch);
        packed = head;
        run_tile(head, unit % tiles_.count(), scratch);
      }
    });
  }

 private:
  [[nodiscard]] static Index to_block(Index n) { return (n + 15) / 16 * 16; }
  /// Blocks of the left side in a row of n values.
  [[nodiscard]] Index blocks(Index n) const {
    return (n + left_block(product_.left) - 1) / left_block(product_.left);
  }
  /// Bytes of a row of n values of the left side.
  [[nodiscard]] Index row_bytes(Index n) const {
    return blocks(n) * left_lines(product_.left) * 64;
  }
  /// Bytes of a prepared panel of n rows.
  [[nodiscard]] Index prepared_bytes(Index n) const {
    return blocks(n) * product_.panel_vectors * product_.prepared_bytes;
  }
  /// Whether scores are made where and as the next product reads weights.
  [[nodiscard]] bool in_place() const { return product_.left == LeftFormat::f32; }

  /// What one worker needs.
  struct Scratch {
    float* keys;                 // (hd, Tk padded to vectors), panel by panel
    float* values;               // (Tk, hd padded to vectors), panel by panel
    std::byte* prepared_keys;    // the same, where kernels do not read panels as they are
    std::byte* prepared_values;  //
    std::byte* queries;          // a tile of (hd), packed
    float* turned;               // a tile or a panel's keys of (hd), with rotary positions
    float* scores;               // a tile of (Tk): in place in blocks, else in rows
    std::byte* weights;          // a tile of (Tk), packed, if not in place
    float* sums;                 // a tile of one panel
    TileArguments scoring;       // what is the same for all tiles is set once
    TileArguments weighing;
  };

  void set_up(Scratch& scratch) const {
    scratch.scoring.left = scratch.queries;
    scratch.scoring.steps = steps(hd_);
    scratch.scoring.row_bytes = score_stride() * 4;
    scratch.scoring.first = true;
    scratch.weighing.left =
        in_place() ? reinterpret_cast<const std::byte*>(scratch.scores) : scratch.weights;
    scratch.weighing.steps = steps(Tk_);
    scratch.weighing.sums = reinterpret_cast<std::byte*>(scratch.sums);
    scratch.weighing.vector_bytes = kernels_.vector * 4;
    scratch.weighing.first = true;
    scratch.weighing.near_stride = in_.q.stride(0) * Index{sizeof(float)};
    scratch.weighing.near_rows_per_block = 1;
  }

  struct Rows {
    const float* data;
    Index stride;
  };
  /// `count` rows of a head's q or k, from a picture's token `token` on, as attention multiplies
  /// them: where they are, or turned, in `scratch`.
  [[nodiscard]] Rows turn(Rows x, Index token, Index count, const Scratch& scratch) const {
    if (in_.rotary.empty()) return x;
    const Index before = std::clamp(in_.prefix - token, Index{0}, count);  // stay as they are
    const Index stride = to_block(hd_);
    kernels_.copy_rows(x.data, x.stride, before, hd_, scratch.turned, stride);
    if (before == count) return {scratch.turned, stride};
    const Index n = token + before - in_.prefix;
    kernels_.rotate(x.data + before * x.stride, x.stride, count - before, hd_,
                    in_.rotary.kind == RotaryKind::eva, in_.rotary.cosine[n].data(),
                    in_.rotary.sine[n].data(), in_.rotary.cosine.stride(0),
                    scratch.turned + before * stride, stride);
    return {scratch.turned, stride};
  }

  /// Brings the keys and values of head `head` (counted over the batch) into panels.
  void pack_head(Index head, const Scratch& scratch) const {
    const Index row = head / in_.heads * Tk_;
    const Index column = head % in_.heads * hd_;
    for (Index p = 0; p < key_panels_.count; ++p) {
      const Index key = key_panels_.begin(p);
      const Index width = key_panels_.width(p);
      float* const panel = scratch.keys + key * hd_;
      const Index count = std::min(width, Tk_ - key);
      const Rows keys = turn({&in_.k(row + key, column), in_.k.stride(0)}, key, count, scratch);
      kernels_.transpose(keys.data, keys.stride, count, hd_, panel, width);
      prepare(panel, hd_, width, p, scratch.prepared_keys);
    }
    for (Index p = 0; p < value_panels_.count; ++p) {
      const Index d = value_panels_.begin(p);
      const Index width = value_panels_.width(p);
      float* const panel = scratch.values + d * Tk_;
      kernels_.copy_rows(&in_.v(row, column + d), in_.v.stride(0), Tk_, hd_ - d, panel, width);
      prepare(panel, Tk_, width, p, scratch.prepared_values);
    }
  }

  void prepare(const float* panel, Index rows, Index width, Index p, std::byte* prepared) const {
    if (product_.prepare == nullptr) return;
    product_.prepare(reinterpret_cast<const std::byte*>(panel), rows, width / kernels_.vector,
                     prepared + p * prepared_bytes(rows));
  }
  /// Panel `p` of `rows` rows as the tiles read it.
  [[nodiscard]] const std::byte* right_side(const float* panel, Index rows, Index p,
                                            const std::byte* prepared) const {
    return product_.prepare == nullptr ? reinterpret_cast<const std::byte*>(panel)
                                       : prepared + p * prepared_bytes(rows);
  }

  /// A tile of queries: rows of the head's pictures, and how many are computed.
  struct Tile {
    Index begin;
    Index rows;
    Index padded;
  };
  [[nodiscard]] Tile tile_at(Index tile) const {
    const Index rows = tiles_.rows(tile);
    return {tiles_.first_row(tile), rows, product_.padded_rows(rows)};
  }
  /// Bytes of a block of the packed left side.
  [[nodiscard]] Index block_bytes(const Tile& tile) const {
    return tile.padded * left_lines(product_.left) * 64;
  }
  /// Where a score is: from one row to the next, and from one block of 16 to the next, in floats.
  [[nodiscard]] Index score_stride() const { return in_place() ? 16 : to_block(Tk_); }
  [[nodiscard]] Index score_block(const Tile& tile) const {
    return in_place() ? tile.padded * 16 : 16;
  }

  void run_tile(Index head, Index index, Scratch& scratch) const {
    const Tile tile = tile_at(index);
    const Index row = head / in_.heads * Tq_ + tile.begin;
    const Rows queries = turn({&in_.q(row, head % in_.heads * hd_), in_.q.stride(0)}, tile.begin,
                              tile.rows, scratch);
    pack(tile, queries.data, queries.stride, hd_, scratch.queries);
    for (Index p = 0; p < key_panels_.count; ++p) score(tile, p, scratch);
    constexpr Index most_rows = 32;
    VITRAIL_ASSERT(tile.rows <= most_rows, "attention: a tile of too many rows");
    float inverse[most_rows];
    soften(head, tile, scratch.scores, inverse);
    if (!in_place()) pack(tile, scratch.scores, score_stride(), Tk_, scratch.weights);
    for (Index p = 0; p < value_panels_.count; ++p) weigh(head, index, p, inverse, scratch);
  }

  /// Rows of n values as a tile reads them; rows past the last repeat it, and nobody reads them.
  void pack(const Tile& tile, const float* x, Index stride, Index n, std::byte* out) const {
    kernels_.pack_left(product_.left, x, stride, tile.rows, n, out, block_bytes(tile), nullptr,
                       nullptr);
    const Index more = tile.padded - tile.rows;
    kernels_.pack_left(product_.left, x + (tile.rows - 1) * stride, 0, more, n,
                       out + tile.rows * 64, block_bytes(tile), nullptr, nullptr);
  }

  /// One tile's scores with panel `p` of the keys.
  void score(const Tile& tile, Index p, Scratch& scratch) const {
    const Index key = key_panels_.begin(p);
    TileArguments& arguments = scratch.scoring;
    arguments.right = right_side(scratch.keys + key * hd_, hd_, p, scratch.prepared_keys);
    arguments.vectors = key_panels_.vectors(p);
    arguments.sums = reinterpret_cast<std::byte*>(scratch.scores + key / 16 * score_block(tile));
    // One vector is a whole block, or half of one (and the panel then is one block).
    arguments.vector_bytes = (kernels_.vector == 16 ? score_block(tile) : kernels_.vector) * 4;
    product_.tile_for(arguments.vectors, tile.rows)(arguments);
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
    kernels_.exponentials(scores, score_stride(), tile.rows, Tk_, score_block(tile), in_.scale,
                          bias, bias_stride, inverse);
    for (Index r = 0; r < tile.rows; ++r) inverse[r] = 1.0F / inverse[r];
  }

  /// One tile of weights times panel `p` of the values. The next tile's queries are fetched
  /// meanwhile.
  void weigh(Index head, Index index, Index p, const float* inverse, Scratch& scratch) const {
    const Tile tile = tile_at(index);
    const Index d = value_panels_.begin(p);
    const Index width = value_panels_.width(p);
    const Index row = head / in_.heads * Tq_;
    const Index column = head % in_.heads * hd_ + d;
    TileArguments& arguments = scratch.weighing;
    arguments.right = right_side(scratch.values + d * Tk_, Tk_, p, scratch.prepared_values);
    arguments.vectors = value_panels_.vectors(p);
    arguments.row_bytes = width * 4;
    arguments.near_rows = 0;
    if (index + 1 < tiles_.count()) {
      const Tile ahead = tile_at(index + 1);
      arguments.near = reinterpret_cast<const std::byte*>(&in_.q(row + ahead.begin, column));
      arguments.near_rows = ahead.rows;
    }
    float* const to = &out_(row + tile.begin, column);
    const Finish plain;
    const Target rows = Target::rows(to, out_.stride(0));
    const bool ends_in_registers =
        product_.finishes && tile.padded == tile.rows && d + width <= hd_;
    arguments.finish = ends_in_registers ? &plain : nullptr;
    arguments.to = &rows;
    arguments.row_scale = inverse;
    product_.tile_for(arguments.vectors, tile.rows)(arguments);
    if (ends_in_registers) return;
    kernels_.multiply_rows(scratch.sums, width, tile.rows, std::min(width, hd_ - d), inverse, to,
                           out_.stride(0));
  }

  /// Rows of a panel of n values of K.
  [[nodiscard]] Index steps(Index n) const {
    return product_.prepare == nullptr ? n : (n + product_.step - 1) / product_.step;
  }

  const Kernels& kernels_;
  const ProductKernels& product_;
  const AttentionInput<float>& in_;
  MatrixView<float> out_;
  Index hd_ = 0;
  Index Tq_ = 0;
  Index Tk_ = 0;
  RowTiles tiles_;  // of queries, per head
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
