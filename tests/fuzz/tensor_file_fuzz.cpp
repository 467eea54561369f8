// Every reader of io/ through the door users come in by: bytes in, tensors or one Error out.
//
// safetensors, npz, npy and zip, PyTorch's files and their pickles: the bytes tell which.
#include <vitrail/io/tensor_file.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitrail;
  if (size == 0) return 0;
  Limits limits;
  limits.check_crc = false;  // a fuzzer does not guess checksums
  limits.max_allocated_bytes = 64 << 20;
  try {
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto file = std::make_shared<const MappedFile>(bytes, "fuzz");
    const TensorFile tensors = detail::open_single_file(file, limits, {});
    for (const auto& [name, view] : tensors) {
      std::vector<double> values(static_cast<std::size_t>(view.shape.count()));
      view.convert_to(std::span(values));
    }
  } catch (const Error&) {
  }
  return 0;
}
