#include <sys/resource.h>

#include <csignal>
#include <vitrail/io/write_file.hpp>

#include "support/io_files.hpp"

namespace {

using namespace vitrail;
using namespace vitrail::testing;

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

}  // namespace
