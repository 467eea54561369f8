#include <vitrail/io/safetensors.hpp>

#include "support/io_files.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

TEST(NamedTensors, SuggestsOnlyNamesThatAreClose) {
  const Safetensors file(golden("timm_vit_cls/model.safetensors"));
  EXPECT_CONTAINS(error_of([&] { (void)file.at("head.wieght"); }), "the nearest is 'head.weight'");
  EXPECT_CONTAINS(error_of([&] { (void)file.at("zzzzzzzzzzzz"); }), ", the first is 'blocks.0.");
  EXPECT_CONTAINS(error_of([&] { (void)file.at(std::string(100'000, 'x')); }), "no tensor 'xxx");
  const std::string none = little(2, 8) + "{}";
  EXPECT_EQ(error_of([&] { (void)Safetensors(bytes_of(none), "m").at("a"); }),
            "m: no tensor 'a'; the file holds no tensors");
}

TEST(NamedTensors, ReleasedTensorsKeepTheirValues) {
  const Safetensors file(golden("timm_vit_cls/model.safetensors"));
  for (const auto& [name, view] : file) {
    const std::vector<std::byte> before(view.bytes.begin(), view.bytes.end());
    file.prefetch(view);
    file.release(view);
    EXPECT_TRUE(std::equal(before.begin(), before.end(), view.bytes.begin())) << name;
  }
}

}  // namespace
