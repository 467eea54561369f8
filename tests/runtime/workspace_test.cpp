#include <gtest/gtest.h>

#include <vitrail/runtime/workspace.hpp>

namespace {

using namespace vitrail;

TEST(Workspace, AllocatesOnceAndGivesBack) {
  Workspace workspace;
  std::size_t warm = 0;
  for (int pass = 0; pass < 3; ++pass) {
    const Workspace::Scope scope(workspace);
    const MatrixView<float> first = workspace.matrix<float>(100, 300);
    EXPECT_EQ(first.stride(0), 304);
    float* inner = nullptr;
    {
      const Workspace::Scope inner_scope(workspace);
      inner = workspace.take<float>(50000);
    }
    EXPECT_EQ(workspace.take<float>(50000), inner);
    if (pass == 1) warm = workspace.capacity();
    if (pass == 2) {
      EXPECT_EQ(workspace.capacity(), warm);
    }
  }
}

TEST(Workspace, GivesAlignedMemoryThatDoesNotOverlap) {
  Workspace workspace;
  const Workspace::Scope scope(workspace);
  std::vector<VectorView<float>> taken;
  for (const Index count : {1, 17, 20000, 3, 40000, 5, 0, 9}) {
    const VectorView<float> vector = workspace.vector<float>(count);
    EXPECT_EQ(vector.count(), count);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(vector.data()) % tensor_alignment, 0U);
    for (float& value : vector.flat()) value = static_cast<float>(count);
    taken.push_back(vector);
  }
  for (const VectorView<float>& vector : taken)
    for (const float value : vector.flat()) ASSERT_EQ(value, static_cast<float>(vector.count()));
}

TEST(Workspace, KeepsWhatTheOuterScopeTookWhenAnInnerOneGrowsIt) {
  Workspace workspace;
  {
    const Workspace::Scope outer(workspace);
    const VectorView<double> kept = workspace.vector<double>(100);
    for (double& value : kept.flat()) value = 5;
    {
      const Workspace::Scope inner(workspace);
      for (double& value : workspace.vector<double>(1 << 20).flat()) value = 6;
    }
    for (double& value : workspace.vector<double>(1 << 16).flat()) value = 7;
    for (const double value : kept.flat()) ASSERT_EQ(value, 5);
  }
  const std::size_t joined = workspace.capacity();
  const Workspace::Scope scope(workspace);
  (void)workspace.take<std::uint8_t>(static_cast<Index>(joined));  // in one piece now
  EXPECT_EQ(workspace.capacity(), joined);
}

TEST(Workspace, PadsEveryRowOfAMatrixToItsBoundary) {
  Workspace workspace;
  const Workspace::Scope scope(workspace);
  for (const Index columns : {1, 8, 9, 33}) {
    const MatrixView<double> matrix = workspace.matrix<double>(3, columns);
    EXPECT_EQ(matrix.stride(0), (columns + 7) / 8 * 8);
    EXPECT_EQ(matrix.extent(1), columns);
    for (Index i = 0; i < 3; ++i)
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(matrix[i].data()) % tensor_alignment, 0U);
  }
}

TEST(Workspace, KeepsWhatWorkersWritePagesApart) {
  Workspace workspace;
  const Workspace::Scope scope(workspace);
  for (const Index count : {0, 1, 5000}) {
    const MatrixView<float> rows = workspace.per_worker<float>(3, count);
    EXPECT_EQ(rows.extent(0), 3);
    EXPECT_EQ(rows.extent(1), count);
    EXPECT_GE((rows.stride(0) - count) * Index{sizeof(float)}, 8192);
    // One worker has nobody to keep away from.
    EXPECT_LT(workspace.per_worker<float>(1, count).stride(0), count + 16);
  }
}

}  // namespace
