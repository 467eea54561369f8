// A file that appears complete or not at all: written beside its place, then renamed.
#ifndef VITRAIL_IO_WRITE_FILE_HPP
#define VITRAIL_IO_WRITE_FILE_HPP

#include <cerrno>
#include <cstdio>
#include <span>
#include <string>
#include <vitrail/io/mapped_file.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// Not thread safe; different objects may write to the same path, the last commit() wins.
///
/// On Linux the file has no name until commit(), so that nothing is left of it however the program
/// ends; where the file system cannot do that, it is called `path`.partial0 until then.
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
    in_place_ = false;
    file_ = open_unnamed();
    if (file_ != nullptr) return;
    const bool created = name_it([&] {
      file_ = std::fopen(temporary_.c_str(), "wbx");  // x: never an existing file
      return file_ != nullptr;
    });
    if (!created)
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
    if (std::fflush(file_) != 0 || (!in_place_ && temporary_.empty() && !link_unnamed()))
      fail(path_, "cannot write: ", detail::system_reason(errno));
    const bool closed = std::fclose(file_) == 0;
    file_ = nullptr;
    if (closed && (in_place_ || std::rename(temporary_.c_str(), path_.c_str()) == 0)) return;
    const std::string reason = detail::system_reason(errno);
    if (!temporary_.empty()) std::remove(temporary_.c_str());
    fail(path_, "cannot write: ", reason);
  }

 private:
  /// Calls `create` with one temporary_ after the other until it succeeds or fails for another
  /// reason than that the name is taken. What it gives, and errno, are the last call's.
  template <class Create>
  [[nodiscard]] bool name_it(Create create) {
    for (int attempt = 0; attempt < 1000; ++attempt) {
      temporary_ = join(path_, ".partial", attempt);
      if (create()) return true;
      if (errno != EEXIST) break;
    }
    temporary_.clear();
    return false;
  }

#if defined(__linux__) && defined(O_TMPFILE)
  /// A file in the folder of path_ that has no name yet; null where there is no such thing.
  [[nodiscard]] std::FILE* open_unnamed() const {
    if (::access("/proc/self/fd", X_OK) != 0) return nullptr;  // link_unnamed needs it
    const std::size_t slash = path_.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    const int descriptor = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    if (descriptor < 0) return nullptr;
    std::FILE* const file = ::fdopen(descriptor, "wb");
    if (file == nullptr) ::close(descriptor);
    return file;
  }
  [[nodiscard]] bool link_unnamed() {
    const std::string self = join("/proc/self/fd/", ::fileno(file_));
    return name_it([&] {
      return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) == 0;
    });
  }
#else
  [[nodiscard]] std::FILE* open_unnamed() const { return nullptr; }
  [[nodiscard]] bool link_unnamed() { return false; }
#endif

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
  std::string temporary_;  // empty: has no name yet, or is written in place
  bool in_place_ = true;
  std::FILE* file_ = nullptr;
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_WRITE_FILE_HPP
