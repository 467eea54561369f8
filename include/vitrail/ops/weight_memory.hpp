// Memory for the weights of a model, end to end, in large pages where it is much.
//
// A pass reads all weights once, in order; in pages of 4 KiB the translation of addresses takes up
// to a tenth of that time, and most matrices are too small for large pages of their own. A small
// model keeps small pages: large ones cost more when they are touched first than its passes soon
// gain.
#ifndef VITRAIL_OPS_WEIGHT_MEMORY_HPP
#define VITRAIL_OPS_WEIGHT_MEMORY_HPP

#include <memory>
#include <vitrail/runtime/huge_pages.hpp>

VITRAIL_BEGIN_NAMESPACE

/// Hands out memory that lives as long as any part of the chunk it lies in is held.
///
/// Thread safety: used by one thread at a time; what it has handed out is the holder's.
class WeightMemory {
 public:
  /// Models of so many bytes get large pages.
  static constexpr std::size_t large_model = std::size_t{64} << 20;

  /// For a model of about `model_bytes`; 0: for single matrices, in chunks of their own, with large
  /// pages where they fill some.
  explicit WeightMemory(std::size_t model_bytes) : model_bytes_(model_bytes) {}

  /// `size` uninitialised bytes at a 64-byte boundary.
  [[nodiscard]] VITRAIL_NOINLINE std::shared_ptr<std::byte> take(std::size_t size) {
    if (size == 0) return nullptr;
    const std::size_t padded = (size + tensor_alignment - 1) / tensor_alignment * tensor_alignment;
    if (chunk_ == nullptr || padded > chunk_->size() - used_) {
      const std::size_t bytes = std::max(padded, std::min(model_bytes_, chunk_bytes));
      const bool large = model_bytes_ == 0 || model_bytes_ >= large_model;
      chunk_ =
          std::make_shared<AlignedBytes>(large ? detail::huge_bytes(bytes) : AlignedBytes(bytes));
      used_ = 0;
    }
    std::byte* const begin = chunk_->data() + used_;
    used_ += padded;
    return {chunk_, begin};
  }

 private:
  static constexpr std::size_t chunk_bytes = std::size_t{16} << 20;

  std::size_t model_bytes_;
  std::size_t used_ = 0;  // of the chunk
  std::shared_ptr<AlignedBytes> chunk_;
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_WEIGHT_MEMORY_HPP
