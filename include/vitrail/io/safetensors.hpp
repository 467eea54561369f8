// safetensors, the format the field publishes: read as checked views into the mapped file, and
// written.
//
//   | 8 bytes: header length N | N bytes of JSON | tensor data ... |
//
//   {"__metadata__": {"format": "pt"},
//    "head.weight": {"dtype": "F32", "shape": [1000, 768], "data_offsets": [begin, end]}, ...}
//
// Everything is little-endian and row-major; offsets count from the first byte behind the header.
// Everything is checked before a view is handed out: length, JSON, duplicate keys, type, product
// of the shape, range, overlap.
#ifndef VITRAIL_IO_SAFETENSORS_HPP
#define VITRAIL_IO_SAFETENSORS_HPP

#include <cstdlib>
#include <vitrail/io/json.hpp>
#include <vitrail/io/little_endian.hpp>
#include <vitrail/io/named_tensors.hpp>
#include <vitrail/io/write_file.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// Gaps between tensors and bytes behind the last one.
enum class Holes {
  reject,  ///< the rule of the reference implementation: a file has no bytes that mean nothing
  allow
};

class Safetensors : public NamedTensors {
 public:
  /// Opens and checks `path`. Throws Error that names the file, the tensor and the two values that
  /// disagree. A tensor of a type we do not compute with (F8_E4M3, F4, ...) is listed in
  /// unreadable() and is an Error only when asked for: the rest of such a file is still useful.
  explicit Safetensors(const std::string& path, const Limits& limits = {},
                       Holes holes = Holes::reject)
      : Safetensors(MappedFile::open(path, ReadMode::map, limits), limits, holes) {}
  /// Bytes already in memory, which the caller keeps alive; `name` stands for the path.
  Safetensors(std::span<const std::byte> bytes, std::string name, const Limits& limits = {},
              Holes holes = Holes::reject)
      : Safetensors(std::make_shared<const MappedFile>(bytes, std::move(name)), limits, holes) {}
  /// A file already open, for example with ReadMode::copy.
  explicit Safetensors(std::shared_ptr<const MappedFile> file, const Limits& limits = {},
                       Holes holes = Holes::reject);

  /// Safetensors' name of a type: "F32", "BF16", "BOOL".
  [[nodiscard]] static std::string_view type_name(DType dtype);

 private:
  struct Range {
    std::uint64_t begin;
    std::uint64_t end;
    const std::string* name;
  };

  Range add_entry(const std::string& name, const Json& entry, std::span<const std::byte> data,
                  const Limits& limits);
  void check_layout(std::vector<Range>& ranges, std::uint64_t data_size, Holes holes) const;
};

/// One tensor to write: `view` must stay valid during the call.
struct NamedTensor {
  std::string name;
  AnyView view;
};

/// Writes `tensors` to `path`: the widest types first, then by name, as the reference does, so that
/// equal contents give equal files and every tensor is aligned for its type. The file appears at
/// once or not at all: it is written beside `path` and renamed. Throws Error for a missing
/// permission, a full disk, two tensors of one name; nothing half written is left behind.
void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                       const NamedTensors::Strings& metadata = {});

