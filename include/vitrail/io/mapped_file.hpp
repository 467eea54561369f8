// A file as read-only bytes: mapped where possible, read into memory otherwise.
//
// A mapping costs no copy and its pages can be dropped once used: release(). Its one weakness: when
// another process truncates the file in place, touching the lost pages raises SIGBUS, which no
// check here can turn into an Error. Replacing a file by rename, as every careful writer does, is
// safe. For files that may be truncated under our feet, ReadMode::copy (for everything that a
// loader opens: Limits::map_files = false) reads instead of mapping.
#ifndef VITRAIL_IO_MAPPED_FILE_HPP
#define VITRAIL_IO_MAPPED_FILE_HPP

#include <cerrno>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>
#include <vitrail/io/limits.hpp>
#include <vitrail/tensor/tensor.hpp>

#if __has_include(<sys/mman.h>) && __has_include(<unistd.h>)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

VITRAIL_BEGIN_COLD_NAMESPACE

enum class ReadMode {
  map,  ///< map regular files, read what cannot be mapped (pipes)
  copy  ///< always read into memory
};

class MappedFile {
 public:
  /// Opens `path`. Throws Error when it does not exist, is a directory or a device, is empty, may
  /// not be read, or (only when read into memory) exceeds `limits.max_allocated_bytes`.
  explicit MappedFile(std::string path, ReadMode mode = ReadMode::map, const Limits& limits = {});
  /// Bytes that the caller already has and keeps alive; `name` stands for the path in messages.
  MappedFile(std::span<const std::byte> bytes, std::string name)
      : path_(std::move(name)), bytes_(bytes) {}
  /// Bytes that it owns from here on: an inflated or transposed part of the file `name`.
  MappedFile(AlignedBytes memory, std::string name)
      : path_(std::move(name)), memory_(std::move(memory)) {
    bytes_ = {memory_.data(), memory_.size()};
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  /// The same as a shared owner, the way readers keep it.
  [[nodiscard]] static std::shared_ptr<const MappedFile> open(std::string path,
                                                              ReadMode mode = ReadMode::map,
                                                              const Limits& limits = {}) {
    return std::make_shared<const MappedFile>(std::move(path), mode, limits);
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] bool is_mapped() const { return mapped_; }
  /// True when `range` lies within bytes().
  [[nodiscard]] bool contains(std::span<const std::byte> range) const {
    return !range.empty() && range.data() >= bytes_.data() &&
           range.data() + range.size() <= bytes_.data() + bytes_.size();
  }

  /// Drops the resident pages that lie wholly within `range`: the next access reads them again, so
  /// views stay valid. A hint, const and thread safe; does nothing unless mapped.
  void release(std::span<const std::byte> range) const { advise(range, Advice::release); }
  /// Starts reading `range` ahead of its use. A hint.
  void prefetch(std::span<const std::byte> range) const { advise(range, Advice::prefetch); }
  /// Tells the system that the file will be read once, front to back. A hint.
  void read_sequentially() const { advise(bytes_, Advice::sequential); }

  /// Throws Error when the mapped file has changed its size on disk since it was opened. Loaders
  /// call it before they touch each tensor; it narrows the window for SIGBUS to the reading of one
  /// tensor, it cannot close it.
  void check_size() const;

 private:
  enum class Advice { release, prefetch, sequential };

  void advise(std::span<const std::byte> range, Advice advice) const;
  void read_all(int descriptor, std::uint64_t known_size, const Limits& limits);

  std::string path_;
  std::span<const std::byte> bytes_;
  AlignedBytes memory_;  // used when not mapped
  bool mapped_ = false;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
};

namespace detail {

/// "does not exist", "no permission", or the system's own words for `code`.
[[nodiscard]] inline std::string system_reason(int code) {
  if (code == ENOENT) return "does not exist";
  if (code == EACCES || code == EPERM) return "no permission";
  return std::generic_category().message(code);
}

}  // namespace detail

#if __has_include(<sys/mman.h>) && __has_include(<unistd.h>)

namespace detail {

struct DescriptorCloser {
  int descriptor;
  ~DescriptorCloser() { ::close(descriptor); }
};

}  // namespace detail

inline MappedFile::MappedFile(std::string path, ReadMode mode, const Limits& limits)
    : path_(std::move(path)) {
  const int descriptor = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(path_, "cannot open: ", detail::system_reason(errno));
  const detail::DescriptorCloser closer{descriptor};
  struct stat status {};
  if (::fstat(descriptor, &status) != 0)
    fail(path_, "cannot inspect: ", detail::system_reason(errno));
  if (S_ISDIR(status.st_mode)) fail(path_, "is a directory, expected a file");
  const bool regular = S_ISREG(status.st_mode);
  if (!regular && !S_ISFIFO(status.st_mode)) fail(path_, "is neither a regular file nor a pipe");
  if (regular && status.st_size <= 0) fail(path_, "is empty (0 bytes)");

  if (regular && mode == ReadMode::map && limits.map_files) {
    const auto size = static_cast<std::size_t>(status.st_size);
    void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (address != MAP_FAILED) {
      bytes_ = {static_cast<const std::byte*>(address), size};
      mapped_ = true;
      device_ = static_cast<std::uint64_t>(status.st_dev);
      inode_ = static_cast<std::uint64_t>(status.st_ino);
      return;
    }
  }
  read_all(descriptor, regular ? static_cast<std::uint64_t>(status.st_size) : 0, limits);
}

inline MappedFile::~MappedFile() {
  if (mapped_)
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());  // NOLINT: munmap's signature
}

