// The table of an instruction set. Included once per instruction set, inside its namespace, by
// kernels/x86_*.hpp; on its own it is empty.
#if defined(VITRAIL_KERNEL)

template <class Op, Index Vectors, Index MostRows>
void fill_tiles(ProductKernels& product) {
  // Rows that have no tile of their own use the next larger one; see padded_tile_rows.
  TileFunction* by_rows = product.tile[Vectors];
  by_rows[1] = tile<Op, 1, Vectors>;
  by_rows[2] = tile<Op, 2, Vectors>;
  by_rows[3] = by_rows[4] = tile<Op, 4, Vectors>;
  by_rows[5] = by_rows[6] = tile<Op, 6, Vectors>;
  if constexpr (MostRows > 6) {
    by_rows[7] = by_rows[8] = tile<Op, 8, Vectors>;
    by_rows[9] = tile<Op, 9, Vectors>;
  }
}

/// Only full panels: a last panel of fewer outputs is padded.
template <class Op>
ProductKernels product(LeftFormat left, Index step) {
  ProductKernels product{left, step, false, {}, saturate<Op>, 12 * width * 2 * step / Op::parts};
  fill_tiles<Op, panel_vectors, tile_rows>(product);
  return product;
}

inline Kernels common_table(CpuLevel level) {
  Kernels k{};
  k.level = level;
  k.vector = width;
  k.tile_rows = tile_rows;
  k.panel_vectors = panel_vectors;
  k.f32 = product<F32>(LeftFormat::f32, 1);
  k.f32.narrow_panels = true;
  fill_tiles<F32, 1, tile_rows>(k.f32);
  if constexpr (panel_vectors > 2) fill_tiles<F32, 2, tile_rows>(k.f32);
  k.finish = finish_tile;
  k.pack_left = pack_left;
  k.normalize = normalize;
  k.exponentials = exponentials;
  k.multiply = multiply_row;
  k.activate = activate_row;
  k.transpose = transpose;
  k.copy_rows = copy_rows;
  return k;
}

#endif  // VITRAIL_KERNEL
