#include <gtest/gtest.h>

#include <support/levels.hpp>
#include <support/plain_layers.hpp>
#include <vitrail/nn/encoder.hpp>

namespace {

using namespace vitrail;
using vitrail_test::MadeUpParameters;
using vitrail_test::Rows;

/// Three blocks of 2 heads over 10 columns.
Encoder<double> some_encoder() {
  MadeUpParameters<double> p;
  Encoder<double> encoder;
  encoder.blocks = std::vector<EncoderBlock<double>>(3);
  for (EncoderBlock<double>& block : encoder.blocks) {
    block.norm1 = LayerNorm<double>::load(p, "norm1", 10, 1e-6);
    block.attn.heads = 2;
    block.attn.qkv = Dense<double>::load(p, "qkv", 30, 10);
    block.attn.proj = Dense<double>::load(p, "proj", 10, 10);
    block.norm2 = LayerNorm<double>::load(p, "norm2", 10, 1e-6);
    block.mlp.fc1 = Dense<double>::load(p, "fc1", 13, 10);
    block.mlp.fc2 = Dense<double>::load(p, "fc2", 10, 13);
  }
  return encoder;
}

TEST(Encoder, RunsItsBlocksInOrderAndRecordsWhatStandsBetweenThem) {
  const Encoder<double> encoder = some_encoder();
  const Rows input = vitrail_test::some_rows(2 * 5, 10);
  Tensor<double, 2> found = vitrail_test::as_tensor<double>(input);
  Tensor<double, 2> expected = vitrail_test::as_tensor<double>(input);
  vitrail_test::Serial serial;
  Trace trace(Trace::Attention::all);
  encoder(found, 2, serial.context, &trace);
  Tensor<double, 4> maps({2, 2, 5, 5});
  for (Index i = 0; i < 4; ++i) {
    const AnyTensor* const stage = trace.find(join("hidden_states.", i));
    ASSERT_NE(stage, nullptr);
    EXPECT_EQ(stage->shape(), Shape({2, 5, 10}));
    const auto values = stage->view().as<double, 3>();
    for (std::size_t n = 0; n < 100; ++n) EXPECT_EQ(values.flat()[n], expected.flat()[n]) << i;
    if (i == 3) break;
    encoder.blocks[static_cast<std::size_t>(i)](expected, 2, serial.context, maps);
    const AnyTensor* const seen = trace.find(i == 2 ? "attn_last" : join("attn.", i));
    ASSERT_NE(seen, nullptr);
    const auto weights = seen->view().as<double, 4>();
    for (std::size_t n = 0; n < 100; ++n) EXPECT_EQ(weights.flat()[n], maps.flat()[n]) << i;
  }
  for (std::size_t n = 0; n < 100; ++n) EXPECT_EQ(found.flat()[n], expected.flat()[n]);
}

TEST(Encoder, RecordsTheMapsOfTheLastBlockOnlyUnlessAsked) {
  Tensor<double, 2> x = vitrail_test::as_tensor<double>(vitrail_test::some_rows(5, 10));
  vitrail_test::Serial serial;
  Trace trace;
  some_encoder()(x, 1, serial.context, &trace);
  EXPECT_EQ(trace.find("attn.0"), nullptr);
  EXPECT_EQ(trace.find("attn.1"), nullptr);
  EXPECT_NE(trace.find("attn_last"), nullptr);
}

#if defined(__cpp_lib_jthread)
TEST(Encoder, StopsBeforeItsNextBlockWhenAsked) {
  std::stop_source source;
  source.request_stop();
  vitrail_test::Serial serial;
  const Context context{serial.executor, serial.workspace, source.get_token()};
  Tensor<double, 2> x = vitrail_test::as_tensor<double>(vitrail_test::some_rows(5, 10));
  EXPECT_THROW(some_encoder()(x, 1, context, nullptr), Error);
  vitrail_test::expect_rows<double>(x.view(), vitrail_test::some_rows(5, 10));  // as it was
}
#endif

}  // namespace
