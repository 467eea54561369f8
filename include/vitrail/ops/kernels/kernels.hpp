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

/// How the left side of a product, the activations, is stored for a tile: block by block of K, and
/// in each block 64 bytes of every row, so that a tile reads memory in order.
///
///     block 0                              block 1
///     row 0     row 1     ...   row 8      row 0     row 1     ...
///     64 bytes  64 bytes        64 bytes   64 bytes  64 bytes
enum class LeftFormat {
  f32,         // 16 values a block
  bf16_wide,   // 16 values a block, rounded to bf16 and kept as f32
  bf16,        // 32 values a block; where there are instructions for bf16
  bf16_split,  // 32 values a block, as three lines: x = high + middle + low, exactly
  s8,          // 64 quantised values a block
  s16,         // 32 quantised values a block, (a0 a2)(a1 a3) of every four
};

/// Values of K in one block of the left side.
[[nodiscard]] constexpr Index left_block(LeftFormat format) {
  switch (format) {
    case LeftFormat::f32:
    case LeftFormat::bf16_wide: return 16;
    case LeftFormat::bf16:
    case LeftFormat::bf16_split:
    case LeftFormat::s16: return 32;
    case LeftFormat::s8: break;
  }
  return 64;
}

/// Lines of 64 bytes that a block has for each row: all rows' first ones, then their second ones.
[[nodiscard]] constexpr Index left_lines(LeftFormat format) {
  return format == LeftFormat::bf16_split ? 3 : 1;
}

/// How one row of activations was quantised: x = (q - zero) * scale with q from -128 to 127.
struct Quantised {
  float scale;
  float zero;
  std::int32_t sum;  // of q over the row
};

/// What happens to a finished tile: bias, the activation, scale, residual. Every pointer may be
/// null.
struct Finish {
  float factor = 1.0F;                  // of f32 sums, before all else
  const float* bias = nullptr;          // (N)
  const float* scale = nullptr;         // (N)
  const float* residual = nullptr;      // rows of the tile, N wide
  Index residual_stride = 0;            //
  const float* column_scale = nullptr;  // int8, (N): of the weights
  const float* column_sum = nullptr;    // int8, (N): of the quantised weights
  const Quantised* rows = nullptr;      // int8, rows of the tile
};

/// Where finished rows go: the rows of a matrix, in blocks of 64 bytes side by side, or a tile, as
/// the left side of the next product.
struct Target {
  std::byte* data;    // of the first row
  Index row_bytes;    // from one row to the next
  Index block_bytes;  // from one block of 64 bytes of a row to the next
  Index column;       // of the row, where the first value goes
  LeftFormat format;  // f32, bf16 or bf16_split

  /// Rows of a matrix, `stride` floats apart.
  [[nodiscard]] static Target rows(float* first, Index stride) {
    return {reinterpret_cast<std::byte*>(first), stride * Index{sizeof(float)}, 64, 0,
            LeftFormat::f32};
  }
};

/// One tile: up to `tile_rows` rows of the left side against one panel of the right side.
struct TileArguments {
  const std::byte* left;        // packed rows, at a block
  const std::byte* right;       // panel rows, one vector per 16 or 8 outputs
  Index steps;                  // panel rows to take
  Index vectors;                // of a panel row
  std::byte* sums;              // 32-bit accumulators, f32 or i32
  Index row_bytes;              // from one row of sums to the next
  Index vector_bytes;           // from one vector of sums to the next
  bool first;                   // sums start at zero; otherwise they go on from what is there
  const Finish* finish;         // null: the tile ends in `sums`; else, without activation, in `to`
  const Target* to;             // with `finish`
  const float* row_scale;       // with `finish`: of the rows, before all else, or null
  const float* row_pairs;       // of Kernels::paired: what it takes away for the rows
  const float* column_pairs;    // ... for the panel's outputs
  const std::byte* ahead;       // memory to have in the second cache soon, or null
  Index ahead_lines_per_block;  // so many lines of it per block
  const std::byte* near;        // rows to have in the first cache at the end, a vector row each
  Index near_stride;            // bytes from one to the next
  Index near_rows;              // so many
  Index near_rows_per_block;    //
  // Tiles in registers of their own leave the other units idle: they call this once per block, if
  // it is not null, with `work`.
  void (*meanwhile)(void* work);
  void* work;
};
using TileFunction = void (*)(const TileArguments&);

inline constexpr Index most_panel_vectors = 4;
inline constexpr Index tile_heights = 4;
/// Most inputs of Kernels::paired. Wider models are known for tokens with a few huge values, and
/// where two of those make a pair digits are lost.
inline constexpr Index most_paired_inputs = 512;

/// One precision on one instruction set.
struct ProductKernels {
  LeftFormat left;
  Index step;                   // values of K in one row of a panel: 1 f32, 2 bf16, 4 int8
  Index panel_vectors;          // most vectors of a panel
  bool narrow_panels;           // has tiles for fewer vectors than a whole panel
  bool finishes;                // whether tiles end as TileArguments::finish says
  bool whole_blocks;            // panels are filled up with zeros to whole blocks of the left side
  Index heights[tile_heights];  // rows that there are tiles of, ascending: 1, 4, 8, 9 or the like
  TileFunction tile[most_panel_vectors + 1][tile_heights];  // [vectors][height]
  /// Brings `steps` rows of a panel, `vectors` wide, into the form that the tiles read, where that
  /// is another one: `prepared_bytes` for each block and vector. Null: tiles read panels as they
  /// are.
  void (*prepare)(const std::byte* right, Index steps, Index vectors, std::byte* out);
  Index prepared_bytes;
  Index piece_blocks;              // blocks of K after which accumulators are worth reloading
  Index halving_pieces;            // where a long K has so many, its halves add up apart; 0: never
  Index bunch_panels;              // panels that a thread takes at once, piece by piece of K
  bool rows_in_cache;              // tiles use rows up faster than the third cache gives them
  bool has_meanwhile;              // tiles call TileArguments::meanwhile
  void (*begin)();                 // before a thread's first tile, or null
  void (*end)();                   // after its last
  void (*saturate)(Index rounds);  // for measuring: multiply-adds between registers
  Index operations_per_round;      // multiplications and additions

