// Tensors by name, as every reader of io/ hands them out: views into a file that they keep mapped.
//
//   for (const auto& [name, view] : file) ...     in the order of the names
//   const AnyView& qkv = file.at("blocks.0.attn.qkv.weight");
//
// A view has any alignment: read it with AnyView::convert_to() or to<T>(); as<T>() works in place
// and throws where the file happens to be unaligned for T. Immutable once filled: any number of
// threads may read it. Copies share the mapping, which lives as long as the last of them.
#ifndef VITRAIL_IO_NAMED_TENSORS_HPP
#define VITRAIL_IO_NAMED_TENSORS_HPP

#include <map>
#include <memory>
#include <vitrail/io/mapped_file.hpp>
#include <vitrail/io/text.hpp>
#include <vitrail/tensor/any_tensor.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

class NamedTensors {
 public:
  VITRAIL_NOINLINE NamedTensors(const NamedTensors&) = default;
  VITRAIL_NOINLINE NamedTensors(NamedTensors&&) = default;
  VITRAIL_NOINLINE NamedTensors& operator=(const NamedTensors&) = default;
  VITRAIL_NOINLINE NamedTensors& operator=(NamedTensors&&) = default;
  VITRAIL_NOINLINE ~NamedTensors() = default;

  using Table = std::map<std::string, AnyView, NameLess>;
  using Strings = std::map<std::string, std::string, NameLess>;

  /// The path of the file, of the index for a sharded one, as it was given.
  [[nodiscard]] const std::string& path() const { return path_; }
  /// What the file says about itself: safetensors' __metadata__, the scalars of a PyTorch file.
  [[nodiscard]] const Strings& metadata() const { return metadata_; }
  /// Tensors that are there but cannot be read, with the reason ("is F8_E4M3, ..."). They are not
  /// iterated over, and asking for one throws.
  [[nodiscard]] const Strings& unreadable() const { return unreadable_; }

  [[nodiscard]] std::size_t size() const { return table_.size(); }
  /// Of all tensors.
  [[nodiscard]] std::size_t byte_count() const {
    std::size_t total = 0;
    for (const auto& [name, view] : table_) total += view.bytes.size();
    return total;
  }
  [[nodiscard]] bool empty() const { return table_.empty(); }
  [[nodiscard]] Table::const_iterator begin() const { return table_.begin(); }
  [[nodiscard]] Table::const_iterator end() const { return table_.end(); }

