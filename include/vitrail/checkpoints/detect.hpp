// Who published these tensors? Recognised by their names, never by the file's.
#ifndef VITRAIL_CHECKPOINTS_DETECT_HPP
#define VITRAIL_CHECKPOINTS_DETECT_HPP

#include <vitrail/checkpoints/checkpoint.hpp>
#if VITRAIL_HAS_BODIES
#include <vitrail/checkpoints/adapters.hpp>
#include <vitrail/checkpoints/apple.hpp>
#include <vitrail/checkpoints/beit3.hpp>
#include <vitrail/checkpoints/clip.hpp>
#include <vitrail/checkpoints/google.hpp>
#include <vitrail/checkpoints/huggingface.hpp>
#include <vitrail/checkpoints/huggingface_clip.hpp>
#include <vitrail/checkpoints/lavis.hpp>
#include <vitrail/checkpoints/lucidrains.hpp>
#include <vitrail/checkpoints/meta.hpp>
#include <vitrail/checkpoints/overlay.hpp>
#include <vitrail/checkpoints/swin.hpp>
#include <vitrail/checkpoints/timm.hpp>
#include <vitrail/checkpoints/torchvision.hpp>
#endif

VITRAIL_BEGIN_COLD_NAMESPACE

/// Settles everything but the weights' values for files that are open already, in memory too.
/// Throws Error when no publisher, or more than one, recognises the tensors, and as the publisher's
/// own reader does.
[[nodiscard, gnu::cold]] VITRAIL_API Checkpoint open_checkpoint(CheckpointFiles files,
                                                                const LoadOptions& options);

/// The same for a folder or a file.
[[nodiscard]] VITRAIL_API Checkpoint open_checkpoint(const std::string& path,
                                                     const LoadOptions& options);

#if VITRAIL_HAS_BODIES

/// Meta's and salesforce's encoders bear timm's names; what else their files hold tells them apart.
[[nodiscard]] inline bool is_timm_alone(const NamedTensors& tensors) {
  return is_timm(tensors) && !is_meta(tensors) && !is_lavis(tensors);
}

inline constexpr Publisher publishers[] = {
    {"timm", is_timm_alone, open_timm},
    {"Meta", is_meta, open_meta},
    {"Hugging Face", is_huggingface, open_huggingface},
    {"Hugging Face's CLIP", is_huggingface_clip, open_huggingface_clip},
    {"google-research", is_google, open_google},
    {"torchvision", is_torchvision, open_torchvision},
    {"CLIP", is_clip, open_clip},
    {"Swin", is_swin, open_swin},
    {"BEiT-3", is_beit3, open_beit3},
    {"Apple", is_apple, open_apple},
    {"LAVIS", is_lavis, open_lavis},
    {"lucidrains", is_lucidrains, open_lucidrains}};

namespace detail {

/// What every publisher's reader leaves to the end: adapters, and where the rest came from.
[[gnu::cold]] inline void complete(const LoadOptions& options, Checkpoint& checkpoint) {
  settle_adapters(options, checkpoint);
  Reasons& because = checkpoint.because;
  if (!options.architecture.empty() && !because.says("architecture", "asked for"))
    fail(checkpoint.path(), "is ", checkpoint.publisher,
         "'s, whose files tell their architecture; --arch has nothing to name");
  for (const char* field :
       {"architecture", "heads", "norm_eps", "activation", "position_rule", "pooling"})
    because.set_if_new(field, join(checkpoint.publisher, "'s default"));
  because.set_if_new("tokens", "the tensors");
  because.set_if_new(
      "size", checkpoint.files.config ? checkpoint.files.config->path : "the tensors' shapes");
}

}  // namespace detail

VITRAIL_API Checkpoint open_checkpoint(CheckpointFiles files, const LoadOptions& options) {
  for (const std::string& overlay : options.overlays) lay_over(overlay, options.limits, files);
  if (const auto prefix = FoldedProbe::prefix_in(files.tensors))
    files.tensors = FoldedProbe(files.tensors, *prefix, options.limits);
  const Publisher* found = nullptr;
  std::string known;
  const bool meta_deit = files.config && is_meta_deit_config(files.config->json);
  for (const Publisher& publisher : publishers) {
    if (meta_deit) break;  // its tensors have timm's names
    known += (known.empty() ? "" : ", ") + std::string(publisher.name);
    if (!publisher.recognises(files.tensors)) continue;
    if (found != nullptr) {
      fail(files.tensors.path(), "holds tensors of both ", found->name, " and ", publisher.name,
           ", expected one publisher's");
    }
    found = &publisher;
  }
  if (found == nullptr && !meta_deit) {
    const std::string first = files.tensors.empty()
                                  ? "no tensors"
                                  : join("the first is '", files.tensors.names().front(), "'");
    fail(files.tensors.path(), files.tensors.size(), " tensors of no known Vision Transformer (",
         first, "), expected the names of ", known);
  }
  Checkpoint checkpoint = (meta_deit ? open_meta_deit : found->open)(std::move(files), options);
  detail::complete(options, checkpoint);
  return checkpoint;
}

VITRAIL_API Checkpoint open_checkpoint(const std::string& path, const LoadOptions& options) {
  return open_checkpoint(open_checkpoint_files(path, options.limits, {.group = options.group}),
                         options);
}

#endif  // VITRAIL_HAS_BODIES

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_CHECKPOINTS_DETECT_HPP
