// The left side of a packed product: rows that are made or normalised if asked, converted, and
// copied into tiles of 9 (6 on AVX2, 32 on AMX).
#ifndef VITRAIL_OPS_PRODUCT_ROWS_HPP
#define VITRAIL_OPS_PRODUCT_ROWS_HPP

#include <cmath>
#include <vitrail/ops/packed_matrix.hpp>
#include <vitrail/ops/product_unit.hpp>
#include <vitrail/runtime/workspace.hpp>

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

/// Whether rows are mixed before they are rounded (hadamard_blocks).
inline bool mixes_rows(const Panels& weight) {
  return weight.product().left == LeftFormat::s8 || weight.product().left == LeftFormat::s16;
}

/// Rows that one worker keeps between two steps of packing: a mixed one, then those made or
/// normalised.
inline Index scratch_rows(const Panels& weight, const LeftRows& rows) {
  const Index made = rows.make != nullptr   ? weight.product().tile_rows()
                     : rows.norm != nullptr ? normalised_rows
                                            : 0;
  return made + (mixes_rows(weight) ? 1 : 0);
}

/// A norm whose rows are multiplied by `factor` besides.
struct SizedNorm {
  NormArguments norm;
  float factor;
};

/// `norm` of rows of K values, which become about as large as `size`. The factor is a power of two:
/// no product is rounded in another way for it. gamma and beta are the workspace's.
inline SizedNorm norm_of_size(const NormArguments& norm, Index K, double size,
                              Workspace& workspace) {
  double squares = 0;
  for (Index k = 0; k < K; ++k) {
    squares += static_cast<double>(norm.gamma[k]) * static_cast<double>(norm.gamma[k]);
    if (norm.beta != nullptr)
      squares += static_cast<double>(norm.beta[k]) * static_cast<double>(norm.beta[k]);
  }
  const double ratio = size / std::sqrt(squares / static_cast<double>(K));
  const int exponent = std::isnormal(ratio) ? static_cast<int>(std::lround(std::log2(ratio))) : 0;
  SizedNorm sized = {norm, std::ldexp(1.0F, std::clamp(exponent, -60, 60))};
  const auto times_factor = [&](const float* from) {
    float* const to = workspace.take<float>(K);
    for (Index k = 0; k < K; ++k) to[k] = from[k] * sized.factor;
    return to;
  };
  sized.norm.gamma = times_factor(norm.gamma);
  if (norm.beta != nullptr) sized.norm.beta = times_factor(norm.beta);
  return sized;
}

/// One tile of rows of x: made or normalised, converted, copied.
inline void pack_tile(const Product& product, const ProductPlan& plan, const LeftRows& of,
                      Index tile, const LeftSide& left, float* scratch) {
  const Panels& weight = product.weight;
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
  float* const mixed = scratch;
  if (mixes_rows(weight)) scratch += K;
  const auto pack = [&](const float* from, Index stride, Index begin_row, Index count) {
    kernels.pack_left(format, from, stride, count, K, out + begin_row * 64, padded * lines * 64,
                      mixed, quantised + begin_row);
  };
  if (of.make != nullptr) {
    (*of.make)(begin, begin + rows, scratch);
    return pack(scratch, K, 0, rows);
  }
  const Index stride = of.x.stride(0);
  const float* const first = of.x.data() + begin * stride;
  if (of.norm == nullptr) return pack(first, stride, 0, rows);
  if (format == LeftFormat::f32) {
    kernels.normalize(first, stride, rows, K, *of.norm, reinterpret_cast<float*>(out), 16,
                      padded * 16);
    if (product.paired) {
      kernels.pair_products(out, padded, K, padded * 64,
                            left.pairs + tile * weight.product().tile_rows());
    }
    return;
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
