#include <vitrail/io/zip.hpp>

#include "support/zip_builder.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

std::string zip_error(const std::string& archive, const Limits& limits = {}) {
  return error_of([&] {
    const ZipArchive zip(bytes_of(archive), "a.zip", limits);
    AllocationBudget budget(limits, archive.size());
    for (const ZipEntry& entry : zip.entries()) (void)zip.inflated(entry, budget);
  });
}

TEST(Zip, ListsStoredEntriesInPlace) {
  const std::string archive = zip_of({{"a.txt", "hello"}, {"dir/b", ""}});
  const ZipArchive zip(bytes_of(archive), "a.zip");
  ASSERT_EQ(zip.entries().size(), 2U);
  ASSERT_NE(zip.find("a.txt"), nullptr);
  EXPECT_EQ(detail::as_text(zip.find("a.txt")->data), "hello");
  EXPECT_EQ(zip.find("dir/b")->size, 0U);
  EXPECT_EQ(zip.find("c"), nullptr);
  EXPECT_NO_THROW(zip.check_stored(*zip.find("a.txt")));
}

TEST(Zip, ReadsAnEmptyArchiveAndOneWithAComment) {
  EXPECT_EQ(zip_error(zip_of({})), "no error");
  std::string archive = zip_of({{"a", "x"}});
  archive.replace(archive.size() - 2, 2, little(3, 2) + "end");
  EXPECT_EQ(zip_error(archive), "no error");
}

TEST(Zip, ReadsZip64Sizes) {
  const std::string archive =
      zip_of({{.name = "a",
               .data = "x",
               .size = 0xffffffffU,
               .packed_size = 0xffffffffU,
               .extra = little(1, 2) + little(16, 2) + little(1, 8) + little(1, 8)}});
  EXPECT_EQ(zip_error(archive), "no error");
  EXPECT_CONTAINS(zip_error(zip_of({{.name = "a",
                                     .data = "x",
                                     .size = 0xffffffffU,
                                     .extra = little(1, 2) + little(4, 2) + little(1, 4)}})),
                  "its zip64 field is too short");
}

TEST(Zip, RefusesAWrongChecksum) {
  const std::string error = zip_error(zip_of({{.name = "a", .data = "hello", .crc = 7U}}));
  EXPECT_CONTAINS(error, "a.zip: entry 'a': its checksum is ");
  EXPECT_CONTAINS(error, "the archive says 7");
}

TEST(Zip, RefusesEntriesThatShareBytes) {
  EXPECT_CONTAINS(
      zip_error(
          zip_of({{"a", "hello"}, {.name = "a2", .data = "x", .offset = 0U, .local_name = "a2"}})),
      "its local header names 'a'");
  // The data of "a" claims to reach over the header of "b".
  EXPECT_CONTAINS(zip_error(zip_of(
                      {{.name = "a", .data = "hello", .size = 9U, .packed_size = 9U}, {"b", "x"}})),
                  "entry 'b': begins at byte 36, inside 'a' that ends at 40");
  EXPECT_CONTAINS(zip_error(zip_of({{"a", "x"}, {"a", "y"}})), "entry 'a': is there twice");
}

TEST(Zip, RefusesABombBeforeItAllocates) {
  EXPECT_CONTAINS(
      zip_error(zip_of({{.name = "a", .data = "xx", .method = 8, .size = 4'000'000'000U}})),
      "entry 'a': 2 deflated bytes cannot hold 4000000000");
  Limits limits;
  limits.max_allocated_bytes = 1000;
  const std::string deflated(100, 'x');
  EXPECT_CONTAINS(
      zip_error(zip_of({{.name = "a", .data = deflated, .method = 8, .size = 1001U}}), limits),
      "entry 'a': needs 1001 bytes of memory, the limits leave 1000");
}

TEST(Zip, RefusesWhatItDoesNotRead) {
  EXPECT_CONTAINS(zip_error(zip_of({{.name = "a", .data = "x", .flags = 1}})), "is encrypted");
  EXPECT_CONTAINS(zip_error(zip_of({{.name = "a", .data = "x", .method = 12}})),
                  "is compressed by method 12, only 0 (stored) and 8 (deflated) are read");
  EXPECT_CONTAINS(zip_error(zip_of({{.name = "a", .data = "x", .size = 2U}})),
                  "is stored in 1 bytes, but has 2");
  EXPECT_CONTAINS(zip_error(zip_of({{.name = "a", .data = "x", .packed_size = 500U}})),
                  "reach beyond the data");
  EXPECT_CONTAINS(zip_error(zip_of({{.name = "a", .data = "x", .offset = 9U}})),
                  "no local header at byte 9");
  EXPECT_CONTAINS(zip_error(zip_of({{"a", "x"}}, std::uint16_t{2})),
                  "does not hold the 2 entries it announces");
  EXPECT_CONTAINS(zip_error(zip_of({{"a", "x"}, {"b", "x"}}, std::uint16_t{1})),
                  "does not hold the 1 entries it announces");
  Limits limits;
  limits.max_tensors = 1;
  EXPECT_CONTAINS(zip_error(zip_of({{"a", "x"}, {"b", "x"}}), limits),
                  "2 zip entries, the limit is 1");
}

TEST(Zip, RefusesEveryTruncationAndSurvivesEveryFlippedByte) {
  const std::string whole = zip_of({{"a.txt", "hello"}, {"b", "world"}});
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_CONTAINS(zip_error(whole.substr(0, size)), "a.zip: no zip end record (truncated?)");
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (const int change : {0x01, 0x80, 0xff}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ change);
      (void)zip_error(changed);
    }
}

}  // namespace
