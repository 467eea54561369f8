// The inner loop of every dense product. Included once per instruction set, inside its namespace,
// by kernels/{arm,x86}_*.hpp; on its own it is empty.
//
// A tile is Rows x (Vectors * width) accumulators in registers. One step takes one panel row (1, 2
// or 4 values of K for every output) and the matching four bytes of each left row:
//
//            panel row:  b0      b1      b2         (vectors, loaded)
//   row 0  broadcast a  += a*b0  += a*b1  += a*b2
//   row 1  broadcast a  += ...
//
// Every element adds its products in the order of K, whatever Rows, Vectors and the split of K into
// calls: results do not depend on the shape of the tile. The loop is left rolled: it then fits the
// processor's loop buffer, and unrolling it costs 10 % and more.
#if defined(VITRAIL_KERNEL)

/// Ends a tile without leaving the registers, as finish_tile does where there is no activation:
/// with the same bits. All columns are there.
template <std::size_t Rows, std::size_t Vectors>
VITRAIL_KERNEL_INLINE void finish_sums(Floats (&sums)[Rows][Vectors], const TileArguments& t) {
  constexpr auto row_count = static_cast<Index>(Rows);
  constexpr auto vector_count = static_cast<Index>(Vectors);
  const Finish& f = *t.finish;
  if (t.row_scale != nullptr) {
    VITRAIL_UNROLL for (Index r = 0; r < row_count; ++r) {
      const Floats scale = broadcast(t.row_scale[r]);
      VITRAIL_UNROLL for (Index v = 0; v < vector_count; ++v) {
        sums[r][v] = multiply(sums[r][v], scale);
      }
    }
  }
  if (f.bias != nullptr) {
    VITRAIL_UNROLL for (Index v = 0; v < vector_count; ++v) {
      const Floats bias = load(f.bias + v * width);
      VITRAIL_UNROLL for (Index r = 0; r < row_count; ++r) sums[r][v] = add(sums[r][v], bias);
    }
  }
  if (f.residual != nullptr) {
    VITRAIL_UNROLL for (Index v = 0; v < vector_count; ++v) {
      const Floats scale = f.scale == nullptr ? broadcast(1.0F) : load(f.scale + v * width);
      const float* residual = f.residual + v * width;
      VITRAIL_UNROLL for (Index r = 0; r < row_count; ++r, residual += f.residual_stride) {
        sums[r][v] = multiply_add(sums[r][v], scale, load(residual));
      }
    }
  } else if (f.scale != nullptr) {
    VITRAIL_UNROLL for (Index v = 0; v < vector_count; ++v) {
      const Floats scale = load(f.scale + v * width);
      VITRAIL_UNROLL for (Index r = 0; r < row_count; ++r) sums[r][v] = multiply(sums[r][v], scale);
    }
  }
  const Target to = *t.to;  // a copy: no store can change it
  VITRAIL_UNROLL for (Index v = 0; v < vector_count; ++v) {
    std::byte* at = to.data + in_target(to, v * width);
    VITRAIL_UNROLL for (Index r = 0; r < row_count; ++r, at += to.row_bytes) {
      store(reinterpret_cast<float*>(at), sums[r][v]);
    }
  }
}

template <class Op, Index Rows, Index Vectors>
VITRAIL_KERNEL static void tile(const TileArguments& t) {
  using Sum = typename Op::Sum;
  constexpr Index block_groups = 16 / Op::parts;  // panel rows per 64 bytes of a left row
  constexpr auto row_count = static_cast<std::size_t>(Rows);
  constexpr auto vector_count = static_cast<std::size_t>(Vectors);
  Sum sums[row_count][vector_count];
  if (t.first) {
    VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) {
      VITRAIL_UNROLL for (Index v = 0; v < Vectors; ++v) sums[r][v] = Op::zero();
    }
  } else {
    VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) {
      VITRAIL_UNROLL for (Index v = 0; v < Vectors; ++v) {
        sums[r][v] = Op::load_sum(t.sums + r * t.row_bytes + v * t.vector_bytes);
      }
    }
  }
  const std::byte* left = t.left;
  const std::byte* right = t.right;
  const std::byte* ahead = t.ahead;
  const std::byte* near = t.near;
  Index near_rows = t.near_rows;
  for (Index steps = t.steps; steps > 0; steps -= block_groups) {
    for (Index line = 0; line < t.ahead_lines_per_block; ++line, ahead += 64) {
      prefetch_far(ahead);
    }
    for (Index row = 0; row < t.near_rows_per_block && near_rows > 0; ++row, --near_rows) {
      VITRAIL_UNROLL for (Index v = 0; v < Vectors; ++v) prefetch_near(near + v * vector_bytes);
      near += t.near_stride;
    }
    const std::byte* const end =
        left + (steps < block_groups ? steps : block_groups) * Index{4 * Op::parts};
    for (const std::byte* a = left; a != end; a += 4 * Op::parts) {
      VITRAIL_UNROLL for (int part = 0; part < Op::parts; ++part) {
        typename Op::Right b[vector_count];
        VITRAIL_UNROLL for (Index v = 0; v < Vectors; ++v) {
          b[v] = Op::right(right + v * vector_bytes, part);
        }
        VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r) {
          const std::byte* value = a + r * 64 + Index{4} * part;
          if (Op::fold_broadcast && r % 3 == 0) {
            VITRAIL_UNROLL for (Index v = 0; v < Vectors; ++v) {
              Op::add_from_memory(sums[r][v], value, b[v]);
            }
          } else {
            const auto broadcast = Op::left(value);
            VITRAIL_UNROLL for (Index v = 0; v < Vectors; ++v) {
              Op::add(sums[r][v], broadcast, b[v]);
            }
          }
        }
      }
      right += Vectors * vector_bytes;
    }
    left += Rows * 64;
  }
  if constexpr (!Op::integers) {
    if (t.finish != nullptr) return finish_sums(sums, t);
  }
  std::byte* row = t.sums;
  const Index row_bytes = t.row_bytes;
  const Index to_next = t.vector_bytes;
  VITRAIL_UNROLL for (Index r = 0; r < Rows; ++r, row += row_bytes) {
    VITRAIL_UNROLL for (Index v = 0; v < Vectors; ++v) {
      Op::store_sum(row + v * to_next, sums[r][v]);
    }
  }
}

#endif  // VITRAIL_KERNEL
