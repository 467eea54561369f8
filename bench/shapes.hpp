// The shapes that Vision Transformers are made of, named after the models.
#ifndef VITRAIL_BENCH_SHAPES_HPP
#define VITRAIL_BENCH_SHAPES_HPP

#include <array>
#include <string>
#include <vitrail/tensor/shape.hpp>

namespace vitrail_bench {

using vitrail::Index;

struct Model {
  const char* name;
  Index T;  // tokens, the class token among them
  Index D;  // width
  Index A;  // heads
  [[nodiscard]] Index hidden() const { return 4 * D; }
};

inline constexpr std::array<Model, 8> models = {{{"Ti_224", 197, 192, 3},
                                                 {"S_224", 197, 384, 6},
                                                 {"B_224", 197, 768, 12},
                                                 {"L_224", 197, 1024, 16},
                                                 {"Ti_384", 577, 192, 3},
                                                 {"S_384", 577, 384, 6},
                                                 {"B_384", 577, 768, 12},
                                                 {"L_384", 577, 1024, 16}}};

/// One product of a block: y (T, N) = x (T, K) W (N, K)^T.
struct Product {
  const char* name;
  Index N;
  Index K;
};

[[nodiscard]] inline std::array<Product, 4> products(const Model& model) {
  return {{{"qkv", 3 * model.D, model.D},
           {"proj", model.D, model.D},
           {"fc1", model.hidden(), model.D},
           {"fc2", model.D, model.hidden()}}};
}

}  // namespace vitrail_bench

#endif  // VITRAIL_BENCH_SHAPES_HPP
