#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>
#include <vitrail/io/write_file.hpp>

#include "support/io_files.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

TEST(NewFile, AppearsOnlyWhenItIsComplete) {
  const TemporaryFolder folder;
  const std::string path = folder.file("out", "old");
  {
    NewFile file(path);
    file.write(bytes_of("new"));
    EXPECT_EQ(read_whole(path), "old");
    file.commit();
  }
  EXPECT_EQ(read_whole(path), "new");
  { NewFile abandoned(path); }
  EXPECT_EQ(read_whole(path), "new");
  EXPECT_EQ(folder.count(), 1U);
}

TEST(NewFile, LeavesNothingWhenTheProgramIsKilled) {
#if defined(O_TMPFILE)
  const TemporaryFolder folder;
  const int unnamed = ::open((folder / ".").c_str(), O_TMPFILE | O_WRONLY, 0600);
  if (unnamed < 0) GTEST_SKIP() << "this file system has no files without a name";
  ::close(unnamed);
  const std::string path = folder.file("out", "old");
  const pid_t child = ::fork();
  if (child == 0) {
    NewFile file(path);
    file.write(bytes_of(std::string(100'000, 'x')));
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(read_whole(path), "old");
  EXPECT_EQ(folder.count(), 1U);
#endif
}

TEST(NewFile, IsReadableAsTheUserSetsForNewFiles) {
  const TemporaryFolder folder;
  const mode_t before = ::umask(027);
  NewFile file(folder / "out");
  file.commit();
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat((folder / "out").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0640U);
}

TEST(NewFile, TwoWritersDoNotDisturbEachOther) {
  const TemporaryFolder folder;
  NewFile first(folder / "out");
  NewFile second(folder / "out");
  first.write(bytes_of("first"));
  second.write(bytes_of("second"));
  second.commit();
  first.commit();
  EXPECT_EQ(read_whole(folder / "out"), "first");
  EXPECT_EQ(folder.count(), 1U);
}

TEST(NewFile, ReportsThatTheDiskTakesNoMoreAndKeepsTheOldFile) {
  const TemporaryFolder folder;
  const std::string path = folder.file("out", "old");
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);  // then write() fails as on a full disk
  rlimit small = before;
  small.rlim_cur = 100'000;
  ::setrlimit(RLIMIT_FSIZE, &small);
  const std::string error = error_of([&] {
    NewFile file(path);
    file.write(bytes_of(std::string(200'000, 'x')));
    file.commit();
  });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_CONTAINS(error, path + ": cannot write: ");
  EXPECT_EQ(read_whole(path), "old");
  EXPECT_EQ(folder.count(), 1U);
}

TEST(NewFile, WritesToPipesAndDevicesInPlace) {
  const TemporaryFolder folder;
  const std::string path = folder / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::string received;
  std::thread reader([&] { received = read_whole(path); });
  NewFile file(path);
  file.write(bytes_of("through a pipe"));
  file.commit();
  reader.join();
  EXPECT_EQ(received, "through a pipe");
  EXPECT_TRUE(std::filesystem::is_fifo(path));
  EXPECT_EQ(folder.count(), 1U);
  if (std::filesystem::is_character_file("/dev/full")) {
    EXPECT_EQ(error_of([] {
                NewFile full("/dev/full");
                full.write(bytes_of("x"));
                full.commit();
              }),
              "/dev/full: cannot write: No space left on device");
    EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
  }
}

TEST(NewFile, RefusesADirectory) {
  const TemporaryFolder folder;
  EXPECT_EQ(error_of([&] { NewFile file(folder / "."); }),
            (folder / ".") + ": is a directory, expected a file");
}

}  // namespace
