// How the rows of a product's left side are cut into tiles.
#ifndef VITRAIL_OPS_ROW_TILES_HPP
#define VITRAIL_OPS_ROW_TILES_HPP

#include <algorithm>
#include <vitrail/ops/kernels/kernels.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// `rows` rows in as few tiles as possible, about equally high: all are so many units of rows, 1 or
/// what an instruction takes, and the first `larger_` tiles have one unit more. The last unit may
/// not be full.
class RowTiles {
 public:
  RowTiles() = default;
  RowTiles(const ProductKernels& product, Index rows) : rows_(rows), unit_(product.heights[0]) {
    count_ = (rows + product.tile_rows() - 1) / product.tile_rows();
    const Index units = (rows + unit_ - 1) / unit_;
    units_ = units / std::max(count_, Index{1});
    larger_ = units - units_ * count_;
  }
  [[nodiscard]] Index count() const { return count_; }
  /// The first row of a tile.
  [[nodiscard]] Index first_row(Index tile) const {
    return std::min(rows_, (tile * units_ + std::min(tile, larger_)) * unit_);
  }
  /// The rows of a tile.
  [[nodiscard]] Index rows(Index tile) const { return first_row(tile + 1) - first_row(tile); }

 private:
  Index rows_ = 0;
  Index unit_ = 1;
  Index count_ = 0;
  Index units_ = 0;  // of the smaller tiles
  Index larger_ = 0;
};

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_ROW_TILES_HPP
