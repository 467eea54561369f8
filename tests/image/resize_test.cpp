#include <gtest/gtest.h>

#include <support/golden.hpp>
#include <support/picture.hpp>
#include <thread>
#include <vitrail/image/resize.hpp>

namespace {

using namespace vitrail;

constexpr Filter all_filters[] = {Filter::nearest, Filter::box,     Filter::bilinear,
                                  Filter::hamming, Filter::bicubic, Filter::lanczos};

Image picture_of(const AnyView& pixels) { return Image(pixels.to<std::uint8_t, 3>()); }

Image grey_picture(Index height, Index width, const std::vector<int>& values) {
  Image image(height, width);
  for (std::size_t i = 0; i < values.size(); ++i)
    std::fill_n(image.view().flat().data() + 3 * i, 3, static_cast<std::uint8_t>(values[i]));
  return image;
}

std::vector<int> red_of(const Image& image) {
  std::vector<int> values;
  const auto flat = image.view().flat();
  for (std::size_t i = 0; i < flat.size(); i += 3) values.push_back(flat[i]);
  return values;
}

/// Each task on a thread of its own.
class ThreadPerTask final : public Executor {
 public:
  [[nodiscard]] int concurrency() const noexcept override { return 3; }
  void parallel_for(Index count, ParallelTask task) override {
    std::vector<std::jthread> threads;
    for (Index i = 0; i < count; ++i) threads.emplace_back([&task, i] { task(i); });
  }
};

TEST(Resize, EqualsPillowBitForBitForAllFilters) {
  const golden::Archive archive(golden::folder("pillow_resize") / "resize.safetensors");
  int compared = 0;
  for (const auto& [name, expected] : archive.tensors) {
    for (const Filter filter : all_filters) {
      const std::string prefix = std::string(name_of(filter)) + ".";
      if (!name.starts_with(prefix)) continue;
      const std::string rest = name.substr(prefix.size());
      const Image image = picture_of(archive.tensors.at("input." + rest.substr(0, rest.find('.'))));
      EXPECT_TRUE(
          same_pixels(resize(image, expected.shape[0], expected.shape[1], filter), expected))
          << name;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 66);
}

TEST(Resize, GivesThePublishedVectorsOfPillow) {
  const Image image = grey_picture(
      5, 7, {0,   91, 182, 17, 108, 199, 34,  37,  141, 245, 93, 197, 45,  149, 148, 35, 178, 65,
             208, 95, 238, 77, 29,  237, 189, 141, 93,  45,  80, 123, 166, 209, 252, 39, 82});
  EXPECT_EQ(red_of(resize(image, 3, 3, Filter::bicubic)),
            (std::vector<int>{96, 125, 115, 105, 149, 138, 101, 197, 89}));
  EXPECT_EQ(red_of(resize(image, 3, 3, Filter::bilinear)),
            (std::vector<int>{99, 118, 118, 107, 142, 139, 106, 185, 94}));
  EXPECT_EQ(
      red_of(resize(image, 8, 9, Filter::bicubic)),
      (std::vector<int>{0,   52,  141, 153, 12,  76,  181, 158, 17,  7,   75, 172, 187, 48,  124,
                        148, 116, 72,  37,  100, 199, 223, 94,  189, 108, 68, 161, 127, 75,  124,
                        177, 66,  194, 133, 117, 239, 142, 47,  93,  184, 96, 176, 136, 123, 195,
                        82,  29,  116, 243, 184, 151, 115, 77,  49,  75,  74, 134, 207, 207, 212,
                        122, 49,  58,  78,  111, 144, 171, 210, 255, 131, 35, 87}));
  EXPECT_EQ(
      red_of(resize(image, 8, 9, Filter::bilinear)),
      (std::vector<int>{0,   61,  131, 145, 17,  88,  159, 144, 34,  16,  81,  156, 174, 50,  126,
                        139, 116, 84,  44,  104, 182, 207, 91,  174, 115, 84,  155, 113, 83,  127,
                        171, 74,  175, 135, 123, 210, 126, 64,  106, 176, 104, 169, 135, 122, 178,
                        81,  47,  120, 221, 181, 154, 116, 81,  57,  79,  81,  133, 198, 200, 203,
                        125, 64,  66,  80,  109, 142, 176, 209, 242, 134, 53,  82}));
}

TEST(Resize, FastKernelsEqualThePlainOnesOverOddSizes) {
  SerialExecutor serial;
  for (const auto& [height, width] : {std::pair<Index, Index>{1, 1}, {7, 5}, {33, 61}, {130, 19}}) {
    const Image image = noise(height, width);
    for (const Filter filter : all_filters) {
      if (filter == Filter::nearest) continue;
      for (const Index h : {1, 2, 9, 17, 64, 131}) {
        for (const Index w : {1, 3, 8, 21, 61, 100}) {
          const Region whole{0, 0, h, w};
          const Image fast =
              detail::resize_with<detail::FastResize>(image, h, w, filter, whole, serial);
          const Image plain =
              detail::resize_with<detail::PlainResize>(image, h, w, filter, whole, serial);
          EXPECT_TRUE(std::ranges::equal(fast.view().flat(), plain.view().flat()))
              << name_of(filter) << " " << height << "x" << width << " to " << h << "x" << w;
        }
      }
    }
  }
}

TEST(Resize, ARegionIsCutFromTheWhole) {
  SerialExecutor serial;
  const Image image = noise(40, 57);
  for (const Filter filter : all_filters) {
    for (const auto& [h, w] : {std::pair<Index, Index>{21, 30}, {40, 31}, {83, 57}, {40, 57}}) {
      const Image whole = resize(image, h, w, filter);
      const Region region{3, 5, 16, 22};
      const Image part = resize_region(image, h, w, filter, region, serial);
      ASSERT_EQ(part.height(), region.height);
      ASSERT_EQ(part.width(), region.width);
      for (Index y = 0; y < region.height; ++y)
        EXPECT_TRUE(std::equal(part.row(y), part.row(y) + 3 * region.width,
                               whole.row(region.top + y) + 3 * region.left))
            << name_of(filter) << " row " << y << " of " << h << "x" << w;
    }
  }
}

TEST(Resize, DoesNotDependOnTheNumberOfThreads) {
  ThreadPerTask threads;
  const Image image = noise(75, 49);
  for (const Filter filter : all_filters)
    EXPECT_TRUE(std::ranges::equal(resize(image, 31, 64, filter, threads).view().flat(),
                                   resize(image, 31, 64, filter).view().flat()));
}

TEST(Resize, RefusesEmptyTargetsAndRegionsOutside) {
  SerialExecutor serial;
  const Image image = noise(4, 4);
  EXPECT_NE(error_of([&] { (void)resize(image, 0, 4, Filter::bicubic); }), "");
  EXPECT_NE(error_of([&] { (void)resize(image, 4, -1, Filter::bicubic); }), "");
  EXPECT_NE(error_of([&] { (void)resize(Image(), 4, 4, Filter::bicubic); }), "");
  EXPECT_EQ(error_of([&] {
              (void)resize_region(image, 8, 8, Filter::box, {4, 4, 5, 2}, serial);
            }),
            "resize: cannot give 2 x 5 pixels of a picture of 8 x 8");
}

}  // namespace
