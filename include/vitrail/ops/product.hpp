// The driver of the packed product: cuts y (M, N) into units, spreads them over threads, and walks
// each unit tile by tile.
//
//   1. every row of x is made or normalised if asked, converted and copied into tiles of 9 rows (6
//      on AVX2, 32 on AMX)
//   2. a unit is one panel of weights against one group of tiles, all of them if M is small; where
//      rows are read faster than the third cache gives them, a bunch of panels
//   3. in a unit K is cut into pieces, so that a piece of the panel, a slab, stays in the second
//      cache while all tiles of the group use it and the next slab is fetched; the epilogue runs on
//      each tile that has seen all of K
//
// Each element adds its products in order, or those of the two halves of a long K and then the two
// sums, on one thread as on many: the result depends on neither M nor threads nor cache sizes. Only
// such halves may go to two threads: in an MLP each multiplies the hidden rows that it wrote.
#ifndef VITRAIL_OPS_PRODUCT_HPP
#define VITRAIL_OPS_PRODUCT_HPP

#include <vitrail/ops/product_unit.hpp>
#include <vitrail/runtime/context.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// The rows of a product's left side.
struct LeftRows {
  MatrixView<const float> x;     // (M, K)
  const NormArguments* norm;     // of x, or null
  const RowSource<float>* make;  // or null; makes the rows, instead of x
};

/// Rows that are normalised at once, and stay in the first cache until they are converted.
inline constexpr Index normalised_rows = 3;

/// Rows that one worker keeps between two steps of packing.
inline Index scratch_rows(const Panels& weight, const LeftRows& rows) {
  return rows.make != nullptr   ? weight.product().tile_rows()
         : rows.norm != nullptr ? normalised_rows
                                : 0;
}

/// One tile of rows of x: made or normalised, converted, copied.
inline void pack_tile(const Panels& weight, const ProductPlan& plan, const LeftRows& of, Index tile,
                      const LeftSide& left, float* scratch) {
  const Kernels& kernels = weight.kernels();
  const LeftFormat format = weight.product().left;
  const Index K = weight.inputs();
  const Index begin = plan.tiles.first_row(tile);
  const Index rows = plan.tiles.rows(tile);
  const Index padded = weight.product().padded_rows(rows);
  const Index lines = left_lines(format);
  std::byte* const out = left.tiles + tile * plan.tile_bytes;
  // Rows that the tile computes and nobody reads.
  for (Index line = 0; rows < padded && line < plan.blocks * lines; ++line) {
    std::memset(out + (line * padded + rows) * 64, 0, static_cast<std::size_t>(padded - rows) * 64);
  }
  Quantised* const quantised = left.quantised + tile * weight.product().tile_rows();
  const auto pack = [&](const float* from, Index stride, Index begin_row, Index count) {
    kernels.pack_left(format, from, stride, count, K, out + begin_row * 64, padded * lines * 64,
                      quantised + begin_row);
  };
  if (of.make != nullptr) {
    (*of.make)(begin, begin + rows, scratch);
    return pack(scratch, K, 0, rows);
  }
  const Index stride = of.x.stride(0);
  const float* const first = of.x.data() + begin * stride;
  if (of.norm == nullptr) return pack(first, stride, 0, rows);
  if (format == LeftFormat::f32) {
    return kernels.normalize(first, stride, rows, K, *of.norm, reinterpret_cast<float*>(out), 16,
                             padded * 16);
  }
  for (Index r = 0; r < rows; r += normalised_rows) {
    const Index count = std::min(normalised_rows, rows - r);
    kernels.normalize(first + r * stride, stride, count, K, *of.norm, scratch, K, 16);
    pack(scratch, K, r, count);
  }
}

/// Floats that one worker keeps of unfinished tiles.
inline Index sums_count(const Panels& weight, const ProductPlan& plan) {
  return (plan.parts_apart ? 1 : plan.parts) * sums_of_part(weight, plan);
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

/// y = epilogue(x W^T), and with `then` epilogue'(epilogue(x W^T) W'^T), as many of their outputs
/// as y has columns; `then` may be null. With `then` both are in one format, f32 or bf16, and the
/// outputs of W fill whole blocks of it.
inline void packed_product(const LeftRows& x, const Product& first, const Product* then,
                           MatrixView<float> y, const Context& context) {
  const Index M = y.extent(0);
  if (M == 0 || y.extent(1) == 0) return;
  const Index threads =
      std::min<Index>(WorkRanges::most_workers, std::max(1, context.executor.concurrency()));
  const Panels& weight = first.weight;
  const Panels& last_weight = then == nullptr ? weight : then->weight;
  weight.count_use();
  if (then != nullptr) last_weight.count_use();
  const ProductPlan plan = plan_product(weight, M, first.outputs, threads);
  const ProductPlan last_plan =
      then == nullptr ? plan : plan_product(last_weight, M, then->outputs, threads, true);
  const Index units = plan.units();
  const Index last_units = last_plan.units();
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
  // Of each worker, or, where parts of K are units of their own, of each unit.
  const MatrixView<float> sums = context.workspace.per_worker<float>(
      std::max(workers, last_plan.parts_apart ? last_units : 0),
      std::max(sums_count(weight, plan), sums_count(last_weight, last_plan)));
  const Index slab_bytes =
      std::max(prepared_count(weight, plan), prepared_count(last_weight, last_plan));
  const auto prepared = context.workspace.per_worker<std::uint8_t>(workers, 2 * slab_bytes);
  const MatrixView<float> rows =
      context.workspace.per_worker<float>(workers, scratch_rows(weight, x) * weight.inputs());

  WorkRanges packing(plan.tiles.count(), workers);
  WorkRanges multiplying(units, workers);
  WorkRanges again(last_units, workers);
  std::array<Meeting, WorkRanges::most_workers> meetings;
  context.executor.parallel_for(workers, [&](Index worker) {
    const TileScope tiles(weight.product());
    auto* const slabs = reinterpret_cast<std::byte*>(prepared[worker].data());
    float* const own = sums[worker].data();
    const ProductScratch scratch{{own, own + sums_of_part(weight, plan)},
                                 {slabs, slabs + slab_bytes}};
    for (Index t = packing.next(worker); t >= 0; t = packing.next(worker)) {
      pack_tile(weight, plan, x, t, left, rows[worker].data());
      packing.mark_done();
    }
    packing.wait_for_all();
    for (Index u = multiplying.next(worker); u >= 0; u = multiplying.next(worker)) {
      Unit(first, plan, u, left, to, scratch).run();
      multiplying.mark_done();
    }
    if (then == nullptr) return;
    multiplying.wait_for_all();
    ProductScratch last_scratch = scratch;
    last_scratch.sums[1] = own + sums_of_part(last_weight, last_plan);
    for (Index u = again.next(worker); u >= 0; u = again.next(worker)) {
      Meeting* meeting = nullptr;
      if (last_plan.parts_apart) {
        const Index bunch = u % last_plan.bunches;
        meeting = &meetings[static_cast<std::size_t>(bunch)];
        last_scratch.sums = {sums[bunch].data(), sums[bunch + last_plan.bunches].data()};
      }
      Unit(*then, last_plan, u, between, matrix, last_scratch, meeting).run();
    }
  });
}

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_PRODUCT_HPP
