// The driver of the packed product: cuts y (M, N) into units, spreads them over threads, and walks
// each unit tile by tile.
//
//   1. every row of x is normalised if asked, converted and copied into tiles of 9 rows (6 on AVX2,
//      32 on AMX)
//   2. a unit is one panel of weights against one group of tiles, all of them if M is small; where
//      rows are read faster than the third cache gives them, a bunch of panels
//   3. in a unit K is cut into pieces, so that a piece of the panel, a slab, stays in the second
//      cache while all tiles of the group use it and the next slab is fetched; the epilogue runs on
//      each tile that has seen all of K
//
// K is never split between threads and each element adds its products in order: the result depends
// on neither M nor threads nor cache sizes.
#ifndef VITRAIL_OPS_PRODUCT_HPP
#define VITRAIL_OPS_PRODUCT_HPP

#include <vitrail/ops/panels.hpp>
#include <vitrail/ops/row_tiles.hpp>
#include <vitrail/runtime/context.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// How M rows of K values are cut.
struct ProductPlan {
  RowTiles tiles;
  Index groups;      // of tiles
  Index bunches;     // of panels
  Index row_bytes;   // of a packed row
  Index tile_bytes;  // of a packed tile
  Index pieces;      // of K, in blocks
  Index blocks;      // of 64 bytes per packed row

  [[nodiscard]] Index first_block(Index piece) const { return piece * blocks / pieces; }
  [[nodiscard]] Index first_panel(const Panels& weight, Index bunch) const {
    return bunch * weight.count() / bunches;
  }
};

inline ProductPlan plan_product(const Panels& weight, Index M, Index workers) {
  const ProductKernels& product = weight.product();
  const Index rows = product.tile_rows();
  ProductPlan plan{};
  plan.tiles = RowTiles(product, M);
  const Index block = left_block(product.left);
  plan.blocks = (weight.inputs() + block - 1) / block;
  plan.row_bytes = plan.blocks * 64 * left_lines(product.left);
  plan.tile_bytes = rows * plan.row_bytes;
  plan.pieces = (plan.blocks + product.piece_blocks - 1) / product.piece_blocks;
  // The accumulators of a unit fit into a part of the second cache. The rows themselves need not:
  // they pass by once per panel, in order, while a larger group would read its panel less often.
  // Unless they are used up faster than they come: then a piece of them fits, beside the sums.
  Index in_cache = plan.pieces == 1
                       ? plan.tiles.count()
                       : (Index{128} << 10) / (rows * weight.width() * Index{sizeof(float)});
  if (product.rows_in_cache) {
    const Index sums = plan.pieces == 1 ? 0 : product.bunch_panels * weight.width() * rows * 4;
    const Index tile_bytes = (plan.tile_bytes + plan.pieces - 1) / plan.pieces + sums;
    in_cache = std::max(Index{1}, cpu().level2_bytes / 2 / tile_bytes);
  }
  Index fewest = (plan.tiles.count() + in_cache - 1) / in_cache;
  // Where there are more activations than weights each worker keeps to its own rows: weights that
  // both read come from the third cache, rows that another wrote from the other's caches.
  const Index activation_bytes = M * (weight.inputs() + weight.outputs()) * Index{sizeof(float)};
  if (activation_bytes > static_cast<Index>(weight.byte_size())) {
    fewest = std::min(plan.tiles.count(), std::max(fewest, workers));
  }
  // More groups, or smaller bunches, if that shares the units out evenly.
  const Index bunches = (weight.count() + product.bunch_panels - 1) / product.bunch_panels;
  const Index share = workers == 1 ? 1 : 2 * workers;
  plan.bunches = std::min(weight.count(), (bunches + share - 1) / share * share);
  plan.groups = WorkRanges::groups_for(fewest, plan.tiles.count(), plan.bunches, workers);
  return plan;
}

/// What the packed left side of a product needs.
struct LeftSide {
  std::byte* tiles;      // (tiles, tile_bytes)
  Quantised* quantised;  // (tiles * tile_rows), int8 only
};

