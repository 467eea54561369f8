// Decompression of deflate streams (RFC 1951) and the CRC-32 of zip, so that archives need no
// library to link.
//
// Made for untrusted input: every read and write is checked, the output never grows beyond the
// size the caller gives, and no memory is allocated. What zlib refuses is refused here.
#ifndef VITRAIL_IO_INFLATE_HPP
#define VITRAIL_IO_INFLATE_HPP

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vitrail/error.hpp>
#include <vitrail/io/little_endian.hpp>

VITRAIL_BEGIN_NAMESPACE
namespace detail {

/// Bits of a byte string, least significant first.
class BitReader {
 public:
  explicit BitReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  /// Makes sure that 32 bits are in the buffer; zeros behind the end of the input.
  void refill() {
    while (count_ <= 56) {
      if (next_ < bytes_.size()) bits_ |= std::to_integer<std::uint64_t>(bytes_[next_]) << count_;
      ++next_;
      count_ += 8;
    }
  }
  [[nodiscard]] std::uint32_t peek(unsigned count) const {
    return static_cast<std::uint32_t>(bits_ & ((std::uint64_t{1} << count) - 1));
  }
  void skip(unsigned count) {
    bits_ >>= count;
    count_ -= count;
  }
  /// At most 32 bits.
  [[nodiscard]] std::uint32_t take(unsigned count) {
    refill();
    const std::uint32_t value = peek(count);
    skip(count);
    return value;
  }

  /// True when more bits were used than there are.
  [[nodiscard]] bool overrun() const { return used_bytes() > bytes_.size(); }
  /// Bytes of which at least one bit was used.
  [[nodiscard]] std::size_t used_bytes() const { return next_ - count_ / 8; }

  /// Drops the rest of the current byte and gives the next `count` bytes, or fewer at the end.
  [[nodiscard]] std::span<const std::byte> take_bytes(std::size_t count) {
    const std::size_t begin = std::min(used_bytes(), bytes_.size());
    const auto taken = bytes_.subspan(begin, std::min(count, bytes_.size() - begin));
    next_ = begin + taken.size();
    bits_ = 0;
    count_ = 0;
    return taken;
  }
  void align() { skip(count_ % 8); }

 private:
  std::span<const std::byte> bytes_;
  std::uint64_t bits_ = 0;
  unsigned count_ = 0;    // bits in the buffer
  std::size_t next_ = 0;  // next byte to read; runs past the end by the zeros it has fed
};

/// A canonical Huffman code of at most 320 symbols and 15 bits. Codes of up to `fast_bits` bits are
/// looked up at once, longer ones bit by bit (they are rare: that is why they are long).
class HuffmanCode {
 public:
  static constexpr unsigned max_bits = 15;
  static constexpr unsigned fast_bits = 10;

  /// `lengths[s]` is the number of bits of symbol s, 0 for none. False when the lengths are no
  /// code: more codes than bits can tell apart or, as zlib has it, fewer, unless there is but one.
  [[nodiscard]] bool build(std::span<const std::uint8_t> lengths) {
    count_.fill(0);
    for (const std::uint8_t length : lengths) ++count_[length];
    count_[0] = 0;
    int left = 1;
    unsigned longest = 0;
    std::array<std::uint16_t, max_bits + 2> offset{};
    for (unsigned bits = 1; bits <= max_bits; ++bits) {
      left = 2 * left - count_[bits];
      if (left < 0) return false;
      if (count_[bits] != 0) longest = bits;
      offset[bits + 1] = static_cast<std::uint16_t>(offset[bits] + count_[bits]);
    }
    if (left > 0 && longest > 1) return false;
    for (std::size_t s = 0; s < lengths.size(); ++s)
      if (lengths[s] != 0) symbols_[offset[lengths[s]]++] = static_cast<std::uint16_t>(s);
    fill_fast_table();
    return true;
  }

