// Names without definitions, for headers that only pass our types along.
#ifndef VITRAIL_FWD_HPP
#define VITRAIL_FWD_HPP

#include <vitrail/tensor/dtype.hpp>

VITRAIL_BEGIN_NAMESPACE

class Error;
class Executor;
class Workspace;
struct Context;
class Image;
struct PreprocessConfig;
struct ViTConfig;
struct LoadOptions;
struct Checkpoint;
struct Prediction;
class Classifier;
class NamedTensors;
class Trace;
template <Scalar T>
class ViT;
template <Scalar T>
class PackedMatrix;

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_FWD_HPP