/// One tile of rows of x: normalised, converted, copied.
inline void pack_tile(const Panels& weight, const ProductPlan& plan, MatrixView<const float> x,
                      const NormArguments* norm, Index tile, const LeftSide& left,
                      float* normalised) {
  const Kernels& kernels = weight.kernels();
  const LeftFormat format = weight.product().left;
  const Index K = weight.inputs();
  const Index begin = plan.tiles.begin(tile);
  const Index rows = plan.tiles.rows(tile);
  const Index padded = weight.product().padded_rows(rows);
  const Index lines = left_lines(format);
  for (Index r = 0; r < padded; ++r) {
    std::byte* out = left.tiles + tile * plan.tile_bytes + r * 64;
    if (r >= rows) {  // a row that the tile computes and nobody reads
      for (Index line = 0; line < plan.blocks * lines; ++line) {
        std::memset(out + line * padded * 64, 0, 64);
      }
      continue;
    }
    const float* row = x.data() + (begin + r) * x.stride(0);
    if (norm != nullptr) {
      if (format == LeftFormat::f32) {
        kernels.normalize(row, K, *norm, reinterpret_cast<float*>(out), padded * 16);
        continue;
      }
      kernels.normalize(row, K, *norm, normalised, 16);
      row = normalised;
    }
    kernels.pack_left(format, row, K, out, padded * lines * 64,
                      left.quantised + tile * weight.product().tile_rows() + r);
  }
}

/// What a piece of K is of a panel.
struct Slab {
  const std::byte* begin;
  Index row_bytes;
  Index rows;
};

inline Slab slab_of(const Panels& weight, const ProductPlan& plan, Index panel, Index piece) {
  const Index block_rows = left_block(weight.product().left) / weight.product().step;
  const Index row_bytes = weight.vectors(panel) * weight.kernels().vector * 4;
  const Index first = plan.first_block(piece) * block_rows;
  const Index last = std::min(weight.steps(), plan.first_block(piece + 1) * block_rows);
  return {weight.panel(panel) + first * row_bytes, row_bytes, last - first};
}

/// Bytes that the tiles ask for while they run, so many lines for each of their blocks.
struct Fetch {
  const std::byte* next;
  const std::byte* end;
  Index lines_per_block;

  Fetch(const Slab& slab, Index blocks)
      : next(slab.begin),
        end(slab.begin + slab.rows * slab.row_bytes),
        lines_per_block(std::min(Index{16}, (end - next + blocks * 64 - 1) / (blocks * 64))) {}
  /// Nothing.
  Fetch() : next(nullptr), end(nullptr), lines_per_block(0) {}
  void advance(Index blocks) {
    next += lines_per_block * blocks * 64;
    if (next >= end) lines_per_block = 0;
  }
};

/// Where finished tiles go: to the rows of a matrix, or packed, as the next product's left side.
struct Destination {
  std::byte* data;
  Index row_bytes;    // of the matrix
  Index tile_bytes;   // of a packed tile; 0: a matrix
  LeftFormat format;  // of a packed tile
};

/// A product but for its left side.
struct Product {
  const Panels& weight;
  Finish finish;
  Activation activation;
};

/// The end of a tile: from its sums to where it belongs.
struct TileEnd {
  const float* sums;
  Index rows;
  Finish finish;
  Target to;
};

/// What is the same for all tiles of one panel.
struct PanelEnd {
  Activation activation;
  Index sums_stride;
  Index columns;
};

/// Work for the units that tiles in registers of their own leave idle: the end of the tile before,
/// and the preparation of the next slab, in slices.
class Meanwhile {
 public:
  Meanwhile(const Kernels& kernels, const ProductKernels& product)
      : kernels_(kernels), product_(product) {}

  /// At least so many calls of step() follow before the next finish_now().
  void plan(Index slices) { rows_per_slice_ = (end_.rows + slices - 1) / slices; }

  static void step(void* self) { static_cast<Meanwhile*>(self)->do_slice(); }

  void finish_later(const TileEnd& end, const PanelEnd& panel) {
    end_ = end;
    panel_ = panel;
  }
  void finish_now() {
    rows_per_slice_ = end_.rows;
    finish_rows();
  }

  /// One block of the slab in every `pause` slices.
  void prepare_later(const Slab& slab, Index vectors, std::byte* out, Index pause) {
    slab_ = slab;
    vectors_ = vectors;
    out_ = out;
    pause_ = pause;
    countdown_ = pause;
  }
  void prepare_now() {
    while (slab_.rows > 0) prepare_block();
  }

 private:
  void do_slice() {
    if (end_.rows > 0) finish_rows();
    if (slab_.rows > 0 && --countdown_ <= 0) {
      countdown_ = pause_;
      prepare_block();
    }
  }

