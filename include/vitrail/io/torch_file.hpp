// PyTorch's own files (.pth, .pt, .bin), without running anything they contain.
//
// Two containers, the same pickle inside:
//
//   zip (since 1.6):  <name>/data.pkl    <name>/data/<key> ...    <name>/byteorder
//   before:           magic, protocol, system, object, keys: five pickles; then count and data of
//                     each storage
//
// A checkpoint is usually a dict: {"model": {name: tensor, ...}, "optimizer": ..., "epoch": 299}.
// Its tensors fall into groups by the first key; one group is chosen and opened (TorchOptions).
// Strings and numbers become metadata() under their dotted path: "epoch", "args.model".
#ifndef VITRAIL_IO_TORCH_FILE_HPP
#define VITRAIL_IO_TORCH_FILE_HPP

#include <map>
#include <vitrail/io/npz.hpp>
#include <vitrail/io/torch_pickle.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

struct TorchOptions {
  /// Which tensors to open: a dotted path of keys ("model_ema", "state.model"), which is taken off
  /// their names, or "." for all of them under their full paths. Empty: the first of state_dict,
  /// model, teacher, model_ema, module, student, network, net, params, encoder that holds tensors;
  /// else the tensors right in the file's dict; else the only group there is.
  std::string group = {};
  /// Globals to skip as inert data besides the built-in list, such as "omegaconf.DictConfig" (as
  /// they are named in the Error that refuses them). They are never imported or called.
  std::vector<std::string> inert_globals = {};
};

class TorchFile : public NamedTensors {
 public:
  /// Opens `path`. Throws Error that names the file and the refused global or opcode, the tensor
  /// and the range, or the groups to choose from. Tensors of quantised or complex types are listed
  /// in unreadable().
  explicit TorchFile(const std::string& path, const Limits& limits = {},
                     const TorchOptions& options = {})
      : TorchFile(MappedFile::open(path, ReadMode::map, limits), limits, options) {}
  /// Bytes already in memory, which the caller keeps alive; `name` stands for the path.
  TorchFile(std::span<const std::byte> bytes, std::string name, const Limits& limits = {},
            const TorchOptions& options = {})
      : TorchFile(std::make_shared<const MappedFile>(bytes, std::move(name)), limits, options) {}
  explicit TorchFile(std::shared_ptr<const MappedFile> file, const Limits& limits = {},
                     const TorchOptions& options = {});

  /// The groups of the file and how many tensors each has; "" for tensors right in its dict.
  [[nodiscard]] const std::map<std::string, std::size_t, NameLess>& groups() const {
    return groups_;
  }
  /// The group that was opened; "" for the file itself.
  [[nodiscard]] const std::string& group() const { return group_; }

  /// True when `bytes` begin like a file from before the zip form.
  [[nodiscard]] static bool begins_like_legacy(std::span<const std::byte> bytes);

 private:
  /// The bytes behind tensors: where they are said to be, and what was found there.
  struct Storage {
    const ZipEntry* entry = nullptr;                      // of a zip
    detail::TorchStorage described = {};                  // of a file from before the zip form
    std::optional<std::span<const std::byte>> data = {};  // once it was read
  };
  struct Leaf {
    std::string path;
    std::size_t group_size;  // characters of `path` that name its group
    const PickleValue* call;
  };
  struct Reading;  // what is needed while opening only

  void read_zip(Reading& reading);
  void read_legacy(Reading& reading);
  void read_object(Reading& reading, const PickleValue& root);
  void visit(Reading& reading, const PickleValue& value, const std::string& parent,
             std::size_t group_size, std::uint64_t depth);
  void choose_group(Reading& reading, bool root_is_module);
  void add_tensor(Reading& reading, const Leaf& leaf, std::string name);
  std::span<const std::byte> storage(Reading& reading, const detail::TorchStorage& storage,
                                     const std::string& where);

  std::map<std::string, std::size_t, NameLess> groups_;
  std::string group_;
};

struct TorchFile::Reading {
  Reading(std::shared_ptr<const MappedFile> opened, const Limits& limits_,
          const TorchOptions& given)
      : file(std::move(opened)),
        limits(limits_),
        options(given),
        budget(limits_, file->bytes().size()) {}

  [[nodiscard]] Pickle::Allowed allowed() const {
    return [this](std::string_view global) {
      const auto& extra = options.inert_globals;
      return detail::is_allowed_in_torch_file(global) ||
             std::find(extra.begin(), extra.end(), global) != extra.end();
    };
  }

