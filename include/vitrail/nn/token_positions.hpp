// Where the tokens of a pass come from: what attention needs to know when positions enter there
// and not in the embedding.
#ifndef VITRAIL_NN_TOKEN_POSITIONS_HPP
#define VITRAIL_NN_TOKEN_POSITIONS_HPP

#include <vitrail/ops/rotary.hpp>

VITRAIL_BEGIN_NAMESPACE

template <Scalar T>
struct TokenPositions {
  Grid grid = {};                    // the patches of one picture
  Index prefix = 0;                  // tokens before them
  RotaryTable<T> rotary = {};        // turns q and k of the patches; or empty
  TensorView<const T, 3> bias = {};  // (A, T, T), one for every block; or empty
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_NN_TOKEN_POSITIONS_HPP