  void finish_rows() {
    const Index rows = std::min(rows_per_slice_, end_.rows);
    if (rows == 0) return;
    kernels_.finish(panel_.activation, end_.sums, panel_.sums_stride, rows, panel_.columns,
                    end_.finish, end_.to);
    end_.rows -= rows;
    end_.sums += rows * panel_.sums_stride;
    end_.to.data += rows * end_.to.row_bytes;
    if (end_.finish.residual != nullptr) {
      end_.finish.residual += rows * end_.finish.residual_stride;
    }
    if (end_.finish.rows != nullptr) end_.finish.rows += rows;
  }

  void prepare_block() {
    const Index rows = std::min(left_block(product_.left), slab_.rows);
    product_.prepare(slab_.begin, rows, vectors_, out_);
    slab_.begin += rows * slab_.row_bytes;
    slab_.rows -= rows;
    out_ += vectors_ * product_.prepared_bytes;
  }

  const Kernels& kernels_;
  const ProductKernels& product_;
  TileEnd end_{};
  PanelEnd panel_{};
  Index rows_per_slice_ = 0;
  Slab slab_{};
  Index vectors_ = 0;
  std::byte* out_ = nullptr;
  Index pause_ = 1;
  Index countdown_ = 1;
};

/// What one worker needs while it multiplies.
struct ProductScratch {
  float* sums;                         // of the unfinished tiles of a unit
  std::array<std::byte*, 2> prepared;  // slabs, where kernels do not read panels as they are
};

/// Floats of the unfinished tiles of a group, for one panel. Where K is one piece two tiles take
/// turns, so that one can end while the next is multiplied.
inline Index sums_of_panel(const Panels& weight, const ProductPlan& plan) {
  const Index group_tiles = (plan.tiles.count() + plan.groups - 1) / plan.groups;
  return (plan.pieces > 1 ? group_tiles : 2) * weight.product().tile_rows() * weight.width();
}

/// One panel, or one piece of it, in a unit.
struct Turn {
  Index panel;
  Index piece;
};

/// A bunch of panels against one group of tiles.
class Unit {
 public:
  Unit(const Product& of, const ProductPlan& plan, Index unit, const LeftSide& left,
       const Destination& y, const ProductScratch& scratch)
      : of_(of), plan_(plan), left_(left), y_(y), scratch_(scratch) {
    const Index bunch = unit % plan.bunches;
    const Index group = unit / plan.bunches;
    first_panel_ = plan.first_panel(of.weight, bunch);
    last_panel_ = plan.first_panel(of.weight, bunch + 1);
    first_tile_ = group * plan.tiles.count() / plan.groups;
    last_tile_ = (group + 1) * plan.tiles.count() / plan.groups;
  }

  void run() {
    const ProductKernels& product = of_.weight.product();
    Meanwhile meanwhile(of_.weight.kernels(), product);
    const Index panels = last_panel_ - first_panel_;
    const Index turns = panels * plan_.pieces;
    for (Index t = 0; t < turns; ++t) {
      const Turn turn = turn_at(t);
      const Slab slab = slab_of(of_.weight, plan_, turn.panel, turn.piece);
      const Index blocks = blocks_of(turn.piece);
      const std::byte* right = slab.begin;
      if (product.prepare != nullptr) {
        std::byte* const here = scratch_.prepared[static_cast<std::size_t>(t % 2)];
        if (t == 0) meanwhile.prepare_later(slab, of_.weight.vectors(turn.panel), here, 1);
        meanwhile.prepare_now();
        right = here;
        if (t + 1 < turns) {
          const Turn next = turn_at(t + 1);
          const Index slices = (last_tile_ - first_tile_) * blocks;
          meanwhile.prepare_later(slab_of(of_.weight, plan_, next.panel, next.piece),
                                  of_.weight.vectors(next.panel),
                                  scratch_.prepared[static_cast<std::size_t>((t + 1) % 2)],
                                  slices / blocks_of(next.piece));
        }
      }
      run_slab(turn, slab, right, fetch_after(t, turns, blocks), meanwhile);
    }
    meanwhile.finish_now();
  }

 private:
  [[nodiscard]] Turn turn_at(Index t) const {
    const Index panels = last_panel_ - first_panel_;
    return {first_panel_ + t % panels, t / panels};
  }
  [[nodiscard]] Index blocks_of(Index piece) const {
    return plan_.first_block(piece + 1) - plan_.first_block(piece);
  }
  /// The next slab, or where it is prepared while this one is used, the one after that.
  [[nodiscard]] Fetch fetch_after(Index t, Index turns, Index blocks) const {
    const Index next = t + (of_.weight.product().prepare == nullptr ? 1 : 2);
    const Turn turn =
        next < turns ? turn_at(next) : Turn{last_panel_ + next - turns, 0};  // of the next bunch
    if (turn.panel >= of_.weight.count()) return {};
    return {slab_of(of_.weight, plan_, turn.panel, turn.piece),
            (last_tile_ - first_tile_) * blocks};
  }

