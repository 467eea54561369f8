// The CPU levels this machine has, and random matrices at awkward addresses.
#ifndef VITRAIL_TESTS_SUPPORT_LEVELS_HPP
#define VITRAIL_TESTS_SUPPORT_LEVELS_HPP

#include <random>
#include <vector>
#include <vitrail/runtime/context.hpp>
#include <vitrail/runtime/cpu.hpp>

namespace vitrail_test {

inline std::vector<vitrail::CpuLevel> levels() {
  std::vector<vitrail::CpuLevel> result;
  for (std::size_t level = 0; level < vitrail::cpu().supports.size(); ++level) {
    if (vitrail::cpu().supports[level]) result.push_back(static_cast<vitrail::CpuLevel>(level));
  }
  return result;
}

/// (rows, columns) of normal numbers, each row `slack` elements longer than it seems, the first
/// element off any vector boundary.
template <class T = float>
class RandomMatrix {
 public:
  RandomMatrix(vitrail::Index rows, vitrail::Index columns, unsigned seed, vitrail::Index slack = 3,
               T deviation = T(1))
      : extents_{rows, columns},
        stride_(columns + slack),
        values_(static_cast<std::size_t>(rows * stride_ + 1)) {
    std::mt19937 generator(seed);
    std::normal_distribution<T> normal(T(0), deviation);
    for (T& value : values_) value = static_cast<T>(static_cast<float>(normal(generator)));
  }
  [[nodiscard]] vitrail::MatrixView<T> view() {
    return {values_.data() + 1, extents_, {stride_, 1}};
  }
  [[nodiscard]] std::vector<T>& values() { return values_; }

 private:
  std::array<vitrail::Index, 2> extents_;
  vitrail::Index stride_;
  std::vector<T> values_;
};

template <class T>
vitrail::Tensor<double, 2> as_double(vitrail::MatrixView<T> view) {
  return vitrail::Tensor<double, 2>::copy_of(view);
}

/// A serial context of its own.
struct Serial {
  vitrail::SerialExecutor executor;
  vitrail::Workspace workspace;
  vitrail::Context context{executor, workspace};
};

}  // namespace vitrail_test

#endif  // VITRAIL_TESTS_SUPPORT_LEVELS_HPP
