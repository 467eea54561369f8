// Python's pickles, read as inert data: a tree of values that describes objects and builds none.
//
// A pickle is a program for a stack machine that may call any function of Python. Here nothing is
// ever called: a call becomes a value of kind `object` that names the callee and its arguments, and
// only callees that the reader of the file has allowed may appear at all. Protocols 2 to 5, the
// opcodes of which torch.save makes use.
#ifndef VITRAIL_IO_PICKLE_HPP
#define VITRAIL_IO_PICKLE_HPP

#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <vector>
#include <vitrail/io/limits.hpp>
#include <vitrail/io/little_endian.hpp>
#include <vitrail/io/text.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

struct PickleValue {
  enum class Kind {
    none,
    boolean,      // integer is 0 or 1
    integer,      // integer
    big_integer,  // text: little-endian two's complement of more than 8 bytes
    real,         // real
    text,         // text
    bytes,        // text
    tuple,        // items
    list,         // items
    set,          // items
    dict,         // items: key, value, key, value, ...
    global,       // text: "module.name"
    object,     // callee(*arguments), then `state` set on it; items as set by list or dict opcodes
    persistent  // arguments: what identifies it outside of the pickle
  };

  Kind kind = Kind::none;
  std::int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<PickleValue*> items;
  const PickleValue* callee = nullptr;
  const PickleValue* arguments = nullptr;
  const PickleValue* state = nullptr;

  [[nodiscard]] bool is_global(std::string_view name) const {
    return kind == Kind::global && text == name;
  }
};

/// One parsed pickle; owns all of its values, which may refer to each other in circles.
class Pickle {
 public:
  /// Says whether the global "module.name" may appear in the file.
  using Allowed = std::function<bool(std::string_view global)>;

  /// Parses the pickle at the beginning of `bytes`. Throws Error "where: ..." that names the opcode
  /// or the global it refuses.
  Pickle(std::span<const std::byte> bytes, std::string_view where, const Allowed& allowed,
         const Limits& limits = {});
  Pickle(const Pickle&) = delete;
  Pickle& operator=(const Pickle&) = delete;

  [[nodiscard]] const PickleValue& root() const { return *root_; }
  /// Bytes up to and including the last opcode.
  [[nodiscard]] std::size_t size() const { return at_; }
  /// Every value of the pickle, in the order they were made.
  [[nodiscard]] const std::deque<PickleValue>& values() const { return values_; }

 private:
  using Kind = PickleValue::Kind;

  bool step(unsigned opcode);
  bool step_on_containers(unsigned opcode);
  bool step_on_objects(unsigned opcode);

