// The table of an instruction set. Included once per instruction set, inside its namespace, by
// kernels/{arm,x86}_*.hpp; on its own it is empty.
#if defined(VITRAIL_KERNEL)

template <class Op, Index Vectors>
void fill_tiles(ProductKernels& product) {
  // Rows that have no tile of their own use the next larger one; see padded_tile_rows.
  for (Index rows = 1; rows <= tile_rows; ++rows) {
    const Index padded = padded_tile_rows(rows, tile_rows);
    product.tile[Vectors][rows] = padded == 1           ? tile<Op, 1, Vectors>
                                  : padded == 4         ? tile<Op, 4, Vectors>
                                  : padded == tile_rows ? tile<Op, tile_rows, Vectors>
                                                        : tile<Op, tile_rows / 2 * 2, Vectors>;
  }
}

/// Only full panels: a last panel of fewer outputs is padded.
template <class Op>
ProductKernels product(LeftFormat left, Index step) {
  ProductKernels product{left, step, false, {}, saturate<Op>, 12 * width * 2 * step / Op::parts};
  fill_tiles<Op, panel_vectors>(product);
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
  fill_tiles<F32, 1>(k.f32);
  if constexpr (panel_vectors > 2) fill_tiles<F32, 2>(k.f32);
  if constexpr (panel_vectors > 3) fill_tiles<F32, 3>(k.f32);
  k.finish = finish_tile;
  k.pack_left = pack_left;
  k.normalize = normalize;
  k.exponentials = exponentials;
  k.multiply_rows = multiply_rows;
  k.activate = activate_row;
  k.transpose = transpose;
  k.copy_rows = copy_rows;
  return k;
}

#endif  // VITRAIL_KERNEL
