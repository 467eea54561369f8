// Two translation units include everything and exchange a model's parts: one program, no duplicate
// symbols.
#include <vitrail/image/decode.hpp>
#include <vitrail/vitrail.hpp>

std::string describe(const vitrail::Checkpoint& checkpoint);

int main(int argc, char** argv) try {
  const vitrail::Checkpoint checkpoint = vitrail::open_checkpoint(argc > 1 ? argv[1] : ".", {});
  return describe(checkpoint) == checkpoint.config.architecture ? 0 : 1;
} catch (...) {
  return 1;
}