  /// All names, sorted.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> result;
    result.reserve(table_.size());
    for (const auto& entry : table_) result.push_back(entry.first);
    return result;
  }

  /// The tensor, or null when there is none of that name; valid as long as this object. Throws
  /// Error when it is there but its type is not supported.
  [[nodiscard]] VITRAIL_NOINLINE const AnyView* find(std::string_view name) const {
    const auto found = table_.find(name);
    if (found != table_.end()) return &found->second;
    const auto broken = unreadable_.find(name);
    if (broken != unreadable_.end()) fail(path_, detail::in_quotes(name), " ", broken->second);
    return nullptr;
  }
  [[nodiscard]] VITRAIL_NOINLINE bool contains(std::string_view name) const {
    return table_.find(name) != table_.end();
  }

  /// The same for the name `prefix` + `rest`.
  [[nodiscard]] VITRAIL_NOINLINE bool contains(std::string_view prefix,
                                               std::string_view rest) const {
    return contains(join(prefix, rest));
  }

  /// The tensor. Throws Error that names the file and the nearest name when there is none.
  [[nodiscard]] VITRAIL_NOINLINE const AnyView& at(std::string_view name) const {
    const AnyView* const view = find(name);
    if (view == nullptr) fail(path_, "no tensor ", detail::in_quotes(name), nearest(name));
    return *view;
  }

  /// Drops the resident pages of a tensor that will not be needed soon. A hint, thread safe; the
  /// view stays valid and is read from the file again when touched.
  void release(const AnyView& view) const {
    for (const auto& file : files_)
      if (file->contains(view.bytes)) file->release(view.bytes);
  }
  /// The same for all of them.
  void release_all() const {
    for (const auto& file : files_) file->release(file->bytes());
  }
  /// Starts reading a tensor ahead of its use. A hint, thread safe.
  void prefetch(const AnyView& view) const {
    for (const auto& file : files_)
      if (file->contains(view.bytes)) file->prefetch(view.bytes);
  }
  /// Throws Error when a mapped file has changed its size since it was opened (mapped_file.hpp).
  void check_size() const {
    for (const auto& file : files_) file->check_size();
  }
  /// The same for the file that holds `view`.
  void check_size(const AnyView& view) const {
    for (const auto& file : files_)
      if (file->contains(view.bytes)) file->check_size();
  }

 protected:
  explicit NamedTensors(std::string path) : path_(std::move(path)) {}

  /// Adds one checked tensor. Throws Error for a second of the same name, for bytes that do not
  /// agree with the shape, for a bool that is neither 0 nor 1, and beyond the limits.
  VITRAIL_NOINLINE void add(std::string name, const AnyView& view, const Limits& limits) {
    const std::string where = join(path_, ": ", detail::in_quotes(name));
    check_bytes(where, view);
    if (view.bytes.size() > limits.max_tensor_bytes)
      fail(where, "is ", view.bytes.size(), " bytes, the limit is ", limits.max_tensor_bytes);
    check_room(limits);
    if (unreadable_.contains(std::string_view(name)) ||
        !table_.emplace(std::move(name), view).second)
      fail(where, "is there twice");
  }
  /// Adds a tensor that is well formed but of a type we do not read.
  VITRAIL_NOINLINE void add_unreadable(std::string name, std::string reason, const Limits& limits) {
    check_room(limits);
    const std::string where = join(path_, ": ", detail::in_quotes(name));
    if (table_.contains(std::string_view(name)) ||
        !unreadable_.emplace(std::move(name), std::move(reason)).second)
      fail(where, "is there twice");
  }
  VITRAIL_NOINLINE void set_metadata(std::string key, std::string value) {
    const auto place = metadata_.emplace(std::move(key), std::string()).first;
    place->second = std::move(value);
  }
  /// Keeps a file mapped.
  void keep(std::shared_ptr<const MappedFile> file) { files_.push_back(std::move(file)); }
  /// Keeps memory that views point into: an inflated, transposed or gathered array.
  VITRAIL_NOINLINE std::span<std::byte> keep(AlignedBytes memory) {
    const std::span<std::byte> bytes(memory.data(), memory.size());
    keep(std::make_shared<const MappedFile>(std::move(memory), path_));
    return bytes;
  }

  VITRAIL_NOINLINE void keep_all_of(const NamedTensors& other) {
    for (const auto& file : other.files_) files_.push_back(file);
  }

  /// Throws Error "where: ..." unless bytes and shape agree and every bool is 0 or 1.
  static void check_bytes(const std::string& where, const AnyView& view) {
    // Zeros do not excuse the other extents: strides are products of some of them.
    Shape without_zeros;
    for (const Index extent : view.shape) without_zeros.push_back(std::max<Index>(extent, 1));
    const auto largest = without_zeros.checked_count();
    const auto element = static_cast<Index>(size_of(view.dtype));
    if (!largest || *largest > std::numeric_limits<Index>::max() / element)
      fail(where, "has shape ", view.shape.to_string(), ", whose size overflows");
    const auto expected = static_cast<std::uint64_t>(view.shape.count() * element);
    if (view.bytes.size() != expected)
      fail(where, "has ", view.bytes.size(), " bytes, ", name_of(view.dtype), " ",
           view.shape.to_string(), " needs ", expected);
    if (view.dtype == DType::boolean)
      for (const std::byte value : view.bytes)
        if (std::to_integer<unsigned>(value) > 1)
          fail(where, "holds the bool ", std::to_integer<unsigned>(value), ", expected 0 or 1");
  }

 private:
  void check_room(const Limits& limits) const {
    if (table_.size() + unreadable_.size() >= limits.max_tensors)
      fail(path_, "more tensors than the limit of ", limits.max_tensors);
  }

  [[nodiscard]] std::string nearest(std::string_view name) const {
    if (table_.empty()) return "; the file holds no tensors";
    std::size_t least = std::max<std::size_t>(name.size() / 2, 3);
    std::string_view best;
    std::size_t tried = 0;
    for (const auto& entry : table_) {
      if (++tried > 20000) break;
      const std::size_t distance = detail::edit_distance(name.substr(0, 300), entry.first, least);
      if (distance < least) {
        least = distance;
        best = entry.first;
      }
    }
    if (best.empty())
      return join(" among ", table_.size(), ", the first is ",
                  detail::in_quotes(table_.begin()->first));
    return join(", the nearest is ", detail::in_quotes(best));
  }

  std::string path_;
  Table table_;
  Strings metadata_;
  Strings unreadable_;
  std::vector<std::shared_ptr<const MappedFile>> files_;  // and memory, what views point into
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_NAMED_TENSORS_HPP
