// One unit of a packed product: a bunch of panels against a group of tiles, piece by piece of K.
#ifndef VITRAIL_OPS_PRODUCT_UNIT_HPP
#define VITRAIL_OPS_PRODUCT_UNIT_HPP

#include <vitrail/ops/meanwhile.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// What the packed left side of a product needs.
struct LeftSide {
  std::byte* tiles;      // (tiles, tile_bytes)
  Quantised* quantised;  // (tiles * tile_rows), int8 only
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
  Wanted wanted = {};
};

/// What one worker needs while it multiplies a unit.
struct ProductScratch {
  std::array<float*, 2> sums;          // of the unit's unfinished tiles, for each part of K
  std::array<std::byte*, 2> prepared;  // slabs, where kernels do not read panels as they are
};

/// Floats of the unfinished tiles of a group, for one panel. Where K is one piece two tiles take
/// turns, so that one can end while the next is multiplied.
inline Index sums_of_panel(const Panels& weight, const ProductPlan& plan) {
  const Index group_tiles = (plan.tiles.count() + plan.groups - 1) / plan.groups;
  return (plan.pieces > 1 ? group_tiles : 2) * weight.product().tile_rows() * weight.width();
}

/// Floats of the unfinished tiles of a unit, for each part of K.
inline Index sums_of_part(const Panels& weight, const ProductPlan& plan) {
  const Index panels = plan.pieces > 1 ? (weight.count() + plan.bunches - 1) / plan.bunches : 1;
  return panels * sums_of_panel(weight, plan);
}

/// Where the two units meet that multiply one part of K each: whoever is the second to have the
/// sums of some panels joins both. Nobody waits.
class Meeting {
 public:
  /// Whether the other unit's sums are there.
  [[nodiscard]] bool other_arrived(Index half) const {
    return arrived_[half].load(std::memory_order_acquire) > 0;
  }
  /// This unit's sums are there. True if the other's are too.
  [[nodiscard]] bool arrive(Index half) {
    return arrived_[half].fetch_add(1, std::memory_order_acq_rel) > 0;
  }

 private:
  std::atomic<int> arrived_[2] = {};  // for each half of the panels
};

/// One panel, or one piece of it, in a unit.
struct Turn {
  Index panel;
  Index piece;
  Index place;  // among the unit's panels, as they are taken
};

/// A bunch of panels against one group of tiles; over all of K, or, with a Meeting, over one part.
class Unit {
 public:
  Unit(const Product& of, const ProductPlan& plan, Index unit, const LeftSide& left,
       const Destination& y, const ProductScratch& scratch, Meeting* meeting = nullptr)
      : of_(of), plan_(plan), left_(left), y_(y), scratch_(scratch), meeting_(meeting) {
    const Index bunch = unit % plan.bunches;
    const Index group = unit / plan.bunches % plan.groups;
    first_panel_ = plan.first_panel(of.weight, bunch);
    last_panel_ = plan.first_panel(of.weight, bunch + 1);
    first_tile_ = group * plan.tiles.count() / plan.groups;
    last_tile_ = (group + 1) * plan.tiles.count() / plan.groups;
    last_piece_ = plan.pieces;
    panel_sums_ = sums_of_panel(of.weight, plan);
    tile_sums_ = of.weight.product().tile_rows() * of.weight.width();
    if (meeting == nullptr) return;
    const Index part = unit / plan.bunches / plan.groups;
    first_piece_ = part * plan.pieces / plan.parts;
    last_piece_ = (part + 1) * plan.pieces / plan.parts;
    middle_panel_ = (first_panel_ + last_panel_) / 2;
    // Each begins with those panels that the other one joins.
    turned_by_ = part == 0 ? middle_panel_ - first_panel_ : 0;
  }

