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
class NewFile {
 public:
  /// Creates a temporary file in the folder of `path`. Throws Error when that is not possible.
  explicit NewFile(std::string path) : path_(std::move(path)) {
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
    std::remove(temporary_.c_str());
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
    if (closed && std::rename(temporary_.c_str(), path_.c_str()) == 0) return;
    const std::string reason = detail::system_reason(errno);
    std::remove(temporary_.c_str());
    fail(path_, "cannot write: ", reason);
  }

 private:
  std::string path_;
  std::string temporary_;
  std::FILE* file_ = nullptr;
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_IO_WRITE_FILE_HPP
