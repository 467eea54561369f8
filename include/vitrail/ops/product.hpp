// The driver of the packed product: cuts y (M, N) into units, spreads them over threads, and walks
// each unit tile by tile.
//
//   1. every row of x is normalised if asked, converted and copied into tiles of 9 rows (6 on AVX2)
//   2. a unit is one panel of weights against one group of tiles, all of them if M is small
//   3. in a unit K is cut into pieces, so that a piece of the panel, a slab, stays in the second
//      cache while all tiles of the group use it and the next slab is fetched; the epilogue runs on
//      each tile that has seen all of K
//
// K is never split between threads and each element adds its products in order: the result depends
// on neither M nor threads nor cache sizes.
#ifndef VITRAIL_OPS_PRODUCT_HPP
#define VITRAIL_OPS_PRODUCT_HPP

#include <vitrail/ops/panels.hpp>
#include <vitrail/runtime/context.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// How M rows of K values are cut.
struct ProductPlan {
  Index tiles;       // of rows; the first `larger` have one row more than the others
  Index rows;        // of the smaller tiles
  Index larger;      //
  Index groups;      // of tiles
  Index row_bytes;   // of a packed row
  Index tile_bytes;  // of a packed tile
  Index pieces;      // of K, in blocks
  Index blocks;      // of 64 bytes per packed row

  [[nodiscard]] Index first_block(Index piece) const { return piece * blocks / pieces; }
  [[nodiscard]] Index tile_begin(Index tile) const { return tile * rows + std::min(tile, larger); }
  [[nodiscard]] Index tile_rows(Index tile) const { return rows + (tile < larger ? 1 : 0); }
};

