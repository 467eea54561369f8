#include <vitrail/io/npz.hpp>

#include "support/zip_builder.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

std::string npy(const std::string& header, const std::string& data, char version = 1) {
  return "\x93NUMPY" + std::string{version, '\0'} + little(header.size(), version == 1 ? 2 : 4) +
         header + data;
}

std::string header_of(const std::string& descr, const std::string& order,
                      const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }  \n";
}

std::string floats(std::initializer_list<float> values) {
  std::string bytes;
  for (const float value : values) bytes.append(reinterpret_cast<const char*>(&value), 4);
  return bytes;
}

std::string npy_error(const std::string& header, const std::string& data = "") {
  const std::string file = npy(header, data);
  return error_of([&] { Npz opened(bytes_of(file), "a.npy"); });
}

TEST(Npz, ReadsAGoogleCheckpoint) {
  const Npz file(golden("npz_vit/model.npz"));
  EXPECT_EQ(file.at("embedding/kernel").shape, (Shape{16, 16, 3, 24}));
  EXPECT_EQ(file.at("head/bias").shape, (Shape{10}));
  EXPECT_EQ(file.at("cls").dtype, DType::f32);
  EXPECT_TRUE(file.unreadable().empty());
  EXPECT_CONTAINS(error_of([&] { (void)file.at("head/kernal"); }), "the nearest is 'head/kernel'");
  EXPECT_TRUE(Npz(golden("npz_vit_prelogits/model.npz")).contains("pre_logits/kernel"));
}

TEST(Npz, ReadsEveryVersionAndType) {
  for (const char version : {'\1', '\2', '\3'}) {
    const std::string file = npy(header_of("<f4", "False", "(2, 1)"), floats({1, 2}), version);
    const Npz opened(bytes_of(file), "a.npy");
    EXPECT_EQ((opened.at("array").to<float, 2>()(1, 0)), 2.0F);
  }
  const std::pair<const char*, DType> types[] = {
      {"<f8", DType::f64}, {"<f2", DType::f16}, {"|V2", DType::bf16}, {"<i8", DType::i64},
      {"<i4", DType::i32}, {"<i2", DType::i16}, {"|i1", DType::i8},   {"<u8", DType::u64},
      {"<u4", DType::u32}, {"<u2", DType::u16}, {"|u1", DType::u8},   {"|b1", DType::boolean}};
  for (const auto& [descr, dtype] : types) {
    const std::string file =
        npy(header_of(descr, "False", "(3,)"), std::string(3 * size_of(dtype), '\1'));
    EXPECT_EQ(Npz(bytes_of(file), "a.npy").at("array").dtype, dtype) << descr;
  }
}

TEST(Npz, TurnsFortranOrderIntoCOrder) {
  // [[1, 2, 3], [4, 5, 6]], column by column.
  const std::string file = npy(header_of("<f4", "True", "(2, 3)"), floats({1, 4, 2, 5, 3, 6}));
  const auto matrix = Npz(bytes_of(file), "a.npy").at("array").to<float, 2>();
  for (Index i = 0; i < 2; ++i)
    for (Index j = 0; j < 3; ++j) EXPECT_EQ(matrix(i, j), static_cast<float>(i * 3 + j + 1));

  std::string cube;  // element (i, j, k) of a (2, 3, 4) array is 100 i + 10 j + k
  for (int k = 0; k < 4; ++k)
    for (int j = 0; j < 3; ++j)
      for (int i = 0; i < 2; ++i) cube += floats({static_cast<float>(100 * i + 10 * j + k)});
  const std::string file3 = npy(header_of("<f4", "True", "(2, 3, 4)"), cube);
  const auto tensor = Npz(bytes_of(file3), "a.npy").at("array").to<float, 3>();
  for (Index i = 0; i < 2; ++i)
    for (Index j = 0; j < 3; ++j)
      for (Index k = 0; k < 4; ++k)
        EXPECT_EQ(tensor(i, j, k), static_cast<float>(100 * i + 10 * j + k));
  const std::string none = npy(header_of("<f4", "True", "(2, 0)"), "");
  EXPECT_EQ(Npz(bytes_of(none), "a.npy").at("array").shape, (Shape{2, 0}));
}

TEST(Npz, ReadsScalarsVectorsAndPython2) {
  const std::string scalar = npy(header_of("<f4", "False", "()"), floats({3}));
  EXPECT_EQ(Npz(bytes_of(scalar), "a.npy").at("array").shape.rank(), 0U);
  const std::string python2 = npy(header_of("<f4", "False", "(2L, 1L)"), floats({1, 2}));
  EXPECT_EQ(Npz(bytes_of(python2), "a.npy").at("array").shape, (Shape{2, 1}));
}

TEST(Npz, RefusesDataThatIsNotWhatTheHeaderSays) {
  const std::string four = floats({1});
  EXPECT_CONTAINS(npy_error(header_of("<f4", "False", "(4294967296, 4294967296)"), four),
                  "whose size overflows");
  EXPECT_CONTAINS(npy_error(header_of("<f4", "False", "(2,)"), four),
                  "'array': has 4 bytes, f32 (2) needs 8");
  EXPECT_CONTAINS(npy_error(header_of("<f4", "True", "(2, 2)"), four), "f32 (2, 2) needs 16");
}

TEST(Npz, ExplainsTypesItDoesNotRead) {
  EXPECT_EQ(npy_error(header_of(">f4", "False", "(1,)"), floats({1})),
            "a.npy: is big-endian ('>f4'), only little-endian is read");
  EXPECT_EQ(npy_error(header_of("|O", "False", "(1,)"), floats({1})),
            "a.npy: has the type '|O', which is not supported");
  const std::string archive =
      zip_of({{"w.npy", npy(header_of("<f4", "False", "(1,)"), floats({5}))},
              {"names.npy", npy(header_of("<U3", "False", "(1,)"), std::string(12, 'x'))},
              {"record.npy",
               npy("{'descr': [('r', '<f4')], 'fortran_order': False, 'shape': ()}", "xxxx")},
              {"readme.txt", "hello"}});
  const Npz file(bytes_of(archive), "a.npz");
  EXPECT_EQ(file.names(), (std::vector<std::string>{"w"}));
  EXPECT_EQ((file.at("w").to<float, 1>()(0)), 5.0F);
  EXPECT_EQ(error_of([&] { (void)file.at("names"); }),
            "a.npz: 'names' has the type '<U3', which is not supported");
  EXPECT_EQ(file.unreadable().size(), 3U);
}

TEST(Npz, NamesTheArrayOfAnArchive) {
  const std::string broken = zip_of({{"a/b.npy", "no array"}});
  EXPECT_EQ(error_of([&] { Npz opened(bytes_of(broken), "a.npz"); }),
            "a.npz: 'a/b': does not begin with \\x93NUMPY");
  std::string flipped = read_whole(golden("npz_vit/model.npz"));
  flipped[5000] = static_cast<char>(flipped[5000] ^ 1);
  EXPECT_CONTAINS(error_of([&] { Npz opened(bytes_of(flipped), "a.npz"); }),
                  "entry 'embedding/kernel.npy': its checksum is ");
  Limits unchecked;
  unchecked.check_crc = false;
  EXPECT_NO_THROW(Npz(bytes_of(flipped), "a.npz", unchecked));
}

TEST(Npz, SurvivesEveryTruncation) {
  const std::string whole = read_whole(golden("npz_vit/model.npz"));
  for (std::size_t size = 1; size < whole.size(); size += 3001)
    EXPECT_NE(error_of([&] { Npz opened(bytes_of(whole.substr(0, size)), "m"); }), "no error");
}

}  // namespace
