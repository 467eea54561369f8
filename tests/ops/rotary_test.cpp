#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <vitrail/ops/rotary.hpp>

namespace {

using namespace vitrail;
using vitrail_test::RandomMatrix;
using vitrail_test::Serial;

constexpr Grid rotary_grid{3, 5};
constexpr Index rotary_hd = 12;  // 3 bands for the row, 3 for the column

/// The angle that the header's formulas give to pair i of patch n.
double angle_of(RotaryKind kind, Index n, Index i, double reference) {
  const bool of_row = i < 3;
  const auto at = static_cast<double>(of_row ? n / 5 : n % 5);
  const double extent = of_row ? 3 : 5;
  const auto k = static_cast<double>(i % 3);
  if (kind == RotaryKind::eva) return at / extent * reference / std::pow(10000.0, k / 3);
  return 2 * std::numbers::pi * (2 * (at + 0.5) / extent - 1) / std::pow(100.0, 2 * k / 6);
}

TEST(Rotary, TurnsEveryPairOfEveryHeadByItsAngle) {
  for (const RotaryKind kind : {RotaryKind::eva, RotaryKind::dinov3}) {
    Serial serial;
    const Workspace::Scope scope(serial.workspace);
    const auto table = make_rotary<double>(kind, rotary_grid, rotary_hd, 16, {}, serial.workspace);
    RandomMatrix<double> x(2 * 17, 2 * rotary_hd, 1);  // two pictures, a prefix of two
    Tensor<double, 2> y({2 * 17, 2 * rotary_hd});
    rotate<double>(table, 2, 2, 2, x.view(), y.view(), serial.context);
    for (Index row = 0; row < 34; ++row)
      for (Index head = 0; head < 2; ++head)
        for (Index i = 0; i < 6; ++i) {
          const bool eva = kind == RotaryKind::eva;
          const Index first = head * rotary_hd + (eva ? 2 * i : i);
          const Index second = first + (eva ? 1 : 6);
          const double angle = row % 17 < 2 ? 0 : angle_of(kind, row % 17 - 2, i, 16);
          const double a = x.view()(row, first);
          const double b = x.view()(row, second);
          EXPECT_NEAR(y(row, first), a * std::cos(angle) - b * std::sin(angle), 1e-13);
          EXPECT_NEAR(y(row, second), a * std::sin(angle) + b * std::cos(angle), 1e-13);
        }
  }
}

/// What rotary positions are for: q k depends on the distance of the patches alone.
TEST(Rotary, LeavesProductsThatDependOnTheDistanceOnly) {
  for (const RotaryKind kind : {RotaryKind::eva, RotaryKind::dinov3}) {
    Serial serial;
    const Workspace::Scope scope(serial.workspace);
    const auto table = make_rotary<double>(kind, rotary_grid, rotary_hd, 16, {}, serial.workspace);
    RandomMatrix<double> one(2, rotary_hd, 1);
    Tensor<double, 2> same({15, rotary_hd});
    Tensor<double, 2> q({15, rotary_hd});
    Tensor<double, 2> k({15, rotary_hd});
    for (const auto& [from, to] : {std::pair{0, &q}, {1, &k}}) {
      for (Index n = 0; n < 15; ++n) copy(one.view()[from], same.view()[n]);
      rotate<double>(table, 0, 1, 1, same.view(), to->view(), serial.context);
    }
    const auto dot = [&](Index i, Index j) {
      double sum = 0;
      for (Index d = 0; d < rotary_hd; ++d) sum += q(i, d) * k(j, d);
      return sum;
    };
    EXPECT_NEAR(dot(0, 6), dot(7, 13), 1e-12);  // one row down, one column to the right
    EXPECT_NEAR(dot(4, 12), dot(2, 10), 1e-12);
    EXPECT_GT(std::abs(dot(0, 6) - dot(0, 1)), 1e-3);
  }
}

TEST(Rotary, TakesPeriodsInThePlaceOfDinoV3sOwn) {
  Serial serial;
  const Workspace::Scope scope(serial.workspace);
  const double periods[] = {0.5, 3, 7};
  const auto table =
      make_rotary<double>(RotaryKind::dinov3, rotary_grid, rotary_hd, 0, periods, serial.workspace);
  for (Index n = 0; n < 15; ++n)
    for (Index i = 0; i < 6; ++i) {
      const double center = i < 3 ? 2 * (static_cast<double>(n / 5) + 0.5) / 3 - 1
                                  : 2 * (static_cast<double>(n % 5) + 0.5) / 5 - 1;
      const double angle = 2 * std::numbers::pi * center / periods[i % 3];
      EXPECT_NEAR(table.cosine(n, i), std::cos(angle), 1e-13);
      EXPECT_NEAR(table.cosine(n, i + 6), std::cos(angle), 1e-13);
      EXPECT_NEAR(table.sine(n, i), -std::sin(angle), 1e-13);
      EXPECT_NEAR(table.sine(n, i + 6), std::sin(angle), 1e-13);
    }
}

}  // namespace
