// The left side of a product, brought into its tile's format. Included once per instruction set,
// inside its namespace, by kernels/{arm,x86}_*.hpp; on its own it is empty.
#if defined(VITRAIL_KERNEL)

/// 64 values, of which those are added and subtracted that lie `Distance` apart.
template <Index Distance>
VITRAIL_KERNEL_INLINE void hadamard_step(Floats (&x)[64 / width]) {
  if constexpr (Distance >= width) {
    constexpr Index apart = Distance / width;
    VITRAIL_UNROLL for (Index i = 0; i < 64 / width; ++i) {
      if ((i & apart) != 0) continue;
      const Floats a = x[i];
      const Floats b = x[i + apart];
      x[i] = add(a, b);
      x[i + apart] = subtract(a, b);
    }
  } else {
    alignas(64) float signs[width];
    VITRAIL_UNROLL for (Index i = 0; i < width; ++i) signs[i] = (i & Distance) == 0 ? 1.0F : -1.0F;
    const Floats sign = load(signs);
    VITRAIL_UNROLL for (Index i = 0; i < 64 / width; ++i) {
      x[i] = multiply_add(x[i], sign, swap_lanes<Distance>(x[i]));
    }
  }
}

/// hadamard_blocks() of a row, which may be `out` itself.
VITRAIL_KERNEL static void hadamard(const float* x, Index K, float* out) {
  Index k = 0;
  for (; k + 64 <= K; k += 64) {
    Floats block[64 / width];
    VITRAIL_UNROLL for (Index i = 0; i < 64 / width; ++i) block[i] = load(x + k + i * width);
    hadamard_step<32>(block);
    hadamard_step<16>(block);
    hadamard_step<8>(block);
    hadamard_step<4>(block);
    hadamard_step<2>(block);
    hadamard_step<1>(block);
    VITRAIL_UNROLL for (Index i = 0; i < 64 / width; ++i) {
      store(out + k + i * width, multiply(block[i], broadcast(0.125F)));
    }
  }
  for (; k < K; k += width) store_first(out + k, load_first(x + k, K - k), K - k);
}

/// The scale and zero point with which -128 ... 127 span the row's values and zero.
VITRAIL_KERNEL static Quantised quantisation_of(const float* x, Index K) {
  Floats low[4];
  Floats high[4];
  VITRAIL_UNROLL for (int i = 0; i < 4; ++i) low[i] = high[i] = broadcast(0.0F);
  Index k = 0;
  for (; k + 4 * width <= K; k += 4 * width) {
    VITRAIL_UNROLL for (int i = 0; i < 4; ++i) {
      const Floats value = load(x + k + i * width);
      low[i] = smaller(low[i], value);
      high[i] = larger(high[i], value);
    }
  }
  for (; k < K; k += width) {
    const Floats value = load_first(x + k, K - k);
    low[0] = smaller(low[0], value);
    high[0] = larger(high[0], value);
  }
  VITRAIL_UNROLL for (int i = 1; i < 4; ++i) {
    low[0] = smaller(low[0], low[i]);
    high[0] = larger(high[0], high[i]);
  }
  const float below = largest_of(subtract(broadcast(0.0F), low[0]));
  const float span = largest_of(high[0]) + below;
  const float scale = span > 0 ? span / 255.0F : 1.0F;
  return {scale, __builtin_rintf(below / scale) - 128.0F, 0};
}

/// x / scale + zero, rounded; elements past `count` are zero.
VITRAIL_KERNEL_INLINE Ints quantise_first(const float* x, Index count, Floats inverse,
                                          Floats zero) {
  return to_ints(keep_first(multiply_add(load_first(x, count), inverse, zero), count));
}

/// One block of signed bytes, of `count` values; returns parts of their sum.
VITRAIL_KERNEL_INLINE Ints quantise_block(const float* x, Index count, Floats inverse, Floats zero,
                                          std::byte* out) {
  Ints q[64 / width];
  VITRAIL_UNROLL for (Index i = 0; i < 64 / width; ++i) {
    q[i] = quantise_first(x + i * width, count - i * width, inverse, zero);
  }
  return store_s8(out, q);
}

