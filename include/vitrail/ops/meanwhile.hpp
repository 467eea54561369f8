// What a thread does beside the tiles of a product.
#ifndef VITRAIL_OPS_MEANWHILE_HPP
#define VITRAIL_OPS_MEANWHILE_HPP

#include <vitrail/ops/product_plan.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

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

/// The end of a tile: from its sums to where it belongs.
struct TileEnd {
  float* sums;
  const float* other_sums;  // of the other part of K, to be added, or null
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
/// of whoever wrote it. Tiles that leave nothing idle take no slices: then only the end of a tile
/// waits here, until the next one is under way.
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
    if (end_.other_sums != nullptr) {
      join_sums(rows);
      end_.other_sums += rows * panel_.sums_stride;
    }
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

  /// Adds the other part's sums.
  void join_sums(Index rows) {
    const Index stride = panel_.sums_stride;
    Finish finish{};
    finish.residual = end_.sums;
    finish.residual_stride = stride;
    kernels_.finish(Activation::none, end_.other_sums, stride, rows, panel_.columns, finish,
                    Target::rows(end_.sums, stride));
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

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_MEANWHILE_HPP
