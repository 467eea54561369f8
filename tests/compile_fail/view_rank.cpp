// error: a view has between 1 and 8 dimensions
#include <vitrail/tensor/view.hpp>

#ifdef BAD
vitrail::TensorView<float, 9> view;
#else
vitrail::TensorView<float, 8> view;
#endif
