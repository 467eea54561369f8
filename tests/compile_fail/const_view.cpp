// error: conver
#include <vitrail/tensor/view.hpp>

vitrail::MatrixView<const float> source;
#ifdef BAD
vitrail::MatrixView<float> view = source;
#else
vitrail::MatrixView<const float> view = source;
#endif
