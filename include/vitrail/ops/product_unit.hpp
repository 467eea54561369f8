// One unit of a packed product: a panel of weights against a group of tiles, or, where rows are
// read faster than the third cache gives them, a bunch of panels. K is cut into pieces, so that a
// piece of the panel, a slab, stays in the second cache while all tiles of the group use it and the
// next slab is fetched; the epilogue runs on each tile that has seen all of K.
#ifndef VITRAIL_OPS_PRODUCT_UNIT_HPP
#define VITRAIL_OPS_PRODUCT_UNIT_HPP

#include <vitrail/ops/meanwhile.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// What the packed left side of a product needs.
struct LeftSide {
  std::byte* tiles;      // (tiles, tile_bytes)
  Quantised* quantised;  // (tiles * tile_rows), int8 only
  float* pairs;          // (tiles * tile_rows), Kernels::paired only
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
  Index outputs;        // the first so many of the weight's are computed
  bool paired = false;  // by Kernels::paired, of rows that a norm made about as large as weights
};

/// How the tiles of one panel end: worked out once for all of them. From tile to tile only what
/// differs is written, and nothing copied: reading in one piece what was just written in several
/// makes a processor wait for all that it has in hand.
class PanelFinish {
 public:
  PanelFinish(const Product& of, const LeftSide& left, const Destination& y, Index panel)
      : product_(of.weight.product()), left_(left), y_(y), whole_(of.finish) {
    const Index column = panel * of.weight.width();
    const auto from_column = [column](const float* p) {
      return p == nullptr ? nullptr : p + column;
    };
    residual_ = from_column(whole_.residual);
    Finish& finish = end_.finish;
    finish.factor = whole_.factor;
    finish.bias = from_column(whole_.bias);
    finish.scale = from_column(whole_.scale);
    finish.residual_stride = whole_.residual_stride;
    finish.column_scale = from_column(whole_.column_scale);
    finish.column_sum = from_column(whole_.column_sum);
    end_.to = {y.data, y.tile_bytes == 0 ? y.row_bytes : 64, 64, column, y.format};
    panel_ = {of.activation, of.weight.vectors(panel) * of.weight.kernels().vector,
              std::min(of.weight.width(), of.outputs - column)};
    in_registers_ = product_.finishes && of.activation == Activation::none &&
                    y.format == LeftFormat::f32 && panel_.columns == panel_.sums_stride;
  }

  [[nodiscard]] const PanelEnd& panel() const { return panel_; }
  /// Whether tiles can end in registers, where no activation, no column past the last output and
  /// no format is in the way: then those do of which all rows are written.
  [[nodiscard]] bool in_registers() const { return in_registers_; }

  /// The end of a tile. Rows that pad it are written too where the next product reads them.
  [[nodiscard]] const TileEnd& of(const RowTiles& tiles, Index tile, float* sums,
                                  const float* other_sums) {
    const Index row = tiles.first_row(tile);
    end_.sums = sums;
    end_.other_sums = other_sums;
    end_.rows = tiles.rows(tile);
    if (residual_ != nullptr) end_.finish.residual = residual_ + row * whole_.residual_stride;
    if (whole_.column_scale != nullptr) {
      end_.finish.rows = left_.quantised + tile * product_.tile_rows();
    }
    if (y_.tile_bytes == 0) {
      end_.to.data = y_.data + row * y_.row_bytes;
    } else {
      end_.rows = product_.padded_rows(end_.rows);
      end_.to.data = y_.data + tile * y_.tile_bytes;
      end_.to.block_bytes = end_.rows * left_lines(y_.format) * 64;
    }
    return end_;
  }

 private:
  const ProductKernels& product_;
  const LeftSide& left_;
  const Destination& y_;
  const Finish& whole_;
  const float* residual_;  // of the first row
  TileEnd end_{};
  PanelEnd panel_;
  bool in_registers_;
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
  const Index panels = plan.pieces > 1 ? (plan.panels + plan.bunches - 1) / plan.bunches : 1;
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
    first_panel_ = plan.first_panel(bunch);
    last_panel_ = plan.first_panel(bunch + 1);
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
    if (turn.panel >= plan_.panels || (next >= turns && meeting_ != nullptr)) return {};
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

  /// A panel's sums, of one part of K.
  [[nodiscard]] float* sums_of(Index part, Index panel) const {
    return scratch_.sums[static_cast<std::size_t>(part)] + (panel - first_panel_) * panel_sums_;
  }

