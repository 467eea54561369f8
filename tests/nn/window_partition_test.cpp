#include <gtest/gtest.h>

#include <set>
#include <vector>
#include <vitrail/nn/window_partition.hpp>

namespace {

using namespace vitrail;

const WindowPartition partitions[] = {
    {{8, 12}, {4, 4}, {0, 0}},       {{8, 12}, {4, 4}, {2, 2}}, {{7, 5}, {3, 2}, {1, 1}},
    {{7, 5}, {3, 2}, {1, 1}, true},  {{4, 9}, {4, 3}, {0, 1}},  {{6, 6}, {7, 7}, {0, 0}},
    {{10, 11}, {4, 5}, {2, 2}, true}};

/// (rows, columns) of tokens, -1 where there is padding: rolled and padded as a whole map.
std::vector<std::vector<Index>> rolled_and_padded(const WindowPartition& p) {
  const Grid padded{p.windows().height * p.window.height, p.windows().width * p.window.width};
  std::vector<std::vector<Index>> map(static_cast<std::size_t>(padded.height));
  for (Index y = 0; y < padded.height; ++y)
    for (Index x = 0; x < padded.width; ++x) {
      const Grid around = p.pad_before_shift ? padded : p.map;
      const bool kept = p.pad_before_shift || (y < p.map.height && x < p.map.width);
      const Index from_y = (y + p.shift.height) % around.height;
      const Index from_x = (x + p.shift.width) % around.width;
      const bool inside = kept && from_y < p.map.height && from_x < p.map.width;
      map[static_cast<std::size_t>(y)].push_back(inside ? from_y * p.map.width + from_x : -1);
    }
  return map;
}

TEST(WindowPartition, CutsTheRolledAndPaddedMap) {
  for (const WindowPartition& p : partitions) {
    const auto map = rolled_and_padded(p);
    std::multiset<Index> seen;
    for (std::size_t kind = 0; kind < 4; ++kind)
      for (Index i = 0; i < p.counts()[kind]; ++i)
        for (Index t = 0; t < p.window.count(); ++t) {
          const Grid place = p.place(kind, i);
          const Index token = p.token(place, t);
          seen.insert(token);
          EXPECT_EQ(
              token,
              map[static_cast<std::size_t>(place.height * p.window.height + t / p.window.width)]
                 [static_cast<std::size_t>(place.width * p.window.width + t % p.window.width)]);
        }
    EXPECT_EQ(static_cast<Index>(seen.size()), p.windows().count() * p.window.count());
    for (Index token = 0; token < p.map.count(); ++token) EXPECT_EQ(seen.count(token), 1U);
  }
}

/// Which of the three stripes of the shifted mask a row or a column lies in (Liu et al., figure 4).
Index stripe(Index at, Index padded, Index window, Index shift) {
  if (shift == 0) return 0;
  return at < padded - window ? 0 : at < padded - shift ? 1 : 2;
}

TEST(WindowPartition, KeepsApartWhatTheMaskOfTheWholeMapKeepsApart) {
  for (const WindowPartition& p : partitions) {
    const Grid padded{p.windows().height * p.window.height, p.windows().width * p.window.width};
    const auto region = [&](Grid place, Index t) {
      const Index y = place.height * p.window.height + t / p.window.width;
      const Index x = place.width * p.window.width + t % p.window.width;
      return stripe(y, padded.height, p.window.height, p.shift.height) * 3 +
             stripe(x, padded.width, p.window.width, p.shift.width);
    };
    for (std::size_t kind = 0; kind < 4; ++kind)
      for (Index n = 0; n < p.counts()[kind]; ++n)
        for (Index i = 0; i < p.window.count(); ++i)
          for (Index j = 0; j < p.window.count(); ++j) {
            const Grid place = p.place(kind, n);
            EXPECT_EQ(p.together(kind, i, j), region(place, i) == region(place, j))
                << kind << " " << n << " " << i << " " << j;
          }
  }
}

}  // namespace