/// One row of K floats in blocks of 64 bytes, `block_bytes` apart; the rest of the last block is
/// zero. `mixed` (K) and `quantised` are written for int8.
VITRAIL_KERNEL static void pack_row(LeftFormat format, const float* x, Index K, std::byte* out,
                                    Index block_bytes, float* mixed, Quantised* quantised) {
  const Index block = left_block(format);
  Floats inverse = broadcast(1.0F);
  Floats zero = broadcast(0.0F);
  Ints sum = broadcast_int(0);
  if (format == LeftFormat::s8 || format == LeftFormat::s16) {
    hadamard(x, K, mixed);
    x = mixed;
    *quantised = quantisation_of(x, K);
    inverse = broadcast(1.0F / quantised->scale);
    zero = broadcast(quantised->zero);
  }
  for (Index k = 0; k < K; k += block, x += block, out += block_bytes) {
    const Index left = K - k;
    switch (format) {
      case LeftFormat::f32:
        for (Index i = 0; i < 16; i += width) {
          store(reinterpret_cast<float*>(out) + i, load_first(x + i, left - i));
        }
        break;
      case LeftFormat::bf16_wide:
        for (Index i = 0; i < 16; i += width) {
          store(reinterpret_cast<float*>(out) + i, rounded_to_bf16(load_first(x + i, left - i)));
        }
        break;
      case LeftFormat::bf16:
        for (Index i = 0; i < 32; i += width) {
          store_bf16(out + i * 2, load_first(x + i, left - i));
        }
        break;
      case LeftFormat::bf16_split: {
        const Index line = block_bytes / 3;
        for (Index i = 0; i < 32; i += width) {
          store_bf16_split(out + i * 2, line, load_first(x + i, left - i));
        }
        break;
      }
      case LeftFormat::s8:
        sum = add_ints(sum, left >= 64 ? quantise_block(x, 64, inverse, zero, out)
                                       : quantise_block(x, left, inverse, zero, out));
        break;
      case LeftFormat::s16:
        for (Index i = 0; i < 32; i += width) {
          Ints q = quantise_first(x + i, left - i, inverse, zero);
          q = smaller_ints(larger_ints(q, broadcast_int(-128)), broadcast_int(127));
          sum = add_ints(sum, q);
          store_s16_split(out + i * 2, q);
        }
        break;
    }
  }
  if (format == LeftFormat::s8 || format == LeftFormat::s16) {
    quantised->sum = sum_of_ints(sum);
  }
}

/// Rows whose blocks lie side by side.
VITRAIL_KERNEL static void pack_left(LeftFormat format, const float* x, Index stride, Index rows,
                                     Index K, std::byte* out, Index block_bytes, float* mixed,
                                     Quantised* quantised) {
  for (Index r = 0; r < rows; ++r, x += stride, out += 64) {
    Index k = 0;
    if (format == LeftFormat::f32) {  // as they are
      for (std::byte* to = out; k + 16 <= K; k += 16, to += block_bytes) {
        VITRAIL_UNROLL for (Index i = 0; i < 16; i += width) {
          store(reinterpret_cast<float*>(to) + i, load(x + k + i));
        }
      }
      if (k == K) continue;
    }
    pack_row(format, x + k, K - k, out + k / 16 * block_bytes, block_bytes, mixed,
             quantised == nullptr ? nullptr : quantised + r);
  }
}

/// n floats to bf16, to nearest, ties to even; zeros fill the last block.
VITRAIL_KERNEL static void round_to_bf16(const float* x, Index n, std::byte* out) {
  for (Index i = 0; i < (n + 31) / 32 * 32; i += width) {
    store_rounded(out + i * 2, load_first(x + i, n - i));
  }
}

/// Sixteen or eight rows at a time, a square of one vector each way.
VITRAIL_KERNEL static void transpose(const float* x, Index stride, Index rows, Index columns,
                                     float* out, Index panel_width) {
  for (Index n = 0; n < panel_width; n += width) {
    for (Index k = 0; k < columns; k += width) {
      Floats square[width];
      for (Index r = 0; r < width; ++r) {
        square[r] =
            n + r < rows ? load_first(x + (n + r) * stride + k, columns - k) : broadcast(0.0F);
      }
      transpose_square(square);
      for (Index c = 0; c < width && k + c < columns; ++c) {
        store(out + (k + c) * panel_width + n, square[c]);
      }
    }
  }
}

/// Rows as they are, at another distance, zero past `columns`.
VITRAIL_KERNEL static void copy_rows(const float* x, Index stride, Index rows, Index columns,
                                     float* out, Index panel_width) {
  for (Index r = 0; r < rows; ++r) {
    for (Index n = 0; n < panel_width; n += width) {
      store(out + r * panel_width + n, load_first(x + r * stride + n, columns - n));
    }
  }
}

#endif  // VITRAIL_KERNEL
