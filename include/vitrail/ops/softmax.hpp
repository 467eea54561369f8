// Softmax of one row, in place, safe for any finite input.
#ifndef VITRAIL_OPS_SOFTMAX_HPP
#define VITRAIL_OPS_SOFTMAX_HPP

#include <algorithm>
#include <cmath>
#include <span>
#include <vitrail/ops/kernels/select.hpp>
#include <vitrail/tensor/dtype.hpp>

VITRAIL_BEGIN_NAMESPACE

/// row := exp(row - max(row)) / sum. An empty row stays empty.
template <Scalar T>
void softmax(std::span<T> row) {
  if (row.empty()) return;
  if constexpr (std::same_as<T, float>) {
    if (const detail::Kernels* kernels = detail::kernels(); kernels != nullptr) {
      const auto n = static_cast<Index>(row.size());
      float sum = 0;
      kernels->exponentials(row.data(), 0, 1, n, 16, 1.0F, nullptr, 0, &sum);
      const float inverse = 1.0F / sum;
      kernels->multiply_rows(row.data(), n, 1, n, &inverse, row.data(), n);
      return;
    }
  }
  const T largest = *std::max_element(row.begin(), row.end());
  T sum = 0;
  for (T& value : row) sum += value = std::exp(value - largest);
  for (T& value : row) value /= sum;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_SOFTMAX_HPP
