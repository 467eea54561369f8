#include <vitrail/tensor/tensor.hpp>

vitrail::Index count_of(const vitrail::Tensor<float, 1>& tensor);

vitrail::Index count_of(const vitrail::Tensor<float, 1>& tensor) { return tensor.count(); }
