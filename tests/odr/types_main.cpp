#include <vitrail/tensor/tensor.hpp>

vitrail::Index count_of(const vitrail::Tensor<float, 1>& tensor);

int main() {
  const vitrail::Tensor<float, 1> tensor({4});
  return count_of(tensor) == 4 ? 0 : 1;
}
