// The table of an instruction set. Included once per instruction set, inside its namespace, by
// kernels/{arm,x86}_*.hpp; on its own it is empty.
#if defined(VITRAIL_KERNEL)

template <class Op, Index Vectors>
void fill_tiles(ProductKernels& product) {
  product.tile[Vectors][0] = tile<Op, 1, Vectors>;
  product.tile[Vectors][1] = tile<Op, 4, Vectors>;
  product.tile[Vectors][2] = tile<Op, tile_rows / 2 * 2, Vectors>;
  product.tile[Vectors][3] = tile<Op, tile_rows, Vectors>;
}

/// Only full panels: a last panel of fewer outputs is padded.
template <class Op>
ProductKernels product(LeftFormat left, Index step) {
  ProductKernels product{};
  product.left = left;
  product.step = step;
  product.panel_vectors = panel_vectors;
  product.finishes = !Op::integers;
  const Index heights[] = {1, 4, tile_rows / 2 * 2, tile_rows};
  for (int i = 0; i < tile_heights; ++i) product.heights[i] = heights[i];
  product.piece_blocks = 48;  // 768 steps of f32
  product.bunch_panels = 1;
  product.saturate = saturate<Op>;
  product.operations_per_round = tile_rows * panel_vectors * width * 2 * step / Op::parts;
  fill_tiles<Op, panel_vectors>(product);
  return product;
}

inline Kernels common_table(CpuLevel level) {
  Kernels k{};
  k.level = level;
  k.vector = width;
  k.f32 = product<F32>(LeftFormat::f32, 1);
  k.f32.narrow_panels = true;
  fill_tiles<F32, 1>(k.f32);
  if constexpr (panel_vectors > 2) fill_tiles<F32, 2>(k.f32);
  if constexpr (panel_vectors > 3) fill_tiles<F32, 3>(k.f32);
  k.attention = k.f32;
  k.attention_bf16 = k.f32;
  k.finish = finish_tile;
  k.pack_left = pack_left;
  k.hadamard = hadamard;
  k.round_to_bf16 = round_to_bf16;
  k.normalize = normalize;
  k.exponentials = exponentials;
  k.multiply_rows = multiply_rows;
  k.rotate = rotate;
  k.activate = activate_row;
  k.transpose = transpose;
  k.copy_rows = copy_rows;
  return k;
}

#endif  // VITRAIL_KERNEL
