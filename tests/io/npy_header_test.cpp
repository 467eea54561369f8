// The header of a NumPy array: what it says, and which letter of it is wrong.
#include <vitrail/io/npy_header.hpp>

#include "support/io_files.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

/// `dict` as the header of a file, with data behind it.
std::string npy_file(const std::string& dict, char version = 1) {
  return "\x93NUMPY" + std::string{version, '\0'} + little(dict.size(), version == 1 ? 2 : 4) +
         dict + "data";
}
std::string npy_dict(const std::string& shape, const std::string& order = "False",
                     const std::string& descr = "'<f4'") {
  return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }  \n";
}
NpyHeader parsed_header(const std::string& file, const Limits& limits = {}) {
  return NpyHeader::parse(bytes_of(file), "a.npy", limits);
}
std::string header_error(const std::string& file, const Limits& limits = {}) {
  return error_of([&] { (void)parsed_header(file, limits); });
}

TEST(NpyHeader, TellsTypeOrderShapeAndWhereTheDataBegin) {
  for (const char version : {'\1', '\2', '\3'}) {
    const std::string dict = npy_dict("(2, 3)", "True");
    const NpyHeader header = parsed_header(npy_file(dict, version));
    EXPECT_EQ(header.dtype, DType::f32);
    EXPECT_TRUE(header.fortran_order);
    EXPECT_EQ(header.shape, (Shape{2, 3}));
    EXPECT_EQ(header.size, (version == 1 ? 10 : 12) + dict.size());
  }
}

TEST(NpyHeader, ReadsThePythonThatNumPyWrites) {
  EXPECT_EQ(parsed_header(npy_file(npy_dict("()"))).shape.rank(), 0U);
  EXPECT_EQ(parsed_header(npy_file(npy_dict("(7,)"))).shape, Shape{7});
  EXPECT_EQ(parsed_header(npy_file(npy_dict("(2L, 3L)"))).shape, (Shape{2, 3}));  // Python 2
  EXPECT_EQ(
      parsed_header(npy_file(R"({"shape": (1,), "descr": "|V2", "fortran_order": False})")).dtype,
      DType::bf16);
}

TEST(NpyHeader, NamesTypesThatAreNotRead) {
  const NpyHeader big = parsed_header(npy_file(npy_dict("(1,)", "False", "'>f4'")));
  EXPECT_FALSE(big.dtype.has_value());
  EXPECT_EQ(big.unreadable_reason(), "is big-endian ('>f4'), only little-endian is read");
  const NpyHeader record =
      parsed_header(npy_file(npy_dict("(1,)", "False", "[('r', '<f4', [2])]")));
  EXPECT_EQ(record.descr, "[('r', '<f4', [2])]");
  EXPECT_CONTAINS(record.unreadable_reason(), "which is not supported");
}

TEST(NpyHeader, RefusesAnythingElseByTheCharacter) {
  const auto words = [](const std::string& dict) { return header_error(npy_file(dict)); };
  EXPECT_CONTAINS(words("{'descr': '<f4'}"),
                  "a.npy: npy header: expected the keys descr, fortran_order and shape");
  EXPECT_CONTAINS(words(npy_dict("(1,)", "false")), "expected True or False at");
  EXPECT_CONTAINS(words(npy_dict("(1)")), "expected ',' or ')'");
  EXPECT_CONTAINS(words(npy_dict("(,)")), "expected an extent");
  EXPECT_CONTAINS(words(npy_dict("(-1,)")), "expected an extent");
  EXPECT_CONTAINS(words(npy_dict("(99999999999999999999,)")), "expected a smaller extent");
  EXPECT_CONTAINS(words(npy_dict("(1,1,1,1,1,1,1,1,1)")), "more than 8 dimensions");
  EXPECT_CONTAINS(words("{'descr': '<f4', 'descr': '<f4'}"), "'descr' is there twice");
  EXPECT_CONTAINS(words("{'x': 1}"), "unknown key 'x'");
  EXPECT_CONTAINS(words(npy_dict("(1,)") + "x"), "expected the end");
  EXPECT_CONTAINS(words("__import__('os')"), "expected '{' at character 0");
  EXPECT_CONTAINS(words("{'descr"), "expected the end of the string");
  EXPECT_CONTAINS(words(npy_dict("(1,)", "False", "[('r'")), "expected ']'");
}

TEST(NpyHeader, RefusesOtherVersionsLengthsAndLimits) {
  EXPECT_EQ(header_error(npy_file("{}", 4)), "a.npy: npy version 4.0, expected 1.0, 2.0 or 3.0");
  EXPECT_CONTAINS(header_error("\x93NUMPY"), "does not begin with");
  std::string cut = npy_file(npy_dict("(1,)"));
  EXPECT_CONTAINS(header_error(cut.substr(0, 40)), "the file has 30 behind it (truncated?)");
  EXPECT_CONTAINS(header_error(npy_file("", 2).substr(0, 11)), "ends inside the npy header");
  Limits small;
  small.max_header_bytes = 8;
  EXPECT_CONTAINS(header_error(cut, small), "the limit is 8");
}

}  // namespace
