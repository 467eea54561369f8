// The driver of the packed product: cuts y (M, N) into units, spreads them over threads, and walks
// each unit tile by tile.
//
//   1. every row of x is normalised if asked, converted and copied into tiles of 9 rows (6 on AVX2)
//   2. a unit is one panel of weights against one group of tiles, all of them if M is small; the
//      next panel is fetched meanwhile
//   3. in a unit K is cut into pieces, so that a piece of the panel stays in the first cache while
//      all tiles of the group use it; the epilogue runs on each tile that has seen all of K
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
  // Accumulators are worth reloading every 24 blocks (384 steps of f32).
  constexpr Index piece = 24;
  plan.pieces = (plan.blocks + piece - 1) / piece;
  // The accumulators of a group fit into a part of the second cache. The rows themselves need not:
  // they pass by once per panel, in order, while a larger group would read its panel less often.
  const Index in_cache = plan.pieces == 1
                             ? plan.tiles
                             : (Index{128} << 10) / (rows * weight.width() * Index{sizeof(float)});
  const Index fewest = (plan.tiles + in_cache - 1) / in_cache;
  // More groups if that shares the units out evenly.
  plan.groups = fewest;
  double least_waste = 1e9;
  for (Index groups = fewest; groups <= std::min(plan.tiles, fewest + workers); ++groups) {
    const Index units = groups * weight.count();
    const Index rounds = (units + workers - 1) / workers;
    const double waste = static_cast<double>(rounds * workers) / static_cast<double>(units) * 1.0 +
                         0.01 * static_cast<double>(groups - fewest);
    if (waste < least_waste - 1e-9) {
      least_waste = waste;
      plan.groups = groups;
    }
  }
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

/// One panel against one group of tiles.
inline void run_unit(const Panels& weight, const ProductPlan& plan, Index unit,
                     const LeftSide& left, const Finish& whole, Activation activation,
                     MatrixView<float> y, float* sums) {
  const Kernels& kernels = weight.kernels();
  const ProductKernels& product = weight.product();
  const Index panel = unit % weight.count();
  const Index group = unit / weight.count();
  const Index first_tile = group * plan.tiles / plan.groups;
  const Index last_tile = (group + 1) * plan.tiles / plan.groups;
  const Index vectors = weight.vectors(panel);
  const Index vector_bytes = kernels.vector * 4;
  const Index panel_row_bytes = vectors * vector_bytes;
  const Index block_steps = left_block(product.left) / product.step;
  const Index column = panel * weight.width();
  const Index columns = std::min(weight.width(), weight.outputs() - column);

  const std::byte* ahead = nullptr;
  const std::byte* ahead_end = nullptr;
  Index ahead_lines = 0;
  if (panel + 1 < weight.count()) {
    const Index bytes = weight.steps() * weight.vectors(panel + 1) * vector_bytes;
    const Index calls = (last_tile - first_tile) * plan.blocks * 64;
    ahead = weight.panel(panel + 1);
    ahead_end = ahead + bytes;
    ahead_lines = std::min(Index{16}, (bytes + calls - 1) / calls);
  }

  for (Index piece = 0; piece < plan.pieces; ++piece) {
    const Index first_block = piece * plan.blocks / plan.pieces;
    const Index last_block = (piece + 1) * plan.blocks / plan.pieces;
    const Index first_step = first_block * block_steps;
    for (Index tile = first_tile; tile < last_tile; ++tile) {
      const Index begin = plan.tile_begin(tile);
      const Index rows = plan.tile_rows(tile);
      float* at = sums;
      if (plan.pieces > 1) at += (tile - first_tile) * kernels.tile_rows * weight.width();
      if (ahead >= ahead_end) ahead_lines = 0;
      float* const to = y.data() + begin * y.stride(0) + column;
      const float* const residual = whole.residual == nullptr
                                        ? nullptr
                                        : whole.residual + begin * whole.residual_stride + column;
      const bool last = piece + 1 == plan.pieces;
      // The lines that the end of the product touches are fetched while it still runs: of the
      // residual if there is one, which is y itself as a rule.
      const float* const near = residual == nullptr ? to : residual;
      const Index near_stride = residual == nullptr ? y.stride(0) : whole.residual_stride;
      const Index blocks = last_block - first_block;
      product.tile[vectors][rows]({
          .left = left.tiles + tile * plan.tile_bytes +
                  first_block * padded_tile_rows(rows, kernels.tile_rows) * 64,
          .right = weight.panel(panel) + first_step * panel_row_bytes,
          .steps = std::min(weight.steps(), last_block * block_steps) - first_step,
          .sums = reinterpret_cast<std::byte*>(at),
          .row_bytes = panel_row_bytes,
          .vector_bytes = vector_bytes,
          .first = piece == 0,
          .ahead = ahead,
          .ahead_lines_per_block = ahead_lines,
          .near = reinterpret_cast<const std::byte*>(near),
          .near_stride = near_stride * Index{sizeof(float)},
          .near_rows = last ? rows : 0,
          .near_rows_per_block = blocks >= kernels.tile_rows ? 1 : 4,
      });
      ahead += ahead_lines * blocks * 64;
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
      kernels.finish(activation, at, panel_row_bytes / 4, rows, columns, finish, to, y.stride(0));
    }
  }
}

/// y = epilogue(norm(x) W^T); `norm` may be null.
inline void packed_product(MatrixView<const float> x, const NormArguments* norm,
                           const Panels& weight, const Finish& finish, Activation activation,
                           MatrixView<float> y, const Context& context) {
  const Index M = x.extent(0);
  if (M == 0 || weight.outputs() == 0) return;
  const Index threads = std::max(1, context.executor.concurrency());
  const ProductPlan plan = plan_product(weight, M, std::min(threads, WorkRanges::most_workers));
  const Index units = plan.groups * weight.count();
  const Index workers = WorkRanges::workers_for(context.executor, std::max(units, plan.tiles));
  const Index group_tiles = (plan.tiles + plan.groups - 1) / plan.groups;
  const Index sums_count =
      (plan.pieces > 1 ? group_tiles : 1) * weight.kernels().tile_rows * weight.width();

  const Workspace::Scope scope(context.workspace);
  LeftSide left{};
  left.tiles = reinterpret_cast<std::byte*>(
      context.workspace.take<std::uint8_t>(plan.tiles * plan.tile_bytes));
  left.quantised = reinterpret_cast<Quantised*>(context.workspace.take<std::int32_t>(
      plan.tiles * weight.kernels().tile_rows * Index{sizeof(Quantised) / 4}));
  const MatrixView<float> sums = context.workspace.matrix<float>(workers, sums_count);
  const MatrixView<float> normalised =
      context.workspace.matrix<float>(workers, norm == nullptr ? 1 : x.extent(1));

  WorkRanges packing(plan.tiles, workers);
  WorkRanges multiplying(units, workers);
  context.executor.parallel_for(workers, [&](Index worker) {
    for (Index t = packing.next(worker); t >= 0; t = packing.next(worker)) {
      pack_tile(weight, plan, x, norm, t, left, &normalised(worker, 0));
      packing.mark_done();
    }
    packing.wait_for_all();
    for (Index u = multiplying.next(worker); u >= 0; u = multiplying.next(worker)) {
      run_unit(weight, plan, u, left, finish, activation, y, &sums(worker, 0));
    }
  });
}

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_PRODUCT_HPP
