// What a set of kernels is: a table of functions on plain pointers, one table per instruction set.
//
// The table's functions are compiled for their instruction set whatever the compiler flags are;
// nothing but these functions may run on its instructions.
#ifndef VITRAIL_OPS_KERNELS_KERNELS_HPP
#define VITRAIL_OPS_KERNELS_KERNELS_HPP

#include <cstddef>
#include <cstdint>
#include <vitrail/ops/activation.hpp>
#include <vitrail/runtime/cpu.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// How the left side of a product, the activations, is stored for a tile.
///
///   rows of one tile     block 0            block 1           ...   each block holds 64 bytes of
///     row 0              64 bytes           64 bytes                every row: whatever the
///     format, row 1              64 bytes           64 bytes                a tile reads memory in
///     order,
///     ...                                                           and a row is copied in lines
enum class LeftFormat {
  f32,        // 16 values a block
  bf16_wide,  // 16 values a block, rounded to bf16 and kept as f32
  bf16,       // 32 values a block
  s8,         // 64 quantised values a block
  s16,        // 32 quantised values a block, (a0 a2)(a1 a3) of every four
};

/// Values of K in one block of the left side.
[[nodiscard]] constexpr Index left_block(LeftFormat format) {
  switch (format) {
    case LeftFormat::f32:
    case LeftFormat::bf16_wide: return 16;
    case LeftFormat::bf16:
    case LeftFormat::s16: return 32;
    case LeftFormat::s8: break;
  }
  return 64;
}

/// One tile: up to `tile_rows` rows of the left side against one panel of the right side.
struct TileArguments {
  const std::byte* left;        // packed rows, at a block
  const std::byte* right;       // panel rows, one vector per 16 or 8 outputs
  Index steps;                  // panel rows to take
  std::byte* sums;              // 32-bit accumulators, f32 or i32
  Index row_bytes;              // from one row of sums to the next
  Index vector_bytes;           // from one vector of sums to the next
  bool first;                   // sums start at zero; otherwise they go on from what is there
  const std::byte* ahead;       // memory to have in the second cache soon, or null
  Index ahead_lines_per_block;  // so many lines of it per block
  const std::byte* near;        // rows to have in the first cache at the end, a vector row each
  Index near_stride;            // bytes from one to the next
  Index near_rows;              // so many
  Index near_rows_per_block;    //
};
using TileFunction = void (*)(const TileArguments&);

inline constexpr Index most_tile_rows = 9;
inline constexpr Index most_panel_vectors = 4;

/// The rows a tile of `rows` computes where a tile has at most `most`: there are tiles of 1, 4, 8
/// and 9 rows, or of 1, 4 and 6.
[[nodiscard]] constexpr Index padded_tile_rows(Index rows, Index most) {
  return rows <= 1 ? 1 : rows <= 4 ? 4 : rows < most ? most / 2 * 2 : most;
}

/// One precision on one instruction set.
struct ProductKernels {
  LeftFormat left;
  Index step;          // values of K in one row of a panel: 1 f32, 2 bf16, 4 int8
  bool narrow_panels;  // has tiles for fewer vectors than a whole panel
  TileFunction tile[most_panel_vectors + 1][most_tile_rows + 1];  // [vectors][rows]
  void (*saturate)(Index rounds);  // for measuring: multiply-adds between registers
  Index operations_per_round;      // multiplications and additions
};

/// How one row of activations was quantised: x = (q - zero) * scale with q from -128 to 127.
struct Quantised {
  float scale;
  float zero;
  std::int32_t sum;  // of q over the row
};

/// What happens to a finished tile; every pointer may be null.
struct Finish {
  const float* bias;          // (N)
  const float* scale;         // (N)
  const float* residual;      // rows of the tile, N wide
  Index residual_stride;      //
  const float* column_scale;  // int8, (N): of the weights
  const float* column_sum;    // int8, (N): of the quantised weights
  const Quantised* rows;      // int8, rows of the tile
};

struct NormArguments {
  const float* gamma;
  const float* beta;  // or null
  double eps;
  bool rms;
};

struct Kernels {
  CpuLevel level;
  Index vector;         // floats in one
  Index tile_rows;      // most rows of a tile
  Index panel_vectors;  // most vectors of a panel
  ProductKernels f32, bf16, int8;
  /// Tile of sums (rows, columns; int8: of integers) to y[r * y_stride + c / 16 * y_block + c %
  /// 16]; y_block = 16 is a plain row.
  void (*finish)(Activation activation, const float* sums, Index sums_stride, Index rows,
                 Index columns, const Finish& finish, float* y, Index y_stride, Index y_block);
  /// One row of K floats into its place in a packed tile; `quantised` is written for int8.
  void (*pack_left)(LeftFormat format, const float* x, Index K, std::byte* out, Index block_bytes,
                    Quantised* quantised);
  /// y[i / 16 * block + i % 16] = normalised x[i]; block = 16 is a plain row.
  void (*normalize)(const float* x, Index D, const NormArguments& norm, float* y, Index block);
  /// Rows x[r][i] at x[r * 16 + i / 16 * block + i % 16]: exp(scale * x + bias - largest) of each
  /// row in place, and what they sum to. scale > 0; `bias` may be null.
  void (*exponentials)(float* x, Index rows, Index n, Index block, float scale, const float* bias,
                       Index bias_stride, float* totals);
  /// y[r][i] = x[r][i] * factors[r]; in place when both are the same.
  void (*multiply_rows)(const float* x, Index stride, Index rows, Index n, const float* factors,
                        float* y, Index y_stride);
  /// y = activation(x) * gate; `gate` may be null.
  void (*activate)(Activation activation, const float* x, const float* gate, Index n, float* y);
  /// out[k * width + n] = x[n * stride + k] for n < rows and k < columns, zero for rows <= n <
  /// width, which is a multiple of a vector.
  void (*transpose)(const float* x, Index stride, Index rows, Index columns, float* out,
                    Index width);
  /// out[r * width + n] = x[r * stride + n], zero for columns <= n < width.
  void (*copy_rows)(const float* x, Index stride, Index rows, Index columns, float* out,
                    Index width);
};

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_KERNELS_KERNELS_HPP