  /// The next symbol, or -1 for bits that are no code. Needs a refilled reader; uses up to 15 bits.
  [[nodiscard]] int decode(BitReader& reader) const {
    const std::uint16_t entry = fast_[reader.peek(fast_bits)];
    if (entry != 0) {
      reader.skip(entry & 15U);
      return entry >> 4;
    }
    int code = 0;
    int first = 0;
    int index = 0;
    const std::uint32_t bits = reader.peek(max_bits);
    for (unsigned length = 1; length <= max_bits; ++length) {
      code |= static_cast<int>((bits >> (length - 1)) & 1U);
      const int count = count_[length];
      if (code - count < first) {
        reader.skip(length);
        return symbols_[static_cast<std::size_t>(index) + static_cast<std::size_t>(code - first)];
      }
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    return -1;
  }

 private:
  /// fast_[next bits] = symbol << 4 | length; 0 where the code is longer or unused.
  void fill_fast_table() {
    fast_.fill(0);
    std::uint32_t code = 0;
    std::size_t index = 0;
    for (unsigned length = 1; length <= fast_bits; ++length, code <<= 1) {
      for (int i = 0; i < count_[length]; ++i, ++code, ++index) {
        std::uint32_t reversed = 0;  // codes are sent from their most significant bit on
        for (unsigned b = 0; b < length; ++b) reversed |= ((code >> b) & 1U) << (length - 1 - b);
        const auto entry =
            static_cast<std::uint16_t>((std::uint32_t{symbols_[index]} << 4) | length);
        for (std::uint32_t f = reversed; f < fast_.size(); f += 1U << length) fast_[f] = entry;
      }
    }
  }

  std::array<std::uint16_t, max_bits + 1> count_{};  // codes of each length
  std::array<std::uint16_t, 320> symbols_{};         // in the order of their codes
  std::array<std::uint16_t, 1U << fast_bits> fast_{};
};

class Inflater {
 public:
  Inflater(std::span<const std::byte> input, std::span<std::byte> output, std::string_view where)
      : reader_(input), input_(input), output_(output), where_(where) {}

  void run() {
    bool last = false;
    while (!last) {
      last = reader_.take(1) != 0;
      const std::uint32_t type = reader_.take(2);
      check(!reader_.overrun(), "ends in the middle (truncated?)");
      if (type == 0)
        stored_block();
      else if (type == 1)
        fixed_block();
      else if (type == 2)
        dynamic_block();
      else
        check(false, "block of the unknown type 3");
    }
    if (filled_ != output_.size())
      fail(where_, "inflates to ", filled_, " bytes, expected ", output_.size());
    check(reader_.used_bytes() == input_.size(), "bytes behind its end");
  }

 private:
  void check(bool condition, std::string_view what) const {
    if (!condition) fail(where_, "bad deflate stream: ", what);
  }
  void check_room(std::size_t count) const {
    if (count > output_.size() - filled_)
      fail(where_, "inflates to more than the expected ", output_.size(), " bytes");
  }

  void stored_block() {
    reader_.align();
    const std::uint32_t length = reader_.take(16);
    const std::uint32_t complement = reader_.take(16);
    check(!reader_.overrun(), "ends in the middle (truncated?)");
    check((length ^ complement) == 0xffffU, "the two lengths of a stored block disagree");
    check_room(length);
    const auto bytes = reader_.take_bytes(length);
    check(bytes.size() == length, "ends in the middle (truncated?)");
    if (length != 0) std::memcpy(output_.data() + filled_, bytes.data(), length);
    filled_ += length;
  }

  void fixed_block() {
    std::array<std::uint8_t, 288> lengths{};  // RFC 1951, 3.2.6
    std::fill(lengths.begin(), lengths.begin() + 144, std::uint8_t{8});
    std::fill(lengths.begin() + 144, lengths.begin() + 256, std::uint8_t{9});
    std::fill(lengths.begin() + 256, lengths.begin() + 280, std::uint8_t{7});
    std::fill(lengths.begin() + 280, lengths.end(), std::uint8_t{8});
    std::array<std::uint8_t, 32> distances{};
    distances.fill(5);
    check(literals_.build(lengths) && distances_.build(distances), "fixed code");
    compressed_data();
  }

  void dynamic_block() {
    constexpr std::array<std::uint8_t, 19> order{16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                 11, 4,  12, 3, 13, 2, 14, 1, 15};
    const std::size_t literal_count = reader_.take(5) + 257;
    const std::size_t distance_count = reader_.take(5) + 1;
    const std::size_t code_count = reader_.take(4) + 4;
    check(literal_count <= 286 && distance_count <= 30, "too many symbols");

    std::array<std::uint8_t, 19> code_lengths{};
    for (std::size_t i = 0; i < code_count; ++i)
      code_lengths[order[i]] = static_cast<std::uint8_t>(reader_.take(3));
    check(literals_.build(code_lengths), "the code of the code lengths is not a prefix code");

    std::array<std::uint8_t, 286 + 30> lengths{};
    const std::size_t total = literal_count + distance_count;
    for (std::size_t i = 0; i < total;) {
      reader_.refill();
      const int symbol = literals_.decode(reader_);
      check(symbol >= 0 && !reader_.overrun(), "bad code length");
      if (symbol < 16) {
        lengths[i++] = static_cast<std::uint8_t>(symbol);
        continue;
      }
      check(symbol != 16 || i > 0, "repeats a code length before the first");
      const std::uint8_t value = symbol == 16 ? lengths[i - 1] : std::uint8_t{0};
      const std::size_t repeat = symbol == 16   ? 3 + reader_.take(2)
                                 : symbol == 17 ? 3 + reader_.take(3)
                                                : 11 + reader_.take(7);
      check(repeat <= total - i, "too many code lengths");
      std::fill_n(lengths.begin() + static_cast<std::ptrdiff_t>(i), repeat, value);
      i += repeat;
    }
    check(lengths[256] != 0, "no code for the end of the block");
    const std::span<const std::uint8_t> all(lengths);
    check(literals_.build(all.first(literal_count)), "the literals' code is not a prefix code");
    check(distances_.build(all.subspan(literal_count, distance_count)),
          "the distances' code is not a prefix code");
    compressed_data();
  }

