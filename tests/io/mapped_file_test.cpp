#include <sys/stat.h>

#include <thread>
#include <vitrail/io/mapped_file.hpp>

#include "support/io_files.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, MapsAndReadsTheSameBytes) {
  const TemporaryFolder folder;
  const std::string path = folder.file("data", "hello");
  const MappedFile mapped(path);
  const MappedFile copied(path, ReadMode::copy);
  EXPECT_TRUE(mapped.is_mapped());
  EXPECT_FALSE(copied.is_mapped());
  EXPECT_EQ(text_of(mapped), "hello");
  EXPECT_EQ(text_of(copied), "hello");
  EXPECT_EQ(mapped.path(), path);
}

TEST(MappedFile, SaysWhyAFileCannotBeOpened) {
  const TemporaryFolder folder;
  EXPECT_EQ(error_of([&] { MappedFile file(folder / "absent"); }),
            (folder / "absent") + ": cannot open: does not exist");
  EXPECT_EQ(error_of([&] { MappedFile file(folder / "."); }),
            (folder / ".") + ": is a directory, expected a file");
  EXPECT_EQ(error_of([&] { MappedFile file(folder.file("empty", "")); }),
            (folder / "empty") + ": is empty (0 bytes)");
  EXPECT_CONTAINS(error_of([] { MappedFile file("/dev/zero"); }),
                  "is neither a regular file nor a pipe");
  const std::string secret = folder.file("secret", "x");
  ::chmod(secret.c_str(), 0);
  if (::geteuid() != 0) {
    EXPECT_CONTAINS(error_of([&] { MappedFile file(secret); }), "cannot open: no permission");
  }
}

TEST(MappedFile, ReadsAPipeToItsEnd) {
  const TemporaryFolder folder;
  const std::string path = folder / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const std::string content(200'000, 'p');
  std::thread writer([&] { std::ofstream(path, std::ios::binary) << content; });
  const MappedFile file(path);
  writer.join();
  EXPECT_FALSE(file.is_mapped());
  EXPECT_EQ(text_of(file), content);
}

TEST(MappedFile, KeepsToTheLimitWhenReading) {
  const TemporaryFolder folder;
  const std::string path = folder.file("data", std::string(1000, 'x'));
  Limits limits;
  limits.max_allocated_bytes = 999;
  EXPECT_CONTAINS(error_of([&] { MappedFile file(path, ReadMode::copy, limits); }),
                  "is 1000 bytes, the limit for reading is 999");
  EXPECT_EQ(MappedFile(path, ReadMode::map, limits).bytes().size(), 1000U);
}

TEST(MappedFile, ReleasedPagesAreReadAgain) {
  const TemporaryFolder folder;
  std::string content;
  for (int i = 0; i < 100'000; ++i) content += static_cast<char>(i % 251);
  const MappedFile file(folder.file("data", content));
  file.read_sequentially();
  file.prefetch(file.bytes());
  EXPECT_EQ(text_of(file), content);
  file.release(file.bytes().subspan(1000, 50'000));
  file.release(file.bytes());
  EXPECT_EQ(text_of(file), content);
}

TEST(MappedFile, NoticesThatTheFileChangedItsSize) {
  const TemporaryFolder folder;
  const std::string path = folder.file("data", "0123456789");
  const MappedFile file(path);
  EXPECT_NO_THROW(file.check_size());
  std::filesystem::resize_file(path, 4);
  EXPECT_EQ(error_of([&] { file.check_size(); }),
            path + ": changed from 10 to 4 bytes while in use");
  std::filesystem::remove(path);  // the mapping keeps the old file
  EXPECT_NO_THROW(file.check_size());
}

TEST(MappedFile, ViewsBytesOfTheCaller) {
  const std::string bytes = "abc";
  const MappedFile file(bytes_of(bytes), "in memory");
  EXPECT_EQ(static_cast<const void*>(file.bytes().data()), bytes.data());
  EXPECT_TRUE(file.contains(file.bytes().subspan(1)));
  EXPECT_FALSE(file.contains({}));
}

}  // namespace