  [[noreturn]] void bad(std::string_view what) const {
    fail(where_, "pickle, byte ", at_, ": ", what);
  }
  std::span<const std::byte> take(std::uint64_t count) {
    if (count > bytes_.size() - at_) bad("ends in the middle (truncated?)");
    const auto taken = bytes_.subspan(at_, static_cast<std::size_t>(count));
    at_ += taken.size();
    return taken;
  }
  template <class T>
  T number() {
    return detail::load_little<T>(take(sizeof(T)).data());
  }
  std::string_view line() {
    const auto rest = detail::as_text(bytes_.subspan(at_));
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) bad("ends in the middle of a line (truncated?)");
    at_ += end + 1;
    return rest.substr(0, end);
  }

  /// Counts an object, or a place that refers to one: none is free.
  void count() {
    if (++counted_ > limits_.max_pickle_values)
      bad(join("more than ", limits_.max_pickle_values, " objects"));
  }
  VITRAIL_NOINLINE PickleValue& push(Kind kind) {
    count();
    values_.emplace_back().kind = kind;
    put(&values_.back(), stack_);
    return values_.back();
  }
  void push_integer(Kind kind, std::int64_t value) { push(kind).integer = value; }
  void push_long(std::uint64_t size);
  VITRAIL_NOINLINE void push_text(Kind kind, std::uint64_t size) {
    const auto content = detail::as_text(take(size));
    push(kind).text = content;
  }
  void push_global(std::string_view module, std::string_view name);

  /// push_back, the one way in which these lists grow: each of a vector's ways is much code.
  VITRAIL_NOINLINE static void put(PickleValue* value, std::vector<PickleValue*>& to) {
    to.push_back(value);
  }

  VITRAIL_NOINLINE PickleValue* pop() {
    if (stack_.size() <= floor()) bad("takes from an empty stack");
    PickleValue* const value = stack_.back();
    stack_.pop_back();
    return value;
  }
  PickleValue& top() {
    if (stack_.size() <= floor()) bad("looks at an empty stack");
    return *stack_.back();
  }
  /// The height that pop() may not go below: that of the last mark.
  [[nodiscard]] std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  /// Everything above the last mark, which is removed.
  VITRAIL_NOINLINE std::vector<PickleValue*> pop_to_mark() {
    if (marks_.empty()) bad("no mark on the stack");
    std::vector<PickleValue*> values;
    for (std::size_t i = marks_.back(); i < stack_.size(); ++i) put(stack_[i], values);
    while (stack_.size() > marks_.back()) stack_.pop_back();
    marks_.pop_back();
    return values;
  }
  VITRAIL_NOINLINE void push_tuple(std::size_t count) {
    PickleValue* items[3];  // at most
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    PickleValue& tuple = push(Kind::tuple);
    for (std::size_t i = 0; i < count; ++i) put(items[i], tuple.items);
  }
  void push_object(const PickleValue* callee, const PickleValue* arguments) {
    if (callee->kind != Kind::global) bad("calls something that is no global");
    PickleValue& object = push(Kind::object);
    object.callee = callee;
    object.arguments = arguments;
  }
  VITRAIL_NOINLINE void append(std::span<PickleValue* const> items, bool pairs) {
    PickleValue& target = top();
    const bool fits = target.kind == Kind::object ||
                      target.kind == (pairs ? Kind::dict : Kind::list) ||
                      (!pairs && target.kind == Kind::set);
    if (!fits) bad("adds items to something that is no container");
    if (pairs && items.size() % 2 != 0) bad("a key without a value");
    for (PickleValue* const item : items) put(item, target.items);
  }
  /// Numbers are handed out one after the other; 256 that are left out do no harm.
  void remember(std::uint32_t index) {
    count();
    if (index > values_.size() + 256)
      bad(join("stores an object as number ", index, " of ", values_.size()));
    while (index >= memo_.size()) put(nullptr, memo_);
    memo_[index] = &top();
  }
  void recall(std::uint32_t index) {
    count();
    if (index >= memo_.size() || memo_[index] == nullptr)
      bad("recalls an object that was never stored");
    put(memo_[index], stack_);
  }

  std::span<const std::byte> bytes_;
  std::string_view where_;
  const Allowed& allowed_;
  const Limits& limits_;
  std::size_t at_ = 0;
  std::uint64_t counted_ = 0;
  std::deque<PickleValue> values_;
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::vector<PickleValue*> memo_;  // null where a number was left out
  PickleValue* root_ = nullptr;
};

inline Pickle::Pickle(std::span<const std::byte> bytes, std::string_view where,
                      const Allowed& allowed, const Limits& limits)
    : bytes_(bytes), where_(where), allowed_(allowed), limits_(limits) {
  if (bytes.size() > 2 && bytes[0] != std::byte{0x80})
    bad("does not begin with a protocol, only protocols 2 to 5 are read");
  for (;;) {
    const auto opcode = number<std::uint8_t>();
    if (opcode == '.') break;
    if (step(opcode) || step_on_containers(opcode) || step_on_objects(opcode)) continue;
    char name[16];
    std::snprintf(name, sizeof name, "0x%02x", static_cast<unsigned>(opcode));
    --at_;
    bad(join("opcode ", name, " is refused"));
  }
  root_ = pop();
  if (!stack_.empty() || !marks_.empty()) bad("stops with more than one object on the stack");
  memo_.clear();
}

