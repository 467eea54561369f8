// A tensor that owns its elements: 64-byte aligned, move-only, rank in the type.
//
// It never holds an Eigen object, so it may cross translation units; matrix.hpp gives Eigen's view
// of it.
#ifndef VITRAIL_TENSOR_TENSOR_HPP
#define VITRAIL_TENSOR_TENSOR_HPP

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vitrail/tensor/view.hpp>

VITRAIL_BEGIN_NAMESPACE

inline constexpr std::size_t tensor_alignment = 64;

/// Raw memory at a 64-byte boundary, freed with its owner. `size()` is in bytes.
class AlignedBytes {
 public:
  AlignedBytes() = default;
  VITRAIL_NOINLINE explicit AlignedBytes(std::size_t size, std::size_t alignment = tensor_alignment)
      : data_(size == 0 ? nullptr : ::operator new(size, std::align_val_t(alignment))),
        size_(size),
        alignment_(alignment) {}
  AlignedBytes(AlignedBytes&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        alignment_(other.alignment_) {}
  AlignedBytes& operator=(AlignedBytes&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(alignment_, other.alignment_);
    return *this;
  }
  VITRAIL_NOINLINE ~AlignedBytes() {
    if (data_ != nullptr) ::operator delete(data_, std::align_val_t(alignment_));
  }

  [[nodiscard]] std::byte* data() { return static_cast<std::byte*>(data_); }
  [[nodiscard]] const std::byte* data() const { return static_cast<const std::byte*>(data_); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t alignment_ = tensor_alignment;
};

template <Element T, std::size_t Rank>
class Tensor {
 public:
  using Extents = typename TensorView<T, Rank>::Extents;

  Tensor() = default;
  /// Zero-filled. Throws Error when the size overflows.
  VITRAIL_NOINLINE explicit Tensor(Extents extents)
      : memory_(byte_count(extents)), view_(reinterpret_cast<T*>(memory_.data()), extents) {
    if (memory_.size() != 0) std::memset(static_cast<void*>(memory_.data()), 0, memory_.size());
  }
  VITRAIL_NOINLINE Tensor(Tensor&& other) noexcept
      : memory_(std::move(other.memory_)), view_(std::exchange(other.view_, {})) {}
  VITRAIL_NOINLINE Tensor& operator=(Tensor&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(view_, other.view_);
    return *this;
  }

  /// A contiguous copy of `source`, element by element converted.
  template <class U>
  [[nodiscard]] static Tensor copy_of(const TensorView<U, Rank>& source);

  [[nodiscard]] TensorView<T, Rank> view() { return view_; }
  [[nodiscard]] TensorView<const T, Rank> view() const { return view_; }
  operator TensorView<T, Rank>() { return view_; }
  operator TensorView<const T, Rank>() const { return view_; }

  [[nodiscard]] bool empty() const { return view_.count() == 0; }
  [[nodiscard]] Index count() const { return view_.count(); }
  [[nodiscard]] Index extent(std::size_t dimension) const { return view_.extent(dimension); }
  [[nodiscard]] Shape shape() const { return view_.shape(); }
  [[nodiscard]] T* data() { return view_.data(); }
  [[nodiscard]] const T* data() const { return view_.data(); }
  [[nodiscard]] std::span<T> flat() { return view_.flat(); }
  [[nodiscard]] std::span<const T> flat() const { return view().flat(); }
  template <std::convertible_to<Index>... I>
  [[nodiscard]] T& operator()(I... indices) {
    return view_(indices...);
  }
  template <std::convertible_to<Index>... I>
  [[nodiscard]] const T& operator()(I... indices) const {
    return view_(indices...);
  }

 private:
  static std::size_t byte_count(const Extents& extents) {
    const Shape shape{std::span<const Index>(extents)};
    const Index count = shape.count();
    if (count > std::numeric_limits<Index>::max() / static_cast<Index>(sizeof(T)))
      fail(join("tensor ", shape.to_string()), "the number of bytes overflows");
    return static_cast<std::size_t>(count) * sizeof(T);
  }

  AlignedBytes memory_;
  TensorView<T, Rank> view_;
};

/// One element to another type: floats round, bf16 and f16 pass through f32.
template <Element To, Element From>
[[nodiscard]] inline To convert_element(From value) {
  if constexpr (std::same_as<To, From>)
    return value;
  else if constexpr (std::same_as<To, bf16> || std::same_as<To, f16>)
    return To(static_cast<float>(value));
  else if constexpr (std::same_as<From, bf16> || std::same_as<From, f16>)
    return static_cast<To>(static_cast<float>(value));
  else
    return static_cast<To>(value);
}

/// Copies `source` to `target` of equal extents, converting elements; both may be strided.
template <class From, class To, std::size_t Rank>
void copy(const TensorView<From, Rank>& source, const TensorView<To, Rank>& target) {
  VITRAIL_ASSERT(source.extents() == target.extents(), "copy needs equal extents");
  if constexpr (Rank == 1) {
    std::transform(source.data(), source.data() + source.extent(0), target.data(),
                   [](auto value) { return convert_element<To>(value); });
  } else {
    for (Index i = 0; i < source.extent(0); ++i) copy(source[i], target[i]);
  }
}

template <Element T, std::size_t Rank>
template <class U>
Tensor<T, Rank> Tensor<T, Rank>::copy_of(const TensorView<U, Rank>& source) {
  Tensor result(source.extents());
  copy(source, result.view());
  return result;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_TENSOR_TENSOR_HPP