  void compressed_data() {
    constexpr std::array<std::uint16_t, 29> length_base{3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                                        15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                                        67, 83, 99, 115, 131, 163, 195, 227, 258};
    constexpr std::array<std::uint8_t, 29> length_bits{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                                       2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    constexpr std::array<std::uint16_t, 30> distance_base{
        1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
        193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    for (;;) {
      reader_.refill();  // 57 bits: enough for a length (15 + 5) and a distance (15 + 13)
      const int symbol = literals_.decode(reader_);
      check(symbol >= 0, "bits that are no literal");
      if (symbol < 256) {
        check_room(1);
        output_[filled_++] = static_cast<std::byte>(symbol);
        // The zeros behind the end may decode to literals: without this they would go on until the
        // output is full.
        if (reader_.overrun()) check(false, "ends in the middle (truncated?)");
        continue;
      }
      if (symbol == 256) break;
      check(symbol <= 285, "unknown length");
      const auto l = static_cast<std::size_t>(symbol - 257);
      const std::size_t length = length_base[l] + reader_.peek(length_bits[l]);
      reader_.skip(length_bits[l]);
      const int d = distances_.decode(reader_);
      check(d >= 0 && d < 30, "bits that are no distance");
      const unsigned distance_bits = d < 2 ? 0 : static_cast<unsigned>(d) / 2 - 1;
      const std::size_t distance =
          distance_base[static_cast<std::size_t>(d)] + reader_.peek(distance_bits);
      reader_.skip(distance_bits);
      check(!reader_.overrun(), "ends in the middle (truncated?)");
      check(distance <= filled_, "a distance reaches before the beginning");
      check_room(length);
      copy_back(distance, length);
    }
    check(!reader_.overrun(), "ends in the middle (truncated?)");
  }

  /// Repeats the last `distance` bytes until `length` are written; the two may overlap.
  void copy_back(std::size_t distance, std::size_t length) {
    std::byte* const to = output_.data() + filled_;
    const std::byte* const from = to - distance;
    if (distance >= length)
      std::memcpy(to, from, length);
    else
      for (std::size_t i = 0; i < length; ++i) to[i] = from[i];
    filled_ += length;
  }

  BitReader reader_;
  std::span<const std::byte> input_;
  std::span<std::byte> output_;
  std::string_view where_;
  std::size_t filled_ = 0;
  HuffmanCode literals_;
  HuffmanCode distances_;
};

/// Eight tables, so that eight bytes are folded in at once (Sarwate's table, sliced by eight).
[[nodiscard]] constexpr std::array<std::array<std::uint32_t, 256>, 8> make_crc_tables() {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
    tables[0][byte] = crc;
  }
  for (std::size_t slice = 1; slice < 8; ++slice)
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t previous = tables[slice - 1][byte];
      tables[slice][byte] = (previous >> 8) ^ tables[0][previous & 0xffU];
    }
  return tables;
}

inline constexpr auto crc_tables = make_crc_tables();

}  // namespace detail

/// Inflates a raw deflate stream into `output`, which must be exactly as long as the result. Throws
/// Error "where: ..." for anything else. Allocates nothing; thread safe.
inline void inflate(std::span<const std::byte> input, std::span<std::byte> output,
                    std::string_view where) {
  detail::Inflater(input, output, where).run();
}

/// CRC-32 as zip, gzip and PNG use it (polynomial 0xedb88320, reflected).
[[nodiscard]] inline std::uint32_t crc32(std::span<const std::byte> bytes) {
  const auto& table = detail::crc_tables;
  std::uint32_t crc = 0xffffffffU;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    const std::uint32_t low = detail::load_little<std::uint32_t>(at) ^ crc;
    const std::uint32_t high = detail::load_little<std::uint32_t>(at + 4);
    crc = table[7][low & 0xffU] ^ table[6][(low >> 8) & 0xffU] ^ table[5][(low >> 16) & 0xffU] ^
          table[4][low >> 24] ^ table[3][high & 0xffU] ^ table[2][(high >> 8) & 0xffU] ^
          table[1][(high >> 16) & 0xffU] ^ table[0][high >> 24];
  }
  for (; left > 0; --left, ++at)
    crc = (crc >> 8) ^ table[0][(crc ^ std::to_integer<std::uint32_t>(*at)) & 0xffU];
  return crc ^ 0xffffffffU;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_IO_INFLATE_HPP
