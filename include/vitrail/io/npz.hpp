// NumPy's files: .npy (one array) and .npz (a zip archive of them), as google-research ships its
// checkpoints.
//
//   | \x93NUMPY | major, minor | header length | {'descr': '<f4', 'fortran_order': False,
//                                                 'shape': (768, 3), } | data |
//
// Names are those of the archive without ".npy": "Transformer/encoderblock_0/LayerNorm_0/scale".
// Arrays that are stored, in C order, are viewed in the mapped file; others are inflated and, if in
// Fortran order, transposed into C order. '|V2', which is how NumPy saves what it has no type for,
// is read as bf16.
#ifndef VITRAIL_IO_NPZ_HPP
#define VITRAIL_IO_NPZ_HPP

#include <vitrail/io/named_tensors.hpp>
#include <vitrail/io/npy_header.hpp>
#include <vitrail/io/zip.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

namespace detail {

/// Copies elements of `size` bytes from any strides (counted in elements) into C order.
inline void gather(const std::byte* source, const Shape& shape, std::span<const Index> strides,
                   std::size_t size, std::byte* target) {
  if (shape.count() == 0) return;
  const std::size_t rank = shape.rank();
  const Index columns = rank == 0 ? 1 : shape[rank - 1];
  const Index column_stride = rank == 0 ? 1 : strides[rank - 1];
  std::array<Index, Shape::max_rank> at{};
  for (;;) {
    const std::byte* row = source;
    for (std::size_t d = 0; d + 1 < rank; ++d) row += at[d] * strides[d] * static_cast<Index>(size);
    for (Index c = 0; c < columns; ++c, target += size)
      std::memcpy(target, row + c * column_stride * static_cast<Index>(size), size);
    std::size_t d = rank < 2 ? 0 : rank - 1;
    while (d > 0 && ++at[d - 1] == shape[d - 1]) at[--d] = 0;
    if (d == 0) return;
  }
}

}  // namespace detail

class Npz : public NamedTensors {
 public:
  /// Opens an .npz, or an .npy, whose one array is called "array". Throws Error that names the
  /// file and the array. In an archive, entries that are no arrays of numbers (strings, Python
  /// objects, big-endian numbers) are listed in unreadable() and are an Error only when asked for.
  explicit Npz(const std::string& path, const Limits& limits = {})
      : Npz(MappedFile::open(path, ReadMode::map, limits), limits) {}
  /// Bytes already in memory, which the caller keeps alive; `name` stands for the path.
  Npz(std::span<const std::byte> bytes, std::string name, const Limits& limits = {})
      : Npz(std::make_shared<const MappedFile>(bytes, std::move(name)), limits) {}
  explicit Npz(const std::shared_ptr<const MappedFile>& file, const Limits& limits = {});

 private:
  void add_entry(const MappedFile& file, const ZipArchive& archive, const ZipEntry& entry,
                 AllocationBudget& budget, const Limits& limits);
  void add_array(std::string name, const NpyHeader& header, std::span<const std::byte> data,
                 AllocationBudget& budget, const Limits& limits);
};

inline Npz::Npz(const std::shared_ptr<const MappedFile>& file, const Limits& limits)
    : NamedTensors(file->path()) {
  keep(file);
  AllocationBudget budget(limits, file->bytes().size());
  if (NpyHeader::begins(file->bytes())) {
    const NpyHeader header = NpyHeader::parse(file->bytes(), path(), limits);
    if (!header.dtype) fail(path(), header.unreadable_reason());
    add_array("array", header, file->bytes().subspan(header.size), budget, limits);
    return;
  }
  const ZipArchive archive(file->bytes(), path(), limits);
  for (const ZipEntry& entry : archive.entries()) add_entry(*file, archive, entry, budget, limits);
}

inline void Npz::add_entry(const MappedFile& file, const ZipArchive& archive, const ZipEntry& entry,
                           AllocationBudget& budget, const Limits& limits) {
  std::string name = entry.name;
  if (!name.ends_with(".npy")) {
    add_unreadable(std::move(name), "is no .npy array", limits);
    return;
  }
  name.resize(name.size() - 4);
  std::span<const std::byte> content = entry.data;
  if (entry.deflated) {
    content = keep(archive.inflated(entry, budget));
  } else if (limits.check_crc) {
    archive.check_stored(entry);
    file.release(entry.data);
  }
  const std::string where = join(path(), ": ", detail::in_quotes(name));
  const NpyHeader header = NpyHeader::parse(content, where, limits);
  if (header.dtype)
    add_array(std::move(name), header, content.subspan(header.size), budget, limits);
  else
    add_unreadable(std::move(name), header.unreadable_reason(), limits);
}

inline void Npz::add_array(std::string name, const NpyHeader& header,
                           std::span<const std::byte> data, AllocationBudget& budget,
                           const Limits& limits) {
  const AnyView in_file{*header.dtype, header.shape, data};
  if (!header.fortran_order || header.shape.rank() < 2) {
    add(std::move(name), in_file, limits);
    return;
  }
  // In Fortran order the first dimension is the contiguous one.
  const std::string where = join(path(), ": ", detail::in_quotes(name));
  check_bytes(where, in_file);
  std::array<Index, Shape::max_rank> strides{};
  Index stride = 1;
  for (std::size_t d = 0; d < header.shape.rank(); ++d) {
    strides[d] = stride;
    stride *= header.shape[d];
  }
  budget.take(data.size(), where);
  const auto target = keep(AlignedBytes(data.size()));
  detail::gather(data.data(), header.shape, strides, size_of(*header.dtype), target.data());
  add(std::move(name), {*header.dtype, header.shape, target}, limits);
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_NPZ_HPP
