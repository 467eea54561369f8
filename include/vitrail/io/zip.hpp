// Zip archives, strictly: the container of .npz and of PyTorch's files.
//
//   | local header, data | local header, data | ... | central directory | end record |
//
// Names, sizes and places come from the central directory; the local headers must agree. Stored and
// deflated entries, zip64; no encryption, no archives in several parts, no entries that share
// bytes (the trick of small archives that unpack to petabytes).
#ifndef VITRAIL_IO_ZIP_HPP
#define VITRAIL_IO_ZIP_HPP

#include <cstdlib>
#include <vector>
#include <vitrail/io/inflate.hpp>
#include <vitrail/io/mapped_file.hpp>
#include <vitrail/io/text.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

struct ZipEntry {
  std::string name;
  bool deflated = false;
  std::uint32_t crc = 0;
  std::uint64_t size = 0;           // bytes once inflated
  std::uint64_t header_offset = 0;  // of the local header
  std::span<const std::byte> data;  // as it is in the archive
};

class ZipArchive {
 public:
  /// Reads and checks the directory of `bytes`, which the caller keeps alive; `where` is the
  /// archive's path. Throws Error that names the archive, the entry and what is wrong.
  ZipArchive(std::span<const std::byte> bytes, std::string where, const Limits& limits = {});

  /// In the order of the directory.
  [[nodiscard]] const std::vector<ZipEntry>& entries() const { return entries_; }
  /// Null when there is none.
  [[nodiscard]] const ZipEntry* find(std::string_view name) const {
    for (const ZipEntry& entry : entries_)
      if (entry.name == name) return &entry;
    return nullptr;
  }

  /// Throws Error when the checksum of a stored entry is wrong. Reads all of its bytes.
  void check_stored(const ZipEntry& entry) const { check_crc(entry, entry.data); }
  /// Inflates an entry and checks its sum; the memory is taken off `budget` first.
  [[nodiscard]] AlignedBytes inflated(const ZipEntry& entry, AllocationBudget& budget) const;

 private:
  struct Directory {
    std::uint64_t offset;
    std::uint64_t size;
    std::uint64_t count;
  };

  [[nodiscard]] Directory find_directory() const;
  [[nodiscard]] Directory zip64_directory(std::size_t end_record) const;
  void read_entry(std::span<const std::byte>& directory, std::uint64_t data_end);
  void locate_data(ZipEntry& entry, std::uint64_t compressed_size, std::uint16_t method,
                   std::uint64_t data_end) const;
  void check_layout() const;
  void check_crc(const ZipEntry& entry, std::span<const std::byte> content) const {
    const std::uint32_t found = crc32(content);
    if (found != entry.crc)
      fail(name_of_entry(entry), "its checksum is ", found, ", the archive says ", entry.crc);
  }
  [[nodiscard]] std::string name_of_entry(const ZipEntry& entry) const {
    return join(where_, ": entry ", detail::in_quotes(entry.name));
  }

  template <class T>
  [[nodiscard]] T load(std::uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T))
      fail(where_, "ends inside a zip record (truncated?)");
    return detail::load_little<T>(bytes_.data() + offset);
  }

  std::span<const std::byte> bytes_;
  std::string where_;
  std::vector<ZipEntry> entries_;
};

inline ZipArchive::ZipArchive(std::span<const std::byte> bytes, std::string where,
                              const Limits& limits)
    : bytes_(bytes), where_(std::move(where)) {
  const Directory directory = find_directory();
  if (directory.offset > bytes_.size() || directory.size > bytes_.size() - directory.offset)
    fail(where_, "the zip directory, ", directory.size, " bytes at ", directory.offset,
         ", lies outside the file of ", bytes_.size(), " bytes");
  if (directory.size > limits.max_header_bytes)
    fail(where_, "zip directory of ", directory.size, " bytes, the limit is ",
         limits.max_header_bytes);
  if (directory.count > limits.max_tensors)
    fail(where_, directory.count, " zip entries, the limit is ", limits.max_tensors);
  auto records = bytes_.subspan(static_cast<std::size_t>(directory.offset),
                                static_cast<std::size_t>(directory.size));
  while (!records.empty() && entries_.size() <= directory.count)
    read_entry(records, directory.offset);
  if (entries_.size() != directory.count || !records.empty())
    fail(where_, "the zip directory does not hold the ", directory.count, " entries it announces");
  check_layout();
}

