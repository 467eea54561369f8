// What lies where: files, folders and the names in them.
//
// By the system's own calls where it has POSIX's: <filesystem> alone costs every program that
// includes this one most of a second of compile time.
#ifndef VITRAIL_IO_FOLDER_HPP
#define VITRAIL_IO_FOLDER_HPP

#include <algorithm>
#include <string>
#include <vector>
#include <vitrail/io/mapped_file.hpp>

#if __has_include(<dirent.h>) && __has_include(<sys/stat.h>)
#include <dirent.h>
#include <sys/stat.h>
#else
#include <filesystem>
#endif

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// "folder/name".
[[nodiscard]] VITRAIL_NOINLINE inline std::string path_in(const std::string& folder,
                                                          std::string_view name) {
  return join(folder, folder.empty() || folder.ends_with('/') ? "" : "/", name);
}

/// What stands before the last name of `path`: "a/b" -> "a", "b" -> "".
[[nodiscard]] VITRAIL_NOINLINE inline std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, std::max<std::size_t>(slash, 1));
}

#if __has_include(<dirent.h>) && __has_include(<sys/stat.h>)

[[nodiscard]] VITRAIL_NOINLINE inline bool is_file(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

[[nodiscard]] VITRAIL_NOINLINE inline bool is_folder(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

/// Whether anything has this name, be it a link to nowhere.
[[nodiscard]] VITRAIL_NOINLINE inline bool is_there(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

[[nodiscard]] VITRAIL_NOINLINE inline bool is_device(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode));
}

/// The names in a folder, in no order. Throws Error when it cannot be listed.
[[nodiscard]] inline std::vector<std::string> names_in(const std::string& folder) {
  DIR* const directory = ::opendir(folder.empty() ? "." : folder.c_str());
  if (directory == nullptr) fail(folder, "cannot list the folder: ", system_reason(errno));
  std::vector<std::string> names;
  while (const dirent* const entry = ::readdir(directory))
    names.push_back(std::string(entry->d_name));
  ::closedir(directory);
  return names;
}

#else

[[nodiscard]] inline bool is_file(const std::string& path) {
  std::error_code absent;
  return std::filesystem::is_regular_file(path, absent);
}

[[nodiscard]] inline bool is_folder(const std::string& path) {
  std::error_code absent;
  return std::filesystem::is_directory(path, absent);
}

[[nodiscard]] inline bool is_there(const std::string& path) {
  std::error_code absent;
  return std::filesystem::exists(std::filesystem::symlink_status(path, absent));
}

[[nodiscard]] inline bool is_device(const std::string& path) {
  std::error_code absent;
  const std::filesystem::file_status status = std::filesystem::status(path, absent);
  return std::filesystem::is_character_file(status) || std::filesystem::is_block_file(status);
}

[[nodiscard]] inline std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(folder.empty() ? "." : folder, error))
    names.push_back(entry.path().filename().string());
  if (error) fail(folder, "cannot list the folder: ", error.message());
  return names;
}

#endif

}  // namespace detail

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_FOLDER_HPP
