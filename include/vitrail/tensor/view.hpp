// A window on elements that somebody else owns: rank in the type, extents and strides at run time.
//
//   TensorView<const float, 2> tokens;   // (T, D)
//   tokens(t, d)    tokens[t] -> (D)    tokens.slice(1, T) -> (T-1, D)    tokens.columns(0, hd) ->
//   (T, hd)
//
// The last dimension is always contiguous, the others may be strided: that is what every op in ops/
// accepts.
#ifndef VITRAIL_TENSOR_VIEW_HPP
#define VITRAIL_TENSOR_VIEW_HPP

#include <array>
#include <span>
#include <type_traits>
#include <vitrail/tensor/dtype.hpp>
#include <vitrail/tensor/shape.hpp>

VITRAIL_BEGIN_NAMESPACE

template <class T, std::size_t Rank>
requires Element<std::remove_const_t<T>>
class TensorView {
  static_assert(Rank >= 1 && Rank <= Shape::max_rank, "a view has between 1 and 8 dimensions");

 public:
  using value_type = std::remove_const_t<T>;
  using Extents = std::array<Index, Rank>;

  TensorView() = default;
  /// Contiguous, row-major.
  TensorView(T* data, Extents extents) : data_(data), extents_(extents) {
    Index stride = 1;
    for (std::size_t d = Rank; d-- > 0;) {
      strides_[d] = stride;
      stride *= extents[d];
    }
  }
  TensorView(T* data, Extents extents, Extents strides)
      : data_(data), extents_(extents), strides_(strides) {
    VITRAIL_ASSERT(strides[Rank - 1] == 1, "the last dimension of a view is contiguous");
  }
  /// A view of const elements binds to a view of mutable ones.
  template <class U>
  requires(std::is_const_v<T>&& std::is_same_v<U, value_type>)
      TensorView(const TensorView<U, Rank>& other)  // NOLINT(google-explicit-constructor)
      : data_(other.data()), extents_(other.extents()), strides_(other.strides()) {}

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] const Extents& extents() const { return extents_; }
  [[nodiscard]] const Extents& strides() const { return strides_; }
  [[nodiscard]] Index extent(std::size_t dimension) const { return extents_[dimension]; }
  [[nodiscard]] Index stride(std::size_t dimension) const { return strides_[dimension]; }
  [[nodiscard]] Shape shape() const { return Shape(std::span<const Index>(extents_)); }
  [[nodiscard]] Index count() const {
    Index n = 1;
    for (const Index extent : extents_) n *= extent;
    return n;
  }
  [[nodiscard]] bool is_contiguous() const {
    Index stride = 1;
    for (std::size_t d = Rank; d-- > 0;) {
      if (extents_[d] > 1 && strides_[d] != stride) return false;
      stride *= extents_[d];
    }
    return true;
  }

  template <std::convertible_to<Index>... I>
  requires(sizeof...(I) == Rank) [[nodiscard]] T& operator()(I... indices) const {
    const Extents at{static_cast<Index>(indices)...};
    Index offset = 0;
    for (std::size_t d = 0; d < Rank; ++d) {
      VITRAIL_ASSERT(at[d] >= 0 && at[d] < extents_[d], "index out of range");
      offset += at[d] * strides_[d];
    }
    return data_[offset];
  }

  /// The i-th sub-view along the first dimension.
  [[nodiscard]] TensorView<T, Rank - 1> operator[](Index i) const requires(Rank > 1) {
    VITRAIL_ASSERT(i >= 0 && i < extents_[0], "index out of range");
    typename TensorView<T, Rank - 1>::Extents extents;
    typename TensorView<T, Rank - 1>::Extents strides;
    for (std::size_t d = 1; d < Rank; ++d) {
      extents[d - 1] = extents_[d];
      strides[d - 1] = strides_[d];
    }
    return {data_ + i * strides_[0], extents, strides};
  }
  [[nodiscard]] T& operator[](Index i) const requires(Rank == 1) {
    VITRAIL_ASSERT(i >= 0 && i < extents_[0], "index out of range");
    return data_[i];
  }

  /// Rows [begin, end) of the first dimension.
  [[nodiscard]] TensorView slice(Index begin, Index end) const {
    VITRAIL_ASSERT(0 <= begin && begin <= end && end <= extents_[0], "slice out of range");
    Extents extents = extents_;
    extents[0] = end - begin;
    return {data_ + begin * strides_[0], extents, strides_};
  }

  /// Columns [begin, end) of the last dimension.
  [[nodiscard]] TensorView columns(Index begin, Index end) const {
    VITRAIL_ASSERT(0 <= begin && begin <= end && end <= extents_[Rank - 1], "columns out of range");
    Extents extents = extents_;
    extents[Rank - 1] = end - begin;
    return {data_ + begin, extents, strides_};
  }

  /// The same elements in another shape; the view must be contiguous and the counts must agree.
  template <std::size_t NewRank>
  [[nodiscard]] TensorView<T, NewRank> reshape(std::array<Index, NewRank> extents) const {
    TensorView<T, NewRank> reshaped(data_, extents);
    VITRAIL_ASSERT(is_contiguous() && reshaped.count() == count(),
                   "reshape needs a contiguous view of equal count");
    return reshaped;
  }

  /// All elements in order; the view must be contiguous.
  [[nodiscard]] std::span<T> flat() const {
    VITRAIL_ASSERT(is_contiguous(), "flat() needs a contiguous view");
    return {data_, static_cast<std::size_t>(count())};
  }

 private:
  T* data_ = nullptr;
  Extents extents_{};
  Extents strides_{};
};

template <class T>
using VectorView = TensorView<T, 1>;
template <class T>
using MatrixView = TensorView<T, 2>;

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_TENSOR_VIEW_HPP
