// Small files with large claims: one Error, and memory in proportion to the file.
#include <support/counting_allocator.hpp>
#include <vitrail/io/tensor_file.hpp>

#include "support/zip_builder.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

std::string safetensors(const std::string& header) { return little(header.size(), 8) + header; }

std::string npy(const std::string& header) {
  return "\x93NUMPY\x01" + std::string(1, '\0') + little(header.size(), 2) + header;
}

/// PyTorch's zip, around one pickle.
std::string torch(const std::string& pickle) {
  return zip_of({{.name = "m/data.pkl", .data = pickle}, {.name = "m/version", .data = "3\n"}});
}

/// A tensor as torch.save pickles it: storage of `count` floats, one extent of `extent`.
std::string torch_tensor(std::uint64_t count, std::uint64_t extent) {
  const auto number = [](std::uint64_t n) { return "\x8a\x08" + little(n, 8); };
  return "\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07" + std::string(3, '\0') +
         "storagectorch\nFloatStorage\nX\x01" + std::string(3, '\0') + "0X\x03" +
         std::string(3, '\0') + "cpu" + number(count) + "tQK" + std::string(1, '\0') +
         number(extent) + "\x85K\x01\x85\x89)tR.";
}

std::vector<std::string> small_files_with_large_claims() {
  const std::string zero(1, '\0');
  const auto deflated = [](std::uint32_t size) {
    return zip_of({{.name = "a.npy", .data = "\x03", .method = 8, .size = size}});
  };
  return {
      // safetensors: the header's length, the shape, the range, nesting.
      little(std::uint64_t{1} << 62, 8) + "{\"a\":1}",
      little(99'999'999, 8) + "{\"a\":1}",
      safetensors(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})"),
      safetensors(
          R"({"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}})"),
      safetensors(
          R"({"a":{"dtype":"F32","shape":[0,9223372036854775807,9],"data_offsets":[0,0]}})"),
      safetensors("{\"a\":" + std::string(200, '[')),
      safetensors("{\"a\":" + std::string(200, '{')),
      // npy: shape, header length.
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }\n"),
      npy("{'descr': '<f4', 'fortran_order': True, 'shape': (65536, 65536), }\n"),
      npy("{'descr': '<V2', 'fortran_order': False, 'shape': (4294967296, 4294967296), }\n"),
      "\x93NUMPY\x02" + zero + little(0xfffffff0U, 4) + "{",
      // zip: sizes and counts of entries, claimed by the directory alone.
      deflated(0xfffffff0U),
      deflated(1 << 30),
      zip_of({{.name = "a.npy", .data = "x", .size = 1U << 31, .packed_size = 1U << 31}}),
      zip_of({{.name = "a.npy", .data = "x"}}, std::uint16_t{65000}),
      zip_of({{.name = "a.npy",
               .data = "x",
               .method = 8,
               .size = 0xffffffffU,
               .extra = little(1, 2) + little(8, 2) + little(std::uint64_t{1} << 60, 8)}}),
      // Pickles: lengths of strings, memo slots, storages, nesting.
      torch("\x80\x02X" + little(0xfffffff0U, 4) + "abc."),
      torch("\x80\x04\x8d" + little(std::uint64_t{1} << 60, 8) + "abc."),
      torch("\x80\x02\x8b" + little(0x7ffffff0U, 4) + "abc."),
      torch("\x80\x02}r" + little(0xfffffff0U, 4) + "."),
      torch("\x80\x02}j" + little(0xfffffff0U, 4) + "."),
      torch("\x80\x02" + std::string(300, '(') + "."),
      torch(torch_tensor(std::uint64_t{1} << 40, std::uint64_t{1} << 40)),
      torch(torch_tensor(1, std::uint64_t{1} << 40)),
      torch(torch_tensor(std::uint64_t{1} << 61, 4)),
      // The index of shards: nesting.
      "{\"weight_map\":" + std::string(200, '{'),
  };
}

TEST(HostileFiles, CostMemoryInProportionToTheirSize) {
  const TemporaryFolder folder;
  const std::vector<std::string> files = small_files_with_large_claims();
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string path = folder.file("file", files[i]);
    ASSERT_LT(files[i].size(), 1000U) << i;
    allocated_bytes = 0;
    const std::string error = error_of([&] { (void)open_tensor_file(path); });
    EXPECT_LT(allocated_bytes, std::size_t{1} << 20) << i << ": " << error;
    EXPECT_CONTAINS(error, path);
    EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 0) << error;
  }
}

/// `start`, then `repeats` times 129 more copies of its last two bytes, then `end`: deflated, by
/// the fixed code of RFC 1951.
std::string deflated(const std::string& start, std::size_t repeats, const std::string& end) {
  std::string packed;
  unsigned used = 8;
  const auto put = [&](unsigned code, int bits) {  // the highest bit first
    for (int i = bits; i-- > 0;) {
      if (used == 8) packed += '\0', used = 0;
      packed.back() = static_cast<char>(static_cast<unsigned char>(packed.back()) |
                                        ((code >> i & 1U) << used++));
    }
  };
  const auto literal = [&](char c) {
    const unsigned value = static_cast<unsigned char>(c);
    value < 144 ? put(0x30 + value, 8) : put(0x190 + value - 144, 9);
  };
  put(0b110, 3);  // the last block, fixed codes
  for (const char c : start) literal(c);
  for (std::size_t i = 0; i < repeats; ++i) put(0b11000101, 8), put(1, 5);  // 258 bytes, 2 back
  for (const char c : end) literal(c);
  put(0, 7);
  return packed;
}

TEST(HostileFiles, ADeflatedPickleCostsNoMoreThanItsFileAllows) {
  const std::size_t repeats = 3000;
  // NONE and POP: an object every two bytes. DUP, MARK: a place that refers to one every byte.
  for (const std::string twice : {"N0", "22", "(("}) {
    const std::string start = "\x80\x02N" + twice;
    std::string content = start;
    for (std::size_t i = 0; i < 129 * repeats; ++i) content += twice;
    content += "N.";
    const std::string file = zip_of({{.name = "m/data.pkl",
                                      .data = deflated(start, repeats, "N."),
                                      .method = 8,
                                      .crc = crc32(bytes_of(content)),
                                      .size = static_cast<std::uint32_t>(content.size())}});
    const TemporaryFolder folder;
    const std::string path = folder.file("file", file);
    allocated_bytes = 0;
    EXPECT_CONTAINS(error_of([&] { (void)open_tensor_file(path); }), " objects");
    EXPECT_LT(allocated_bytes, 2 * 1100 * file.size()) << twice;
  }
}

}  // namespace
