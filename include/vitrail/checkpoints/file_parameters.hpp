// A checkpoint's tensors as a model wants them: found by our name, checked against our shape,
// turned into our layout.
#ifndef VITRAIL_CHECKPOINTS_FILE_PARAMETERS_HPP
#define VITRAIL_CHECKPOINTS_FILE_PARAMETERS_HPP

#include <vitrail/checkpoints/checkpoint.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

/// The key in a converted file's __metadata__ that says what its products' weights are stored in.
inline constexpr const char* converted_key = "vitrail.products";
/// The key and its value there that say that int8 weights were mixed by detail::hadamard_blocks,
/// along our order of K. Without it they are the weights divided by their scales.
inline constexpr const char* converted_mixing_key = "vitrail.mixing";
inline constexpr const char* converted_mixing = "hadamard 64";

namespace detail {

/// Whether `a` and `b` are the same elements in order, but for extents of 1 and for neighbouring
/// extents that are merged in one of them: (D, H, hd) and (D, H * hd).
inline bool same_up_to_merging(std::vector<Index> a, std::vector<Index> b) {
  std::erase(a, 1);
  std::erase(b, 1);
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() && j < b.size()) {
    Index left = a[i++];
    Index right = b[j++];
    const bool merge_a = left < right;
    while (left < right && i < a.size()) left *= a[i++];
    while (!merge_a && right < left && j < b.size()) right *= b[j++];
    if (left != right) return false;
  }
  return i == a.size() && j == b.size();
}

/// Does a stored shape fit `wanted` in this layout?
inline bool fits(const Shape& stored, const Shape& wanted, Layout layout) {
  const std::vector<Index> have(stored.begin(), stored.end());
  std::vector<Index> want(wanted.begin(), wanted.end());
  if (layout == Layout::transposed) std::reverse(want.begin(), want.end());
  if (layout == Layout::hwio && want.size() == 4) want = {want[2], want[3], want[1], want[0]};
  if (layout == Layout::pixels_last && want.size() == 4)
    want = {want[0], want[2], want[3], want[1]};
  return same_up_to_merging(have, want);
}

/// Reorders `stored` elements into our layout, (N, K) row-major, at `to`.
template <Element T>
void reorder(std::span<const T> stored, const Shape& wanted, Layout layout, T* to) {
  if (layout == Layout::hwio || layout == Layout::pixels_last) {
    const Index D = wanted[0], C = wanted[1], H = wanted[2], W = wanted[3];
    const Index pixel = layout == Layout::hwio ? C * D : C;
    const Index output = layout == Layout::hwio ? 1 : H * W * C;
    const Index channel = layout == Layout::hwio ? D : 1;
    for (Index d = 0; d < D; ++d)
      for (Index c = 0; c < C; ++c)
        for (Index i = 0; i < H * W; ++i)
          *to++ = stored[static_cast<std::size_t>(i * pixel + d * output + c * channel)];
  } else {
    const Index N = wanted[0];
    const Index K = wanted.count() / N;
    for (Index n = 0; n < N; ++n)
      for (Index k = 0; k < K; ++k) *to++ = stored[static_cast<std::size_t>(k * N + n)];
  }
}

/// Rows [begin, end) of the first axis.
[[nodiscard]] inline AnyView rows_of(const AnyView& view, Index begin, Index end) {
  AnyView part{view.dtype, {}, {}};
  part.shape.push_back(end - begin);
  for (std::size_t d = 1; d < view.shape.rank(); ++d) part.shape.push_back(view.shape[d]);
  const auto row = view.bytes.size() / static_cast<std::size_t>(view.shape[0]);
  part.bytes = view.bytes.subspan(row * static_cast<std::size_t>(begin),
                                  row * static_cast<std::size_t>(end - begin));
  return part;
}

}  // namespace detail

/// Thread safety: used by one load at a time.
template <Scalar T>
class FileParameters final : public Parameters<T> {
 public:
  FileParameters(const Checkpoint& checkpoint, Precision precision, Executor& executor,
                 Index int8_width = default_int8_width)
      : checkpoint_(checkpoint),
        precision_(precision),
        executor_(executor),
        int8_width_(int8_width),
        memory_(checkpoint.files.tensors.byte_count()) {}

  [[nodiscard]] bool contains(std::string_view name) const override {
    const auto source = checkpoint_.names.find(name);
    return source && tensors().contains(source->names.front());
  }

  [[nodiscard]] Tensor<T, 1> tensor(std::string_view name, const Shape& shape) override {
    const Stored stored = find_parts(name, shape);
    Tensor<T, 1> result({shape.count()});
    const Index count = shape.count() / stored.count();
    for (Index p = 0; p < stored.count(); ++p) {
      const Part& part = stored.parts[static_cast<std::size_t>(p)];
      if (part.view.bytes.empty()) continue;  // a part that is zero
      T* const to = result.data() + p * count;
      gather(part, stored, std::span<T>(to, static_cast<std::size_t>(count)));
      if (!part.scales.empty()) dequantise(part, 0, to, count);
      tensors().release(part.view);
    }
    return result;
  }