  /// Joins and finishes half of the panels, whose sums are all there.
  void join(Index half, Meanwhile& meanwhile) const {
    const Index begin = half == 0 ? first_panel_ : middle_panel_;
    const Index end = half == 0 ? middle_panel_ : last_panel_;
    for (Index panel = begin; panel < end; ++panel) {
      PanelFinish finish(of_, left_, y_, panel);
      for (Index tile = first_tile_; tile < last_tile_; ++tile) {
        const Index at = (tile - first_tile_) * tile_sums_;
        meanwhile.finish_later(
            finish.of(plan_.tiles, tile, sums_of(0, panel) + at, sums_of(1, panel) + at),
            finish.panel());
        meanwhile.finish_now();
      }
    }
  }

  /// The lines that the end of a tile touches: of the residual if there is one, which is y itself
  /// as a rule.
  void fetch_end(const TileEnd& end, TileArguments& arguments) const {
    if (end.finish.residual != nullptr) {
      arguments.near = reinterpret_cast<const std::byte*>(end.finish.residual);
      arguments.near_stride = end.finish.residual_stride * Index{sizeof(float)};
    } else {
      arguments.near = end.to.data + end.to.column * Index{sizeof(float)};
      arguments.near_stride = end.to.row_bytes;
    }
    arguments.near_rows = end.rows;
  }

  /// One panel, or one piece of it, against all tiles; `finishes` if these have then seen all of K.
  void run_slab(Turn turn, const Slab& slab, const std::byte* right, Fetch ahead, bool finishes,
                Meanwhile& meanwhile) {
    const Panels& weight = of_.weight;
    const Kernels& kernels = weight.kernels();
    const ProductKernels& product = weight.product();
    const Index first_block = plan_.first_block(turn.piece);
    const Index blocks = blocks_of(turn.piece);
    const Index part = plan_.part_of(turn.piece);
    const bool more_rows = turn.piece + 1 < last_piece_;
    float* const sums = sums_of(part, plan_.pieces > 1 ? turn.panel : first_panel_);
    const float* const other =
        finishes && plan_.parts > 1 ? sums_of(1 - part, turn.panel) : nullptr;
    const RowTiles tiles = plan_.tiles;
    const bool has_meanwhile = product.has_meanwhile;
    const ProductKernels& tiles_of = of_.paired ? kernels.paired : product;
    PanelFinish finish(of_, left_, y_, turn.panel);
    TileArguments arguments{};
    arguments.right = right;
    arguments.steps = slab.rows;
    arguments.vectors = weight.vectors(turn.panel);
    arguments.row_bytes = arguments.vectors * kernels.vector * 4;
    arguments.vector_bytes = kernels.vector * 4;
    arguments.first = plan_.begins_part(turn.piece);
    if (of_.paired) arguments.column_pairs = weight.column_pairs() + turn.panel * weight.width();
    arguments.near_rows_per_block = blocks >= product.tile_rows() ? 1 : 4;
    arguments.meanwhile = Meanwhile::step;
    arguments.work = &meanwhile;
    for (Index tile = first_tile_; tile < last_tile_; ++tile) {
      const Index rows = tiles.rows(tile);
      const Index padded = product.padded_rows(rows);
      const Index block_bytes = padded * left_lines(product.left) * 64;
      const std::byte* const left = left_.tiles + tile * plan_.tile_bytes;
      const Index at = (plan_.pieces > 1 ? tile - first_tile_ : next_sums_) * tile_sums_;
      if (plan_.pieces == 1) next_sums_ = 1 - next_sums_;
      const float* const other_at = other == nullptr ? nullptr : other + at;
      if (has_meanwhile) {
        meanwhile.plan(blocks);
        meanwhile.fetch(more_rows             ? rows_after(turn, left, block_bytes)
                        : other_at != nullptr ? Fetch(reinterpret_cast<const std::byte*>(other_at),
                                                      tile_sums_ * 4, blocks)
                                              : Fetch());
      }
      arguments.left = left + first_block * block_bytes;
      if (of_.paired) arguments.row_pairs = left_.pairs + tile * product.tile_rows();
      arguments.sums = reinterpret_cast<std::byte*>(sums + at);
      arguments.ahead = ahead.next;
      arguments.ahead_lines_per_block = ahead.lines_per_block;
      const TileEnd& end = finish.of(tiles, tile, sums + at, other_at);
      const bool ends_in_registers =
          finishes && finish.in_registers() && other_at == nullptr && end.rows == padded;
      if (finishes && y_.tile_bytes == 0) fetch_end(end, arguments);
      arguments.finish = ends_in_registers ? &end.finish : nullptr;
      arguments.to = &end.to;
      tiles_of.tile_for(arguments.vectors, rows)(arguments);
      ahead.advance(blocks);
      meanwhile.finish_now();
      if (finishes && !ends_in_registers) meanwhile.finish_later(end, finish.panel());
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
