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

/// Column by column of vectors, so that what belongs to a column is loaded once per tile.
///
/// int8 sums first become what they stand for. The weights were multiplied as w + weight_offset
/// (128 on x86), so that a sum is sum(q w) + 128 sum(q); then sum((q - zero) w) = sum(q w) - zero
/// sum(w).
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
  const bool scaled = f.scale != nullptr;
  for (Index i = 0; i < columns; i += width) {
    const Index left = columns - i;
    const Floats none = broadcast(0.0F);
    const Floats bias = f.bias == nullptr ? none : load_first(f.bias + i, left);
    const Floats scale = scaled ? load_first(f.scale + i, left) : none;
    const Floats column_scale = integers ? load_first(f.column_scale + i, left) : none;
    const Floats column_sum = integers ? load_first(f.column_sum + i, left) : none;
    const float* from = sums + i;
    const float* residual = f.residual == nullptr ? nullptr : f.residual + i;
    std::byte* to = target.data + in_target(target, i);
    for (Index r = 0; r < rows; ++r) {
      Floats value;
      if (integers) {
        const Quantised& q = f.rows[r];
        value = to_floats(subtract_ints(load_ints(from), broadcast_int(weight_offset * q.sum)));
        value = negative_multiply_add(broadcast(q.zero), column_sum, value);
        value = multiply_add(value, multiply(broadcast(q.scale), column_scale), bias);
      } else {
        value = add(load_first(from, left), bias);
      }
      value = activated(kind, value);
      if (scaled) value = multiply(value, scale);
      if (residual != nullptr) {
        value = add(value, load_first(residual, left));
        residual += f.residual_stride;
      }
      if (target.format == LeftFormat::f32) {
        store_first(reinterpret_cast<float*>(to), value, left);
      } else if (target.format == LeftFormat::bf16) {
        store_bf16(to, value);
      } else {
        store_bf16_split(to, target.block_bytes / 3, value);
      }
      from += sums_stride;
      to += target.row_bytes;
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
  const Target row{reinterpret_cast<std::byte*>(y), 0, 64, 0, LeftFormat::f32};
  finish_tile(activation, x, n, 1, n, finish, row);
}

VITRAIL_KERNEL static void normalize(const float* x, Index D, const NormArguments& norm, float* y,
                                     Index block) {
  const float count = static_cast<float>(D);
  float mean = 0;
  if (!norm.rms) {
    Floats total = broadcast(0.0F);
    for (Index i = 0; i < D; i += width) total = add(total, load_first(x + i, D - i));
    mean = sum_of(total) / count;
  }
  const Floats centre = broadcast(mean);
  Floats squares = broadcast(0.0F);
  for (Index i = 0; i < D; i += width) {
    const Floats from_centre = keep_first(subtract(load_first(x + i, D - i), centre), D - i);
    squares = multiply_add(from_centre, from_centre, squares);
  }
  const float variance = sum_of(squares) / count + static_cast<float>(norm.eps);
  const Floats scale = broadcast(1.0F / __builtin_sqrtf(variance));
  for (Index i = 0; i < D; i += width) {
    Floats value = multiply(subtract(load_first(x + i, D - i), centre), scale);
    value = multiply(value, load_first(norm.gamma + i, D - i));
    if (norm.beta != nullptr) value = add(value, load_first(norm.beta + i, D - i));
    store_first(y + in_blocks(i, block), value, D - i);
  }
}

/// In powers of two: e^(scale x - most) = 2^(x log2(e) scale - most log2(e)). Whole blocks of 16
/// first, then what is left of one. Rows go together so that one computes while another waits.
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
