// How a packed product is cut: rows into tiles and groups of tiles, weights into panels and bunches
// of panels, K into pieces and these into halves.
//
//            bunch 0            bunch 1
//         panel 0  panel 1   panel 2  panel 3
//   tile 0 |........|........|........|........|
//   tile 1 |........|........|........|........|  group 0: with each bunch one unit of work
//   tile 2 |........|........|........|........|
//   tile 3 |........|........|........|........|  group 1
#ifndef VITRAIL_OPS_PRODUCT_PLAN_HPP
#define VITRAIL_OPS_PRODUCT_PLAN_HPP

#include <vitrail/ops/panels.hpp>
#include <vitrail/ops/row_tiles.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// Into how many parts K is cut that add up apart: a property of the weights, as results depend on
/// it. Two, where K is long: two workers can then multiply one each.
inline Index parts_of_inputs(const Panels& weight, Index pieces) {
  const Index halving = weight.product().halving_pieces;
  return halving > 0 && pieces >= halving && weight.inputs() > weight.outputs() ? 2 : 1;
}

/// How M rows of K values are cut.
struct ProductPlan {
  RowTiles tiles;
  Index panels;      // of the weights: those of the outputs that are asked for
  Index groups;      // of tiles
  Index bunches;     // of panels
  Index row_bytes;   // of a packed row
  Index tile_bytes;  // of a packed tile
  Index parts;       // of K: 2 where its halves add up apart and are then joined
  Index pieces;      // of K, in blocks; as many in each part
  Index blocks;      // of 64 bytes per packed row
  bool parts_apart;  // each part is a unit of its own

  [[nodiscard]] Index units() const { return groups * bunches * (parts_apart ? parts : 1); }
  [[nodiscard]] Index first_block(Index piece) const { return piece * blocks / pieces; }
  [[nodiscard]] Index first_panel(Index bunch) const { return bunch * panels / bunches; }
  [[nodiscard]] Index part_of(Index piece) const { return piece * parts / pieces; }
  [[nodiscard]] bool begins_part(Index piece) const { return piece % (pieces / parts) == 0; }
};

/// How `workers` multiply M rows for the first N outputs. `rows_at_home`: they wrote the rows
/// themselves, each its part of K, and the rows are still in their caches.
inline ProductPlan plan_product(const Panels& weight, Index M, Index N, Index workers,
                                bool rows_at_home = false) {
  const ProductKernels& product = weight.product();
  const Index rows = product.tile_rows();
  ProductPlan plan{};
  plan.tiles = RowTiles(product, M);
  plan.panels = (N + weight.width() - 1) / weight.width();
  const Index block = left_block(product.left);
  plan.blocks = (weight.inputs() + block - 1) / block;
  plan.row_bytes = plan.blocks * 64 * left_lines(product.left);
  plan.tile_bytes = rows * plan.row_bytes;
  plan.pieces = (plan.blocks + product.piece_blocks - 1) / product.piece_blocks;
  plan.parts = parts_of_inputs(weight, plan.pieces);
  plan.pieces = (plan.pieces + plan.parts - 1) / plan.parts * plan.parts;
  // The accumulators of a unit fit into a part of the second cache. The rows themselves need not:
  // they pass by once per panel, in order, while a larger group would read its panel less often.
  // Unless they are used up faster than they come: then a piece of them fits, beside the sums.
  Index in_cache = plan.pieces == 1
                       ? plan.tiles.count()
                       : (Index{128} << 10) / (rows * weight.width() * Index{sizeof(float)});
  if (product.rows_in_cache) {
    const Index sums = plan.pieces == 1 ? 0 : product.bunch_panels * weight.width() * rows * 4;
    const Index tile_bytes = (plan.tile_bytes + plan.pieces - 1) / plan.pieces + sums;
    in_cache = std::max(Index{1}, cpu().level2_bytes * 3 / 4 / tile_bytes);
  }
  Index fewest = (plan.tiles.count() + in_cache - 1) / in_cache;
  // Where rows outweigh weights each worker keeps to its own rows: weights that all read
  // come from the third cache, rows that another wrote from the other's caches.
  const Index values = M * (weight.inputs() + weight.outputs());
  const Index packed_bytes = values * 64 * left_lines(product.left) / block;
  if (packed_bytes > static_cast<Index>(weight.byte_size())) {
    fewest = std::min(plan.tiles.count(), std::max(fewest, workers));
  }
  // More groups, or smaller bunches, if that shares the units out evenly; not more of them, for the
  // rows pass by once for each.
  const Index bunches = (plan.panels + product.bunch_panels - 1) / product.bunch_panels;
  plan.parts_apart = rows_at_home && plan.parts > 1 && fewest == 1 && workers > 1 &&
                     workers % plan.parts == 0 && plan.panels * plan.parts >= workers &&
                     bunches <= WorkRanges::most_workers / plan.parts;
  const Index sharing = plan.parts_apart ? workers / plan.parts : workers;  // one part's panels
  plan.bunches = std::min(plan.panels, (bunches + sharing - 1) / sharing * sharing);
  plan.groups = WorkRanges::groups_for(fewest, plan.tiles.count(), plan.bunches, sharing);
  return plan;
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

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_PRODUCT_PLAN_HPP
