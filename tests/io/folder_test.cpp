#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <vitrail/io/folder.hpp>

#include "support/io_files.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

TEST(Folder, PathsAreJoinedAndCutAtTheirSlashes) {
  EXPECT_EQ(detail::path_in("a/b", "c"), "a/b/c");
  EXPECT_EQ(detail::path_in("a/b/", "c"), "a/b/c");
  EXPECT_EQ(detail::path_in("", "c"), "c");
  EXPECT_EQ(detail::folder_of("a/b"), "a");
  EXPECT_EQ(detail::folder_of("b"), "");
  EXPECT_EQ(detail::folder_of("/b"), "/");
}

TEST(Folder, TellsFilesFoldersDevicesAndLinksApart) {
  const TemporaryFolder folder;
  const std::string file = folder.file("file", "x");
  const std::string parent = detail::folder_of(file);
  const std::string link = detail::path_in(parent, "link");
  std::filesystem::create_symlink("absent", link);

  EXPECT_TRUE(detail::is_file(file) && detail::is_there(file));
  EXPECT_FALSE(detail::is_folder(file) || detail::is_device(file));
  EXPECT_TRUE(detail::is_folder(parent) && !detail::is_file(parent));
  EXPECT_TRUE(detail::is_there(link));  // to nowhere
  EXPECT_FALSE(detail::is_file(link) || detail::is_folder(link));
  EXPECT_FALSE(detail::is_there(detail::path_in(parent, "absent")));
  EXPECT_TRUE(detail::is_device("/dev/null") && !detail::is_file("/dev/null"));

  const std::vector<std::string> names = detail::names_in(parent);
  for (const char* name : {"file", "link"})
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << name;
  EXPECT_CONTAINS(error_of([&] { (void)detail::names_in(file); }), "cannot list the folder");
}

}  // namespace