inline void Pickle::push_long(std::uint64_t size) {
  const auto bytes = take(size);
  if (size > 8) {
    push(Kind::big_integer).text = detail::as_text(bytes);
    return;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  if (size > 0 && size < 8 && (std::to_integer<unsigned>(bytes.back()) & 0x80U) != 0)
    value |= ~std::uint64_t{0} << (8 * size);
  push_integer(Kind::integer, static_cast<std::int64_t>(value));
}

inline void Pickle::push_global(std::string_view module, std::string_view name) {
  const std::string global = join(module, ".", name);
  if (!allowed_(global))
    bad(join(
        "the global ", detail::in_quotes(global),
        " is refused: only tensors and plain data are read (of a model, save its state_dict())"));
  push(Kind::global).text = global;
}

/// Scalars, the memo and the stack. False when the opcode is none of these.
inline bool Pickle::step(unsigned opcode) {
  switch (opcode) {
    case 0x80:  // PROTO
      if (const auto protocol = number<std::uint8_t>(); protocol < 2 || protocol > 5)
        bad(join("protocol ", protocol, ", expected 2 to 5"));
      break;
    case 0x95: static_cast<void>(number<std::uint64_t>()); break;  // FRAME: a hint for readers
    case 'N': push(Kind::none); break;
    case 0x88: push_integer(Kind::boolean, 1); break;
    case 0x89: push_integer(Kind::boolean, 0); break;
    case 'J':
      push_integer(Kind::integer, static_cast<std::int32_t>(number<std::uint32_t>()));
      break;
    case 'K': push_integer(Kind::integer, number<std::uint8_t>()); break;
    case 'M': push_integer(Kind::integer, number<std::uint16_t>()); break;
    case 0x8a: push_long(number<std::uint8_t>()); break;
    case 0x8b: push_long(number<std::uint32_t>()); break;
    case 'G': {  // BINFLOAT is big-endian
      std::uint64_t bits = 0;
      for (const std::byte byte : take(8))
        bits = (bits << 8) | std::to_integer<std::uint64_t>(byte);
      push(Kind::real).real = std::bit_cast<double>(bits);
      break;
    }
    case 0x8c: push_text(Kind::text, number<std::uint8_t>()); break;
    case 'X': push_text(Kind::text, number<std::uint32_t>()); break;
    case 0x8d: push_text(Kind::text, number<std::uint64_t>()); break;
    case 'U': push_text(Kind::text, number<std::uint8_t>()); break;
    case 'T': push_text(Kind::text, number<std::uint32_t>()); break;
    case 'C': push_text(Kind::bytes, number<std::uint8_t>()); break;
    case 'B': push_text(Kind::bytes, number<std::uint32_t>()); break;
    case 0x8e: push_text(Kind::bytes, number<std::uint64_t>()); break;
    case 0x96: push_text(Kind::bytes, number<std::uint64_t>()); break;  // BYTEARRAY8
    case 'q': remember(number<std::uint8_t>()); break;
    case 'r': remember(number<std::uint32_t>()); break;
    case 0x94: remember(static_cast<std::uint32_t>(memo_.size())); break;  // MEMOIZE
    case 'h': recall(number<std::uint8_t>()); break;
    case 'j': recall(number<std::uint32_t>()); break;
    case '0': pop(); break;
    case '2':
      count();
      stack_.push_back(&top());
      break;
    case '(':
      count();
      marks_.push_back(stack_.size());
      break;
    case '1': pop_to_mark(); break;
    default: return false;
  }
  return true;
}

inline bool Pickle::step_on_containers(unsigned opcode) {
  switch (opcode) {
    case ')': push_tuple(0); break;
    case 0x85: push_tuple(1); break;
    case 0x86: push_tuple(2); break;
    case 0x87: push_tuple(3); break;
    case ']': push(Kind::list); break;
    case '}': push(Kind::dict); break;
    case 0x8f: push(Kind::set); break;
    case 't':
    case 'l':
    case 'd':
    case 0x91: {  // TUPLE, LIST, DICT, FROZENSET: of everything above the mark
      auto items = pop_to_mark();
      if (opcode == 'd' && items.size() % 2 != 0) bad("a key without a value");
      push(opcode == 't'   ? Kind::tuple
           : opcode == 'l' ? Kind::list
           : opcode == 'd' ? Kind::dict
                           : Kind::set)
          .items = std::move(items);
      break;
    }
    case 'a': {  // APPEND
      PickleValue* const value[] = {pop()};
      append(value, false);
      break;
    }
    case 's': {  // SETITEM
      PickleValue* const value = pop();
      PickleValue* const key = pop();
      PickleValue* const pair[] = {key, value};
      append(pair, true);
      break;
    }
    case 'e':
    case 0x90: append(pop_to_mark(), false); break;  // APPENDS, ADDITEMS
    case 'u': append(pop_to_mark(), true); break;    // SETITEMS
    default: return false;
  }
  return true;
}

/// The opcodes that would import, call or build; here they only describe.
inline bool Pickle::step_on_objects(unsigned opcode) {
  switch (opcode) {
    case 'c': {  // GLOBAL
      const std::string_view module = line();
      push_global(module, line());
      break;
    }
    case 0x93: {  // STACK_GLOBAL
      const PickleValue* const name = pop();
      const PickleValue* const module = pop();
      if (name->kind != Kind::text || module->kind != Kind::text) bad("a global without a name");
      push_global(module->text, name->text);
      break;
    }
    case 'R':
    case 0x81: {  // REDUCE, NEWOBJ
      const PickleValue* const arguments = pop();
      if (arguments->kind != Kind::tuple) bad("arguments that are no tuple");
      push_object(pop(), arguments);
      break;
    }
    case 'b': {  // BUILD
      const PickleValue* const state = pop();
      top().state = state;
      break;
    }
    case 'Q': {  // BINPERSID
      const PickleValue* const id = pop();
      push(Kind::persistent).arguments = id;
      break;
    }
    default: return false;
  }
  return true;
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_PICKLE_HPP