  void run_slab(Turn turn, const Slab& slab, const std::byte* right, Fetch ahead,
                Meanwhile& meanwhile) {
    const Panels& weight = of_.weight;
    const Finish& whole = of_.finish;
    const Kernels& kernels = weight.kernels();
    const ProductKernels& product = weight.product();
    const Index column = turn.panel * weight.width();
    const Index vectors = weight.vectors(turn.panel);
    const Index first_block = plan_.first_block(turn.piece);
    const Index blocks = blocks_of(turn.piece);
    const Index lines = left_lines(product.left);
    const bool last = turn.piece + 1 == plan_.pieces;
    const bool packed = y_.tile_bytes > 0;
    const Index row_bytes = vectors * kernels.vector * 4;  // of sums
    const Index tile_sums = product.tile_rows() * weight.width();
    float* const sums =
        scratch_.sums +
        (plan_.pieces > 1 ? (turn.panel - first_panel_) * sums_of_panel(weight, plan_) : 0);
    for (Index tile = first_tile_; tile < last_tile_; ++tile) {
      const Index begin = plan_.tiles.begin(tile);
      const Index rows = plan_.tiles.rows(tile);
      const Index padded = product.padded_rows(rows);
      float* const at = sums + (plan_.pieces > 1 ? tile - first_tile_ : next_sums_) * tile_sums;
      if (plan_.pieces == 1) next_sums_ = 1 - next_sums_;
      const Target to = packed ? Target{y_.data + tile * y_.tile_bytes, 64,
                                        padded * left_lines(y_.format) * 64, column, y_.format}
                               : Target{y_.data + begin * y_.row_bytes, y_.row_bytes, 64, column,
                                        LeftFormat::f32};
      const float* const residual = whole.residual == nullptr
                                        ? nullptr
                                        : whole.residual + begin * whole.residual_stride + column;
      // The lines that the end of the product touches are fetched while it still runs: of the
      // residual if there is one, which is y itself as a rule.
      const auto* const near = residual == nullptr ? to.data + column * Index{sizeof(float)}
                                                   : reinterpret_cast<const std::byte*>(residual);
      const Index near_stride =
          residual == nullptr ? y_.row_bytes : whole.residual_stride * Index{sizeof(float)};
      meanwhile.plan(blocks);
      product.tile_for(vectors, rows)({
          .left = left_.tiles + tile * plan_.tile_bytes + first_block * padded * lines * 64,
          .right = right,
          .steps = slab.rows,
          .vectors = vectors,
          .sums = reinterpret_cast<std::byte*>(at),
          .row_bytes = row_bytes,
          .vector_bytes = kernels.vector * 4,
          .first = turn.piece == 0,
          .ahead = ahead.next,
          .ahead_lines_per_block = ahead.lines_per_block,
          .near = near,
          .near_stride = near_stride,
          .near_rows = last && !packed ? rows : 0,
          .near_rows_per_block = blocks >= product.tile_rows() ? 1 : 4,
          .meanwhile = Meanwhile::step,
          .work = &meanwhile,
      });
      ahead.advance(blocks);
      meanwhile.finish_now();
      if (!last) continue;
      const auto from_column = [column](const float* p) {
        return p == nullptr ? nullptr : p + column;
      };
      const Finish finish = {
          .bias = from_column(whole.bias),
          .scale = from_column(whole.scale),
          .residual = residual,
          .residual_stride = whole.residual_stride,
          .column_scale = from_column(whole.column_scale),
          .column_sum = from_column(whole.column_sum),
          .rows = whole.column_scale == nullptr ? nullptr
                                                : left_.quantised + tile * product.tile_rows(),
      };
      // Rows that pad a tile are written too where the next product reads them.
      meanwhile.finish_later(
          {at, packed ? padded : rows, finish, to},
          {of_.activation, row_bytes / 4, std::min(weight.width(), weight.outputs() - column)});
      if (!product.has_meanwhile) meanwhile.finish_now();
    }
  }

  const Product& of_;
  const ProductPlan& plan_;
  const LeftSide& left_;
  const Destination& y_;
  const ProductScratch& scratch_;
  Index first_panel_ = 0;
  Index last_panel_ = 0;
  Index first_tile_ = 0;
  Index last_tile_ = 0;
  Index next_sums_ = 0;  // which of two, where K is one piece
};

