// What PyTorch's pickles mean: the names they may hold, and the ways a tensor may be described.
#include <vitrail/io/torch_pickle.hpp>

#include "support/io_files.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

std::string torch_text(const std::string& value) { return "X" + little(value.size(), 4) + value; }

/// The call that rebuilds a (2, 3) of four-byte elements: its storage's type and what follows the
/// stride.
std::string torch_call(const std::string& callee, const std::string& type,
                       const std::string& rest) {
  return "ctorch._utils\n" + callee + "\n((" + torch_text("storage") + "ctorch\n" + type + "\n" +
         torch_text("7") + torch_text("cpu") + "K\x0atQ" + "K\x04(K\x02K\x03t(K\x03K\x01t" + rest +
         "tR";
}

/// The tensor that `program` describes.
detail::TorchTensor torch_tensor(const std::string& program) {
  const std::string bytes = "\x80\x02" + program + ".";
  const Pickle pickle(bytes_of(bytes), "p", detail::is_allowed_in_torch_file);
  return detail::read_torch_tensor(*detail::torch_tensor_call(pickle.root()), "w");
}
std::string torch_error(const std::string& program) {
  return error_of([&] { (void)torch_tensor(program); });
}

TEST(TorchPickle, ATensorIsAStorageAnOffsetExtentsAndStrides) {
  const detail::TorchTensor tensor =
      torch_tensor(torch_call("_rebuild_tensor_v2", "HalfStorage", "\x89N"));
  EXPECT_EQ(tensor.storage.key, "7");
  EXPECT_EQ(tensor.storage.count, 10U);
  EXPECT_EQ(tensor.dtype, DType::f16);
  EXPECT_EQ(tensor.shape, (Shape{2, 3}));
  EXPECT_EQ(tensor.offset, 4);
  EXPECT_EQ(tensor.strides[0], 3);
  EXPECT_EQ(tensor.strides[1], 1);
}

TEST(TorchPickle, TheThirdVersionNamesItsTypeItself) {
  const std::string untyped = "\x89NN";
  EXPECT_EQ(torch_tensor(torch_call("_rebuild_tensor_v3", "UntypedStorage",
                                    "\x89N"
                                    "ctorch\nbfloat16\n"))
                .dtype,
            DType::bf16);
  EXPECT_EQ(torch_error(torch_call("_rebuild_tensor_v3", "UntypedStorage", untyped)),
            "w: is rebuilt without a dtype");
}

TEST(TorchPickle, AParameterIsTheTensorItWraps) {
  const std::string inner = torch_call("_rebuild_tensor_v2", "FloatStorage", "\x89N");
  EXPECT_EQ(torch_tensor("ctorch._utils\n_rebuild_parameter\n(" + inner + "\x89NtR").dtype,
            DType::f32);
}

TEST(TorchPickle, RefusesTensorsThatWouldBeOtherNumbers) {
  // A lazily conjugated tensor says so in a dict of its own.
  EXPECT_CONTAINS(torch_error(torch_call("_rebuild_tensor_v2", "FloatStorage",
                                         "\x89N}" + torch_text("conj") + "\x88s")),
                  "w: is a lazily negated or conjugated tensor");
  EXPECT_EQ(torch_tensor(torch_call("_rebuild_tensor_v2", "FloatStorage", "\x89N}")).offset, 4);
  EXPECT_FALSE(
      torch_tensor(torch_call("_rebuild_tensor_v2", "QInt8Storage", "\x89N")).dtype.has_value());
  EXPECT_CONTAINS(torch_error("ctorch._utils\n_rebuild_tensor_v2\n(NK\x01tR"),
                  "is rebuilt in an unknown way");
}

TEST(TorchPickle, NamesThatMayAppearAreAClosedList) {
  for (const char* known : {"torch.FloatStorage", "torch.float32", "torch.storage.UntypedStorage",
                            "collections.OrderedDict", "builtins.set", "__torch__.a.B"})
    EXPECT_TRUE(detail::is_allowed_in_torch_file(known)) << known;
  for (const char* other :
       {"os.system", "builtins.eval", "builtins.getattr", "builtins.", "builtins.set.x",
        "torch.load", "torch.hub.load", "torch.jit.FloatStorage", "torch.float33",
        "collections.OrderedDict.fromkeys", "torch._utils._rebuild_tensor_v2.__globals__"})
    EXPECT_FALSE(detail::is_allowed_in_torch_file(other)) << other;
}

TEST(TorchPickle, ScalarsAreShownAsPythonWritesThem) {
  PickleValue value;
  EXPECT_FALSE(detail::scalar_text(value).has_value());  // None
  value.kind = PickleValue::Kind::boolean;
  EXPECT_EQ(detail::scalar_text(value), "False");
  value.kind = PickleValue::Kind::integer;
  value.integer = -3;
  EXPECT_EQ(detail::scalar_text(value), "-3");
  value.kind = PickleValue::Kind::real;
  value.real = 0.1;
  EXPECT_EQ(detail::scalar_text(value), "0.10000000000000001");
  value.kind = PickleValue::Kind::text;
  value.text = std::string(5000, 'x');
  EXPECT_FALSE(detail::scalar_text(value).has_value());
}

}  // namespace