namespace detail {

inline constexpr std::string_view safetensors_types[] = {"F64", "F32", "F16", "BF16", "I64",
                                                         "I32", "I16", "I8",  "U64",  "U32",
                                                         "U16", "U8",  "BOOL"};  // as in DType

[[nodiscard]] inline std::optional<DType> safetensors_dtype(std::string_view name) {
  for (std::size_t i = 0; i < std::size(safetensors_types); ++i)
    if (safetensors_types[i] == name) return static_cast<DType>(i);
  return std::nullopt;
}

/// Types of the format that we recognise, but do not read.
[[nodiscard]] inline bool is_foreign_safetensors_type(std::string_view name) {
  for (const std::string_view known : {"F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ",
                                       "F8_E5M2FNUZ", "F6_E2M3", "F6_E3M2", "F4", "C64"})
    if (known == name) return true;
  return false;
}

/// The JSON text between the length and the data.
[[nodiscard]] inline std::string_view safetensors_header(const MappedFile& file,
                                                         const Limits& limits) {
  const auto bytes = file.bytes();
  if (bytes.size() < 8)
    fail(file.path(), "is ", bytes.size(),
         " bytes, a safetensors file begins with 8 bytes of header length");
  const auto length = load_little<std::uint64_t>(bytes.data());
  if (length > limits.max_header_bytes)
    fail(file.path(), "header length is ", length, " bytes, the limit is ",
         limits.max_header_bytes);
  if (length > bytes.size() - 8)
    fail(file.path(), "header length is ", length, " bytes, the file has ", bytes.size() - 8,
         " behind it (truncated?)");
  const auto text = as_text(bytes.subspan(8, static_cast<std::size_t>(length)));
  if (text.empty() || text.front() != '{')
    fail(file.path(), "not a safetensors file: its header does not begin with '{'");
  return text;
}

}  // namespace detail

inline std::string_view Safetensors::type_name(DType dtype) {
  return detail::safetensors_types[static_cast<std::size_t>(dtype)];
}

inline Safetensors::Safetensors(std::shared_ptr<const MappedFile> file, const Limits& limits,
                                Holes holes)
    : NamedTensors(file->path()) {
  const std::string_view text = detail::safetensors_header(*file, limits);
  const auto data = file->bytes().subspan(8 + text.size());
  keep(std::move(file));
  const Json header = parse_json(text, join(path(), ": header"), limits);

  std::vector<Range> ranges;
  ranges.reserve(header.members().size());
  for (const auto& [name, entry] : header.members()) {
    if (name == "__metadata__") {
      if (!entry.is_object())
        fail(path(), "__metadata__ is ", detail::describe(entry), ", expected an object");
      for (const auto& [key, value] : entry.members())
        set_metadata(key, json_as<std::string>(value, key, join(path(), ": __metadata__")));
    } else {
      ranges.push_back(add_entry(name, entry, data, limits));
    }
  }
  check_layout(ranges, data.size(), holes);
}

/// Checks one entry of the header and adds its view; the range it occupies is returned.
inline Safetensors::Range Safetensors::add_entry(const std::string& name, const Json& entry,
                                                 std::span<const std::byte> data,
                                                 const Limits& limits) {
  const std::string where = join(path(), ": ", detail::in_quotes(name));
  if (!entry.is_object()) fail(where, "is ", detail::describe(entry), ", expected an object");
  for (const auto& [key, value] : entry.members())
    if (key != "dtype" && key != "shape" && key != "data_offsets")
      fail(where, "unknown key ", detail::in_quotes(key),
           ", expected dtype, shape and data_offsets");
  const auto type = json_get<std::string>(entry, "dtype", where);
  const auto extents = json_get<std::vector<std::uint64_t>>(entry, "shape", where);
  const auto offsets = json_get<std::vector<std::uint64_t>>(entry, "data_offsets", where);

  if (offsets.size() != 2) fail(where, "data_offsets has ", offsets.size(), " numbers, expected 2");
  const std::uint64_t begin = offsets[0];
  const std::uint64_t end = offsets[1];
  const auto range = join("[", begin, ", ", end, ")");
  if (begin > end) fail(where, "data_offsets ", range, " end before they begin");
  if (end > data.size())
    fail(where, "data_offsets ", range, " reach beyond the ", data.size(),
         " bytes of data (truncated?)");

  Shape shape;
  if (extents.size() > Shape::max_rank)
    fail(where, "has ", extents.size(), " dimensions, at most ", Shape::max_rank, " are read");
  for (const std::uint64_t extent : extents) {
    if (!std::in_range<Index>(extent)) fail(where, "extent ", extent, " overflows");
    shape.push_back(static_cast<Index>(extent));
  }

  if (const auto dtype = detail::safetensors_dtype(type)) {
    const auto bytes =
        data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    add(name, {*dtype, shape, bytes}, limits);
  } else if (detail::is_foreign_safetensors_type(type)) {
    add_unreadable(name, join("is ", type, ", a type that is not supported"), limits);
  } else {
    fail(where, "has the unknown dtype ", detail::in_quotes(type));
  }
  return {begin, end, &name};
}

