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
  if (f.bias != nullptr || f.factor != 1.0F) {
    const Floats factor = broadcast(f.factor);
    VITRAIL_UNROLL for (Index v = 0; v < vector_count; ++v) {
      const Floats bias = f.bias == nullptr ? broadcast(0.0F) : load(f.bias + v * width);
      VITRAIL_UNROLL for (Index r = 0; r < row_count; ++r) {
        sums[r][v] = multiply_add(sums[r][v], factor, bias);
      }
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

/// One step of a tile: `a` is the first row's four bytes, `right` the panel row.
template <class Op, std::size_t Rows, std::size_t Vectors>
VITRAIL_KERNEL_INLINE void multiply_step(typename Op::Sum (&sums)[Rows][Vectors],
                                         const std::byte* a, const std::byte* right) {
  constexpr auto row_count = static_cast<Index>(Rows);
  constexpr auto vector_count = static_cast<Index>(Vectors);
  VITRAIL_UNROLL for (int part = 0; part < Op::parts; ++part) {
    typename Op::Right b[Vectors];
    VITRAIL_UNROLL for (Index v = 0; v < vector_count; ++v) {
      b[v] = Op::right(right + v * vector_bytes, part);
    }
    VITRAIL_UNROLL for (Index r = 0; r < row_count; ++r) {
      const std::byte* value = a + r * 64 + Index{4} * part;
      if (Op::fold_broadcast && r % 3 == 0) {
        VITRAIL_UNROLL for (Index v = 0; v < vector_count; ++v) {
          Op::add_from_memory(sums[r][v], value, b[v]);
        }
      } else {
        const auto broadcast = Op::left(value);
        VITRAIL_UNROLL for (Index v = 0; v < vector_count; ++v) {
          Op::add(sums[r][v], broadcast, b[v]);
        }
      }
    }
  }
}

/// Two values of K, x1 and x2 of a row and y1 and y2 of an output, with one multiply-add:
///   x1 y1 + x2 y2 = (x1 + y2) (x2 + y1) - x1 x2 - y1 y2           (Winograd 1968)
/// of which the last two belong to the row or to the output alone. With Negative
///   x1 y1 + x2 y2 = -(y2 - x1) (y1 - x2) + x1 x2 + y1 y2
template <class Op, bool Negative, std::size_t Rows, std::size_t Vectors>
VITRAIL_KERNEL_INLINE void multiply_pair(typename Op::Sum (&sums)[Rows][Vectors],
                                         const std::byte* a, const std::byte* right) {
  constexpr auto row_count = static_cast<Index>(Rows);
  constexpr auto vector_count = static_cast<Index>(Vectors);
  VITRAIL_UNROLL for (Index v = 0; v < vector_count; ++v) {
    const auto y1 = Op::right(right + v * vector_bytes, 0);
    const auto y2 = Op::right(right + (vector_count + v) * vector_bytes, 0);
    VITRAIL_UNROLL for (Index r = 0; r < row_count; ++r) {
      const std::byte* x = a + r * 64;
      Op::template add_product<Negative>(sums[r][v], Op::template plus<Negative>(y2, x),
                                         Op::template plus<Negative>(y1, x + 4));
    }
  }
}

/// Eight values of K: the first and the third pair of them in this way, the other two as usual.
/// Where additions take no time beside multiply-adds, that is six multiply-adds instead of eight.
/// One pair is negative so that what has to be taken away for rows and outputs stays small.
template <class Op, std::size_t Rows, std::size_t Vectors>
VITRAIL_KERNEL_INLINE void multiply_pairs(typename Op::Sum (&sums)[Rows][Vectors],
                                          const std::byte* a, const std::byte* right) {
  constexpr Index row = static_cast<Index>(Vectors) * vector_bytes;
  multiply_pair<Op, false>(sums, a, right);
  multiply_step<Op>(sums, a + 8, right + 2 * row);
  multiply_step<Op>(sums, a + 12, right + 3 * row);
  multiply_pair<Op, true>(sums, a + 16, right + 4 * row);
  multiply_step<Op>(sums, a + 24, right + 6 * row);
  multiply_step<Op>(sums, a + 28, right + 7 * row);
}

/// Takes away what the pairs of rows and of outputs add up to.
template <std::size_t Rows, std::size_t Vectors>
VITRAIL_KERNEL_INLINE void end_pairs(Floats (&sums)[Rows][Vectors], const TileArguments& t) {
  VITRAIL_UNROLL for (std::size_t v = 0; v < Vectors; ++v) {
    const Floats column = load(t.column_pairs + static_cast<Index>(v) * width);
    VITRAIL_UNROLL for (std::size_t r = 0; r < Rows; ++r) {
      sums[r][v] = subtract(subtract(sums[r][v], broadcast(t.row_pairs[r])), column);
    }
  }
}

template <class Op, Index Rows, Index Vectors>
VITRAIL_KERNEL static void tile(const TileArguments& t) {
  using Sum = typename Op::Sum;
  constexpr Index block_groups = 16 / Op::parts;  // panel rows per 64 bytes of a left row
  constexpr auto row_count = static_cast<std::size_t>(Rows);
  constexpr auto vector_count = static_cast<std::size_t>(Vectors);
  constexpr bool in_pairs = requires { Op::multiplies_pairs; };
  constexpr Index steps_at_once = in_pairs ? 8 : 1;
  Sum sums[row_count][vector_count];
  if (in_pairs || t.first) {
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
        left + (!in_pairs && steps < block_groups ? steps : block_groups) * Index{4 * Op::parts};
    for (const std::byte* a = left; a != end; a += steps_at_once * 4 * Op::parts) {
      if constexpr (in_pairs) {
        multiply_pairs<Op>(sums, a, right);
      } else {
        multiply_step<Op>(sums, a, right);
      }
      right += steps_at_once * Vectors * vector_bytes;
    }
    left += Rows * 64;
  }
  if constexpr (in_pairs) end_pairs(sums, t);
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
