#include <vitrail/image/decode.hpp>
#include <vitrail/vitrail.hpp>

std::string describe(const vitrail::Checkpoint& checkpoint) {
  return checkpoint.config.architecture;
}