  /// Most rows of a tile.
  [[nodiscard]] Index tile_rows() const { return heights[tile_heights - 1]; }
  /// The rows that a tile of `rows` rows computes.
  [[nodiscard]] Index padded_rows(Index rows) const { return heights[height(rows)]; }
  [[nodiscard]] TileFunction tile_for(Index vectors, Index rows) const {
    return tile[vectors][height(rows)];
  }

 private:
  [[nodiscard]] Index height(Index rows) const {
    Index i = 0;
    while (heights[i] < rows) ++i;
    return i;
  }
};

/// A thread's time with the tiles of a product.
class TileScope {
 public:
  explicit TileScope(const ProductKernels& product) : product_(product) {
    if (product.begin != nullptr) product.begin();
  }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
  ~TileScope() {
    if (product_.end != nullptr) product_.end();
  }

 private:
  const ProductKernels& product_;
};

struct NormArguments {
  const float* gamma;
  const float* beta;  // or null
  double eps;
  bool rms;
};

struct Kernels {
  CpuLevel level;
  Index vector;                    // floats in one
  ProductKernels f32, bf16, int8;  // of weights
  /// f32 with half of K multiplied in pairs (kernels/body/tile.hpp), for rows that are about as
  /// large as the weights, whole panels, and K in one piece; or without tiles.
  ProductKernels paired;
  // Of attention, for models in f32, and for those in bf16 and int8. Panels are f32 before they
  // are prepared.
  ProductKernels attention, attention_bf16;
  /// Tile of sums (rows, columns; int8: of integers) to where it belongs.
  void (*finish)(Activation activation, const float* sums, Index sums_stride, Index rows,
                 Index columns, const Finish& finish, const Target& to);
  /// Rows of K floats into their places in a packed tile; `quantised` (rows) is written for int8,
  /// and `mixed` (K) on the way.
  void (*pack_left)(LeftFormat format, const float* x, Index stride, Index rows, Index K,
                    std::byte* out, Index block_bytes, float* mixed, Quantised* quantised);
  /// out (K) = hadamard_blocks of x (K), which may be the same.
  void (*hadamard)(const float* x, Index K, float* out);
  /// out[r] = what `paired` takes away for row r of a packed tile. Null where there is none.
  void (*pair_products)(const std::byte* left, Index rows, Index K, Index block_bytes, float* out);
  /// out[i] = x[i] as bf16, to nearest, ties to even; zeros up to a multiple of 32.
  void (*round_to_bf16)(const float* x, Index n, std::byte* out);
  /// y[r * y_stride + i / 16 * block + i % 16] = normalised x[r * stride + i]; block = 16: plain
  /// rows.
  void (*normalize)(const float* x, Index stride, Index rows, Index D, const NormArguments& norm,
                    float* y, Index y_stride, Index block);
  /// Rows x[r][i] at x[r * stride + i / 16 * block + i % 16]: exp(scale * x + bias - largest) of
  /// each row in place, and what they sum to. scale > 0; `bias` may be null.
  void (*exponentials)(float* x, Index stride, Index rows, Index n, Index block, float scale,
                       const float* bias, Index bias_stride, float* totals);
  /// y[r][i] = x[r][i] * factors[r]; in place when both are the same.
  void (*multiply_rows)(const float* x, Index stride, Index rows, Index n, const float* factors,
                        float* y, Index y_stride);
  /// y[r][i] = x[r][i] * cosine[r][i] + x[r][partner of i] * sine[r][i], i < n, where partners are
  /// neighbours, or n / 2 apart: RotaryTable. `table_stride` is that of both tables.
  void (*rotate)(const float* x, Index stride, Index rows, Index n, bool neighbours,
                 const float* cosine, const float* sine, Index table_stride, float* y,
                 Index y_stride);
  /// y = activation(x) * gate; `gate` may be null.
  void (*activate)(Activation activation, const float* x, const float* gate, Index n, float* y);
  /// out[k * width + n] = x[n * stride + k] for n < rows and k < columns, zero for rows <= n <
  /// width, which is a multiple of a vector.
  void (*transpose)(const float* x, Index stride, Index rows, Index columns, float* out,
                    Index width);
  /// out[r * width + n] = x[r * stride + n], zero for columns <= n < width.
  void (*copy_rows)(const float* x, Index stride, Index rows, Index columns, float* out,
                    Index width);

  /// Whether `paired` is the faster way, and serves for N outputs and K inputs.
  [[nodiscard]] bool pairs(Index N, Index K) const {
    return pair_products != nullptr && cpu().adds_apart &&
           N % (vector * paired.panel_vectors) == 0 && K % 16 == 0 && K <= most_paired_inputs;
  }
};

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_KERNELS_KERNELS_HPP
