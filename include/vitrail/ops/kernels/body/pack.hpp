// The left side of a product, brought into its tile's format. Included once per instruction set,
// inside its namespace, by kernels/{arm,x86}_*.hpp; on its own it is empty.
#if defined(VITRAIL_KERNEL)

/// The scale and zero point with which -128 ... 127 span the row's values and zero.
VITRAIL_KERNEL static Quantised quantisation_of(const float* x, Index K) {
  Floats low = broadcast(0.0F);
  Floats high = broadcast(0.0F);
  for (Index i = 0; i < K; i += width) {
    const Floats value = load_first(x + i, K - i);
    low = larger(low, subtract(broadcast(0.0F), value));
    high = larger(high, value);
  }
  const float below = largest_of(low);
  const float span = largest_of(high) + below;
  const float scale = span > 0 ? span / 255.0F : 1.0F;
  return {scale, __builtin_rintf(below / scale) - 128.0F, 0};
}

/// x / scale + zero, rounded, from -128 to 127; elements past `count` are zero.
VITRAIL_KERNEL_INLINE Ints quantise_first(const float* x, Index count, Floats inverse,
                                          Floats zero) {
  const Floats q = keep_first(multiply_add(load_first(x, count), inverse, zero), count);
  return smaller_ints(larger_ints(to_ints(q), broadcast_int(-128)), broadcast_int(127));
}

/// One row of K floats in blocks of 64 bytes, `block_bytes` apart; the rest of the last block is
/// zero.
VITRAIL_KERNEL static void pack_left(LeftFormat format, const float* x, Index K, std::byte* out,
                                     Index block_bytes, Quantised* quantised) {
  const Index block = left_block(format);
  Floats inverse = broadcast(1.0F);
  Floats zero = broadcast(0.0F);
  Ints sum = broadcast_int(0);
  if (format == LeftFormat::s8 || format == LeftFormat::s16) {
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
        for (Index i = 0; i < 64; i += width) {
          const Ints q = quantise_first(x + i, left - i, inverse, zero);
          sum = add_ints(sum, q);
          store_s8(out + i, q);
        }
        break;
      case LeftFormat::s16:
        for (Index i = 0; i < 32; i += width) {
          const Ints q = quantise_first(x + i, left - i, inverse, zero);
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