/// No two tensors share a byte and, unless holes are allowed, every byte belongs to one.
inline void Safetensors::check_layout(std::vector<Range>& ranges, std::uint64_t data_size,
                                      Holes holes) const {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t reached = 0;
  const std::string* previous = nullptr;
  for (const Range& range : ranges) {
    if (range.begin < reached)
      fail(path(), detail::in_quotes(*range.name), " begins at byte ", range.begin, ", inside ",
           detail::in_quotes(*previous), " that ends at ", reached);
    if (range.begin > reached && holes == Holes::reject)
      fail(path(), "bytes [", reached, ", ", range.begin, ") before ",
           detail::in_quotes(*range.name), " belong to no tensor");
    reached = range.end;
    previous = range.name;
  }
  if (reached != data_size && holes == Holes::reject)
    fail(path(), "the tensors end at byte ", reached, " of the data, the file at ", data_size);
}

inline void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                              const NamedTensors::Strings& metadata) {
  std::vector<const NamedTensor*> order;
  order.reserve(tensors.size());
  for (const NamedTensor& tensor : tensors) order.push_back(&tensor);
  const auto by_size_and_name = [](const void* left, const void* right) {
    const NamedTensor& a = **static_cast<const NamedTensor* const*>(left);
    const NamedTensor& b = **static_cast<const NamedTensor* const*>(right);
    const std::size_t a_size = size_of(a.view.dtype);
    const std::size_t b_size = size_of(b.view.dtype);
    return a_size != b_size ? (a_size > b_size ? -1 : 1) : a.name.compare(b.name);
  };
  if (!order.empty()) std::qsort(order.data(), order.size(), sizeof(void*), by_size_and_name);

  NamedTensors::Strings seen;
  std::string header = "{";
  const auto begin_entry = [&](std::string_view name) {
    if (!seen.emplace(std::string(name), std::string()).second)
      fail(path, detail::in_quotes(name), " is there twice");
    if (header.size() > 1) header += ",";
    header += join(detail::json_string(name, path), ":{");
  };
  if (!metadata.empty()) {
    begin_entry("__metadata__");
    for (const auto& [key, value] : metadata)
      header += join((header.back() == '{' ? "" : ","), detail::json_string(key, path), ":",
                     detail::json_string(value, path));
    header += "}";
  }
  std::uint64_t offset = 0;
  for (const NamedTensor* tensor : order) {
    const AnyView& view = tensor->view;
    if (static_cast<std::size_t>(view.shape.count()) * size_of(view.dtype) != view.bytes.size())
      fail(path, detail::in_quotes(tensor->name), " is ", view.shape.to_string(), ", but has ",
           view.bytes.size(), " bytes");
    begin_entry(tensor->name);
    header += join("\"dtype\":\"", Safetensors::type_name(view.dtype), "\",\"shape\":[");
    for (std::size_t d = 0; d < view.shape.rank(); ++d)
      header += join((d == 0 ? "" : ","), view.shape[d]);
    header += join("],\"data_offsets\":[", offset, ",");
    offset += view.bytes.size();
    header += join(offset, "]}");
  }
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' ');

  NewFile file(path);
  std::byte length[8];
  detail::store_little(static_cast<std::uint64_t>(header.size()), length);
  file.write(length);
  file.write(std::as_bytes(std::span(header)));
  for (const NamedTensor* tensor : order) file.write(tensor->view.bytes);
  file.commit();
}

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_SAFETENSORS_HPP
