#include <vitrail/io/sharded_tensors.hpp>

#include "support/io_files.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

class ShardedModel : public ::testing::Test {
 protected:
  void write_shard(const std::string& name, const std::vector<std::string>& tensors) const {
    const AnyTensor one(DType::f32, Shape{1});
    std::vector<NamedTensor> named;
    for (const auto& tensor : tensors) named.push_back({tensor, one.view()});
    write_safetensors(folder_ / name, named);
  }
  [[nodiscard]] std::string error_for(const std::string& weight_map) const {
    const std::string index =
        folder_.file("model.safetensors.index.json",
                     R"({"metadata":{"total_size":8},"weight_map":)" + weight_map + "}");
    return error_of([&] { ShardedTensors model(index); });
  }

  TemporaryFolder folder_;
};

TEST_F(ShardedModel, OpensEveryShard) {
  write_shard("1.safetensors", {"a", "b"});
  write_shard("2.safetensors", {"c"});
  const std::string index = folder_.file(
      "model.safetensors.index.json",
      R"({"metadata":{"total_size":12},"weight_map":{"a":"1.safetensors","b":"1.safetensors","c":"2.safetensors"}})");
  const ShardedTensors model(index);
  EXPECT_EQ(model.names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(model.shard_count(), 2U);
  EXPECT_EQ(model.metadata().at("total_size"), "12");
  EXPECT_EQ(model.path(), index);
}

TEST_F(ShardedModel, RefusesAnIndexThatDoesNotAgreeWithTheShards) {
  write_shard("1.safetensors", {"a"});
  write_shard("2.safetensors", {"b"});
  write_shard("3.safetensors", {"b"});
  EXPECT_CONTAINS(error_for(R"({"a":"1.safetensors","z":"2.safetensors"})"),
                  "tensor 'z' is not in '2.safetensors', where the index says it is");
  EXPECT_CONTAINS(error_for(R"({"a":"2.safetensors","b":"1.safetensors"})"),
                  "tensor 'a' is in '1.safetensors', the index says '2.safetensors'");
  EXPECT_CONTAINS(error_for(R"({"a":"9.safetensors"})"), "9.safetensors: cannot open");
  EXPECT_CONTAINS(error_for("[]"), "no object 'weight_map'");
  EXPECT_CONTAINS(error_for(R"({"a":1})"), "'a' is the number 1, expected a string");
}

TEST_F(ShardedModel, RefusesShardsOutsideTheFolder) {
  for (const char* name : {"../1.safetensors", "/etc/passwd", "sub/1", "..", "", "a\\\\b"})
    EXPECT_CONTAINS(error_for(std::string(R"({"a":")") + name + "\"}"),
                    "expected the plain name of a file beside the index");
}

}  // namespace
