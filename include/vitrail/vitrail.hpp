// vitrail: Vision Transformers on the CPU. Include this and nothing else; pictures are decoded by
// image/decode.hpp, which needs libjpeg and libpng.
//
// The data path, and where each step lives:
//
//   file -> named, checked tensor views
//     io/tensor_file.hpp
//   one publisher's names -> our fields and rules
//     checkpoints/<publisher>.hpp, checkpoints/detect.hpp
//   picture -> pixels -> normalised tensor   (3, H, W)
//     image/decode.hpp, image/resize.hpp, image/preprocess.hpp
//   tensor -> patches -> tokens              (T, D)
//     nn/patch_embedding.hpp, nn/position_embedding.hpp
//   block x L: norm, attention, norm, MLP    (T, D)
//     nn/encoder_block.hpp
//   pooled token -> logits                   (K)
//     nn/head.hpp
//   logits -> the k most likely labels
//     models/classifier.hpp
//
// One alphabet everywhere: B batch, H W picture height and width, C channels, P patch side, N
// patches, T tokens (N and the class token and its like), D width, A heads, hd width of a head, M
// hidden width of the MLP, K classes, L blocks.
#ifndef VITRAIL_VITRAIL_HPP
#define VITRAIL_VITRAIL_HPP

#include <vitrail/checkpoints/load.hpp>
#include <vitrail/io/safetensors.hpp>
#include <vitrail/runtime/thread_pool.hpp>

#endif  // VITRAIL_VITRAIL_HPP
