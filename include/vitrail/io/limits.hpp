// What a file may cost: bounds that every reader of io/ checks before it allocates.
//
// The defaults admit every published checkpoint. Memory grows with the file: whatever a reader
// allocates is bounded by `max_expansion` times the bytes that are really there, so that a file of
// 100 bytes never costs more than about a megabyte, whatever sizes it claims.
#ifndef VITRAIL_IO_LIMITS_HPP
#define VITRAIL_IO_LIMITS_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vitrail/error.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

struct Limits {
  /// Bytes of a safetensors header, a JSON document, a zip directory or a pickle; safetensors' own
  /// limit.
  std::uint64_t max_header_bytes = 100'000'000;
  /// Tensors in a file (or in all shards together), entries in an archive.
  std::uint64_t max_tensors = 1'000'000;
  /// Bytes of one tensor.
  std::uint64_t max_tensor_bytes = std::uint64_t{64} << 30;
  /// Bytes that one file may make a reader allocate: inflated and transposed arrays, files that
  /// cannot be mapped.
  std::uint64_t max_allocated_bytes = std::uint64_t{64} << 30;
  /// The same as a multiple of the file's own size. Deflate reaches 1032; nothing honest exceeds
  /// it.
  std::uint64_t max_expansion = 1100;
  /// Nested arrays and objects in JSON; nested containers in a pickle.
  std::uint64_t max_depth = 100;
  /// Objects in a pickle, and what refers to them: a tensor takes about thirty.
  std::uint64_t max_pickle_values = 4'000'000;
  /// Check the checksums of zip archives (npz and PyTorch files): costs one pass over the file.
  bool check_crc = true;
  /// Map files. Off, they are read into memory (and count towards `max_allocated_bytes`): for files
  /// that another process may truncate meanwhile, which under a mapping ends the program (SIGBUS).
  bool map_files = true;
};

/// Counts what one file has made a reader allocate. Not thread safe; a reader owns one.
class AllocationBudget {
 public:
  AllocationBudget(const Limits& limits, std::uint64_t file_bytes) {
    const std::uint64_t scale = limits.max_expansion == 0 ? 1 : limits.max_expansion;
    const std::uint64_t by_size = file_bytes > limits.max_allocated_bytes / scale
                                      ? limits.max_allocated_bytes
                                      : file_bytes * scale;
    left_ = by_size < limits.max_allocated_bytes ? by_size : limits.max_allocated_bytes;
  }

  /// Takes `bytes` off the budget. Throws Error when the file asks for more than its limits allow.
  void take(std::uint64_t bytes, std::string_view where) {
    if (bytes > left_) fail(where, "needs ", bytes, " bytes of memory, the limits leave ", left_);
    left_ -= bytes;
  }

  [[nodiscard]] std::uint64_t left() const { return left_; }

 private:
  std::uint64_t left_ = 0;
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_LIMITS_HPP
