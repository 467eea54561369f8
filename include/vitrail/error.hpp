// The one exception of the library, and the one function that throws it: where, what was found,
// what was expected.
#ifndef VITRAIL_ERROR_HPP
#define VITRAIL_ERROR_HPP

#include <stdexcept>
#include <string>
#include <string_view>
#include <vitrail/macros.hpp>

VITRAIL_BEGIN_NAMESPACE

/// The world is not as it should be: a file, a format, a shape, a label. `what()` is one line,
/// ready to show: "model.safetensors: blocks.3.attn.qkv.weight is (2304, 768), config needs (1536,
/// 512)".
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws Error("where: what"). Every failure of the library passes through here.
[[noreturn]] inline void fail(std::string_view where, std::string_view what) {
  std::string line;
  line.reserve(where.size() + what.size() + 2);
  line.append(where).append(": ").append(what);
  throw Error(line);
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_ERROR_HPP
