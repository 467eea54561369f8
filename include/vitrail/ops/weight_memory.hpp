// Memory for the weights of a model, end to end in large pages.
//
// A pass reads all weights once, in order. In pages of 4 KiB the translation of addresses takes a
// tenth of that time, and most matrices are too small for large pages of their own.
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
  /// `chunk_bytes` are taken from the system at once; 0: exactly what is asked for.
  explicit WeightMemory(std::size_t chunk_bytes = std::size_t{16} << 20)
      : chunk_bytes_(chunk_bytes) {}

  /// `size` uninitialised bytes at a 64-byte boundary.
  [[nodiscard]] VITRAIL_NOINLINE std::shared_ptr<std::byte> take(std::size_t size) {
    if (size == 0) return nullptr;
    const std::size_t padded = (size + tensor_alignment - 1) / tensor_alignment * tensor_alignment;
    if (chunk_ == nullptr || padded > chunk_->size() - used_) {
      chunk_ = std::make_shared<AlignedBytes>(detail::huge_bytes(std::max(padded, chunk_bytes_)));
      used_ = 0;
    }
    std::byte* const begin = chunk_->data() + used_;
    used_ += padded;
    return {chunk_, begin};
  }

 private:
  std::size_t chunk_bytes_;
  std::size_t used_ = 0;  // of the chunk
  std::shared_ptr<AlignedBytes> chunk_;
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_WEIGHT_MEMORY_HPP