inline ProductPlan plan_product(const Panels& weight, Index M, Index workers) {
  const ProductKernels& product = weight.product();
  const Index rows = weight.kernels().tile_rows;
  ProductPlan plan{};
  plan.tiles = (M + rows - 1) / rows;
  plan.rows = M / plan.tiles;
  plan.larger = M % plan.tiles;
  const Index block = left_block(product.left);
  plan.blocks = (weight.inputs() + block - 1) / block;
  plan.row_bytes = plan.blocks * 64;
  plan.tile_bytes = rows * plan.row_bytes;
  // Accumulators are worth reloading every 48 blocks (768 steps of f32).
  constexpr Index piece = 48;
  plan.pieces = (plan.blocks + piece - 1) / piece;
  // The accumulators of a group fit into a part of the second cache. The rows themselves need not:
  // they pass by once per panel, in order, while a larger group would read its panel less often.
  const Index in_cache = plan.pieces == 1
                             ? plan.tiles
                             : (Index{128} << 10) / (rows * weight.width() * Index{sizeof(float)});
  const Index fewest = (plan.tiles + in_cache - 1) / in_cache;
  // More groups if that shares the units out evenly.
  plan.groups = WorkRanges::groups_for(fewest, plan.tiles, weight.count(), workers);
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
  const Index begin = plan.tile_begin(tile);
  const Index rows = plan.tile_rows(tile);
  const Index padded = padded_tile_rows(rows, kernels.tile_rows);
  for (Index r = 0; r < padded; ++r) {
    std::byte* out = left.tiles + tile * plan.tile_bytes + r * 64;
    if (r >= rows) {  // a row that the tile computes and nobody reads
      for (Index block = 0; block < plan.blocks; ++block) {
        std::memset(out + block * padded * 64, 0, 64);
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
    kernels.pack_left(format, row, K, out, padded * 64,
                      left.quantised + tile * kernels.tile_rows + r);
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
  float* data;
  Index row_stride;   // of the matrix
  Index tile_stride;  // floats of a packed tile; 0: a matrix
};

/// A product but for its left side.
struct Product {
  const Panels& weight;
  Finish finish;
  Activation activation;
};

/// One panel against one group of tiles.
inline void run_unit(const Product& of, const ProductPlan& plan, Index unit, const LeftSide& left,
                     const Destination& y, float* sums) {
  const Panels& weight = of.weight;
  const Finish& whole = of.finish;
  const Kernels& kernels = weight.kernels();
  const ProductKernels& product = weight.product();
  const Index panel = unit % weight.count();
  const Index group = unit / weight.count();
  const Index first_tile = group * plan.tiles / plan.groups;
  const Index last_tile = (group + 1) * plan.tiles / plan.groups;
  const Index column = panel * weight.width();
  const Index columns = std::min(weight.width(), weight.outputs() - column);

  for (Index piece = 0; piece < plan.pieces; ++piece) {
    const bool last = piece + 1 == plan.pieces;
    const Index first_block = plan.first_block(piece);
    const Index blocks = plan.first_block(piece + 1) - first_block;
    const Slab slab = slab_of(weight, plan, panel, piece);
    Fetch ahead;
    if (!last) {
      ahead = Fetch(slab_of(weight, plan, panel, piece + 1), (last_tile - first_tile) * blocks);
    } else if (panel + 1 < weight.count()) {
      ahead = Fetch(slab_of(weight, plan, panel + 1, 0), (last_tile - first_tile) * blocks);
    }
    for (Index tile = first_tile; tile < last_tile; ++tile) {
      const Index begin = plan.tile_begin(tile);
      const Index rows = plan.tile_rows(tile);
      float* at = sums;
      if (plan.pieces > 1) at += (tile - first_tile) * kernels.tile_rows * weight.width();
      const bool packed = y.tile_stride > 0;
      const Index padded = padded_tile_rows(rows, kernels.tile_rows);
      float* const to = packed ? y.data + tile * y.tile_stride + column * padded
                               : y.data + begin * y.row_stride + column;
      const float* const residual = whole.residual == nullptr
                                        ? nullptr
                                        : whole.residual + begin * whole.residual_stride + column;
      // The lines that the end of the product touches are fetched while it still runs: of the
      // residual if there is one, which is y itself as a rule.
      const float* const near = residual == nullptr ? to : residual;
      const Index near_stride = residual == nullptr ? y.row_stride : whole.residual_stride;
      product.tile[weight.vectors(panel)][rows]({
          .left = left.tiles + tile * plan.tile_bytes + first_block * padded * 64,
          .right = slab.begin,
          .steps = slab.rows,
          .sums = reinterpret_cast<std::byte*>(at),
          .row_bytes = slab.row_bytes,
          .vector_bytes = kernels.vector * 4,
          .first = piece == 0,
          .ahead = ahead.next,
          .ahead_lines_per_block = ahead.lines_per_block,
          .near = reinterpret_cast<const std::byte*>(near),
          .near_stride = near_stride * Index{sizeof(float)},
          .near_rows = last && !packed ? rows : 0,
          .near_rows_per_block = blocks >= kernels.tile_rows ? 1 : 4,
      });
      ahead.advance(blocks);
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
          .rows =
              whole.column_scale == nullptr ? nullptr : left.quantised + tile * kernels.tile_rows,
      };
      // Rows that pad a tile are written too where the next product reads them.
      kernels.finish(of.activation, at, slab.row_bytes / 4, packed ? padded : rows, columns, finish,
                     to, packed ? 16 : y.row_stride, packed ? padded * 16 : 16);
    }
  }
}

/// The workspace's memory for the left side of a product.
inline LeftSide take_left(const Panels& weight, const ProductPlan& plan, Workspace& workspace) {
  LeftSide left{};
  left.tiles =
      reinterpret_cast<std::byte*>(workspace.take<std::uint8_t>(plan.tiles * plan.tile_bytes));
  left.quantised = reinterpret_cast<Quantised*>(workspace.take<std::int32_t>(
      plan.tiles * weight.kernels().tile_rows * Index{sizeof(Quantised) / 4}));
  return left;
}

/// Floats that one worker keeps of unfinished tiles.
inline Index sums_count(const Panels& weight, const ProductPlan& plan) {
  const Index group_tiles = (plan.tiles + plan.groups - 1) / plan.groups;
  return (plan.pieces > 1 ? group_tiles : 1) * weight.kernels().tile_rows * weight.width();
}

/// y = epilogue(norm(x) W^T), and with `then` epilogue'(epilogue(norm(x) W^T) W'^T); `norm` and
/// `then` may be null. With `then` both are f32, and W has a multiple of 16 outputs.
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
  const Index units = plan.groups * weight.count();
  const Index last_units = last_plan.groups * last_weight.count();
  const Index workers =
      WorkRanges::workers_for(context.executor, std::max({units, last_units, plan.tiles}));

  const Workspace::Scope scope(context.workspace);
  const LeftSide left = take_left(weight, plan, context.workspace);
  const Destination matrix{y.data(), y.stride(0), 0};
  LeftSide between{};
  Destination to = matrix;
  if (then != nullptr) {
    between = take_left(last_weight, last_plan, context.workspace);
    to = {reinterpret_cast<float*>(between.tiles), 0, last_plan.tile_bytes / 4};
  }
  const MatrixView<float> sums = context.workspace.matrix<float>(
      workers, std::max(sums_count(weight, plan), sums_count(last_weight, last_plan)));
  const MatrixView<float> normalised =
      context.workspace.matrix<float>(workers, norm == nullptr ? 1 : x.extent(1));

  WorkRanges packing(plan.tiles, workers);
  WorkRanges multiplying(units, workers);
  WorkRanges again(last_units, workers);
  context.executor.parallel_for(workers, [&](Index worker) {
    for (Index t = packing.next(worker); t >= 0; t = packing.next(worker)) {
      pack_tile(weight, plan, x, norm, t, left, &normalised(worker, 0));
      packing.mark_done();
    }
    packing.wait_for_all();
    for (Index u = multiplying.next(worker); u >= 0; u = multiplying.next(worker)) {
      run_unit(first, plan, u, left, to, &sums(worker, 0));
      multiplying.mark_done();
    }
    if (then == nullptr) return;
    multiplying.wait_for_all();
    for (Index u = again.next(worker); u >= 0; u = again.next(worker)) {
      run_unit(*then, last_plan, u, between, matrix, &sums(worker, 0));
    }
  });
}

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_PRODUCT_HPP
