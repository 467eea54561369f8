// Extents known at run time: at most eight of them, never on the heap, and products that cannot
// overflow unseen.
#ifndef VITRAIL_TENSOR_SHAPE_HPP
#define VITRAIL_TENSOR_SHAPE_HPP

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vitrail/error.hpp>
#include <vitrail/macros.hpp>

VITRAIL_BEGIN_NAMESPACE

using Index = std::int64_t;

class Shape {
 public:
  static constexpr std::size_t max_rank = 8;

  Shape() = default;
  Shape(std::initializer_list<Index> extents)
      : Shape(std::span<const Index>(extents.begin(), extents.size())) {}
  VITRAIL_NOINLINE explicit Shape(std::span<const Index> extents) {
    for (const Index extent : extents) push_back(extent);
  }

  /// Appends an extent. Throws Error beyond rank 8 or for a negative extent.
  void push_back(Index extent) {
    if (rank_ == max_rank) fail("shape", "more than 8 dimensions");
    if (extent < 0) fail("shape", "negative extent ", extent);
    extents_[rank_++] = extent;
  }

  [[nodiscard]] std::size_t rank() const { return rank_; }
  [[nodiscard]] Index operator[](std::size_t dimension) const {
    VITRAIL_ASSERT(dimension < rank_, "dimension beyond the rank");
    return extents_[dimension];
  }
  [[nodiscard]] const Index* begin() const { return extents_.data(); }
  [[nodiscard]] const Index* end() const { return extents_.data() + rank_; }

  /// Number of elements (1 for rank 0), or nothing when the product does not fit 63 bits.
  [[nodiscard]] std::optional<Index> checked_count() const {
    Index count = 1;
    for (const Index extent : *this) {
      if (extent != 0 && count > std::numeric_limits<Index>::max() / extent) return std::nullopt;
      count *= extent;
    }
    return count;
  }

  /// Number of elements. Throws Error when the product does not fit 63 bits.
  [[nodiscard]] VITRAIL_NOINLINE Index count() const {
    const auto product = checked_count();
    if (!product) fail(join("shape ", to_string()), "the number of elements overflows");
    return *product;
  }

  /// "(2304, 768)"; "()" for a scalar.
  [[nodiscard]] VITRAIL_NOINLINE std::string to_string() const {
    std::string text = "(";
    for (std::size_t d = 0; d < rank_; ++d) text += join((d == 0 ? "" : ", "), extents_[d]);
    return join(text, ")");
  }

  friend bool operator==(const Shape& a, const Shape& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::array<Index, max_rank> extents_{};
  std::size_t rank_ = 0;
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_TENSOR_SHAPE_HPP
