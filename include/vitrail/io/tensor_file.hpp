// Any file of named tensors, recognised by its content and not by its name.
#ifndef VITRAIL_IO_TENSOR_FILE_HPP
#define VITRAIL_IO_TENSOR_FILE_HPP

#include <vitrail/io/safetensors_index.hpp>

VITRAIL_BEGIN_NAMESPACE

enum class FileFormat { safetensors, safetensors_index, npz, npy, torch };

/// What open_tensor_file() gives: the tensors, whatever the format they came in.
class TensorFile : public NamedTensors {
 public:
  TensorFile(NamedTensors tensors, FileFormat format)
      : NamedTensors(std::move(tensors)), format_(format) {}

  [[nodiscard]] FileFormat format() const { return format_; }

 private:
  FileFormat format_;
};

/// Opens `path`. Throws Error when the format is not recognised or the file is malformed.
[[nodiscard]] inline TensorFile open_tensor_file(const std::string& path,
                                                 const Limits& limits = {}) {
  auto file = MappedFile::open(path, ReadMode::map, limits);
  const auto bytes = file->bytes();
  if (bytes.size() > 8 && bytes[8] == std::byte{'{'})
    return {Safetensors(std::move(file), limits), FileFormat::safetensors};
  if (bytes[0] == std::byte{'{'})
    return {ShardedSafetensors(path, limits), FileFormat::safetensors_index};
  fail(path, "is no file of tensors that is known here");
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_IO_TENSOR_FILE_HPP
