#include <zlib.h>

#include <random>
#include <vitrail/io/inflate.hpp>

#include "support/io_files.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

/// zlib's raw deflate stream of `content`.
std::string deflated(const std::string& content, int level, int strategy) {
  z_stream stream{};
  deflateInit2(&stream, level, Z_DEFLATED, -15, 8, strategy);
  std::string result(deflateBound(&stream, content.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  ::deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

std::string inflated(const std::string& stream, std::size_t size) {
  std::string result(size, '\0');
  vitrail::inflate(bytes_of(stream), std::as_writable_bytes(std::span(result)), "stream");
  return result;
}

/// True when zlib takes the stream whole and gives exactly `size` bytes; they go to `content`.
bool zlib_accepts(const std::string& input, std::size_t size, std::string& content) {
  z_stream stream{};
  inflateInit2(&stream, -15);
  content.assign(size + 1, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(content.data());
  stream.avail_out = static_cast<uInt>(content.size());
  const int status = ::inflate(&stream, Z_FINISH);
  const bool whole = status == Z_STREAM_END && stream.avail_in == 0 && stream.total_out == size;
  content.resize(size);
  inflateEnd(&stream);
  return whole;
}

std::vector<std::string> samples() {
  std::mt19937 random(1);
  std::string noise;
  std::string letters;
  std::string floats;
  for (int i = 0; i < 100'000; ++i) noise += static_cast<char>(random() & 0xff);
  // Few frequent and many rare letters: codes of very different lengths.
  for (int i = 0; i < 100'000; ++i) letters += static_cast<char>(std::countl_zero(random()) * 3);
  std::normal_distribution<float> normal;
  for (int i = 0; i < 20'000; ++i) {
    const float value = normal(random);
    floats.append(reinterpret_cast<const char*>(&value), 4);
  }
  return {"",      "a",    "abcabcabcabcabcabc",   std::string(300'000, 'z'), noise,
          letters, floats, noise + letters + noise};
}

TEST(Inflate, ReadsWhatZlibWrites) {
  for (const std::string& content : samples())
    for (const int level : {0, 1, 6, 9})
      for (const int strategy : {Z_DEFAULT_STRATEGY, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED}) {
        const std::string stream = deflated(content, level, strategy);
        ASSERT_TRUE(inflated(stream, content.size()) == content)
            << content.size() << " bytes, level " << level << ", strategy " << strategy;
      }
}

TEST(Inflate, AcceptsExactlyWhatZlibAccepts) {
  std::mt19937 random(2);
  std::string content;
  for (int i = 0; i < 600; ++i) content += static_cast<char>(std::countl_zero(random()));
  for (int i = 0; i < 200; ++i) content += static_cast<char>(random() & 0xff);
  int accepted = 0;
  for (int round = 0; round < 8000; ++round) {
    const int strategy = round % 3 == 0 ? Z_FIXED : Z_DEFAULT_STRATEGY;
    std::string stream = deflated(content, 6, strategy);
    const std::size_t reach =
        round % 2 == 0 ? std::min<std::size_t>(stream.size(), 80) : stream.size();
    for (auto flips = random() % 3 + 1; flips > 0; --flips) {
      const std::size_t at = random() % reach;
      stream[at] = static_cast<char>(stream[at] ^ (1 << (random() % 8)));
    }
    if (round % 5 == 0) stream.resize(random() % stream.size());
    std::string expected;
    const bool zlib = zlib_accepts(stream, content.size(), expected);
    std::string found;
    const std::string error = error_of([&] { found = inflated(stream, content.size()); });
    ASSERT_EQ(error == "no error", zlib) << "round " << round << ": " << error;
    if (zlib) {
      ASSERT_TRUE(found == expected) << "round " << round;
      ++accepted;
    }
  }
  EXPECT_GT(accepted, 100);
}

TEST(Inflate, SurvivesNoise) {
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    std::string stream(random() % 60 + 1, '\0');
    for (char& c : stream) c = static_cast<char>(random() & 0xff);
    std::string expected;
    const bool zlib = zlib_accepts(stream, 64, expected);
    ASSERT_EQ(error_of([&] { (void)inflated(stream, 64); }) == "no error", zlib);
  }
}

TEST(Inflate, SaysWhatIsWrong) {
  const std::string content(1000, 'x');
  const std::string stream = deflated(content, 9, Z_DEFAULT_STRATEGY);
  EXPECT_EQ(error_of([&] { (void)inflated(stream, 999); }),
            "stream: inflates to more than the expected 999 bytes");
  EXPECT_EQ(error_of([&] { (void)inflated(stream, 1001); }),
            "stream: inflates to 1000 bytes, expected 1001");
  EXPECT_EQ(error_of([&] { (void)inflated(stream + "!", 1000); }),
            "stream: bad deflate stream: bytes behind its end");
  EXPECT_CONTAINS(error_of([&] { (void)inflated(stream.substr(0, 3), 1000); }), "truncated?");
  EXPECT_CONTAINS(error_of([] { (void)inflated("", 0); }), "truncated?");
  EXPECT_CONTAINS(error_of([] { (void)inflated("\x07", 0); }), "unknown type 3");
  EXPECT_CONTAINS(error_of([] { (void)inflated(std::string("\x01\x01\x00\x00\x00x", 6), 1); }),
                  "the two lengths of a stored block disagree");
  EXPECT_EQ(inflated(std::string("\x01\x01\x00\xfe\xffx", 6), 1), "x");
}

TEST(Crc32, AgreesWithZlibAtEveryLength) {
  std::string text;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(
        vitrail::crc32(bytes_of(text)),
        ::crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
    text += static_cast<char>(i * 37);
  }
  EXPECT_EQ(vitrail::crc32(bytes_of("123456789")), 0xcbf43926U);
}

}  // namespace