  [[nodiscard]] PackedMatrix<T> matrix(std::string_view name, const Shape& shape) override {
    const Index N = shape[0];
    const Index K = N == 0 ? 0 : shape.count() / N;
    const Precision precision = product_precision(name, N, K, precision_, int8_width_);
    const Stored stored = find_parts(name, shape);
    const Part& first = stored.parts.front();
    PackedMatrix<T> packed;
    if (precision_ == Precision::int8 && stored.all_quantised()) {
      packed = pack_quantised(stored, N, K);
    } else if (detail::goes_to_int8(name, precision_, precision)) {
      packed = detail::pack_as_int8(tensor(name, shape), N, K, precision, executor_, &memory_);
    } else if (stored.layout != Layout::same) {
      const Tensor<T, 1> rows = tensor(name, shape);
      packed = PackedMatrix<T>::pack({rows.data(), {N, K}}, precision, executor_, &memory_);
    } else if (stored.count() == 1 && is_in_place(first.view)) {
      const auto* const rows = reinterpret_cast<const T*>(first.view.bytes.data());
      packed = PackedMatrix<T>::pack({rows, {N, K}}, precision, executor_, &memory_);
    } else if (stored.count() == 1 && first.view.dtype == DType::bf16 &&
               precision == Precision::bf16) {
      packed = PackedMatrix<T>::pack_bf16(N, K, first.view.bytes.data(), executor_, &memory_);
    } else {  // converted panel by panel
      const Index part_rows = N / stored.count();
      const auto source = [&](Index begin, Index end, T* out) {
        for (Index n = begin; n < end; ++n, out += K)
          convert_row(stored.parts[static_cast<std::size_t>(n / part_rows)], n % part_rows, K, out);
      };
      packed = PackedMatrix<T>::pack(N, K, source, precision, executor_, &memory_);
    }
    for (const Part& part : stored.parts) tensors().release(part.view);
    return packed;
  }

  /// The file's tensors that no module asked for and that the publisher does not list as unused,
  /// sorted.
  [[nodiscard]] std::vector<std::string> surplus() const {
    std::vector<std::string> names;
    for (const auto& [name, view] : tensors()) {
      if (!used_.contains(std::string_view(name)) && !is_unused(name)) names.push_back(name);
    }
    return names;
  }

 private:
  [[nodiscard]] const NamedTensors& tensors() const { return checkpoint_.files.tensors; }

  [[nodiscard]] bool is_unused(std::string_view name) const {
    for (const std::string_view pattern : checkpoint_.unused) {
      const std::size_t star = pattern.find('*');
      if (star == std::string_view::npos
              ? name == pattern
              : name.size() + 1 >= pattern.size() && name.starts_with(pattern.substr(0, star)) &&
                    name.ends_with(pattern.substr(star + 1))) {
        return true;
      }
    }
    return false;
  }

  static Shape part_shape(const Shape& shape, std::size_t parts) {
    Shape part;
    part.push_back(shape[0] / static_cast<Index>(parts));
    for (std::size_t d = 1; d < shape.rank(); ++d) part.push_back(shape[d]);
    return part;
  }

  /// A stored tensor, or rows of one; no bytes: zeros. `scales`: one for each of our rows where it
  /// holds weights that `vitrail convert` quantised, else empty; `mixed`: by hadamard_blocks.
  struct Part {
    AnyView view = {};
    std::vector<float> scales = {};
    bool mixed = false;
  };
  /// What one of our tensors is made of: parts of the same shape, row below row.
  struct Stored {
    Layout layout = Layout::same;
    Shape part_shape = {};  // ours
    std::vector<Part> parts = {};

    [[nodiscard]] Index count() const { return static_cast<Index>(parts.size()); }
    /// As products multiply them.
    [[nodiscard]] bool all_quantised() const {
      return std::all_of(parts.begin(), parts.end(), [](const Part& part) { return part.mixed; });
    }
  };

  /// The elements of a part in our order, not dequantised.
  static void gather(const Part& part, const Stored& stored, std::span<T> to) {
    if (stored.layout == Layout::same) return part.view.convert_to(to);
    Tensor<T, 1> elements({static_cast<Index>(to.size())});
    part.view.convert_to(elements.flat());
    detail::reorder<T>(elements.flat(), stored.part_shape, stored.layout, to.data());
  }
  /// The same for int8, as it is stored.
  static void gather(const Part& part, const Stored& stored, std::span<std::int8_t> to) {
    const std::span<const std::int8_t> elements(
        reinterpret_cast<const std::int8_t*>(part.view.bytes.data()), to.size());
    if (stored.layout == Layout::same) {
      std::copy(elements.begin(), elements.end(), to.begin());
    } else {
      detail::reorder(elements, stored.part_shape, stored.layout, to.data());
    }
  }

