// error: constraint
#include <vitrail/models/vision_transformer.hpp>

#ifdef BAD
using Model = vitrail::ViT<int>;
#else
using Model = vitrail::ViT<double>;
#endif
const Model* model = nullptr;
