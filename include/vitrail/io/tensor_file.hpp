// Any file of named tensors, recognised by its content and not by its name: what checkpoints are
// read through.
#ifndef VITRAIL_IO_TENSOR_FILE_HPP
#define VITRAIL_IO_TENSOR_FILE_HPP

#include <vitrail/io/npz.hpp>
#include <vitrail/io/sharded_tensors.hpp>
#include <vitrail/io/torch_file.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

enum class FileFormat { safetensors, index, npz, npy, torch };

/// "safetensors", "PyTorch", ...: for messages.
[[nodiscard]] constexpr std::string_view name_of(FileFormat format) {
  constexpr std::string_view names[] = {"safetensors", "index of shards", "npz", "npy", "PyTorch"};
  return names[static_cast<std::size_t>(format)];
}

/// The tensors of a file, whatever the format they came in: see NamedTensors for the interface.
class TensorFile : public NamedTensors {
 public:
  TensorFile(NamedTensors tensors, FileFormat format)
      : NamedTensors(std::move(tensors)), format_(format) {}

  [[nodiscard]] FileFormat format() const { return format_; }

 private:
  FileFormat format_;
};

/// Opens safetensors, npz, npy and PyTorch files, and the index of a model in several files
/// (model.safetensors.index.json, pytorch_model.bin.index.json). `torch` matters to PyTorch files
/// only. Throws Error when the format is not recognised or the file malformed.
[[nodiscard]] inline TensorFile open_tensor_file(const std::string& path, const Limits& limits = {},
                                                 const TorchOptions& torch = {});

namespace detail {

/// A JSON text, where a safetensors file has the zeros of its header length.
[[nodiscard]] inline bool looks_like_index(std::string_view text) {
  return text.starts_with('{') && text.substr(0, 8).find('\0') == std::string_view::npos &&
         text.find("\"weight_map\"") != std::string_view::npos;
}

[[nodiscard]] inline bool has_data_pkl(const ZipArchive& archive) {
  for (const ZipEntry& entry : archive.entries())
    if (entry.name == "data.pkl" || entry.name.ends_with("/data.pkl")) return true;
  return false;
}

/// Everything but an index.
[[nodiscard]] inline TensorFile open_single_file(std::shared_ptr<const MappedFile> file,
                                                 const Limits& limits, const TorchOptions& torch) {
  const std::string& path = file->path();
  const std::string_view text = as_text(file->bytes());
  if (text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06")) {
    if (has_data_pkl(ZipArchive(file->bytes(), path, limits)))
      return {TorchFile(std::move(file), limits, torch), FileFormat::torch};
    return {Npz(file, limits), FileFormat::npz};
  }
  if (NpyHeader::begins(file->bytes())) return {Npz(file, limits), FileFormat::npy};
  if (TorchFile::begins_like_legacy(file->bytes()))
    return {TorchFile(std::move(file), limits, torch), FileFormat::torch};
  if (text.size() > 8 && text[8] == '{')
    return {Safetensors(std::move(file), limits), FileFormat::safetensors};
  if (text.starts_with('\x80')) fail(path, "is a Python pickle, but not one that torch.save wrote");
  if (text.starts_with("version https://git-lfs"))
    fail(path, "is a Git LFS pointer: the file itself was not downloaded");
  fail(path, "is of no known format, expected safetensors, npz, npy or a PyTorch file");
}

}  // namespace detail

inline TensorFile open_tensor_file(const std::string& path, const Limits& limits,
                                   const TorchOptions& torch) {
  auto file = MappedFile::open(path, ReadMode::map, limits);
  if (!detail::looks_like_index(detail::as_text(file->bytes())))
    return detail::open_single_file(std::move(file), limits, torch);
  const auto open_shard = [&](const std::string& shard) {
    return detail::open_single_file(MappedFile::open(shard, ReadMode::map, limits), limits, torch);
  };
  return {ShardedTensors(path, limits, open_shard), FileFormat::index};
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_TENSOR_FILE_HPP
