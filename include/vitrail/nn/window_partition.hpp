// How Swin cuts a map of tokens into windows, shifted or not: which token stands where in which
// window (Liu et al. 2021, section 3.2).
//
//   map (H, W) -> padded to multiples of the window, rolled by the shift -> windows of T tokens
//
// A rolled window at the border holds tokens from both ends of the map, which must not see each
// other. Windows are handed out kind by kind, so that each kind shares one mask:
//   inside | right border | bottom border | corner
#ifndef VITRAIL_NN_WINDOW_PARTITION_HPP
#define VITRAIL_NN_WINDOW_PARTITION_HPP

#include <array>
#include <vitrail/ops/resample.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE

struct WindowPartition {
  Grid map;                       // tokens of one picture
  Grid window;                    // tokens of a window
  Grid shift;                     // by how much the map is rolled, up and to the left
  bool pad_before_shift = false;  // Hugging Face pads and then rolls, the others the reverse

  [[nodiscard]] Grid windows() const {
    return {(map.height + window.height - 1) / window.height,
            (map.width + window.width - 1) / window.width};
  }
  [[nodiscard]] bool shifted() const { return shift.height > 0 || shift.width > 0; }

  /// Windows of each kind in one picture; all are inside when nothing is shifted.
  [[nodiscard]] std::array<Index, 4> counts() const {
    const Grid n = windows();
    if (!shifted()) return {n.count(), 0, 0, 0};
    return {(n.height - 1) * (n.width - 1), n.height - 1, n.width - 1, 1};
  }

  /// Row and column of the i-th window of a kind.
  [[nodiscard]] Grid place(std::size_t kind, Index i) const {
    const Grid n = windows();
    if (!shifted()) return {i / n.width, i % n.width};
    switch (kind) {
      case 0: return {i / (n.width - 1), i % (n.width - 1)};
      case 1: return {i, n.width - 1};
      case 2: return {n.height - 1, i};
      default: return {n.height - 1, n.width - 1};
    }
  }

  /// The token of the map at position t of a window, or -1 where there is padding.
  [[nodiscard]] Index token(Grid place, Index t) const {
    Index y = place.height * window.height + t / window.width;
    Index x = place.width * window.width + t % window.width;
    if (pad_before_shift) {
      y = (y + shift.height) % (windows().height * window.height);
      x = (x + shift.width) % (windows().width * window.width);
    }
    if (y >= map.height || x >= map.width) return -1;
    if (!pad_before_shift) {
      y = (y + shift.height) % map.height;
      x = (x + shift.width) % map.width;
    }
    return y * map.width + x;
  }

  /// Whether tokens i and j of a window of this kind come from the same end of the map.
  [[nodiscard]] bool together(std::size_t kind, Index i, Index j) const {
    const bool right = kind == 1 || kind == 3;
    const bool bottom = kind == 2 || kind == 3;
    const Index wrapped_row = window.height - shift.height;
    const Index wrapped_column = window.width - shift.width;
    const bool rows = (i / window.width < wrapped_row) == (j / window.width < wrapped_row);
    const bool columns = (i % window.width < wrapped_column) == (j % window.width < wrapped_column);
    return (!bottom || rows) && (!right || columns);
  }
};

VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_NN_WINDOW_PARTITION_HPP