/// Finds the end record: 22 bytes and a comment that reaches exactly to the end of the file.
inline ZipArchive::Directory ZipArchive::find_directory() const {
  constexpr std::size_t record_size = 22;
  constexpr std::size_t longest_comment = 65535;
  const std::size_t tries =
      bytes_.size() < record_size ? 0 : std::min(bytes_.size() - record_size, longest_comment) + 1;
  for (std::size_t back = 0; back < tries; ++back) {
    const std::size_t at = bytes_.size() - record_size - back;
    if (load<std::uint32_t>(at) != 0x06054b50U || load<std::uint16_t>(at + 20) != back) continue;
    const Directory found{load<std::uint32_t>(at + 16), load<std::uint32_t>(at + 12),
                          load<std::uint16_t>(at + 10)};
    const bool is_zip64 =
        found.offset == 0xffffffffU || found.size == 0xffffffffU || found.count == 0xffffU;
    if (is_zip64 && at >= 20 && load<std::uint32_t>(at - 20) == 0x07064b50U)
      return zip64_directory(at);
    if (load<std::uint16_t>(at + 4) != 0 || load<std::uint16_t>(at + 6) != 0 ||
        load<std::uint16_t>(at + 8) != found.count)
      fail(where_, "is one part of a zip archive in several parts");
    return found;
  }
  fail(where_, "no zip end record (truncated?)");
}

inline ZipArchive::Directory ZipArchive::zip64_directory(std::size_t end_record) const {
  const auto at = load<std::uint64_t>(end_record - 20 + 8);
  if (load<std::uint32_t>(at) != 0x06064b50U)
    fail(where_, "no zip64 end record where it should be");
  const Directory found{load<std::uint64_t>(at + 48), load<std::uint64_t>(at + 40),
                        load<std::uint64_t>(at + 32)};
  if (load<std::uint32_t>(at + 16) != 0 || load<std::uint32_t>(at + 20) != 0 ||
      load<std::uint64_t>(at + 24) != found.count)
    fail(where_, "is one part of a zip archive in several parts");
  return found;
}

/// Reads one record of the central directory and moves `records` behind it.
inline void ZipArchive::read_entry(std::span<const std::byte>& records, std::uint64_t data_end) {
  constexpr std::size_t record_size = 46;
  const auto at = [&](std::size_t offset) { return records.data() + offset; };
  if (records.size() < record_size || detail::load_little<std::uint32_t>(at(0)) != 0x02014b50U)
    fail(where_, "bad record in the zip directory (number ", entries_.size(), ")");
  const std::size_t name_size = detail::load_little<std::uint16_t>(at(28));
  const std::size_t extra_size = detail::load_little<std::uint16_t>(at(30));
  const std::size_t comment_size = detail::load_little<std::uint16_t>(at(32));
  if (records.size() - record_size < name_size + extra_size + comment_size)
    fail(where_, "the zip directory ends inside a record");

  ZipEntry entry;
  entry.name = detail::as_text(records.subspan(record_size, name_size));
  const auto flags = detail::load_little<std::uint16_t>(at(8));
  const auto method = detail::load_little<std::uint16_t>(at(10));
  entry.crc = detail::load_little<std::uint32_t>(at(16));
  std::uint64_t compressed = detail::load_little<std::uint32_t>(at(20));
  entry.size = detail::load_little<std::uint32_t>(at(24));
  entry.header_offset = detail::load_little<std::uint32_t>(at(42));
  const std::string where = name_of_entry(entry);
  if ((flags & 0x2041U) != 0) fail(where, "is encrypted");
  if (method != 0 && method != 8)
    fail(where, "is compressed by method ", method, ", only 0 (stored) and 8 (deflated) are read");
  entry.deflated = method == 8;

  // The zip64 field holds, in this order, those of the three numbers that did not fit 32 bits.
  auto extra = records.subspan(record_size + name_size, extra_size);
  while (extra.size() >= 4) {
    const auto id = detail::load_little<std::uint16_t>(extra.data());
    const std::size_t size = detail::load_little<std::uint16_t>(extra.data() + 2);
    if (size > extra.size() - 4) fail(where, "its extra field is malformed");
    auto field = extra.subspan(4, size);
    if (id == 1) {
      for (std::uint64_t* number : {&entry.size, &compressed, &entry.header_offset}) {
        if (*number != 0xffffffffU) continue;
        if (field.size() < 8) fail(where, "its zip64 field is too short");
        *number = detail::load_little<std::uint64_t>(field.data());
        field = field.subspan(8);
      }
    }
    extra = extra.subspan(4 + size);
  }
  locate_data(entry, compressed, method, data_end);
  entries_.push_back(std::move(entry));
  records = records.subspan(record_size + name_size + extra_size + comment_size);
}