  void run() {
    const ProductKernels& product = of_.weight.product();
    Meanwhile meanwhile(of_.weight.kernels(), product);
    const Index panels = last_panel_ - first_panel_;
    const Index turns = panels * (last_piece_ - first_piece_);
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
      bool finishes = turn.piece + 1 == last_piece_;
      const bool meets = finishes && meeting_ != nullptr;
      if (meets) finishes = finishes_half(turn.panel);
      run_slab(turn, slab, right, fetch_after(t, turns, blocks), finishes, meanwhile);
      if (meets && !finishes && ends_half(turn.panel)) {
        meanwhile.finish_now();
        if (meeting_->arrive(half_of(turn.panel))) join(half_of(turn.panel), meanwhile);
      }
    }
    meanwhile.finish_now();
  }

 private:
  [[nodiscard]] Turn turn_at(Index t) const {
    const Index panels = last_panel_ - first_panel_;
    const Index place = t % panels;
    return {first_panel_ + (place + turned_by_) % panels, first_piece_ + t / panels, place};
  }
  [[nodiscard]] Index half_of(Index panel) const { return panel < middle_panel_ ? 0 : 1; }
  [[nodiscard]] bool ends_half(Index panel) const {
    return panel + 1 == middle_panel_ || panel + 1 == last_panel_;
  }
  /// Whether this unit joins the sums of a panel's half on the way: if the other was there when the
  /// half began.
  [[nodiscard]] bool finishes_half(Index panel) {
    if (panel == first_panel_ || panel == middle_panel_) {
      joins_ = meeting_->other_arrived(half_of(panel));
    }
    return joins_;
  }
  [[nodiscard]] Index blocks_of(Index piece) const {
    return plan_.first_block(piece + 1) - plan_.first_block(piece);
  }
  /// The next slab, or where it is prepared while this one is used, the one after that.
  [[nodiscard]] Fetch fetch_after(Index t, Index turns, Index blocks) const {
    const Index next = t + (of_.weight.product().prepare == nullptr ? 1 : 2);
    const Turn turn =
        next < turns ? turn_at(next) : Turn{last_panel_ + next - turns, 0, 0};  // of the next bunch
    if (turn.panel >= of_.weight.count() || (next >= turns && meeting_ != nullptr)) return {};
    const Slab slab = slab_of(of_.weight, plan_, turn.panel, turn.piece);
    return {slab.begin, slab.rows * slab.row_bytes, (last_tile_ - first_tile_) * blocks};
  }
  /// A tile's part in the next piece of its rows: the last panels together fetch them whole, as
  /// late as that does not crowd the tiles' own loads.
  [[nodiscard]] Fetch rows_after(Turn turn, const std::byte* tile, Index block_bytes) const {
    const Index panels = last_panel_ - first_panel_;
    const Index fetching = panels < 8 ? panels : (panels + 1) / 2;
    const Index part = turn.place - (panels - fetching);
    if (part < 0) return {};
    const Index lines = blocks_of(turn.piece + 1) * block_bytes / 64;
    const Index from = part * lines / fetching;
    const Index to = (part + 1) * lines / fetching;
    return {tile + plan_.first_block(turn.piece + 1) * block_bytes + from * 64, (to - from) * 64,
            blocks_of(turn.piece)};
  }

  /// Whether anybody wants something that a panel gives for a tile.
  [[nodiscard]] bool is_wanted(Index panel, Index tile) const {
    const Wanted& wanted = of_.wanted;
    if ((panel + 1) * of_.weight.width() > wanted.columns) return true;
    const Index first = plan_.tiles.first_row(tile) % wanted.period;
    return first < wanted.rows || first + plan_.tiles.rows(tile) > wanted.period;
  }

  /// A panel's sums, of one part of K.
  [[nodiscard]] float* sums_of(Index part, Index panel) const {
    return scratch_.sums[static_cast<std::size_t>(part)] + (panel - first_panel_) * panel_sums_;
  }
  [[nodiscard]] Index row_bytes_of_sums(Index panel) const {
    return of_.weight.vectors(panel) * of_.weight.kernels().vector * 4;
  }

  /// Where a tile's outputs go.
  [[nodiscard]] Target target_of(Index panel, Index tile) const {
    const Index column = panel * of_.weight.width();
    if (y_.tile_bytes == 0) {
      return {y_.data + plan_.tiles.first_row(tile) * y_.row_bytes, y_.row_bytes, 64, column,
              LeftFormat::f32};
    }
    const Index padded = of_.weight.product().padded_rows(plan_.tiles.rows(tile));
    return {y_.data + tile * y_.tile_bytes, 64, padded * left_lines(y_.format) * 64, column,
            y_.format};
  }
  [[nodiscard]] const float* residual_of(Index panel, Index tile) const {
    const Finish& whole = of_.finish;
    if (whole.residual == nullptr) return nullptr;
    return whole.residual + plan_.tiles.first_row(tile) * whole.residual_stride +
           panel * of_.weight.width();
  }

  /// What happens to a tile at its end.
  [[nodiscard]] Finish finish_of(Index panel, Index tile) const {
    const Finish& whole = of_.finish;
    const Index column = panel * of_.weight.width();
    const auto from_column = [column](const float* p) {
      return p == nullptr ? nullptr : p + column;
    };
    return {
        .bias = from_column(whole.bias),
        .scale = from_column(whole.scale),
        .residual = residual_of(panel, tile),
        .residual_stride = whole.residual_stride,
        .column_scale = from_column(whole.column_scale),
        .column_sum = from_column(whole.column_sum),
        .rows = whole.column_scale == nullptr
                    ? nullptr
                    : left_.quantised + tile * of_.weight.product().tile_rows(),
    };
  }
  /// Whether tiles end in registers: where no activation, no column and no row that pads them
  /// (which only the next product's left side has room for) is in the way.
  [[nodiscard]] bool ends_in_registers(Index panel, Index rows) const {
    const Panels& weight = of_.weight;
    return weight.product().finishes && of_.activation == Activation::none &&
           (y_.tile_bytes == 0 ? weight.product().padded_rows(rows) == rows
                               : y_.format == LeftFormat::f32) &&
           (panel + 1) * weight.width() <= weight.outputs();
  }

  /// The end of a tile of `sums`; `other` of the other part of K, or null.
  void finish_later(Index panel, Index tile, float* sums, const float* other,
                    Meanwhile& meanwhile) const {
    const Panels& weight = of_.weight;
    const ProductKernels& product = weight.product();
    const Index column = panel * weight.width();
    // Rows that pad a tile are written too where the next product reads them.
    const Index rows = plan_.tiles.rows(tile);
    meanwhile.finish_later({sums, other, y_.tile_bytes > 0 ? product.padded_rows(rows) : rows,
                            finish_of(panel, tile), target_of(panel, tile)},
                           {of_.activation, row_bytes_of_sums(panel) / 4,
                            std::min(weight.width(), weight.outputs() - column)});
    if (!product.has_meanwhile) meanwhile.finish_now();
  }

  /// Joins and finishes half of the panels, whose sums are all there.
  void join(Index half, Meanwhile& meanwhile) const {
    const Index begin = half == 0 ? first_panel_ : middle_panel_;
    const Index end = half == 0 ? middle_panel_ : last_panel_;
    for (Index panel = begin; panel < end; ++panel) {
      for (Index tile = first_tile_; tile < last_tile_; ++tile) {
        if (!is_wanted(panel, tile)) continue;
        const Index at = (tile - first_tile_) * tile_sums_;
        finish_later(panel, tile, sums_of(0, panel) + at, sums_of(1, panel) + at, meanwhile);
        meanwhile.finish_now();
      }
    }
  }

  /// The lines that the end of a tile touches: of the residual if there is one, which is y itself
  /// as a rule.
  void fetch_end(Index panel, Index tile, TileArguments& arguments) const {
    const float* const residual = residual_of(panel, tile);
    arguments.near = reinterpret_cast<const std::byte*>(residual);
    arguments.near_stride = of_.finish.residual_stride * Index{sizeof(float)};
    if (residual == nullptr) {
      arguments.near = target_of(panel, tile).data + panel * of_.weight.width() * 4;
      arguments.near_stride = y_.row_bytes;
    }
    arguments.near_rows = plan_.tiles.rows(tile);
  }

  /// One panel, or one piece of it, against all tiles; `finishes` if these have then seen all of K.
  void run_slab(Turn turn, const Slab& slab, const std::byte* right, Fetch ahead, bool finishes,
                Meanwhile& meanwhile) {
    const Panels& weight = of_.weight;
    const ProductKernels& product = weight.product();
    const Index first_block = plan_.first_block(turn.piece);
    const Index blocks = blocks_of(turn.piece);
    const Index part = plan_.part_of(turn.piece);
    const bool more_rows = turn.piece + 1 < last_piece_;
    float* const sums = sums_of(part, plan_.pieces > 1 ? turn.panel : first_panel_);
    const float* const other =
        finishes && plan_.parts > 1 ? sums_of(1 - part, turn.panel) : nullptr;
    TileArguments arguments{};
    arguments.right = right;
    arguments.steps = slab.rows;
    arguments.vectors = weight.vectors(turn.panel);
    arguments.row_bytes = row_bytes_of_sums(turn.panel);
    arguments.vector_bytes = weight.kernels().vector * 4;
    arguments.first = plan_.begins_part(turn.piece);
    arguments.near_rows_per_block = blocks >= product.tile_rows() ? 1 : 4;
    arguments.meanwhile = Meanwhile::step;
    arguments.work = &meanwhile;
    for (Index tile = first_tile_; tile < last_tile_; ++tile) {
      if (!is_wanted(turn.panel, tile)) continue;
      const Index rows = plan_.tiles.rows(tile);
      const Index block_bytes = product.padded_rows(rows) * left_lines(product.left) * 64;
      const std::byte* const left = left_.tiles + tile * plan_.tile_bytes;
      const Index at = (plan_.pieces > 1 ? tile - first_tile_ : next_sums_) * tile_sums_;
      if (plan_.pieces == 1) next_sums_ = 1 - next_sums_;
      const float* const other_at = other == nullptr ? nullptr : other + at;
      meanwhile.plan(blocks);
      if (product.has_meanwhile) {
        meanwhile.fetch(more_rows             ? rows_after(turn, left, block_bytes)
                        : other_at != nullptr ? Fetch(reinterpret_cast<const std::byte*>(other_at),
                                                      tile_sums_ * 4, blocks)
                                              : Fetch());
      }
      arguments.left = left + first_block * block_bytes;
      arguments.sums = reinterpret_cast<std::byte*>(sums + at);
      arguments.ahead = ahead.next;
      arguments.ahead_lines_per_block = ahead.lines_per_block;
      if (finishes && y_.tile_bytes == 0) fetch_end(turn.panel, tile, arguments);
      Finish finish;
      const bool ends = finishes && other_at == nullptr && ends_in_registers(turn.panel, rows);
      arguments.finish = nullptr;
      if (ends) {
        finish = finish_of(turn.panel, tile);
        arguments.finish = &finish;
        arguments.to = target_of(turn.panel, tile);
      }
      product.tile_for(arguments.vectors, rows)(arguments);
      ahead.advance(blocks);
      meanwhile.finish_now();
      if (finishes && !ends) finish_later(turn.panel, tile, sums + at, other_at, meanwhile);
    }
  }

  const Product& of_;
  const ProductPlan& plan_;
  const LeftSide& left_;
  const Destination& y_;
  const ProductScratch& scratch_;
  Meeting* meeting_;
  Index first_panel_ = 0;
  Index last_panel_ = 0;
  Index middle_panel_ = 0;  // of two halves, with a meeting
  Index turned_by_ = 0;     // panels
  Index first_tile_ = 0;
  Index last_tile_ = 0;
  Index first_piece_ = 0;
  Index last_piece_ = 0;
  Index panel_sums_ = 0;  // floats
  Index tile_sums_ = 0;
  bool joins_ = false;   // the half in work
  Index next_sums_ = 0;  // which of two, where K is one piece
};

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_PRODUCT_UNIT_HPP
