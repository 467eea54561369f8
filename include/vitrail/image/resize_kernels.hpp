// The two inner loops of a resize, plain and for SSE2: along a row, and across rows.
//
// A kernel set K has
//
//   K::RowWeights, K::ColumnWeights       its own form of a TapTable, made once per pass
//   K::scratch_count(table)               how many 16-bit numbers along_rows() needs to work in
//   K::along_rows(in, weights, out, scratch)     two source rows, from their first pixel, to two
//   rows K::across_rows(in, stride, weights, i, bytes, out)    in: the row the first tap falls on
//
// Sums are taken modulo 2^32 and fit 31 bits at the end, so the order does not matter: all sets
// give the same bytes.
#ifndef VITRAIL_IMAGE_RESIZE_KERNELS_HPP
#define VITRAIL_IMAGE_RESIZE_KERNELS_HPP

#include <vitrail/image/resize_taps.hpp>
#if defined(__SSE2__) && defined(__x86_64__)
#include <emmintrin.h>

#include <cstring>
#endif

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// The definition.
struct PlainResize {
  using RowWeights = const TapTable&;
  using ColumnWeights = const TapTable&;

  [[nodiscard]] static Index scratch_count(const TapTable&) { return 0; }

  [[nodiscard]] static std::uint8_t to_byte(std::int32_t sum) {
    return static_cast<std::uint8_t>(
        std::clamp((sum + (1 << (TapTable::precision - 1))) >> TapTable::precision, 0, 255));
  }

  static void along_rows(const std::array<const std::uint8_t*, 2>& in, RowWeights table,
                         const std::array<std::uint8_t*, 2>& out, std::int16_t*) {
    for (std::size_t row = 0; row < 2; ++row) {
      for (Index x = 0; x < table.outputs(); ++x) {
        const std::int32_t* weights = table.weights(x);
        const std::uint8_t* pixel = in[row] + 3 * table.first(x);
        std::int32_t sum[3] = {0, 0, 0};
        for (Index j = 0; j < table.count(x); ++j)
          for (Index c = 0; c < 3; ++c) sum[c] += weights[j] * pixel[3 * j + c];
        for (Index c = 0; c < 3; ++c) out[row][3 * x + c] = to_byte(sum[c]);
      }
    }
  }

  static void across_rows(const std::uint8_t* in, Index stride, ColumnWeights table, Index i,
                          Index bytes, std::uint8_t* out) {
    const std::int32_t* weights = table.weights(i);
    constexpr Index block = 64;  // sums of so many columns stay in registers or the first cache
    for (Index x = 0; x < bytes; x += block) {
      const Index columns = std::min(block, bytes - x);
      std::int32_t sum[block] = {};
      for (Index j = 0; j < table.count(i); ++j) {
        const std::uint8_t* row = in + j * stride + x;
        for (Index c = 0; c < columns; ++c) sum[c] += weights[j] * row[c];
      }
      for (Index c = 0; c < columns; ++c) out[x + c] = to_byte(sum[c]);
    }
  }
};

#if defined(__SSE2__) && defined(__x86_64__)

/// SSE2, which every x86-64 has, multiplies 16-bit numbers only: `pmaddwd` takes eight products and
/// adds them in pairs. A weight is therefore split, w = high * 2^15 + low with 0 <= low < 2^15, and
/// two taps share one instruction.
struct Sse2Resize {
  /// For every pair of taps (j, j + 1), two numbers that each hold two 16-bit halves:
  ///
  ///   | low j, low j+1 | high j, high j+1 |
  ///
  /// Along a row the pairs begin at even pixels, with a weight of zero before an odd first tap.
  template <bool EvenStart>
  class Weights {
   public:
    explicit Weights(const TapTable& table)
        : table_(table),
          stride_(table.stride() + 4),
          pairs_(static_cast<std::size_t>(table.outputs() * stride_)) {
      for (Index i = 0; i < table.outputs(); ++i) {
        const Index shift = EvenStart ? table.first(i) % 2 : 0;
        auto* halves = reinterpret_cast<std::int16_t*>(pairs_.data() + i * stride_);
        for (Index j = 0; j < table.count(i); ++j) {
          const std::int32_t weight = table.weights(i)[j];
          const Index place = (j + shift) / 2 * 4 + (j + shift) % 2;
          halves[place] = static_cast<std::int16_t>(weight & ((1 << 15) - 1));
          halves[place + 2] = static_cast<std::int16_t>(weight >> 15);
        }
      }
    }
    [[nodiscard]] const TapTable& table() const { return table_; }
    [[nodiscard]] const std::int32_t* pairs(Index i) const { return pairs_.data() + i * stride_; }

