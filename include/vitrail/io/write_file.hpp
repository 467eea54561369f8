// A file that appears complete or not at all: written beside its place, then renamed.
#ifndef VITRAIL_IO_WRITE_FILE_HPP
#define VITRAIL_IO_WRITE_FILE_HPP

#include <cerrno>
#include <cstdio>
#include <span>
#include <string>
#include <vitrail/io/mapped_file.hpp>

VITRAIL_BEGIN_NAMESPACE

/// Not thread safe; different objects may write to the same path, the last commit() wins.
///
/// A pipe or a device (/dev/stdout) has no place to take by a rename: it is written to as it comes.
class NewFile {
 public:
  /// Creates a temporary file in the folder of `path`. Throws Error when that is not possible, and
  /// when `path` is a directory.
  explicit NewFile(std::string path) : path_(std::move(path)) {
    if (is_special()) {
      file_ = std::fopen(path_.c_str(), "wb");
      if (file_ == nullptr) fail(path_, "cannot open: ", detail::system_reason(errno));
      return;
    }
    for (int attempt = 0; attempt < 1000 && file_ == nullptr; ++attempt) {
      temporary_ = join(path_, ".partial", attempt);
      file_ = std::fopen(temporary_.c_str(), "wbx");  // x: never an existing file
      if (file_ == nullptr && errno != EEXIST) break;
    }
    if (file_ == nullptr)
      fail(path_, "cannot create: ",
           errno == ENOENT ? std::string("its folder does not exist")
                           : detail::system_reason(errno));
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile() {
    if (file_ == nullptr) return;
    std::fclose(file_);
    if (!temporary_.empty()) std::remove(temporary_.c_str());
  }

  /// Appends. Throws Error when the disk is full.
  void write(std::span<const std::byte> bytes) {
    if (!bytes.empty() && std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size())
      fail(path_, "cannot write: ", detail::system_reason(errno));
  }

  /// Puts the file into its place, over one that is there. Throws Error, and leaves the old file,
  /// when the last bytes do not fit or the rename is refused.
  void commit() {
    if (std::fflush(file_) != 0) fail(path_, "cannot write: ", detail::system_reason(errno));
    const bool closed = std::fclose(file_) == 0;
    file_ = nullptr;
    if (closed && (temporary_.empty() || std::rename(temporary_.c_str(), path_.c_str()) == 0))
      return;
    const std::string reason = detail::system_reason(errno);
    if (!temporary_.empty()) std::remove(temporary_.c_str());
    fail(path_, "cannot write: ", reason);
  }

 private:
  /// Whether something is there that is no regular file. Throws Error for a directory.
  [[nodiscard]] bool is_special() const {
#if __has_include(<sys/stat.h>)
    struct stat status {};
    if (::stat(path_.c_str(), &status) != 0) return false;
    if (S_ISDIR(status.st_mode)) fail(path_, "is a directory, expected a file");
    return !S_ISREG(status.st_mode);
#else
    return false;
#endif
  }

  std::string path_;
  std::string temporary_;  // empty: written in place
  std::FILE* file_ = nullptr;
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_IO_WRITE_FILE_HPP
