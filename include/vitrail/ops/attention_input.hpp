// What attention reads: queries, keys and values where the product left them.
#ifndef VITRAIL_OPS_ATTENTION_INPUT_HPP
#define VITRAIL_OPS_ATTENTION_INPUT_HPP

#include <vitrail/ops/precision.hpp>
#include <vitrail/ops/rotary.hpp>
#include <vitrail/tensor/view.hpp>

VITRAIL_BEGIN_NAMESPACE

/// B pictures side by side in the rows. Head a reads columns [a * hd, (a + 1) * hd) of q and k, and
/// the like of v; the views may be columns of one qkv product. Tq = q.extent(0) / batch queries and
/// Tk = k.extent(0) / batch keys each.
template <Scalar T>
struct AttentionInput {
  MatrixView<const T> q;             // (B * Tq, A * hd)
  MatrixView<const T> k;             // (B * Tk, A * hd)
  MatrixView<const T> v;             // (B * Tk, A * hd)
  Index batch = 1;                   // B
  Index heads = 1;                   // A
  T scale = 1;                       // usually 1 / sqrt(hd)
  TensorView<const T, 3> bias = {};  // (A, Tq or more, Tk), added after scaling; or empty
  RotaryTable<T> rotary = {};        // turns q and k, but for the first `prefix` tokens; or empty
  Index prefix = 0;
  // What the products may be rounded to where kernels gain by it: bf16 and int8 both allow bf16.
  Precision precision = Precision::f32;

  [[nodiscard]] Index queries() const { return q.extent(0) / batch; }
  [[nodiscard]] Index keys() const { return k.extent(0) / batch; }
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_ATTENTION_INPUT_HPP
