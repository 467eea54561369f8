// Checkpoints put together in memory: a golden's tensors renamed, cut, dropped and added to, beside
// a config written as JSON.
#ifndef VITRAIL_TESTS_SUPPORT_TENSORS_HPP
#define VITRAIL_TESTS_SUPPORT_TENSORS_HPP

#include <cstring>
#include <string>
#include <support/golden_folder.hpp>
#include <support/io_files.hpp>
#include <vector>
#include <vitrail/vitrail.hpp>

namespace vitrail_test {

class Tensors {
 public:
  Tensors() = default;
  /// Those of a golden.
  explicit Tensors(std::string_view source) {
    const std::string path = (::golden::folder(std::string(source)) / "model.safetensors").string();
    for (const auto& [name, view] : vitrail::open_tensor_file(path))
      add(name, view.shape, view.dtype, view.bytes);
  }

  /// Replaces `from` by `to` in every name.
  Tensors& replace(const std::string& from, const std::string& to) {
    for (Named& tensor : tensors_) {
      if (const std::size_t at = tensor.name.find(from); at != std::string::npos)
        tensor.name.replace(at, from.size(), to);
    }
    return *this;
  }
  /// Gives the tensor `from` the name `to`.
  Tensors& rename(const std::string& from, const std::string& to) {
    for (Named& tensor : tensors_)
      if (tensor.name == from) tensor.name = to;
    return *this;
  }
  Tensors& prefix(const std::string& start) {
    for (Named& tensor : tensors_) tensor.name = start + tensor.name;
    return *this;
  }
  Tensors& drop(const std::string& part) {
    std::erase_if(tensors_,
                  [&](const Named& tensor) { return tensor.name.find(part) != std::string::npos; });
    return *this;
  }
  /// Cuts every tensor whose name holds `from` into as many parts of rows as `names` has.
  Tensors& cut(const std::string& from, const std::vector<std::string>& names) {
    std::vector<Named> whole;
    whole.swap(tensors_);
    for (Named& tensor : whole) {
      const std::size_t at = tensor.name.find(from);
      if (at == std::string::npos) {
        tensors_.push_back(std::move(tensor));
        continue;
      }
      const vitrail::AnyView view = tensor.view();
      const vitrail::Index rows = view.shape[0] / static_cast<vitrail::Index>(names.size());
      for (std::size_t i = 0; i < names.size(); ++i) {
        std::string name = tensor.name;
        const auto first = static_cast<vitrail::Index>(i) * rows;
        const vitrail::AnyView part = vitrail::detail::rows_of(view, first, first + rows);
        add(name.replace(at, from.size(), names[i]), part.shape, part.dtype, part.bytes);
      }
    }
    return *this;
  }
  /// Adds zeros, in the place of a tensor of the same name.
  Tensors& add(const std::string& name, const vitrail::Shape& shape) {
    std::erase_if(tensors_, [&](const Named& tensor) { return tensor.name == name; });
    const std::vector<std::byte> zeros(static_cast<std::size_t>(shape.count()) * sizeof(float));
    add(name, shape, vitrail::DType::f32, zeros);
    return *this;
  }
  /// "blocks.1." becomes "blocks.CHUNK.1.", `size` blocks to a chunk.
  Tensors& chunk(int size) {
    for (Named& tensor : tensors_) {
      if (!tensor.name.starts_with("blocks.")) continue;
      const std::string number = tensor.name.substr(7, tensor.name.find('.', 7) - 7);
      tensor.name.insert(7, std::to_string(std::stoi(number) / size) + ".");
    }
    return *this;
  }

  /// As a reader hands them out, each in memory of its own.
  [[nodiscard]] vitrail::NamedTensors named() const { return InMemory(tensors_); }

 private:
  struct Named {
    std::string name;
    vitrail::DType dtype;
    vitrail::Shape shape;
    std::vector<std::byte> bytes;

    [[nodiscard]] vitrail::AnyView view() const { return {dtype, shape, bytes}; }
  };
  class InMemory : public vitrail::NamedTensors {
   public:
    explicit InMemory(const std::vector<Named>& tensors) : NamedTensors("in memory") {
      for (const Named& tensor : tensors) {
        const vitrail::AnyView view = tensor.view();
        const std::span<std::byte> bytes = keep(vitrail::AlignedBytes(view.bytes.size()));
        if (!bytes.empty()) std::memcpy(bytes.data(), view.bytes.data(), bytes.size());
        NamedTensors::add(tensor.name, {view.dtype, view.shape, bytes}, {});
      }
    }
  };

  void add(const std::string& name, const vitrail::Shape& shape, vitrail::DType dtype,
           std::span<const std::byte> bytes) {
    tensors_.push_back({name, dtype, shape, {bytes.begin(), bytes.end()}});
  }

  std::vector<Named> tensors_;
};

/// The files of a checkpoint; `config` and `open_clip` are what its config.json and its
/// open_clip_config.json say, "" for none.
[[nodiscard]] inline vitrail::CheckpointFiles files_of(const Tensors& tensors,
                                                       const std::string& config = "",
                                                       const std::string& open_clip = "") {
  vitrail::CheckpointFiles files{tensors.named(), {}, {}, {}, {}};
  if (!config.empty()) files.config = {"config.json", vitrail::parse_json(config, "config.json")};
  if (!open_clip.empty())
    files.open_clip_config = {"open_clip_config.json",
                              vitrail::parse_json(open_clip, "open_clip_config.json")};
  return files;
}

[[nodiscard]] inline vitrail::Checkpoint opened(const Tensors& tensors,
                                                const std::string& config = "",
                                                const vitrail::LoadOptions& options = {}) {
  return vitrail::open_checkpoint(files_of(tensors, config), options);
}

/// The words with which a checkpoint is refused.
[[nodiscard]] inline std::string refusal(const Tensors& tensors, const std::string& config = "",
                                         const vitrail::LoadOptions& options = {}) {
  return error_of([&] { (void)opened(tensors, config, options); });
}

/// Heads of a model whose files do not tell them.
[[nodiscard]] inline vitrail::LoadOptions with_heads(vitrail::Index heads) {
  vitrail::LoadOptions options;
  options.heads = heads;
  return options;
}

}  // namespace vitrail_test

#endif  // VITRAIL_TESTS_SUPPORT_TENSORS_HPP
