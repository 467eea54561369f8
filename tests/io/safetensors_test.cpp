#include <vitrail/io/safetensors.hpp>

#include "support/io_files.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

std::string file_of(const std::string& header, const std::string& data = "") {
  return little(header.size(), 8) + header + data;
}

/// The Error for a file of this header and so many bytes of data.
std::string header_error(const std::string& header, std::size_t data_bytes,
                         const Limits& limits = {}, Holes holes = Holes::reject) {
  const std::string file = file_of(header, std::string(data_bytes, '\0'));
  return error_of([&] { Safetensors opened(bytes_of(file), "m.safetensors", limits, holes); });
}

std::string entry(const std::string& name, const std::string& type, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

TEST(Safetensors, ReadsAPublishedCheckpoint) {
  const Safetensors file(golden("timm_vit_cls/model.safetensors"));
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.at("blocks.0.attn.qkv.weight").shape, (Shape{72, 24}));
  EXPECT_EQ(file.at("blocks.0.attn.qkv.weight").dtype, DType::f32);
  EXPECT_TRUE(file.contains("head.weight"));
  EXPECT_EQ(file.find("absent"), nullptr);
  EXPECT_EQ(file.names().size(), file.size());
  std::size_t bytes = 0;
  for (const auto& [name, view] : file) bytes += view.bytes.size();
  EXPECT_GT(bytes, 160'000U);
  EXPECT_NO_THROW(file.check_size());
}

TEST(Safetensors, NamesTheNearestTensor) {
  const Safetensors file(golden("timm_vit_cls/model.safetensors"));
  EXPECT_EQ(error_of([&] { (void)file.at("blocks.0.attn.qvk.weight"); }),
            golden("timm_vit_cls/model.safetensors") +
                ": no tensor 'blocks.0.attn.qvk.weight', the nearest is "
                "'blocks.0.attn.qkv.weight'");
}

TEST(Safetensors, ViewsOutliveTheReaderTheyWereCopiedFrom) {
  auto first = std::make_unique<Safetensors>(golden("timm_vit_cls/model.safetensors"));
  const NamedTensors second = *first;
  const float before = first->at("cls_token").to<float, 3>()(0, 0, 0);
  second.release(second.at("cls_token"));
  first.reset();
  EXPECT_EQ((second.at("cls_token").to<float, 3>()(0, 0, 0)), before);
}

TEST(Safetensors, RefusesABrokenHeader) {
  const auto error = [](const std::string& file) {
    return error_of([&] { Safetensors opened(bytes_of(file), "m.safetensors"); });
  };
  EXPECT_EQ(error("abc"),
            "m.safetensors: is 3 bytes, a safetensors file begins with 8 bytes of header length");
  EXPECT_EQ(error(little(1000, 8) + "{}"),
            "m.safetensors: header length is 1000 bytes, the file has 2 behind it (truncated?)");
  EXPECT_CONTAINS(error(little(~std::uint64_t{0}, 8) + "{}"),
                  "header length is 18446744073709551615 bytes, the limit is 100000000");
  EXPECT_CONTAINS(error(little(100'000'001, 8) + "{}"), "the limit is 100000000");
  EXPECT_CONTAINS(error(little(0, 8)), "does not begin with '{'");
  EXPECT_CONTAINS(error(file_of("[1]")), "does not begin with '{'");
  EXPECT_CONTAINS(error(file_of("{\"a\":")), "m.safetensors: header: not valid JSON");
  EXPECT_CONTAINS(error(file_of("{\"a\":" + std::string(500, '[') + "}")), "nested deeper");
  EXPECT_CONTAINS(error(file_of(R"({"__metadata__":{"a":1}})")),
                  "__metadata__: 'a' is the number 1, expected a string");
  EXPECT_CONTAINS(error(file_of(R"({"__metadata__":[]})")), "expected an object");
  EXPECT_NO_THROW(Safetensors(bytes_of(file_of("{}   ")), "empty"));
}

TEST(Safetensors, RefusesDuplicateNames) {
  const std::string a = entry("a", "U8", "[1]", "[0,1]");
  EXPECT_EQ(header_error("{" + a + "," + a + "}", 1), "m.safetensors: header: duplicate key 'a'");
}

TEST(Safetensors, RefusesEntriesThatDoNotFit) {
  const auto error = [](const std::string& type, const std::string& shape,
                        const std::string& offsets) {
    return header_error("{" + entry("w", type, shape, offsets) + "}", 8);
  };
  EXPECT_EQ(error("F32", "[2]", "[0,16]"),
            "m.safetensors: 'w': data_offsets [0, 16) reach beyond the 8 bytes of data "
            "(truncated?)");
  EXPECT_EQ(error("F32", "[2]", "[8,0]"),
            "m.safetensors: 'w': data_offsets [8, 0) end before they begin");
  EXPECT_EQ(error("F32", "[3]", "[0,8]"), "m.safetensors: 'w': has 8 bytes, f32 (3) needs 12");
  EXPECT_CONTAINS(error("F32", "[4294967296,4294967296]", "[0,8]"), "whose size overflows");
  EXPECT_CONTAINS(error("F32", "[0,4611686018427387904,4]", "[0,0]"), "whose size overflows");
  EXPECT_CONTAINS(error("F64", "[2305843009213693952]", "[0,8]"), "whose size overflows");
  EXPECT_CONTAINS(error("F32", "[18446744073709551615]", "[0,8]"), "overflows");
  EXPECT_CONTAINS(error("F32", "[-2]", "[0,8]"), "'shape' is the array [-2], expected an array");
  EXPECT_CONTAINS(error("F32", "[2.0]", "[0,8]"), "'shape' is the array [2.0]");
  EXPECT_CONTAINS(error("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), "has 9 dimensions, at most 8");
  EXPECT_CONTAINS(error("F32", "[2]", "[0,4,8]"), "data_offsets has 3 numbers, expected 2");
  EXPECT_CONTAINS(error("F33", "[2]", "[0,8]"), "has the unknown dtype 'F33'");
  EXPECT_CONTAINS(header_error(R"({"w":{"dtype":"F32","shape":[2]}})", 8), "no key 'data_offsets'");
  EXPECT_CONTAINS(header_error(R"({"w":3})", 8), "'w': is the number 3, expected an object");
  EXPECT_CONTAINS(
      header_error(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", 8),
      "unknown key 'x'");
}

TEST(Safetensors, RefusesOverlapAlways) {
  const std::string header =
      "{" + entry("a", "F32", "[2]", "[0,8]") + "," + entry("b", "F32", "[1]", "[4,8]") + "}";
  EXPECT_EQ(header_error(header, 8, {}, Holes::allow),
            "m.safetensors: 'b' begins at byte 4, inside 'a' that ends at 8");
}

TEST(Safetensors, RefusesHolesUnlessTheyAreAllowed) {
  const std::string gap =
      "{" + entry("a", "U8", "[1]", "[0,1]") + "," + entry("b", "U8", "[1]", "[2,3]") + "}";
  EXPECT_EQ(header_error(gap, 3), "m.safetensors: bytes [1, 2) before 'b' belong to no tensor");
  EXPECT_EQ(header_error(gap, 3, {}, Holes::allow), "no error");
  EXPECT_CONTAINS(header_error("{" + entry("a", "U8", "[1]", "[0,1]") + "}", 5),
                  "the tensors end at byte 1 of the data, the file at 5");
}

TEST(Safetensors, AcceptsScalarsAndEmptyTensors) {
  const std::string file = file_of(
      "{" + entry("s", "F32", "[]", "[0,4]") + "," + entry("z", "F32", "[0,3]", "[4,4]") + "}",
      std::string(4, '\0'));
  const Safetensors opened(bytes_of(file), "m");
  EXPECT_EQ(opened.at("s").shape.rank(), 0U);
  EXPECT_EQ((opened.at("z").to<float, 2>().count()), 0);
}

TEST(Safetensors, ReportsForeignTypesOnlyWhenAskedFor) {
  const std::string file = file_of(
      "{" + entry("q", "F8_E4M3", "[2]", "[0,2]") + "," + entry("w", "U8", "[1]", "[2,3]") + "}",
      "abc");
  const Safetensors opened(bytes_of(file), "m.safetensors");
  EXPECT_EQ(opened.size(), 1U);
  EXPECT_EQ(opened.unreadable().size(), 1U);
  EXPECT_EQ(error_of([&] { (void)opened.find("q"); }),
            "m.safetensors: 'q' is F8_E4M3, a type that is not supported");
}

TEST(Safetensors, RefusesBoolsThatAreNeitherTrueNorFalse) {
  const std::string file = file_of("{" + entry("b", "BOOL", "[1]", "[0,1]") + "}", "\x02");
  EXPECT_CONTAINS(error_of([&] { Safetensors opened(bytes_of(file), "m"); }),
                  "'b': holds the bool 2, expected 0 or 1");
}

TEST(Safetensors, KeepsToTheLimits) {
  Limits limits;
  limits.max_tensors = 1;
  const std::string two =
      "{" + entry("a", "U8", "[1]", "[0,1]") + "," + entry("b", "U8", "[1]", "[1,2]") + "}";
  EXPECT_CONTAINS(header_error(two, 2, limits), "more tensors than the limit of 1");
  limits = {};
  limits.max_tensor_bytes = 3;
  EXPECT_CONTAINS(header_error("{" + entry("a", "U8", "[4]", "[0,4]") + "}", 4, limits),
                  "'a': is 4 bytes, the limit is 3");
}

TEST(Safetensors, SurvivesEveryTruncation) {
  const std::string whole = read_whole(golden("timm_vit_cls/model.safetensors"));
  for (std::size_t size = 1; size < whole.size(); size += size < 4000 ? 13 : 4999) {
    const std::string part = whole.substr(0, size);
    EXPECT_NE(error_of([&] { Safetensors opened(bytes_of(part), "m"); }), "no error") << size;
  }
}

TEST(WriteSafetensors, RoundTripsEveryType) {
  const TemporaryFolder folder;
  const std::string path = folder / "out.safetensors";
  std::vector<AnyTensor> tensors;
  std::vector<NamedTensor> named;
  for (int type = 0; type <= static_cast<int>(DType::boolean); ++type) {
    tensors.emplace_back(static_cast<DType>(type), Shape{3, 5});
    auto bytes = tensors.back().bytes();
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i % 2);
    named.push_back({"tensor." + std::to_string(type), tensors.back().view()});
  }
  write_safetensors(path, named, {{"format", "pt"}, {"note", "\"quoted\"\n"}});
  const Safetensors file(path);
  EXPECT_EQ(file.size(), tensors.size());
  EXPECT_EQ(file.metadata().at("note"), "\"quoted\"\n");
  for (const NamedTensor& tensor : named) {
    const AnyView& read = file.at(tensor.name);
    EXPECT_EQ(read.dtype, tensor.view.dtype);
    EXPECT_EQ(read.shape, tensor.view.shape);
    EXPECT_TRUE(std::equal(read.bytes.begin(), read.bytes.end(), tensor.view.bytes.begin()));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(read.bytes.data()) % size_of(read.dtype), 0U);
  }
  std::reverse(named.begin(), named.end());
  write_safetensors(folder / "again.safetensors", named,
                    {{"note", "\"quoted\"\n"}, {"format", "pt"}});
  EXPECT_EQ(read_whole(path), read_whole(folder / "again.safetensors"));
  EXPECT_EQ(folder.count(), 2U);
}

TEST(WriteSafetensors, LeavesNothingBehindWhenItFails) {
  const TemporaryFolder folder;
  const AnyTensor tensor(DType::u8, Shape{1});
  const NamedTensor twice[] = {{"a", tensor.view()}, {"a", tensor.view()}};
  EXPECT_CONTAINS(error_of([&] { write_safetensors(folder / "out", twice); }),
                  "'a' is there twice");
  const NamedTensor odd[] = {{"\xff", tensor.view()}};
  EXPECT_CONTAINS(error_of([&] { write_safetensors(folder / "out", odd); }), "is not UTF-8");
  EXPECT_CONTAINS(error_of([&] { write_safetensors(folder / "no/out", std::span(twice, 1)); }),
                  "cannot create: its folder does not exist");
  std::filesystem::create_directory(folder / "taken");
  EXPECT_CONTAINS(error_of([&] { write_safetensors(folder / "taken", std::span(twice, 1)); }),
                  "is a directory");
  EXPECT_EQ(folder.count(), 1U);
}

}  // namespace
