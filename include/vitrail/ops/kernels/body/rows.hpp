// Loops over the elements of rows: norms, softmax, activations, the end of a product, the packing
// of its left side. Included once per instruction set, inside its namespace, by kernels/x86_*.hpp;
// on its own it is empty.
#if defined(VITRAIL_KERNEL)

template <Activation kind>
VITRAIL_KERNEL static void finish_as(const float* sums, Index sums_stride, Index rows,
                                     Index columns, const Finish& f, float* y, Index y_stride) {
  for (Index r = 0; r < rows; ++r) {
    const float* from = sums + r * sums_stride;
    const float* residual = f.residual + r * f.residual_stride;
    float* to = y + r * y_stride;
    for (Index i = 0; i < columns; i += width) {
      const Index left = columns - i;
      Floats value = load_first(from + i, left);
      if (f.bias != nullptr) value = add(value, load_first(f.bias + i, left));
      value = activated<kind>(value);
      if (f.scale != nullptr) value = multiply(value, load_first(f.scale + i, left));
      if (f.residual != nullptr) value = add(value, load_first(residual + i, left));
      store_first(to + i, value, left);
    }
  }
}

/// int8 sums to what they stand for. The weights were stored as w + 128, so that a sum is
/// sum(q w) + 128 sum(q); then sum((q - zero) w) = sum(q w) - zero sum(w).
VITRAIL_KERNEL static void dequantise(float* sums, Index sums_stride, Index rows, Index columns,
                                      const Finish& f) {
  for (Index r = 0; r < rows; ++r) {
    const Ints shift = broadcast_int(128 * f.rows[r].sum);
    const Floats zero = broadcast(f.rows[r].zero);
    const Floats scale = broadcast(f.rows[r].scale);
    for (Index i = 0; i < columns; i += width) {
      float* at = sums + r * sums_stride + i;
      const Floats sum = to_floats(subtract_ints(load_ints(at), shift));
      const Floats offset = load_first(f.column_sum + i, columns - i);
      const Floats factor = multiply(scale, load_first(f.column_scale + i, columns - i));
      store(at, multiply(negative_multiply_add(zero, offset, sum), factor));
    }
  }
}

VITRAIL_KERNEL static void finish_tile(Activation activation, float* sums, Index sums_stride,
                                       Index rows, Index columns, const Finish& f, float* y,
                                       Index y_stride) {
  if (f.rows != nullptr) dequantise(sums, sums_stride, rows, columns, f);
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
  finish_tile(activation, const_cast<float*>(x), n, 1, n, finish, y, n);
}

/// The place of element i in a row stored in blocks of 16.
VITRAIL_KERNEL_INLINE Index in_blocks(Index i, Index block) { return i / 16 * block + i % 16; }

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
  const Floats factor = broadcast(scale);
  const Floats lowest = broadcast(-3.4e38F);
  Floats most = lowest;
  for (Index i = 0; i < n; i += width) {
    float* at = x + in_blocks(i, block);
    Floats value = multiply(load_first(at, n - i), factor);
    if (bias != nullptr) value = add(value, load_first(bias + i, n - i));
    store_first(at, value, n - i);
    most = larger(most, select_first(value, lowest, n - i));
  }
  const Floats largest = broadcast(largest_of(most));
  Floats total = broadcast(0.0F);
  for (Index i = 0; i < n; i += width) {
    float* at = x + in_blocks(i, block);
    const Floats value = keep_first(exponential(subtract(load_first(at, n - i), largest)), n - i);
    store_first(at, value, n - i);
    total = add(total, value);
  }
  return sum_of(total);
}

VITRAIL_KERNEL static void multiply_row(const float* x, Index n, float factor, float* y) {
  for (Index i = 0; i < n; i += width) {
    store_first(y + i, multiply(load_first(x + i, n - i), broadcast(factor)), n - i);
  }
}

#endif  // VITRAIL_KERNEL
