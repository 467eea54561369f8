// One unit of a packed product: a bunch of panels against a group of tiles, piece by piece of K.
#ifndef VITRAIL_OPS_PRODUCT_UNIT_HPP
#define VITRAIL_OPS_PRODUCT_UNIT_HPP

#include <vitrail/ops/product_plan.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// What the packed left side of a product needs.
struct LeftSide {
  std::byte* tiles;      // (tiles, tile_bytes)
  Quantised* quantised;  // (tiles * tile_rows), int8 only
};

/// Bytes that somebody needs soon, asked for while tiles run: so many lines for each of their
/// blocks.
struct Fetch {
  const std::byte* next;
  const std::byte* end;
  Index lines_per_block;

  Fetch(const std::byte* begin, Index bytes, Index blocks)
      : next(begin),
        end(begin + bytes),
        lines_per_block(std::min(Index{16}, (bytes + blocks * 64 - 1) / (blocks * 64))) {}
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

/// Work for the units that tiles in registers of their own leave idle, in slices: the end of the
/// tile before, the preparation of the next slab, the next piece of rows on its way from the cache
/// of whoever wrote it.
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

  void fetch(const Fetch& rows) { rows_ = rows; }

 private:
  void do_slice() {
    for (Index line = 0; line < rows_.lines_per_block && rows_.next < rows_.end; ++line) {
      VITRAIL_PREFETCH(rows_.next);
      rows_.next += 64;
    }
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
  Fetch rows_;
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
    const Slab slab = slab_of(of_.weight, plan_, turn.panel, turn.piece);
    return {slab.begin, slab.rows * slab.row_bytes, (last_tile_ - first_tile_) * blocks};
  }
  /// A tile's part in the next piece of its rows: the last panels together fetch them whole, as
  /// late as that does not crowd the tiles' own loads.
  [[nodiscard]] Fetch rows_after(Turn turn, const std::byte* tile, Index block_bytes) const {
    if (turn.piece + 1 == plan_.pieces) return {};
    const Index panels = last_panel_ - first_panel_;
    const Index fetching = panels < 8 ? panels : (panels + 1) / 2;
    const Index part = turn.panel - (last_panel_ - fetching);
    if (part < 0) return {};
    const Index lines = blocks_of(turn.piece + 1) * block_bytes / 64;
    const Index from = part * lines / fetching;
    const Index to = (part + 1) * lines / fetching;
    return {tile + plan_.first_block(turn.piece + 1) * block_bytes + from * 64, (to - from) * 64,
            blocks_of(turn.piece)};
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
    const bool last = turn.piece + 1 == plan_.pieces;
    const bool packed = y_.tile_bytes > 0;
    const Index row_bytes = vectors * kernels.vector * 4;  // of sums
    const Index tile_sums = product.tile_rows() * weight.width();
    float* const sums =
        scratch_.sums +
        (plan_.pieces > 1 ? (turn.panel - first_panel_) * sums_of_panel(weight, plan_) : 0);
    for (Index tile = first_tile_; tile < last_tile_; ++tile) {
      const Index begin = plan_.tiles.first_row(tile);
      const Index rows = plan_.tiles.rows(tile);
      const Index padded = product.padded_rows(rows);
      const Index block_bytes = padded * left_lines(product.left) * 64;
      const std::byte* const left = left_.tiles + tile * plan_.tile_bytes;
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
      if (product.has_meanwhile) meanwhile.fetch(rows_after(turn, left, block_bytes));
      product.tile_for(vectors, rows)({
          .left = left + first_block * block_bytes,
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

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_PRODUCT_UNIT_HPP