/// Floats that one worker keeps of unfinished tiles.
inline Index sums_count(const Panels& weight, const ProductPlan& plan) {
  const Index panels = plan.pieces > 1 ? (weight.count() + plan.bunches - 1) / plan.bunches : 1;
  return panels * sums_of_panel(weight, plan);
}

/// Bytes that one worker keeps of a prepared slab.
inline Index prepared_count(const Panels& weight, const ProductPlan& plan) {
  return weight.product().prepared_bytes * weight.product().panel_vectors *
         ((plan.blocks + plan.pieces - 1) / plan.pieces);
}

/// The workspace's memory for the left side of a product.
inline LeftSide take_left(const Panels& weight, const ProductPlan& plan, Workspace& workspace) {
  LeftSide left{};
  left.tiles = reinterpret_cast<std::byte*>(
      workspace.take<std::uint8_t>(plan.tiles.count() * plan.tile_bytes));
  left.quantised = reinterpret_cast<Quantised*>(workspace.take<std::int32_t>(
      plan.tiles.count() * weight.product().tile_rows() * Index{sizeof(Quantised) / 4}));
  return left;
}

/// y = epilogue(norm(x) W^T), and with `then` epilogue'(epilogue(norm(x) W^T) W'^T); `norm` and
/// `then` may be null. With `then` both are in one format, f32 or bf16, and the outputs of W fill
/// whole blocks of it.
inline void packed_product(MatrixView<const float> x, const NormArguments* norm,
                           const Product& first, const Product* then, MatrixView<float> y,
                           const Context& context) {
  const Index M = x.extent(0);
  if (M == 0 || y.extent(1) == 0) return;
  const Index threads =
      std::min<Index>(WorkRanges::most_workers, std::max(1, context.executor.concurrency()));
  const Panels& weight = first.weight;
  const Panels& last_weight = then == nullptr ? weight : then->weight;
  const ProductPlan plan = plan_product(weight, M, threads);
  const ProductPlan last_plan = plan_product(last_weight, M, threads);
  const Index units = plan.groups * plan.bunches;
  const Index last_units = last_plan.groups * last_plan.bunches;
  const Index workers =
      WorkRanges::workers_for(context.executor, std::max({units, last_units, plan.tiles.count()}));

  const Workspace::Scope scope(context.workspace);
  const LeftSide left = take_left(weight, plan, context.workspace);
  const Destination matrix{reinterpret_cast<std::byte*>(y.data()),
                           y.stride(0) * Index{sizeof(float)}, 0, LeftFormat::f32};
  LeftSide between{};
  Destination to = matrix;
  if (then != nullptr) {
    between = take_left(last_weight, last_plan, context.workspace);
    to = {between.tiles, 0, last_plan.tile_bytes, last_weight.product().left};
  }
  const MatrixView<float> sums = context.workspace.matrix<float>(
      workers, std::max(sums_count(weight, plan), sums_count(last_weight, last_plan)));
  const MatrixView<std::uint8_t> prepared = context.workspace.matrix<std::uint8_t>(
      workers * 2, std::max(prepared_count(weight, plan), prepared_count(last_weight, last_plan)));
  const MatrixView<float> normalised =
      context.workspace.matrix<float>(workers, norm == nullptr ? 1 : x.extent(1));

  WorkRanges packing(plan.tiles.count(), workers);
  WorkRanges multiplying(units, workers);
  WorkRanges again(last_units, workers);
  context.executor.parallel_for(workers, [&](Index worker) {
    const TileScope tiles(weight.product());
    const ProductScratch scratch{&sums(worker, 0),
                                 {reinterpret_cast<std::byte*>(prepared[2 * worker].data()),
                                  reinterpret_cast<std::byte*>(prepared[2 * worker + 1].data())}};
    for (Index t = packing.next(worker); t >= 0; t = packing.next(worker)) {
      pack_tile(weight, plan, x, norm, t, left, &normalised(worker, 0));
      packing.mark_done();
    }
    packing.wait_for_all();
    for (Index u = multiplying.next(worker); u >= 0; u = multiplying.next(worker)) {
      Unit(first, plan, u, left, to, scratch).run();
      multiplying.mark_done();
    }
    if (then == nullptr) return;
    multiplying.wait_for_all();
    for (Index u = again.next(worker); u >= 0; u = again.next(worker)) {
      Unit(*then, last_plan, u, between, matrix, scratch).run();
    }
  });
}

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_PRODUCT_HPP
