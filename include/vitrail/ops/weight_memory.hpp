// Memory for the weights of a model, end to end, in large pages where it is much or used often.
//
// A pass reads all weights once, in order; in pages of 4 KiB the translation of addresses takes up
// to a tenth of that time, and most matrices are too small for large pages of their own. A large
// model has large pages from the beginning. They cost more when they are touched first than a few
// passes of a small one gain: that one begins with small pages, and moves when it is used on,
// unless small pages are dear.
#ifndef VITRAIL_OPS_WEIGHT_MEMORY_HPP
#define VITRAIL_OPS_WEIGHT_MEMORY_HPP

#include <atomic>
#include <memory>
#include <vitrail/runtime/huge_pages.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// Matrices end to end. Thread safety: count_use() from any number of threads at once.
class WeightChunk {
 public:
  /// Uses of each matrix, on average, after which small pages are given up for large ones.
  static constexpr int uses_in_small_pages = 8;

  WeightChunk(std::size_t size, bool large)
      : bytes_(large ? huge_bytes(size)
                     : AlignedBytes(size, size < huge_page ? tensor_alignment : huge_page)),
        large_(large || size < huge_page) {}

  [[nodiscard]] bool has_room(std::size_t size) const { return size <= bytes_.size() - used_; }
  /// `size` bytes that has_room() has found, a multiple of a line.
  [[nodiscard]] std::byte* take(std::size_t size) {
    used_ += size;
    ++matrices_;
    return bytes_.data() + used_ - size;
  }

  /// One of the matrices was used.
  void count_use() {
    if (large_ || uses_.load(std::memory_order_relaxed) >= matrices_ * uses_in_small_pages) return;
    const int uses = 1 + uses_.fetch_add(1, std::memory_order_relaxed);
    if (uses == matrices_ * uses_in_small_pages) collapse_to_huge_pages(bytes_.data(), used_);
  }

 private:
  AlignedBytes bytes_;
  bool large_;  // or too small for large pages
  std::size_t used_ = 0;
  int matrices_ = 0;
  std::atomic<int> uses_ = 0;  // as far as they matter
};

/// A part of a chunk, which lives as long as any of its parts is held.
struct WeightBytes {
  std::shared_ptr<WeightChunk> chunk;
  std::byte* data = nullptr;
};

}  // namespace detail

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
  [[nodiscard]] VITRAIL_NOINLINE detail::WeightBytes take(std::size_t size) {
    if (size == 0) return {};
    const std::size_t padded = (size + tensor_alignment - 1) / tensor_alignment * tensor_alignment;
    if (chunk_ == nullptr || !chunk_->has_room(padded)) {
      const std::size_t bytes = std::max(padded, std::min(model_bytes_, chunk_bytes));
      const bool large = model_bytes_ == 0 || model_bytes_ >= large_model ||
                         (bytes >= detail::huge_page && detail::small_pages_are_slow());
      chunk_ = std::make_shared<detail::WeightChunk>(bytes, large);
    }
    return {chunk_, chunk_->take(padded)};
  }

 private:
  static constexpr std::size_t chunk_bytes = std::size_t{16} << 20;

  std::size_t model_bytes_;
  std::shared_ptr<detail::WeightChunk> chunk_;
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_WEIGHT_MEMORY_HPP
