// Loops over the elements of rows: norms, softmax, activations, the end of a product, the packing
// of its left side. Included once per instruction set, inside its namespace, by
// kernels/{arm,x86}_*.hpp; on its own it is empty.
#if defined(VITRAIL_KERNEL)

/// Column by column of vectors, so that what belongs to a column is loaded once per tile.
///
/// int8 sums first become what they stand for. The weights were multiplied as w + weight_offset
/// (128 on x86), so that a sum is sum(q w) + 128 sum(q); then sum((q - zero) w) = sum(q w) - zero
/// sum(w).
template <Activation kind>
VITRAIL_KERNEL static void finish_as(const float* sums, Index sums_stride, Index rows,
                                     Index columns, const Finish& finish, float* y,
                                     Index y_stride) {
  const Finish f = finish;  // a copy: no store through y can change it
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
    float* to = y + i;
    for (Index r = 0; r < rows; ++r) {
      Floats value;
      if (integers) {
        const Quantised& q = f.rows[r];
        value = to_floats(subtract_ints(load_ints(from), broadcast_int(weight_offset * q.sum)));
        value = negative_multiply_add(broadcast(q.zero), column_sum, value);
        value = multiply(value, multiply(broadcast(q.scale), column_scale));
      } else {
        value = load_first(from, left);
      }
      value = activated<kind>(add(value, bias));
      if (scaled) value = multiply(value, scale);
      if (residual != nullptr) {
        value = add(value, load_first(residual, left));
        residual += f.residual_stride;
      }
      store_first(to, value, left);
      from += sums_stride;
      to += y_stride;
    }
  }
}

VITRAIL_KERNEL static void finish_tile(Activation activation, const float* sums, Index sums_stride,
                                       Index rows, Index columns, const Finish& f, float* y,
                                       Index y_stride) {
  switch (activation) {
#define VITRAIL_FINISH(kind) \
  case Activation::kind:     \
    return finish_as<Activation::kind>(sums, sums_stride, rows, columns, f, y, y_stride)
    VITRAIL_FINISH(none);
    VITRAIL_FINISH(gelu_erf);
    VITRAIL_FINISH(gelu_tanh);
    VITRAIL_FINISH(quick_gelu);
    VITRAIL_FINISH(silu);
    VITRAIL_FINISH(relu);
    VITRAIL_FINISH(tanh);
#undef VITRAIL_FINISH
  }
}

/// The end of a product of one row that has its gate for a scale.
VITRAIL_KERNEL static void activate_row(Activation activation, const float* x, const float* gate,
                                        Index n, float* y) {
  Finish finish{};
  finish.scale = gate;
  finish_tile(activation, x, n, 1, n, finish, y, n);
}

/// The place of element i in a row stored in blocks of 16.
VITRAIL_KERNEL_INLINE Index in_blocks(Index i, Index block) { return (i >> 4) * block + (i & 15); }

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

VITRAIL_KERNEL static float exponentials(float* x, Index n, Index block, float scale,
                                         const float* bias) {
  // With a bias the sums are stored first; without one the scale joins the second loop.
  const Floats lowest = broadcast(-3.4e38F);
  Floats factor = broadcast(scale);
  Floats most = lowest;
  for (Index i = 0; i < n; i += width) {
    float* at = x + in_blocks(i, block);
    Floats value = multiply(load_first(at, n - i), factor);
    if (bias != nullptr) {
      value = add(value, load_first(bias + i, n - i));
      store_first(at, value, n - i);
    }
    most = larger(most, select_first(value, lowest, n - i));
  }
  if (bias != nullptr) factor = broadcast(1.0F);
  const Floats largest = broadcast(largest_of(most));
  Floats total = broadcast(0.0F);
  for (Index i = 0; i < n; i += width) {
    float* at = x + in_blocks(i, block);
    const Floats below = subtract(multiply(load_first(at, n - i), factor), largest);
    const Floats value = keep_first(exponential(below), n - i);
    store_first(at, value, n - i);
    total = add(total, value);
  }
  return sum_of(total);
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
