// Loops over the elements of rows: norms, softmax, activations, the end of a product, the packing
// of its left side. Included once per instruction set, inside its namespace, by
// kernels/{arm,x86}_*.hpp; on its own it is empty.
#if defined(VITRAIL_KERNEL)

/// The place of element i in a row stored in blocks of 16.
VITRAIL_KERNEL_INLINE Index in_blocks(Index i, Index block) { return (i >> 4) * block + (i & 15); }

/// The place of element i of a finished row, in bytes from the row's first.
VITRAIL_KERNEL_INLINE Index in_target(const Target& to, Index i) {
  const Index c = to.column + i;
  return to.format == LeftFormat::f32 ? (c >> 4) * to.block_bytes + (c & 15) * 4
                                      : (c >> 5) * to.block_bytes + (c & 31) * 2;
}

/// What an int8 sum stands for. The weights were multiplied as w + weight_offset (128 on x86), so
/// that a sum is sum(q w) + 128 sum(q); then sum((q - zero) w) = sum(q w) - zero sum(w).
VITRAIL_KERNEL_INLINE Floats dequantised(Ints sum, const Quantised& q, Floats column_scale,
                                         Floats column_sum, Floats bias) {
  Floats value = to_floats(subtract_ints(sum, broadcast_int(weight_offset * q.sum)));
  value = negative_multiply_add(broadcast(q.zero), column_sum, value);
  return multiply_add(value, multiply(broadcast(q.scale), column_scale), bias);
}

/// Column by column of vectors, so that what belongs to a column is loaded once per tile.
///
/// The two commonest activations have a loop of their own, `Fixed`; the others choose for each
/// vector.
template <Activation... Fixed>
VITRAIL_KERNEL static void finish_as(Activation activation, const float* sums, Index sums_stride,
                                     Index rows, Index columns, const Finish& finish,
                                     const Target& target) {
  const Finish f = finish;  // a copy: no store through y can change it
  Activation kind = activation;
  ((kind = Fixed), ...);
  const bool integers = f.rows != nullptr;
  const Floats factor = broadcast(f.factor);
  const bool scaled = f.scale != nullptr;
  const bool bare = !scaled && f.residual == nullptr && target.format == LeftFormat::f32;
  const Index row_bytes = target.row_bytes;
  for (Index i = 0; i < columns; i += width) {
    const Index left = columns - i;
    const Floats none = broadcast(0.0F);
    const Floats bias = f.bias == nullptr ? none : load_first(f.bias + i, left);
    const Floats scale = scaled ? load_first(f.scale + i, left) : broadcast(1.0F);
    const Floats column_scale = integers ? load_first(f.column_scale + i, left) : none;
    const Floats column_sum = integers ? load_first(f.column_sum + i, left) : none;
    const float* from = sums + i;
    const float* residual = f.residual == nullptr ? nullptr : f.residual + i;
    std::byte* to = target.data + in_target(target, i);
    // The commonest ends have loops without a choice for each vector.
    if (bare && left >= width && !integers) {
      for (Index r = 0; r < rows; ++r, from += sums_stride, to += row_bytes) {
        store(reinterpret_cast<float*>(to),
              activated(kind, multiply_add(load(from), factor, bias)));
      }
      continue;
    }
    if (bare && left >= width) {
      for (Index r = 0; r < rows; ++r, from += sums_stride, to += row_bytes) {
        const Floats value =
            dequantised(load_ints(from), f.rows[r], column_scale, column_sum, bias);
        store(reinterpret_cast<float*>(to), activated(kind, value));
      }
      continue;
    }
    for (Index r = 0; r < rows; ++r) {
      Floats value = integers
                         ? dequantised(load_ints(from), f.rows[r], column_scale, column_sum, bias)
                         : multiply_add(load_first(from, left), factor, bias);
      value = activated(kind, value);
      if (residual != nullptr) {
        value = multiply_add(value, scale, load_first(residual, left));
        residual += f.residual_stride;
      } else if (scaled) {
        value = multiply(value, scale);
      }
      if (target.format == LeftFormat::f32) {
        store_first(reinterpret_cast<float*>(to), value, left);
      } else if (target.format == LeftFormat::bf16) {
        store_bf16(to, value);
      } else {
        store_bf16_split(to, target.block_bytes / 3, value);
      }
      from += sums_stride;
      to += row_bytes;
    }
  }
}

