// What the program leaves on a file system that is full: a small one of its own, in a mount
// namespace that nobody else sees.
#include <gtest/gtest.h>

#include <support/program.hpp>

namespace {

using namespace vitrail_test;

/// Runs the program with `arguments` while `disk` is a file system of its own, with `options`
/// ("size=64k") and one file, out.safetensors, that says "old". What comes back: the exit code and
/// standard error of the program; as its output, the files there afterwards and how that one
/// begins.
Outcome with_disk(const std::string& disk, const std::string& options,
                  const std::string& arguments) {
  const TemporaryFolder scratch;
  write(scratch / "script", "mount -t tmpfs -o " + options + " none " + disk + " || exit 99\n" +
                                "printf old >" + disk + "/out.safetensors\n" + VITRAIL_PROGRAM +
                                " " + arguments + " >" + (scratch / "said") + "\ncode=$?\n" +
                                "cd " + disk + "; find . -type f; head -c 3 out.safetensors\n" +
                                "exit $code\n");
  return run("unshare --user --map-root-user --mount sh " + (scratch / "script"));
}

class FullDisk : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(disk_);
    const Outcome mount =
        run("unshare --user --map-root-user --mount mount -t tmpfs none " + disk_);
    if (mount.code != 0) GTEST_SKIP() << "no file system of one's own here: " << mount.error;
  }
  /// One line that has all of `words`, code 1, and on the disk only the old file.
  void expect_old_file(const std::string& options, const std::string& arguments,
                       const std::vector<std::string>& words) const {
    const Outcome outcome = with_disk(disk_, options, arguments);
    expect_one_line(outcome, words, arguments);
    EXPECT_EQ(outcome.out, "./out.safetensors\nold") << arguments;
  }

  const TemporaryFolder scratch_;
  const std::string disk_ = scratch_ / "disk";
  const std::string out_ = disk_ + "/out.safetensors";
};

const std::vector<std::string> no_space = {"out.safetensors: cannot write: No space left"};

TEST_F(FullDisk, KeepsTheOldFileAndNoHalfOfTheNewOne) {
  const std::string pictures = model + "/pictures";
  const std::string input = golden + "/hf_vit/input.safetensors";
  expect_old_file("size=64k", "embed --tokens " + pictures + " -o " + out_, no_space);
  expect_old_file("size=64k", "preprocess " + pictures + " -m " + golden + "/hf_vit -o " + out_,
                  no_space);
  expect_old_file("size=16k", "run -m " + golden + "/hf_vit -i " + input + " -o " + out_, no_space);
  expect_old_file("size=64k", "convert " + model + " " + out_, no_space);
  expect_old_file("size=64k", "convert " + model + " " + disk_ + "/folder",
                  {"folder/model.safetensors: cannot write: No space left"});
}

TEST_F(FullDisk, SaysSoWhenNotEvenAnEmptyFileFits) {
  // The root and the old file are all the inodes there are.
  expect_old_file("size=1m,nr_inodes=2", "convert " + model + " " + out_,
                  {"out.safetensors: cannot create: No space left"});
  expect_old_file("size=1m,nr_inodes=2", "convert " + model + " " + disk_ + "/folder",
                  {"folder", "cannot be created", "No space left"});
}

TEST_F(FullDisk, IsFullOnlyWhenItIs) {
  const Outcome outcome = with_disk(disk_, "size=8m", "convert " + model + " " + out_);
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(outcome.out.find("./out.safetensors\n"), 0U);
  EXPECT_EQ(outcome.out.find("old"), std::string::npos);
}

}  // namespace