   private:
    const TapTable& table_;
    Index stride_;
    std::vector<std::int32_t> pairs_;  // (outputs, stride), zero past the last tap
  };
  using RowWeights = Weights<true>;
  using ColumnWeights = Weights<false>;

  /// low + high * 2^15, rounded, shifted, as four 32-bit numbers.
  [[nodiscard]] static __m128i join(__m128i low, __m128i high) {
    const __m128i half = _mm_set1_epi32(1 << (TapTable::precision - 1));
    const __m128i sum = _mm_add_epi32(_mm_add_epi32(_mm_slli_epi32(high, 15), low), half);
    return _mm_srai_epi32(sum, TapTable::precision);
  }

  /// Eight numbers for each pair of pixels that is read, and room for one pair more.
  [[nodiscard]] static Index scratch_count(const TapTable& table) {
    return 2 * row_scratch_count(table);
  }
  [[nodiscard]] static Index row_scratch_count(const TapTable& table) {
    return 8 * ((table.source_end() - even(table.source_begin()) + 1) / 2 + 1);
  }
  [[nodiscard]] static Index even(Index i) { return i - i % 2; }

  /// R0 G0 B0 R1 G1 B1 ... -> (R0 R1) (G0 G1) (B0 B1) (unused), 16 bits each.
  static void pair_up(const std::uint8_t* in, const TapTable& table, std::int16_t* out) {
    const __m128i zero = _mm_setzero_si128();
    const Index end = table.source_end();
    for (Index x = even(table.source_begin()); x < end; x += 2, out += 8) {
      std::int64_t eight = 0;
      if (x + 3 <= end)
        std::memcpy(&eight, in + 3 * x, 8);
      else  // the end of the row: nothing may be read behind it
        std::memcpy(&eight, in + 3 * x, static_cast<std::size_t>(3 * (end - x)));
      const __m128i v = _mm_cvtsi64_si128(eight);
      const __m128i pair = _mm_unpacklo_epi8(_mm_unpacklo_epi8(v, _mm_srli_si128(v, 3)), zero);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out), pair);
    }
  }

  static void along_rows(const std::array<const std::uint8_t*, 2>& in, const RowWeights& weights,
                         const std::array<std::uint8_t*, 2>& out, std::int16_t* scratch) {
    const TapTable& table = weights.table();
    const Index origin = even(table.source_begin());
    const Index row_scratch = row_scratch_count(table);
    pair_up(in[0], table, scratch);
    pair_up(in[1], table, scratch + row_scratch);
    const auto load = [](const auto* from) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    };
    for (Index x = 0; x < table.outputs(); ++x) {
      const Index first = even(table.first(x));
      const Index taps = table.first(x) - first + table.count(x);
      const std::int16_t* a = scratch + (first - origin) * 4;
      const std::int16_t* b = a + row_scratch;
      const std::int32_t* pairs = weights.pairs(x);
      __m128i low_a = _mm_setzero_si128();
      __m128i low_b = low_a;
      __m128i high_a = low_a;
      __m128i high_b = low_a;
      for (Index j = 0; j < taps; j += 4) {
        const __m128i w = load(pairs + j);
        const __m128i low0 = _mm_shuffle_epi32(w, 0x00);
        const __m128i high0 = _mm_shuffle_epi32(w, 0x55);
        const __m128i low1 = _mm_shuffle_epi32(w, 0xaa);
        const __m128i high1 = _mm_shuffle_epi32(w, 0xff);
        const __m128i a0 = load(a + 4 * j);
        const __m128i a1 = load(a + 4 * j + 8);
        const __m128i b0 = load(b + 4 * j);
        const __m128i b1 = load(b + 4 * j + 8);
        low_a = _mm_add_epi32(low_a, _mm_madd_epi16(a0, low0));
        low_b = _mm_add_epi32(low_b, _mm_madd_epi16(b0, low0));
        high_a = _mm_add_epi32(high_a, _mm_madd_epi16(a0, high0));
        high_b = _mm_add_epi32(high_b, _mm_madd_epi16(b0, high0));
        low_a = _mm_add_epi32(low_a, _mm_madd_epi16(a1, low1));
        low_b = _mm_add_epi32(low_b, _mm_madd_epi16(b1, low1));
        high_a = _mm_add_epi32(high_a, _mm_madd_epi16(a1, high1));
        high_b = _mm_add_epi32(high_b, _mm_madd_epi16(b1, high1));
      }
      const __m128i words = _mm_packs_epi32(join(low_a, high_a), join(low_b, high_b));
      const std::int64_t rgb = _mm_cvtsi128_si64(_mm_packus_epi16(words, words));
      const std::int64_t rgb_b = rgb >> 32;
      std::memcpy(out[0] + 3 * x, &rgb, 3);
      std::memcpy(out[1] + 3 * x, &rgb_b, 3);
    }
  }

  static void across_rows(const std::uint8_t* in, Index stride, const ColumnWeights& weights,
                          Index i, Index bytes, std::uint8_t* out) {
    const TapTable& table = weights.table();
    const Index count = table.count(i);
    const std::int32_t* pairs = weights.pairs(i);
    const __m128i zero = _mm_setzero_si128();
    Index x = 0;
    for (; x + 8 <= bytes; x += 8) {
      __m128i low[2] = {zero, zero};
      __m128i high[2] = {zero, zero};
      for (Index j = 0; j < count; j += 2) {
        const std::uint8_t* even = in + j * stride + x;
        const std::uint8_t* odd = j + 1 < count ? even + stride : even;  // its weight is zero
        const __m128i v = _mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(even)),
                                            _mm_loadl_epi64(reinterpret_cast<const __m128i*>(odd)));
        const __m128i w_low = _mm_set1_epi32(pairs[j]);
        const __m128i w_high = _mm_set1_epi32(pairs[j + 1]);
        const __m128i v0 = _mm_unpacklo_epi8(v, zero);
        const __m128i v1 = _mm_unpackhi_epi8(v, zero);
        low[0] = _mm_add_epi32(low[0], _mm_madd_epi16(v0, w_low));
        high[0] = _mm_add_epi32(high[0], _mm_madd_epi16(v0, w_high));
        low[1] = _mm_add_epi32(low[1], _mm_madd_epi16(v1, w_low));
        high[1] = _mm_add_epi32(high[1], _mm_madd_epi16(v1, w_high));
      }
      const __m128i words = _mm_packs_epi32(join(low[0], high[0]), join(low[1], high[1]));
      _mm_storel_epi64(reinterpret_cast<__m128i*>(out + x), _mm_packus_epi16(words, words));
    }
    if (x < bytes) PlainResize::across_rows(in + x, stride, table, i, bytes - x, out + x);
  }
};

using FastResize = Sse2Resize;
#else
using FastResize = PlainResize;  // compilers vectorise it well where 32-bit products are native
#endif

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_IMAGE_RESIZE_KERNELS_HPP