VITRAIL_KERNEL static void finish_tile(Activation activation, const float* sums, Index sums_stride,
                                       Index rows, Index columns, const Finish& f,
                                       const Target& target) {
  const auto as = activation == Activation::none       ? finish_as<Activation::none>
                  : activation == Activation::gelu_erf ? finish_as<Activation::gelu_erf>
                                                       : finish_as<>;
  as(activation, sums, sums_stride, rows, columns, f, target);
}

/// The end of a product of one row that has its gate for a scale.
VITRAIL_KERNEL static void activate_row(Activation activation, const float* x, const float* gate,
                                        Index n, float* y) {
  Finish finish{};
  finish.scale = gate;
  finish_tile(activation, x, n, 1, n, finish, Target::rows(y, n));
}

/// Rows go together so that one computes while another waits, here and below.
template <Index Rows>
VITRAIL_KERNEL static void normalize_together(const float* x, Index stride, Index D,
                                              const NormArguments& norm, float* y, Index y_stride,
                                              Index block) {
  constexpr auto row_count = static_cast<std::size_t>(Rows);
  const float count = static_cast<float>(D);
  Floats sums[row_count];
  Floats centre[row_count];
  VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) sums[r] = centre[r] = broadcast(0.0F);
  if (!norm.rms) {
    for (Index i = 0; i < D; i += width) {
      VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) {
        sums[r] = add(sums[r], load_first(x + r * stride + i, D - i));
      }
    }
    VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) {
      centre[r] = broadcast(sum_of(sums[r]) / count);
      sums[r] = broadcast(0.0F);
    }
  }
  for (Index i = 0; i < D; i += width) {
    VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) {
      const Floats value = load_first(x + r * stride + i, D - i);
      const Floats from_centre = keep_first(subtract(value, centre[r]), D - i);
      sums[r] = multiply_add(from_centre, from_centre, sums[r]);
    }
  }
  Floats scale[row_count];
  VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) {
    const float variance = sum_of(sums[r]) / count + static_cast<float>(norm.eps);
    scale[r] = broadcast(1.0F / __builtin_sqrtf(variance));
  }
  for (Index i = 0; i < D; i += width) {
    const Floats gamma = load_first(norm.gamma + i, D - i);
    const Floats beta = norm.beta == nullptr ? broadcast(0.0F) : load_first(norm.beta + i, D - i);
    float* const to = y + in_blocks(i, block);
    VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) {
      const Floats value = subtract(load_first(x + r * stride + i, D - i), centre[r]);
      store_first(to + r * y_stride, multiply_add(multiply(value, scale[r]), gamma, beta), D - i);
    }
  }
}

VITRAIL_KERNEL static void normalize(const float* x, Index stride, Index rows, Index D,
                                     const NormArguments& norm, float* y, Index y_stride,
                                     Index block) {
  Index r = 0;
  for (; r + 3 <= rows; r += 3) {
    normalize_together<3>(x + r * stride, stride, D, norm, y + r * y_stride, y_stride, block);
  }
  for (; r < rows; ++r) {
    normalize_together<1>(x + r * stride, stride, D, norm, y + r * y_stride, y_stride, block);
  }
}

