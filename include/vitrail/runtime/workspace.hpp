// Scratch memory of a forward pass: taken like a stack, sized once, then never allocated again.
//
//   Workspace::Scope scope(workspace);   // everything taken below is given back where it ends
//   MatrixView<float> hidden = workspace.matrix<float>(T, M);   // uninitialised, rows aligned
//
// The first pass grows the workspace block by block; `Scope`s that end at depth zero join the
// blocks, so that from the second pass on one block serves all.
#ifndef VITRAIL_RUNTIME_WORKSPACE_HPP
#define VITRAIL_RUNTIME_WORKSPACE_HPP

#include <vector>
#include <vitrail/runtime/huge_pages.hpp>

VITRAIL_BEGIN_NAMESPACE

/// Thread safety: one thread takes and gives back; the memory itself may be shared by the tasks of
/// one pass.
class Workspace {
 public:
  class Scope {
   public:
    explicit Scope(Workspace& workspace)
        : workspace_(workspace), block_(workspace.block_), used_(workspace.used_) {
      ++workspace_.depth_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    VITRAIL_NOINLINE ~Scope() {
      workspace_.block_ = block_;
      workspace_.used_ = used_;
      if (--workspace_.depth_ == 0) workspace_.join_blocks();
    }

   private:
    Workspace& workspace_;
    std::size_t block_;
    std::size_t used_;
  };

  /// `count` uninitialised elements at a 64-byte boundary, valid until the enclosing Scope ends.
  template <Element T>
  [[nodiscard]] T* take(Index count) {
    return reinterpret_cast<T*>(take_bytes(static_cast<std::size_t>(count) * sizeof(T)));
  }

  /// (count), uninitialised.
  template <Element T>
  [[nodiscard]] VectorView<T> vector(Index count) {
    return {take<T>(count), {count}};
  }

  /// (rows, columns), uninitialised, each row at a 64-byte boundary (the row stride is padded).
  template <Element T>
  [[nodiscard]] MatrixView<T> matrix(Index rows, Index columns) {
    const Index stride =
        static_cast<Index>(round_up(static_cast<std::size_t>(columns) * sizeof(T)) / sizeof(T));
    return {take<T>(rows * stride), {rows, columns}, {stride, 1}};
  }

  /// (workers, count), uninitialised, for each worker a row that it alone writes. Rows are two
  /// pages apart: a core also fetches what follows the lines it reads, and lines that another one
  /// is writing there would go back and forth.
  template <Element T>
  [[nodiscard]] MatrixView<T> per_worker(Index workers, Index count) {
    const Index gap = workers > 1 ? Index{2} * 4096 / Index{sizeof(T)} : 0;
    return matrix<T>(workers, count + gap).columns(0, count);
  }

  /// Bytes held.
  [[nodiscard]] std::size_t capacity() const {
    std::size_t total = 0;
    for (const AlignedBytes& block : blocks_) total += block.size();
    return total;
  }

 private:
  static constexpr std::size_t smallest_block = std::size_t{1} << 16;

  static std::size_t round_up(std::size_t bytes) {
    return (bytes + tensor_alignment - 1) / tensor_alignment * tensor_alignment;
  }

  VITRAIL_NOINLINE std::byte* take_bytes(std::size_t size) {
    const std::size_t bytes = round_up(size);
    while (block_ < blocks_.size() && used_ + bytes > blocks_[block_].size()) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) {
      blocks_.push_back(detail::small_pages_are_slow()
                            ? detail::huge_bytes((bytes + detail::huge_page - 1) /
                                                 detail::huge_page * detail::huge_page)
                            : AlignedBytes(std::max(bytes, smallest_block)));
      used_ = 0;
    }
    std::byte* start = blocks_[block_].data() + used_;
    used_ += bytes;
    return start;
  }

  void join_blocks() {
    if (blocks_.size() < 2) return;
    const std::size_t total = capacity();
    blocks_.clear();
    blocks_.push_back(detail::huge_bytes(total));
  }

  std::vector<AlignedBytes> blocks_;
  std::size_t block_ = 0;  // the block in use
  std::size_t used_ = 0;   // bytes taken of it
  int depth_ = 0;
};

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_RUNTIME_WORKSPACE_HPP
