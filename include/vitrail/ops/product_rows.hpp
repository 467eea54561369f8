// The left side of a packed product: rows that are made or normalised if asked, converted, and
// copied into tiles of 9 (6 on AVX2, 32 on AMX).
#ifndef VITRAIL_OPS_PRODUCT_ROWS_HPP
#define VITRAIL_OPS_PRODUCT_ROWS_HPP

#include <vitrail/ops/packed_matrix.hpp>
#include <vitrail/ops/product_unit.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// The rows of a product's left side.
struct LeftRows {
  MatrixView<const float> x;     // (M, K)
  const NormArguments* norm;     // of x, or null
  const RowSource<float>* make;  // or null; makes the rows, instead of x
  Index first = 0;               // of these rows
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
  const Index begin = of.first + plan.tiles.first_row(tile);
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

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_PRODUCT_ROWS_HPP