/// In powers of two: e^(scale x - most) = 2^(x log2(e) scale - most log2(e)). Whole blocks of 16
/// first, then what is left of one.
template <Index Rows>
VITRAIL_KERNEL static void exponentials_of(float* x, Index stride, Index n, Index block,
                                           float scale, float* totals) {
  constexpr auto row_count = static_cast<std::size_t>(Rows);
  const Index left = n % 16;
  float* const rest = x + n / 16 * block;
  const Floats lowest = broadcast(-3.4e38F);
  Floats most[row_count];
  VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) most[r] = lowest;
  for (const float* from = x; from != rest; from += block) {
    for (Index i = 0; i < 16; i += width) {
      VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) {
        most[r] = larger(most[r], load(from + r * stride + i));
      }
    }
  }
  for (Index i = 0; i < left; i += width) {
    VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) {
      most[r] = larger(most[r],
                       select_first(load_first(rest + r * stride + i, left - i), lowest, left - i));
    }
  }
  const float per_power = scale * 1.44269504F;
  const Floats factor = broadcast(per_power);
  Floats below[row_count];
  Floats total[row_count];
  VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) {
    below[r] = broadcast(-largest_of(most[r]) * per_power);
    total[r] = broadcast(0.0F);
  }
  for (float* to = x; to != rest; to += block) {
    for (Index i = 0; i < 16; i += width) {
      VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) {
        float* const at = to + r * stride + i;
        const Floats value = power_of_two(multiply_add(load(at), factor, below[r]));
        store(at, value);
        total[r] = add(total[r], value);
      }
    }
  }
  for (Index i = 0; i < left; i += width) {
    VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) {
      float* const at = rest + r * stride + i;
      const Floats value = power_of_two(multiply_add(load_first(at, left - i), factor, below[r]));
      store_first(at, value, left - i);
      total[r] = add(total[r], keep_first(value, left - i));
    }
  }
  VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) totals[r] = sum_of(total[r]);
}

VITRAIL_KERNEL static void exponentials(float* x, Index stride, Index rows, Index n, Index block,
                                        float scale, const float* bias, Index bias_stride,
                                        float* totals) {
  // With a bias scale x + bias is stored first.
  if (bias != nullptr) {
    const Floats factor = broadcast(scale);
    for (Index r = 0; r < rows; ++r) {
      for (Index i = 0; i < n; i += width) {
        float* const at = x + r * stride + in_blocks(i, block);
        const Floats add = load_first(bias + r * bias_stride + i, n - i);
        store_first(at, multiply_add(load_first(at, n - i), factor, add), n - i);
      }
    }
    scale = 1.0F;
  }
  Index r = 0;
  for (; r + 3 <= rows; r += 3)
    exponentials_of<3>(x + r * stride, stride, n, block, scale, totals + r);
  for (; r < rows; ++r) exponentials_of<1>(x + r * stride, stride, n, block, scale, totals + r);
}

VITRAIL_KERNEL static void rotate(const float* x, Index stride, Index rows, Index n,
                                  bool neighbours, const float* cosine, const float* sine,
                                  Index table_stride, float* y, Index y_stride) {
  const Index half = neighbours ? n : n / 2;
  for (Index r = 0; r < rows; ++r) {
    for (Index begin = 0; begin < n; begin += half) {
      for (Index i = begin; i < begin + half; i += width) {
        const Index left = begin + half - i;
        const Floats own = load_first(x + i, left);
        const Floats partner = neighbours
                                   ? swap_lanes<1>(own)
                                   : load_first(x + (begin == 0 ? i + half : i - half), left);
        const Floats turned = multiply(partner, load_first(sine + i, left));
        store_first(y + i, multiply_add(own, load_first(cosine + i, left), turned), left);
      }
    }
    x += stride;
    y += y_stride;
    cosine += table_stride;
    sine += table_stride;
  }
}

VITRAIL_KERNEL static void multiply_rows(const float* x, Index stride, Index rows, Index n,
                                         const float* factors, float* y, Index y_stride) {
  for (Index r = 0; r < rows; ++r, x += stride, y += y_stride) {
    const Floats factor = broadcast(factors[r]);
    for (Index i = 0; i < n; i += width) {
      store_first(y + i, multiply(load_first(x + i, n - i), factor), n - i);
    }
  }
}

#endif  // VITRAIL_KERNEL
