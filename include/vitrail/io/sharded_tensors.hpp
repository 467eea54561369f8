// A model in several files, and the index that says which tensor is in which.
//
//   {"metadata": {"total_size": 123}, "weight_map": {"head.weight":
//   "model-00002-of-00002.safetensors"}}
#ifndef VITRAIL_IO_SHARDED_TENSORS_HPP
#define VITRAIL_IO_SHARDED_TENSORS_HPP

#include <functional>
#include <vitrail/io/folder.hpp>
#include <vitrail/io/safetensors.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

class ShardedTensors : public NamedTensors {
 public:
  using OpenShard = std::function<NamedTensors(const std::string& path)>;

  /// Opens `index_path` (usually model.safetensors.index.json) and every shard beside it. Throws
  /// Error when a shard is missing or malformed, when its name is more than a plain file name, or
  /// when a tensor is not exactly where the index says. Tensors of a shard that the index does not
  /// list are part of the model too, unless two shards hold the same one.
  /// `open_shard` opens one file: as safetensors unless the caller knows better (tensor_file.hpp
  /// does: pytorch_model.bin.index.json has the same form).
  explicit ShardedTensors(const std::string& index_path, const Limits& limits = {},
                          const OpenShard& open_shard = {});

  [[nodiscard]] std::size_t shard_count() const { return shard_count_; }

 private:
  void add_shard(const NamedTensors& shard, const Json& weight_map, const std::string& shard_name,
                 const Limits& limits);

  std::size_t shard_count_ = 0;
};

inline ShardedTensors::ShardedTensors(const std::string& index_path, const Limits& limits,
                                      const OpenShard& open_shard)
    : NamedTensors(index_path) {
  const Json index = read_json(index_path, limits);
  const Json* const weight_map = json_find(index, "weight_map");
  if (weight_map == nullptr || !weight_map->is_object())
    fail(index_path, "no object 'weight_map', expected the names of the tensors' shards");

  const std::string folder = detail::folder_of(index_path);
  Strings shards;  // the path of each
  for (const auto& [name, value] : weight_map->members()) {
    const auto shard = json_as<std::string>(value, name, index_path);
    if (shard.empty() || shard == "." || shard == ".." ||
        shard.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
      fail(index_path, "tensor ", detail::in_quotes(name), " is in ", detail::in_quotes(shard),
           ", expected the plain name of a file beside the index");
    shards.emplace(std::string(shard), detail::path_in(folder, shard));
    if (shards.size() > 10000) fail(index_path, "more than 10000 shards");
  }
  for (const auto& [shard, path_of_shard] : shards) {
    add_shard(open_shard ? open_shard(path_of_shard) : Safetensors(path_of_shard, limits),
              *weight_map, shard, limits);
  }
  shard_count_ = shards.size();

  for (const auto& [name, shard] : weight_map->members())
    if (!contains(name) && !unreadable().contains(std::string_view(name)))
      fail(index_path, "tensor ", detail::in_quotes(name), " is not in ",
           detail::in_quotes(shard.text()), ", where the index says it is");
  if (const Json* const metadata = json_find(index, "metadata"); metadata && metadata->is_object())
    for (const auto& [key, value] : metadata->members())
      set_metadata(key, value.is_string()                       ? value.text()
                        : value.is_array() || value.is_object() ? detail::describe(value)
                                                                : detail::scalar_text(value));
}

inline void ShardedTensors::add_shard(const NamedTensors& shard, const Json& weight_map,
                                      const std::string& shard_name, const Limits& limits) {
  const auto check_place = [&](const std::string& name) {
    const Json* const listed = json_find(weight_map, name);
    if (listed != nullptr && listed->text() != shard_name)
      fail(path(), "tensor ", detail::in_quotes(name), " is in ", detail::in_quotes(shard_name),
           ", the index says ", detail::in_quotes(listed->text()));
  };
  for (const auto& [name, view] : shard) {
    check_place(name);
    add(name, view, limits);
  }
  for (const auto& [name, reason] : shard.unreadable()) {
    check_place(name);
    add_unreadable(name, reason, limits);
  }
  for (const auto& [key, value] : shard.metadata()) set_metadata(key, value);
  keep_all_of(shard);
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_SHARDED_TENSORS_HPP
