// A checkpoint's tensors as a model wants them: found by our name, checked against our shape,
// turned into our layout.
#ifndef VITRAIL_CHECKPOINTS_FILE_PARAMETERS_HPP
#define VITRAIL_CHECKPOINTS_FILE_PARAMETERS_HPP

#include <set>
#include <vitrail/checkpoints/checkpoint.hpp>

VITRAIL_BEGIN_NAMESPACE

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
template <Scalar T>
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
  FileParameters(const Checkpoint& checkpoint, Precision precision, Executor& executor)
      : checkpoint_(checkpoint), precision_(precision), executor_(executor) {}

  [[nodiscard]] bool contains(std::string_view name) const override {
    const auto source = checkpoint_.names.find(name);
    return source && tensors().contains(source->names.front());
  }

  [[nodiscard]] Tensor<T, 1> tensor(std::string_view name, const Shape& shape) override {
    const std::vector<std::optional<AnyView>> parts = find_parts(name, shape);
    Tensor<T, 1> result({shape.count()});
    const Index part_count = shape.count() / static_cast<Index>(parts.size());
    const Shape wanted = part_shape(shape, parts.size());
    const Layout layout = checkpoint_.names.find(name)->layout;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      if (!parts[p]) continue;  // a part that is zero
      T* to = result.data() + static_cast<Index>(p) * part_count;
      if (layout == Layout::same) {
        parts[p]->convert_to(std::span<T>(to, static_cast<std::size_t>(part_count)));
      } else {
        Tensor<T, 1> stored({part_count});
        parts[p]->convert_to(stored.flat());
        detail::reorder<T>(stored.flat(), wanted, layout, to);
      }
      tensors().release(*parts[p]);
    }
    return result;
  }

  [[nodiscard]] PackedMatrix<T> matrix(std::string_view name, const Shape& shape) override {
    const std::array<Index, 2> extents{shape[0], shape[0] == 0 ? 0 : shape.count() / shape[0]};
    const auto source = checkpoint_.names.find(name);
    if (source && source->names.size() == 1 && source->layout == Layout::same) {
      const std::optional<AnyView> view = find_parts(name, shape).front();
      const bool aligned = reinterpret_cast<std::uintptr_t>(view->bytes.data()) % alignof(T) == 0;
      if (view->dtype == dtype_of<T>() && aligned) {  // packed straight from the mapped file
        const MatrixView<const T> in_place(reinterpret_cast<const T*>(view->bytes.data()), extents);
        PackedMatrix<T> packed = PackedMatrix<T>::pack(in_place, precision_, executor_);
        tensors().release(*view);
        return packed;
      }
    }
    const Tensor<T, 1> rows = tensor(name, shape);
    return PackedMatrix<T>::pack({rows.data(), extents}, precision_, executor_);
  }

  /// The file's tensors that no module asked for and that the publisher does not list as unused,
  /// sorted.
  [[nodiscard]] std::vector<std::string> surplus() const {
    std::vector<std::string> names;
    for (const auto& [name, view] : tensors()) {
      if (!used_.contains(name) && !is_unused(name)) names.push_back(name);
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

  /// The stored parts of one of our tensors, nothing for a part of zeros. Throws Error unless all
  /// are there and fit.
  std::vector<std::optional<AnyView>> find_parts(std::string_view name, const Shape& shape) {
    const auto source = checkpoint_.names.find(name);
    if (!source)
      fail(checkpoint_.path(), checkpoint_.publisher, " files have no ", name, ", config needs it");
    const Shape wanted = part_shape(shape, source->names.size());
    std::vector<std::optional<AnyView>> parts;
    for (const std::string& stored_name : source->names) {
      if (stored_name.empty()) {
        parts.emplace_back();
        continue;
      }
      AnyView view = tensors().at(stored_name);
      if (source->end > 0) {
        if (view.shape.rank() == 0 || source->end > view.shape[0])
          fail(checkpoint_.path(), stored_name, " is ", view.shape.to_string(),
               ", config needs row ", source->end - 1);
        view = detail::rows_of(view, source->begin, source->end);
      }
      if (!detail::fits(view.shape, wanted, source->layout)) {
        fail(checkpoint_.path(), stored_name, " is ", view.shape.to_string(), ", config needs ",
             wanted.to_string(), (source->layout == Layout::same ? "" : " in another layout"));
      }
      tensors().check_size(view);
      used_.insert(stored_name);
      parts.emplace_back(std::move(view));
    }
    return parts;
  }

  const Checkpoint& checkpoint_;
  Precision precision_;
  Executor& executor_;
  std::set<std::string, NameLess> used_;
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_FILE_PARAMETERS_HPP