/// Checks the local header against the directory and finds the data behind it.
inline void ZipArchive::locate_data(ZipEntry& entry, std::uint64_t compressed_size,
                                    std::uint16_t method, std::uint64_t data_end) const {
  constexpr std::uint64_t header_size = 30;
  const std::string where = name_of_entry(entry);
  const std::uint64_t at = entry.header_offset;
  if (at > data_end || data_end - at < header_size || load<std::uint32_t>(at) != 0x04034b50U)
    fail(where, "no local header at byte ", at);
  const std::uint64_t name_size = load<std::uint16_t>(at + 26);
  const std::uint64_t extra_size = load<std::uint16_t>(at + 28);
  const std::uint64_t begin = at + header_size + name_size + extra_size;
  if (begin > data_end || compressed_size > data_end - begin)
    fail(where, "its ", compressed_size, " bytes at ", begin,
         " reach beyond the data, which ends at ", data_end);
  const auto local_name = detail::as_text(bytes_.subspan(static_cast<std::size_t>(at + header_size),
                                                         static_cast<std::size_t>(name_size)));
  if (local_name != entry.name)
    fail(where, "its local header names ", detail::in_quotes(local_name));
  if (load<std::uint16_t>(at + 8) != method)
    fail(where, "its local header gives another compression method");
  if (!entry.deflated && entry.size != compressed_size)
    fail(where, "is stored in ", compressed_size, " bytes, but has ", entry.size);
  // Deflate cannot do better than 1032 to 1.
  if (entry.deflated && entry.size / 1032 > compressed_size)
    fail(where, compressed_size, " deflated bytes cannot hold ", entry.size);
  entry.data =
      bytes_.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(compressed_size));
}

/// No two entries share a byte or a name.
inline void ZipArchive::check_layout() const {
  // qsort, as std::sort takes longer to compile than all the rest of this.
  const auto by_name = [](const void* a, const void* b) {
    return (*static_cast<const ZipEntry* const*>(a))
        ->name.compare((*static_cast<const ZipEntry* const*>(b))->name);
  };
  const auto by_place = [](const void* a, const void* b) {
    const std::uint64_t left = (*static_cast<const ZipEntry* const*>(a))->header_offset;
    const std::uint64_t right = (*static_cast<const ZipEntry* const*>(b))->header_offset;
    return left < right ? -1 : left > right ? 1 : 0;
  };
  std::vector<const ZipEntry*> order;
  for (const ZipEntry& entry : entries_) order.push_back(&entry);
  if (order.empty()) return;
  std::qsort(order.data(), order.size(), sizeof(void*), by_name);
  for (std::size_t i = 1; i < order.size(); ++i)
    if (order[i]->name == order[i - 1]->name) fail(name_of_entry(*order[i]), "is there twice");
  std::qsort(order.data(), order.size(), sizeof(void*), by_place);
  for (std::size_t i = 1; i < order.size(); ++i) {
    const auto end = static_cast<std::uint64_t>(order[i - 1]->data.data() +
                                                order[i - 1]->data.size() - bytes_.data());
    if (order[i]->header_offset < end)
      fail(name_of_entry(*order[i]), "begins at byte ", order[i]->header_offset, ", inside ",
           detail::in_quotes(order[i - 1]->name), " that ends at ", end);
  }
}

inline AlignedBytes ZipArchive::inflated(const ZipEntry& entry, AllocationBudget& budget) const {
  const std::string where = name_of_entry(entry);
  budget.take(entry.size, where);
  AlignedBytes memory(static_cast<std::size_t>(entry.size));
  const std::span<std::byte> content(memory.data(), memory.size());
  if (entry.deflated)
    inflate(entry.data, content, where);
  else if (!content.empty())
    std::memcpy(content.data(), entry.data.data(), content.size());
  check_crc(entry, content);
  return memory;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_ZIP_HPP
