// Zip archives put together by hand, so that every field can be wrong.
#ifndef VITRAIL_TESTS_SUPPORT_ZIP_BUILDER_HPP
#define VITRAIL_TESTS_SUPPORT_ZIP_BUILDER_HPP

#include <optional>
#include <vector>
#include <vitrail/io/inflate.hpp>

#include "support/io_files.hpp"

namespace vitrail_test {

struct ZipPart {
  std::string name;
  std::string data;  // as it lies in the archive
  std::uint16_t method = 0;
  std::uint16_t flags = 0;
  std::optional<std::uint32_t> crc = {};
  std::optional<std::uint32_t> size = {};         // once inflated
  std::optional<std::uint32_t> packed_size = {};  // in the directory
  std::optional<std::uint32_t> offset = {};       // in the directory
  std::string local_name = {};                    // when it differs
  std::string extra = {};                         // in the directory
};

[[nodiscard]] inline std::string zip_of(const std::vector<ZipPart>& parts,
                                        std::optional<std::uint16_t> count = {}) {
  std::string archive;
  std::string directory;
  for (const ZipPart& part : parts) {
    const auto size = part.size.value_or(static_cast<std::uint32_t>(part.data.size()));
    const auto packed = part.packed_size.value_or(static_cast<std::uint32_t>(part.data.size()));
    const std::string common = little(part.flags, 2) + little(part.method, 2) + little(0, 4) +
                               little(part.crc.value_or(vitrail::crc32(bytes_of(part.data))), 4) +
                               little(packed, 4) + little(size, 4);
    const std::string& local = part.local_name.empty() ? part.name : part.local_name;
    directory += "PK\x01\x02" + little(20, 2) + little(20, 2) + common +
                 little(part.name.size(), 2) + little(part.extra.size(), 2) + little(0, 2) +
                 little(0, 2) + little(0, 2) + little(0, 4) +
                 little(part.offset.value_or(static_cast<std::uint32_t>(archive.size())), 4) +
                 part.name + part.extra;
    archive += "PK\x03\x04" + little(20, 2) + common + little(local.size(), 2) + little(0, 2) +
               local + part.data;
  }
  const std::uint64_t entries = count.value_or(static_cast<std::uint16_t>(parts.size()));
  return archive + directory + "PK\x05\x06" + little(0, 4) + little(entries, 2) +
         little(entries, 2) + little(directory.size(), 4) + little(archive.size(), 4) +
         little(0, 2);
}

}  // namespace vitrail_test

#endif  // VITRAIL_TESTS_SUPPORT_ZIP_BUILDER_HPP
