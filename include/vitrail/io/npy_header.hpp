// The header of a NumPy array: a Python dict literal with exactly three keys, parsed strictly.
#ifndef VITRAIL_IO_NPY_HEADER_HPP
#define VITRAIL_IO_NPY_HEADER_HPP

#include <optional>
#include <vitrail/io/limits.hpp>
#include <vitrail/io/little_endian.hpp>
#include <vitrail/io/text.hpp>
#include <vitrail/tensor/dtype.hpp>
#include <vitrail/tensor/shape.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

struct NpyHeader {
  std::string descr;           // '<f4'; for a structured type all of its text
  std::optional<DType> dtype;  // nothing when `descr` is no type we read
  bool fortran_order = false;
  Shape shape;
  std::size_t size = 0;  // bytes before the data

  /// True when `bytes` begin like an .npy file.
  [[nodiscard]] static bool begins(std::span<const std::byte> bytes) {
    return detail::as_text(bytes).starts_with("\x93NUMPY");
  }
  /// Parses versions 1, 2 and 3. Throws Error "where: ..." for anything malformed.
  [[nodiscard]] static NpyHeader parse(std::span<const std::byte> bytes, std::string_view where,
                                       const Limits& limits = {});

  /// Why `dtype` is empty.
  [[nodiscard]] std::string unreadable_reason() const {
    if (descr.starts_with('>'))
      return join("is big-endian (", detail::in_quotes(descr), "), only little-endian is read");
    return join("has the type ", detail::in_quotes(descr), ", which is not supported");
  }
};

namespace detail {

[[nodiscard]] inline std::optional<DType> npy_dtype(std::string_view descr) {
  struct Name {
    std::string_view descr;
    DType dtype;
  };
  constexpr Name names[] = {{"<f8", DType::f64},  {"<f4", DType::f32},  {"<f2", DType::f16},
                            {"|V2", DType::bf16}, {"<V2", DType::bf16}, {"bfloat16", DType::bf16},
                            {"<i8", DType::i64},  {"<i4", DType::i32},  {"<i2", DType::i16},
                            {"|i1", DType::i8},   {"<u8", DType::u64},  {"<u4", DType::u32},
                            {"<u2", DType::u16},  {"|u1", DType::u8},   {"|b1", DType::boolean}};
  for (const Name& name : names)
    if (name.descr == descr) return name.dtype;
  return std::nullopt;
}

/// The little of Python that NumPy writes: {'key': 'text' | True | False | (1, 2), ...}.
class NpyLiteral {
 public:
  NpyLiteral(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  void parse(NpyHeader& header) {
    bool has_descr = false;
    bool has_order = false;
    bool has_shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      bool* const seen = key == "descr"           ? &has_descr
                         : key == "fortran_order" ? &has_order
                         : key == "shape"         ? &has_shape
                                                  : nullptr;
      if (seen == nullptr)
        fail(where_, "npy header: unknown key ", in_quotes(key),
             ", expected descr, fortran_order and shape");
      if (*seen) fail(where_, "npy header: key ", in_quotes(key), " is there twice");
      *seen = true;
      if (seen == &has_descr)
        header.descr = peek() == '[' ? structured_type() : string();
      else if (seen == &has_order)
        header.fortran_order = boolean();
      else
        header.shape = shape();
      if (!accept(',') && peek() != '}') bad("',' or '}'");
    }
    if (peek() != '\0') bad("the end");
    if (!has_descr || !has_order || !has_shape)
      fail(where_, "npy header: expected the keys descr, fortran_order and shape, found ",
           in_quotes(text_));
  }

 private:
  [[noreturn]] void bad(std::string_view expected) const {
    fail(where_, "npy header: expected ", expected, " at character ", at_, " of ",
         in_quotes(text_));
  }
  /// The next character that is no space; '\0' at the end.
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) bad(join("'", std::string_view(&c, 1), "'"));
  }
  std::string string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') bad("a string");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) bad("the end of the string");
    const std::string_view content = text_.substr(at_ + 1, end - at_ - 1);
    if (content.find('\\') != std::string_view::npos) bad("a string without escapes");
    at_ = end + 1;
    return std::string(content);
  }
  bool boolean() {
    peek();
    for (const std::string_view word : {"True", "False"})
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return word == "True";
      }
    bad("True or False");
  }
  /// [('r', '<f4'), ...]: a record, which we only name.
  std::string structured_type() {
    const std::size_t begin = at_;
    int depth = 0;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '[') ++depth;
      if (text_[at_] == ']' && --depth == 0) {
        ++at_;
        return std::string(text_.substr(begin, at_ - begin));
      }
    }
    bad("']'");
  }
  Shape shape() {
    Shape result;
    expect('(');
    while (!accept(')')) {
      if (result.rank() == Shape::max_rank)
        fail(where_, "npy header: more than ", Shape::max_rank, " dimensions");
      result.push_back(integer());
      if (!accept(',') && (peek() != ')' || result.rank() == 1)) bad("',' or ')'");
    }
    return result;
  }
  Index integer() {
    if (peek() < '0' || peek() > '9') bad("an extent");
    Index value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      const Index digit = text_[at_] - '0';
      if (value > (std::numeric_limits<Index>::max() - digit) / 10) bad("a smaller extent");
      value = value * 10 + digit;
    }
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2 marks its long integers
    return value;
  }

  std::string_view text_;
  std::string_view where_;
  std::size_t at_ = 0;
};

}  // namespace detail

inline NpyHeader NpyHeader::parse(std::span<const std::byte> bytes, std::string_view where,
                                  const Limits& limits) {
  if (!begins(bytes) || bytes.size() < 10) fail(where, "does not begin with \\x93NUMPY");
  const auto major = std::to_integer<unsigned>(bytes[6]);
  const auto minor = std::to_integer<unsigned>(bytes[7]);
  if (major < 1 || major > 3 || minor != 0)
    fail(where, "npy version ", major, ".", minor, ", expected 1.0, 2.0 or 3.0");
  const std::size_t prefix = major == 1 ? 10 : 12;
  if (bytes.size() < prefix) fail(where, "ends inside the npy header (truncated?)");
  const std::uint64_t length = major == 1 ? detail::load_little<std::uint16_t>(bytes.data() + 8)
                                          : detail::load_little<std::uint32_t>(bytes.data() + 8);
  if (length > limits.max_header_bytes)
    fail(where, "npy header of ", length, " bytes, the limit is ", limits.max_header_bytes);
  if (length > bytes.size() - prefix)
    fail(where, "npy header of ", length, " bytes, the file has ", bytes.size() - prefix,
         " behind it (truncated?)");

  NpyHeader header;
  header.size = prefix + static_cast<std::size_t>(length);
  const auto text = detail::as_text(bytes.subspan(prefix, static_cast<std::size_t>(length)));
  detail::NpyLiteral(text, where).parse(header);
  header.dtype = detail::npy_dtype(header.descr);
  return header;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_NPY_HEADER_HPP