/// Reads to the end. `known_size` is 0 for pipes, whose buffer grows with what has arrived.
inline void MappedFile::read_all(int descriptor, std::uint64_t known_size, const Limits& limits) {
  if (known_size > limits.max_allocated_bytes)
    fail(path_, "is ", known_size, " bytes, the limit for reading is ", limits.max_allocated_bytes);
  memory_ = AlignedBytes(known_size != 0 ? static_cast<std::size_t>(known_size) : 65536);
  std::size_t filled = 0;
  for (;;) {
    if (filled == memory_.size()) {
      if (known_size != 0) break;
      if (filled > limits.max_allocated_bytes / 2)
        fail(path_, "sends more than the limit of ", limits.max_allocated_bytes, " bytes");
      AlignedBytes larger(memory_.size() * 2);
      std::memcpy(larger.data(), memory_.data(), filled);
      memory_ = std::move(larger);
    }
    const auto got = ::read(descriptor, memory_.data() + filled, memory_.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path_, "cannot read: ", detail::system_reason(errno));
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  if (filled == 0) fail(path_, "is empty (0 bytes)");
  if (filled < known_size)
    fail(path_, "shrank while it was read: ", filled, " bytes of ", known_size);
  bytes_ = {memory_.data(), filled};
}

inline void MappedFile::advise(std::span<const std::byte> range, Advice advice) const {
  if (!mapped_ || !contains(range)) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  auto begin = reinterpret_cast<std::uintptr_t>(range.data());
  std::uintptr_t end = begin + range.size();
  // Dropped pages must lie wholly inside the range; the others may reach beyond it. Only the last
  // page of the file may be dropped although it is not full.
  const bool at_end = range.data() + range.size() == bytes_.data() + bytes_.size();
  if (advice == Advice::release) {
    begin = (begin + page - 1) / page * page;
    if (!at_end) end = end / page * page;
  } else {
    begin = begin / page * page;
  }
  if (begin >= end) return;
  const int kind = advice == Advice::release    ? MADV_DONTNEED
                   : advice == Advice::prefetch ? MADV_WILLNEED
                                                : MADV_SEQUENTIAL;
  ::madvise(reinterpret_cast<void*>(begin), end - begin, kind);  // NOLINT: an address
}

inline void MappedFile::check_size() const {
  if (!mapped_) return;
  struct stat status {};
  // Removed or replaced by another file: the mapping keeps the old one alive.
  if (::stat(path_.c_str(), &status) != 0) return;
  if (static_cast<std::uint64_t>(status.st_dev) != device_ ||
      static_cast<std::uint64_t>(status.st_ino) != inode_)
    return;
  if (static_cast<std::uint64_t>(status.st_size) != bytes_.size())
    fail(path_, "changed from ", bytes_.size(), " to ", status.st_size, " bytes while in use");
}

#else  // no mmap: always read

inline MappedFile::MappedFile(std::string path, ReadMode, const Limits& limits)
    : path_(std::move(path)) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path_.c_str(), "rb"),
                                                             &std::fclose);
  if (!file) fail(path_, "cannot open: ", detail::system_reason(errno));
  std::size_t filled = 0;
  memory_ = AlignedBytes(65536);
  for (;;) {
    if (filled == memory_.size()) {
      if (filled > limits.max_allocated_bytes / 2)
        fail(path_, "is larger than the limit of ", limits.max_allocated_bytes, " bytes");
      AlignedBytes larger(memory_.size() * 2);
      std::memcpy(larger.data(), memory_.data(), filled);
      memory_ = std::move(larger);
    }
    const std::size_t got =
        std::fread(memory_.data() + filled, 1, memory_.size() - filled, file.get());
    if (got == 0) break;
    filled += got;
  }
  if (filled == 0) fail(path_, "is empty (0 bytes)");
  bytes_ = {memory_.data(), filled};
}

inline MappedFile::~MappedFile() = default;
inline void MappedFile::advise(std::span<const std::byte>, Advice) const {}
inline void MappedFile::check_size() const {}

#endif

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_MAPPED_FILE_HPP
