// The index of a model in several files: JSON in, the two shards' tensors or one Error out.
#include <sys/mman.h>
#include <unistd.h>

#include <vitrail/io/tensor_file.hpp>

namespace {

using namespace vitrail;

/// A safetensors file with one f32 for each name.
std::string shard_of(const std::vector<std::string>& names) {
  std::string header = "{";
  for (std::size_t i = 0; i < names.size(); ++i)
    header += (i == 0 ? "\"" : ",\"") + names[i] +
              R"(":{"dtype":"F32","shape":[1],"data_offsets":[)" + std::to_string(4 * i) + "," +
              std::to_string(4 * i + 4) + "]}";
  header += "}";
  std::string file(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<char>((header.size() >> (8 * i)) & 255);
  return file + header + std::string(4 * names.size(), '\0');
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int descriptor = ::memfd_create("index", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  static const std::string first = shard_of({"a", "b"});
  static const std::string second = shard_of({"c"});
  if (size == 0 || ::ftruncate(descriptor, 0) != 0) return 0;
  if (::pwrite(descriptor, data, size, 0) != static_cast<::ssize_t>(size)) return 0;
  const auto open_shard = [](const std::string& shard) -> NamedTensors {
    const std::string& bytes = shard.ends_with("/1") ? first : second;
    if (!shard.ends_with("/1") && !shard.ends_with("/2")) fail(shard, "does not exist");
    const auto view = std::as_bytes(std::span(bytes.data(), bytes.size()));
    return detail::open_single_file(std::make_shared<const MappedFile>(view, shard), {}, {});
  };
  try {
    const ShardedTensors tensors(path, {}, open_shard);
    for (const auto& [name, view] : tensors) (void)view.to<float, 1>();
  } catch (const Error&) {
  }
  return 0;
}
