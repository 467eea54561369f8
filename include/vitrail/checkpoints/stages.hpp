// The stages of a pass under the names, and in the parts, in which the checkpoint's publisher gives
// them: what `run` writes and `verify` compares.
#ifndef VITRAIL_CHECKPOINTS_STAGES_HPP
#define VITRAIL_CHECKPOINTS_STAGES_HPP

#include <cmath>
#include <vitrail/checkpoints/checkpoint.hpp>
#include <vitrail/nn/trace.hpp>

VITRAIL_BEGIN_NAMESPACE

struct PublishedStage {
  std::string name;
  AnyTensor tensor;
};

namespace detail {

/// Rows [begin, end) of the T of each picture: (B, end - begin, D), or (B, D) for `flat`.
[[nodiscard]] inline AnyTensor token_rows(const AnyTensor& stage, Index begin, Index end,
                                          bool flat) {
  const Index B = stage.shape()[0];
  const Index tokens = stage.shape()[1];
  const Index D = stage.shape()[2];
  AnyTensor part(stage.dtype(), flat ? Shape{B, D} : Shape{B, end - begin, D});
  const AnyView from = stage.view();
  const std::size_t row = static_cast<std::size_t>(D) * size_of(stage.dtype());
  const auto count = static_cast<std::size_t>(end - begin);
  if (part.bytes().empty()) return part;
  for (Index b = 0; b < B; ++b) {
    std::memcpy(part.bytes().data() + static_cast<std::size_t>(b) * count * row,
                from.bytes.data() + static_cast<std::size_t>(b * tokens + begin) * row,
                count * row);
  }
  return part;
}

[[nodiscard]] inline AnyTensor class_and_mean(const AnyTensor& stage, Index prefix) {
  const Tensor<double, 3> x = stage.view().to<double, 3>();
  const Index D = x.extent(2);
  const auto count = static_cast<double>(x.extent(1) - prefix);
  Tensor<float, 2> result({x.extent(0), 2 * D});
  for (Index b = 0; b < x.extent(0); ++b)
    for (Index d = 0; d < D; ++d) {
      double sum = 0;
      for (Index t = prefix; t < x.extent(1); ++t) sum += x(b, t, d);
      result(b, d) = static_cast<float>(x(b, 0, d));
      result(b, D + d) = static_cast<float>(sum / count);
    }
  return AnyTensor(TensorView<const float, 2>(result));
}

[[nodiscard]] inline AnyTensor unit_length(const AnyTensor& stage) {
  Tensor<float, 2> x = stage.view().to<float, 2>();
  for (Index b = 0; b < x.extent(0); ++b) {
    double squares = 0;
    for (Index d = 0; d < x.extent(1); ++d)
      squares += static_cast<double>(x(b, d)) * static_cast<double>(x(b, d));
    const auto length = static_cast<float>(std::sqrt(squares));
    for (Index d = 0; d < x.extent(1); ++d) x(b, d) /= length;
  }
  return AnyTensor(TensorView<const float, 2>(x));
}

[[nodiscard]] inline AnyTensor reshaped(const AnyTensor& stage, const Shape& shape) {
  AnyTensor copy(stage.dtype(), shape);
  std::memcpy(copy.bytes().data(), stage.view().bytes.data(), copy.bytes().size());
  return copy;
}

[[nodiscard]] inline AnyTensor part_of(const AnyTensor& stage, StagePart part, const ViTConfig& c) {
  const Index prefix = c.prefix_tokens();
  switch (part) {
    case StagePart::class_row: return token_rows(stage, 0, 1, true);
    case StagePart::prefix_rows: return token_rows(stage, 0, prefix, false);
    case StagePart::register_rows:
      return token_rows(stage, prefix - c.register_tokens, prefix, false);
    case StagePart::patch_rows: return token_rows(stage, prefix, stage.shape()[1], false);
    case StagePart::class_and_mean: return class_and_mean(stage, prefix);
    case StagePart::flat_grid: {
      const Shape& s = stage.shape();
      return reshaped(stage, {s[0], s[1] * s[2], s[3]});
    }
    case StagePart::unit_length: return unit_length(stage);
    case StagePart::unbatched:
      return reshaped(stage, Shape(std::span(stage.shape().begin() + 1, stage.shape().end())));
    case StagePart::whole: break;
  }
  return reshaped(stage, stage.shape());
}

/// The publisher's name by one rule, or "" when the rule is not about `ours`. {-1} of stage 0
/// gives "" too.
[[nodiscard]] inline std::string renamed_stage(const StageName& rule, std::string_view ours,
                                               Index depth) {
  const std::string_view pattern = rule.ours;
  const std::string_view answer = rule.theirs;
  if (pattern.ends_with('*')) {
    const std::size_t stem = pattern.size() - 1;
    if (!ours.starts_with(pattern.substr(0, stem))) return "";
    return join(answer.substr(0, answer.size() - 1), ours.substr(stem));
  }
  if (const std::size_t last = pattern.find("{last}"); last != std::string_view::npos) {
    return std::string(join(pattern.substr(0, last), depth) == ours ? answer : "");
  }
  const std::size_t at = pattern.find("{}");
  if (at == std::string_view::npos) return std::string(pattern == ours ? answer : "");
  const std::string_view stem = pattern.substr(0, at);
  const std::string_view number = ours.starts_with(stem) ? ours.substr(at) : std::string_view();
  if (number.empty() || number.size() > 6 ||
      number.find_first_not_of("0123456789") != std::string_view::npos) {
    return "";
  }
  std::string theirs(answer);
  const int value = std::stoi(std::string(number));
  if (const auto same = theirs.find("{}"); same != std::string::npos)
    return theirs.replace(same, 2, number);
  if (const auto after = theirs.find("{+1}"); after != std::string::npos)
    return theirs.replace(after, 4, std::to_string(value + 1));
  if (const auto before = theirs.find("{-1}"); before != std::string::npos)
    return value == 0 ? "" : theirs.replace(before, 4, std::to_string(value - 1));
  return theirs;
}

}  // namespace detail

/// Every stage of `trace` as the publisher of `checkpoint` gives it.
[[nodiscard]] inline std::vector<PublishedStage> published_stages(const Checkpoint& checkpoint,
                                                                  const Trace& trace) {
  std::vector<PublishedStage> stages;
  for (const auto& [ours, tensor] : trace.stages()) {
    bool known = false;
    for (const StageName& rule : checkpoint.stage_names) {
      std::string name = detail::renamed_stage(rule, ours, checkpoint.config.depth);
      if (name.empty()) continue;
      known = true;
      stages.push_back({std::move(name), detail::part_of(tensor, rule.part, checkpoint.config)});
    }
    if (!known)
      stages.push_back({ours, detail::part_of(tensor, StagePart::whole, checkpoint.config)});
  }
  return stages;
}

/// Whether `name` is an output of its publisher's that this model has no part in, such as a text
/// tower's. A pattern may end with '*'.
[[nodiscard]] inline bool is_elsewhere(const Checkpoint& checkpoint, std::string_view name) {
  for (const std::string_view pattern : checkpoint.elsewhere) {
    const bool open = pattern.ends_with('*');
    if (open ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern)
      return true;
  }
  return false;
}

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_STAGES_HPP