  /// `count` elements at `x`, whole rows from row `row` on, out of the numbers of convert.
  static void dequantise(const Part& part, Index row, T* x, Index count) {
    const Index K = part.view.shape.count() / static_cast<Index>(part.scales.size());
    for (T* const end = x + count; x < end; x += K, ++row) {
      const T scale = static_cast<T>(part.scales[static_cast<std::size_t>(row)]);
      for (Index k = 0; k < K; ++k) x[k] *= scale;
      if (part.mixed) detail::hadamard_blocks(x, K);
    }
  }

  static void convert_row(const Part& part, Index row, Index K, T* out) {
    if (part.view.bytes.empty()) return void(std::fill_n(out, K, T(0)));
    const std::size_t bytes = static_cast<std::size_t>(K) * size_of(part.view.dtype);
    const AnyView view{part.view.dtype,
                       {K},
                       part.view.bytes.subspan(static_cast<std::size_t>(row) * bytes, bytes)};
    view.convert_to(std::span<T>(out, static_cast<std::size_t>(K)));
    if (!part.scales.empty()) dequantise(part, row, out, K);
  }

  /// May be packed straight from the mapped file.
  static bool is_in_place(const AnyView& view) {
    return view.dtype == dtype_of<T>() &&
           reinterpret_cast<std::uintptr_t>(view.bytes.data()) % alignof(T) == 0;
  }

  PackedMatrix<T> pack_quantised(const Stored& stored, Index N, Index K) {
    if (stored.count() == 1 && stored.layout == Layout::same) {
      const Part& part = stored.parts.front();
      const auto* const rows = reinterpret_cast<const std::int8_t*>(part.view.bytes.data());
      return PackedMatrix<T>::pack_int8(N, K, rows, part.scales.data(), executor_, &memory_);
    }
    Tensor<std::int8_t, 1> rows({N * K});
    std::vector<float> scales;
    const auto count = static_cast<std::size_t>(N * K / stored.count());
    std::size_t filled = 0;
    for (const Part& part : stored.parts) {
      gather(part, stored, rows.flat().subspan(filled, count));
      scales.insert(scales.end(), part.scales.begin(), part.scales.end());
      filled += count;
    }
    return PackedMatrix<T>::pack_int8(N, K, rows.data(), scales.data(), executor_, &memory_);
  }

  /// The scales of `count` rows from `begin` on: NAME.scale beside int8 NAME, as convert writes it.
  void read_scales(const std::string& name, Index begin, Index count, Part& part) {
    const std::string scale_name = join(name, ".scale");
    const AnyView& view = tensors().at(scale_name);
    if (view.dtype != DType::f32 || view.shape.rank() != 1 || view.shape[0] < begin + count)
      fail(checkpoint_.path(), scale_name, " is ", name_of(view.dtype), " ", view.shape.to_string(),
           ", expected f32 and a scale for each of the ", begin + count, " outputs of ", name);
    used_.emplace(std::string(scale_name), view);
    std::vector<float> all(static_cast<std::size_t>(view.shape[0]));
    view.convert_to(std::span<float>(all));
    part.scales.assign(all.begin() + begin, all.begin() + begin + count);
    const auto mixing = tensors().metadata().find(converted_mixing_key);
    part.mixed = mixing != tensors().metadata().end() && mixing->second == converted_mixing;
  }

  Stored find_parts(std::string_view name, const Shape& shape) {
    const auto source = checkpoint_.names.find(name);
    if (!source)
      fail(checkpoint_.path(), checkpoint_.publisher, " files have no ", name, ", config needs it");
    Stored stored{source->layout, part_shape(shape, source->names.size()), {}};
    const Shape& wanted = stored.part_shape;
    for (const std::string& stored_name : source->names) {
      if (stored_name.empty()) {
        stored.parts.emplace_back();
        continue;
      }
      Part part{tensors().at(stored_name), {}};
      if (source->end > 0) {
        if (part.view.shape.rank() == 0 || source->end > part.view.shape[0])
          fail(checkpoint_.path(), stored_name, " is ", part.view.shape.to_string(),
               ", config needs row ", source->end - 1);
        part.view = detail::rows_of(part.view, source->begin, source->end);
      }
      if (!detail::fits(part.view.shape, wanted, source->layout)) {
        fail(checkpoint_.path(), stored_name, " is ", part.view.shape.to_string(),
             ", config needs ", wanted.to_string(),
             (source->layout == Layout::same ? "" : " in another layout"));
      }
      tensors().check_size(part.view);
      if (part.view.dtype == DType::i8 && wanted.rank() > 0)
        read_scales(stored_name, source->begin, wanted[0], part);
      used_.emplace(std::string(stored_name), std::as_const(part.view));
      stored.parts.emplace_back() = std::move(part);
    }
    return stored;
  }

  const Checkpoint& checkpoint_;
  Precision precision_;
  Executor& executor_;
  Index int8_width_;
  WeightMemory memory_;
  NamedTensors::Table used_;
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_FILE_PARAMETERS_HPP
