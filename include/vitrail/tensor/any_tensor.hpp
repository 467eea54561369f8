// Tensors as files hold them: element type and shape known at run time only.
//
// AnyView points into a mapped file or into an AnyTensor; `as<float, 2>()` checks type, rank and
// alignment and gives the typed view, `to<float>()` copies and converts from whatever is there.
#ifndef VITRAIL_TENSOR_ANY_TENSOR_HPP
#define VITRAIL_TENSOR_ANY_TENSOR_HPP

#include <cstring>
#include <string>
#include <vitrail/tensor/tensor.hpp>

VITRAIL_BEGIN_NAMESPACE

struct AnyView {
  DType dtype = DType::f32;
  Shape shape;
  std::span<const std::byte>
      bytes;  // little-endian, row-major, shape.count() * size_of(dtype) long, any alignment

  /// The elements in place. Throws Error unless type and rank agree and the data is aligned for T.
  template <Element T, std::size_t Rank>
  [[nodiscard]] TensorView<const T, Rank> as() const {
    if (dtype != dtype_of<T>())
      fail("tensor", "is ", name_of(dtype), ", wanted ", name_of(dtype_of<T>()));
    if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(T) != 0)
      fail("tensor", "data is not aligned");
    return {reinterpret_cast<const T*>(bytes.data()), extents<Rank>()};
  }

  /// A contiguous copy converted to T. Throws Error unless the rank is `Rank`.
  template <Element T, std::size_t Rank>
  [[nodiscard]] Tensor<T, Rank> to() const {
    Tensor<T, Rank> result(extents<Rank>());
    convert_to(result.flat());
    return result;
  }

  /// Converts all elements, in order, into `target` of the same count. Any alignment of the source
  /// will do.
  template <Element T>
  void convert_to(std::span<T> target) const {
    VITRAIL_ASSERT(static_cast<Index>(target.size()) == shape.count(),
                   "convert_to needs the same count");
    visit_dtype(dtype, [&](auto zero) {
      using From = decltype(zero);
      if constexpr (std::same_as<From, T>) {
        if (!target.empty()) std::memcpy(target.data(), bytes.data(), bytes.size());
      } else {
        for (std::size_t i = 0; i < target.size(); ++i) {
          From value;
          std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
          target[i] = convert_element<T>(value);
        }
      }
    });
  }

  template <std::size_t Rank>
  [[nodiscard]] std::array<Index, Rank> extents() const {
    if (shape.rank() != Rank)
      fail("tensor", "has shape ", shape.to_string(), ", wanted rank ", Rank);
    std::array<Index, Rank> result{};
    std::copy(shape.begin(), shape.end(), result.begin());
    return result;
  }
};

class AnyTensor {
 public:
  AnyTensor() = default;
  /// Uninitialised elements.
  AnyTensor(DType dtype, Shape shape)
      : dtype_(dtype),
        shape_(shape),
        memory_(static_cast<std::size_t>(shape.count()) * size_of(dtype)) {}
  /// A copy of a typed tensor.
  template <class T, std::size_t Rank>
  explicit AnyTensor(const TensorView<T, Rank>& source)
      : AnyTensor(dtype_of<std::remove_const_t<T>>(), source.shape()) {
    using U = std::remove_const_t<T>;
    copy(source, TensorView<U, Rank>(reinterpret_cast<U*>(memory_.data()), source.extents()));
  }

  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] std::span<std::byte> bytes() { return {memory_.data(), memory_.size()}; }
  [[nodiscard]] AnyView view() const { return {dtype_, shape_, {memory_.data(), memory_.size()}}; }

 private:
  DType dtype_ = DType::f32;
  Shape shape_;
  AlignedBytes memory_;
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_TENSOR_ANY_TENSOR_HPP