  /// The first of a key counts.
  VITRAIL_NOINLINE void add(std::string key, Storage storage) {
    if (places.emplace(std::move(key), storages.size()).second)
      storages.push_back(std::move(storage));
  }
  /// Null when there is none.
  [[nodiscard]] VITRAIL_NOINLINE Storage* find(const std::string& key) {
    const auto found = places.find(std::string_view(key));
    return found == places.end() ? nullptr : &storages[found->second];
  }

  std::shared_ptr<const MappedFile> file;
  const Limits& limits;
  const TorchOptions& options;
  AllocationBudget budget;
  std::uint64_t visited = 0;
  std::vector<Leaf> leaves;
  std::optional<ZipArchive> archive;
  std::map<std::string, std::size_t, NameLess> places;  // in `storages`, by key
  std::vector<Storage> storages;
};

inline bool TorchFile::begins_like_legacy(std::span<const std::byte> bytes) {
  // Protocol 2, LONG1 of ten bytes: 0x1950a86a20f9469cfc6c, STOP.
  return detail::as_text(bytes).starts_with(
      std::string_view("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15));
}

inline TorchFile::TorchFile(std::shared_ptr<const MappedFile> file, const Limits& limits,
                            const TorchOptions& options)
    : NamedTensors(file->path()) {
  keep(file);
  Reading reading(std::move(file), limits, options);
  if (begins_like_legacy(reading.file->bytes()))
    read_legacy(reading);
  else
    read_zip(reading);
}

inline void TorchFile::read_zip(Reading& reading) {
  reading.archive.emplace(reading.file->bytes(), path(), reading.limits);
  const ZipEntry* program = nullptr;
  std::string folder;
  for (const ZipEntry& entry : reading.archive->entries()) {
    const std::string_view name = entry.name;
    if (name != "data.pkl" && !name.ends_with("/data.pkl")) continue;
    if (program != nullptr) fail(path(), "two entries data.pkl, expected one");
    program = &entry;
    folder = name.substr(0, name.size() - 8);
  }
  if (program == nullptr) fail(path(), "not a PyTorch file: the archive has no entry data.pkl");
  for (const ZipEntry& entry : reading.archive->entries())
    if (entry.name.starts_with(join(folder, "data/")))
      reading.add(entry.name.substr(folder.size() + 5), Storage{&entry});

  if (const ZipEntry* entry = reading.archive->find(join(folder, "byteorder"))) {
    const AlignedBytes memory = reading.archive->inflated(*entry, reading.budget);
    const auto order = detail::as_text({memory.data(), memory.size()});
    if (order != "little")
      fail(path(), "its byte order is ", detail::in_quotes(order), ", expected 'little'");
  }
  if (program->size > reading.limits.max_header_bytes)
    fail(path(), "data.pkl is ", program->size, " bytes, the limit is ",
         reading.limits.max_header_bytes);
  const AlignedBytes bytes = reading.archive->inflated(*program, reading.budget);
  const std::string where = join(path(), ": data.pkl");
  // A byte makes a value of a hundred, and next to no bytes make a deflated byte.
  Limits limits = reading.limits;
  limits.max_pickle_values =
      std::min(limits.max_pickle_values, reading.budget.left() / sizeof(PickleValue));
  const Pickle pickle({bytes.data(), bytes.size()}, where, reading.allowed(), limits);
  reading.budget.take(pickle.values().size() * sizeof(PickleValue), where);
  read_object(reading, pickle.root());
}

inline void TorchFile::read_legacy(Reading& reading) {
  const std::string where = path();
  auto rest = reading.file->bytes();
  const auto allowed = reading.allowed();
  const auto skip_pickle = [&] {
    const Pickle pickle(rest, where, allowed, reading.limits);
    rest = rest.subspan(pickle.size());
  };
  skip_pickle();  // the magic number, already recognised
  {
    const Pickle protocol(rest, where, allowed, reading.limits);
    if (protocol.root().kind != PickleValue::Kind::integer || protocol.root().integer != 1001)
      fail(where, "PyTorch protocol ", protocol.root().integer, ", expected 1001");
    rest = rest.subspan(protocol.size());
  }
  {
    const Pickle system(rest, where, allowed, reading.limits);
    const auto* const facts = detail::torch_mapping(system.root());
    for (std::size_t i = 0; facts != nullptr && i + 1 < facts->size(); i += 2)
      if ((*facts)[i]->text == "little_endian" && (*facts)[i + 1]->integer != 1)
        fail(where, "is big-endian, only little-endian is read");
    rest = rest.subspan(system.size());
  }
  const auto object_bytes = rest.first(std::min<std::size_t>(
      rest.size(), static_cast<std::size_t>(reading.limits.max_header_bytes)));
  const Pickle object(object_bytes, where, allowed, reading.limits);
  rest = rest.subspan(object.size());
  for (const PickleValue& value : object.values())
    if (value.kind == PickleValue::Kind::persistent) {
      auto described = detail::read_torch_storage(value, where);
      const std::string key = described.key;
      reading.add(key, Storage{nullptr, std::move(described)});
    }

  const Pickle keys(rest, where, allowed, reading.limits);
  rest = rest.subspan(keys.size());
  for (const PickleValue* key : keys.root().items) {
    Storage* const stored = reading.find(key->text);
    if (stored == nullptr)
      fail(where, "holds the storage ", detail::in_quotes(key->text), ", which no tensor uses");
    const detail::TorchStorage& described = stored->described;
    if (!described.dtype)
      fail(where, "storage ", detail::in_quotes(key->text), " is a ", described.type,
           ", whose size is not known");
    if (rest.size() < 8) fail(where, "ends before a storage (truncated?)");
    const auto count = detail::load_little<std::uint64_t>(rest.data());
    if (count != described.count)
      fail(where, "storage ", detail::in_quotes(key->text), " has ", count,
           " elements, the pickle says ", described.count);
    rest = rest.subspan(8);
    if (count > rest.size() / size_of(*described.dtype))
      fail(where, "ends inside storage ", detail::in_quotes(key->text), " (truncated?)");
    const std::size_t size = static_cast<std::size_t>(count) * size_of(*described.dtype);
    if (!stored->data) stored->data = rest.first(size);
    rest = rest.subspan(size);
  }
  read_object(reading, object.root());
}

/// Collects the tensors of the tree, chooses a group and adds its tensors.
inline void TorchFile::read_object(Reading& reading, const PickleValue& root) {
  if (const PickleValue* const call = detail::torch_tensor_call(root))
    reading.leaves.push_back({"tensor", 0, call});
  else
    visit(reading, root, "", 0, 0);
  for (const Leaf& leaf : reading.leaves)
    ++groups_.emplace(leaf.path.substr(0, leaf.group_size), std::size_t{0}).first->second;
  if (groups_.empty()) fail(path(), "holds no tensors");
  const bool is_module =
      root.kind == PickleValue::Kind::object && root.callee->text.starts_with("__torch__.");
  choose_group(reading, is_module);

  const bool everything = group_ == ".";
  const std::string prefix = everything || group_.empty() ? "" : join(group_, ".");
  std::size_t added = 0;
  for (const Leaf& leaf : reading.leaves) {
    if (!leaf.path.starts_with(prefix)) continue;
    if (group_.empty() && leaf.group_size != 0) continue;
    add_tensor(reading, leaf, leaf.path.substr(prefix.size()));
    ++added;
  }
  if (added == 0) {
    std::string names;
    for (const auto& entry : groups_) names += join(" ", detail::in_quotes(entry.first));
    fail(path(), "no tensors in the group ", detail::in_quotes(group_), ", there are", names);
  }
}

inline void TorchFile::visit(Reading& reading, const PickleValue& value, const std::string& parent,
                             std::size_t group_size, std::uint64_t depth) {
  if (depth > reading.limits.max_depth)
    fail(path(), "nested deeper than the limit of ", reading.limits.max_depth);
  // Values may be shared: without this count a small file could describe an endless tree.
  if (++reading.visited > reading.limits.max_pickle_values)
    fail(path(), "more than ", reading.limits.max_pickle_values, " values");
  const auto go_into = [&](const std::string& key, const PickleValue& child) {
    reading.budget.take(parent.size() + key.size() + 1, path());
    const std::string child_path = parent.empty() ? key : join(parent, ".", key);
    if (const PickleValue* const call = detail::torch_tensor_call(child)) {
      if (reading.leaves.size() >= reading.limits.max_tensors)
        fail(path(), "more tensors than the limit of ", reading.limits.max_tensors);
      reading.leaves.push_back({child_path, group_size, call});
    } else if (const auto text = detail::scalar_text(child)) {
      if (metadata().size() < 10'000) set_metadata(child_path, *text);
    } else {
      visit(reading, child, child_path, depth == 0 ? child_path.size() : group_size, depth + 1);
    }
  };
  if (const auto* const items = detail::torch_mapping(value)) {
    for (std::size_t i = 0; i + 1 < items->size(); i += 2) {
      const auto key = detail::scalar_text(*(*items)[i]);
      if (key) go_into(*key, *(*items)[i + 1]);
    }
  } else if (value.kind == PickleValue::Kind::list || value.kind == PickleValue::Kind::tuple) {
    for (std::size_t i = 0; i < value.items.size(); ++i)
      go_into(std::to_string(i), *value.items[i]);
  }
}

inline void TorchFile::choose_group(Reading& reading, bool root_is_module) {
  group_ = reading.options.group;
  if (!group_.empty()) return;
  if (root_is_module) {
    group_ = ".";
    return;
  }
  for (const char* usual : {"state_dict", "model", "teacher", "model_ema", "module", "student",
                            "network", "net", "params", "encoder"})
    if (groups_.contains(std::string_view(usual))) {
      group_ = usual;
      return;
    }
  if (groups_.contains(std::string_view())) return;
  if (groups_.size() == 1) {
    group_ = groups_.begin()->first;
    return;
  }
  std::string names;
  for (const auto& [name, count] : groups_)
    names += join((names.empty() ? "" : ", "), detail::in_quotes(name), " (", count, " tensors)");
  fail(path(), "holds several groups of tensors, choose one: ", names);
}

/// The bytes of one storage, checked against the size the pickle gives; every storage once.
inline std::span<const std::byte> TorchFile::storage(Reading& reading,
                                                     const detail::TorchStorage& described,
                                                     const std::string& where) {
  const auto expected = described.count * size_of(*described.dtype);
  if (described.count > reading.limits.max_tensor_bytes)
    fail(where, "its storage has ", described.count, " elements, the limit is ",
         reading.limits.max_tensor_bytes, " bytes");
  Storage* const stored = reading.find(described.key);
  if (stored == nullptr || (!stored->data && stored->entry == nullptr))
    fail(where, "its storage ", detail::in_quotes(described.key), " is not in the file");
  std::optional<std::span<const std::byte>>& data = stored->data;
  if (!data) {
    const ZipEntry& entry = *stored->entry;
    data = entry.data;
    if (entry.deflated) {
      data = keep(reading.archive->inflated(entry, reading.budget));
    } else if (reading.limits.check_crc) {
      reading.archive->check_stored(entry);
      reading.file->release(*data);
    }
  }
  if (data->size() != expected)
    fail(where, "its storage ", detail::in_quotes(described.key), " has ", data->size(),
         " bytes, expected ", expected);
  return *data;
}

inline void TorchFile::add_tensor(Reading& reading, const Leaf& leaf, std::string name) {
  const std::string where = join(path(), ": ", detail::in_quotes(name));
  const detail::TorchTensor tensor = detail::read_torch_tensor(*leaf.call, where);
  if (!tensor.dtype || !tensor.storage.dtype) {
    add_unreadable(std::move(name),
                   join("is in a ", tensor.storage.type, ", which is not supported"),
                   reading.limits);
    return;
  }
  const auto bytes = storage(reading, tensor.storage, where);
  const std::size_t element = size_of(*tensor.dtype);
  const auto room = static_cast<Index>(bytes.size() / element);
  const auto count = tensor.shape.checked_count();
  if (!count) fail(where, "has shape ", tensor.shape.to_string(), ", whose size overflows");

  // The last element that is touched: offset + sum of (extent - 1) * stride, without overflow.
  Index last = tensor.offset;
  bool contiguous = true;
  Index packed_stride = 1;
  bool fits = *count == 0 ? last <= room : last < room;
  for (std::size_t d = tensor.shape.rank(); d-- > 0 && *count != 0;) {
    const Index steps = tensor.shape[d] - 1;
    const Index stride = tensor.strides[d];
    if (steps > 0 && stride != packed_stride) contiguous = false;
    packed_stride *= tensor.shape[d];
    if (steps == 0 || stride == 0) continue;
    fits = fits && stride < room && steps <= (room - 1 - last) / stride;
    if (!fits) break;
    last += steps * stride;
  }
  if (!fits)
    fail(where, "shape ", tensor.shape.to_string(), " at element ", tensor.offset,
         " reaches beyond its storage of ", room, " elements");

  const auto begin = static_cast<std::size_t>(tensor.offset) * element;
  if (contiguous) {
    const auto size = static_cast<std::size_t>(*count) * element;
    add(std::move(name), {*tensor.dtype, tensor.shape, bytes.subspan(begin, size)}, reading.limits);
    return;
  }
  if (*count > std::numeric_limits<Index>::max() / 8) fail(where, "is too large to be gathered");
  const auto size = static_cast<std::size_t>(*count) * element;
  reading.budget.take(size, where);
  const auto target = keep(AlignedBytes(size));
  detail::gather(bytes.data() + begin, tensor.shape, tensor.strides, element, target.data());
  add(std::move(name), {*tensor.dtype, tensor.shape, target}, reading.limits);
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_TORCH_FILE_HPP
