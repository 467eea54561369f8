// What PyTorch's pickles mean: which globals may appear in one, and how a tensor is described.
//
//   torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)
//   storage = persistent id ("storage", torch.FloatStorage, key, location, number of elements)
//
// Everything else that is allowed is inert: it is skipped, or its attributes are read as text.
#ifndef VITRAIL_IO_TORCH_PICKLE_HPP
#define VITRAIL_IO_TORCH_PICKLE_HPP

#include <optional>
#include <vitrail/io/pickle.hpp>
#include <vitrail/tensor/dtype.hpp>
#include <vitrail/tensor/shape.hpp>

VITRAIL_BEGIN_COLD_NAMESPACE
namespace detail {

struct TorchName {
  std::string_view name;
  DType dtype;
};

/// "torch.FloatStorage" -> f32.
[[nodiscard]] inline std::optional<DType> torch_storage_dtype(std::string_view global) {
  constexpr TorchName names[] = {
      {"torch.DoubleStorage", DType::f64}, {"torch.FloatStorage", DType::f32},
      {"torch.HalfStorage", DType::f16},   {"torch.BFloat16Storage", DType::bf16},
      {"torch.LongStorage", DType::i64},   {"torch.IntStorage", DType::i32},
      {"torch.ShortStorage", DType::i16},  {"torch.CharStorage", DType::i8},
      {"torch.ByteStorage", DType::u8},    {"torch.BoolStorage", DType::boolean},
      {"torch.UntypedStorage", DType::u8}, {"torch.storage.UntypedStorage", DType::u8}};
  for (const TorchName& known : names)
    if (known.name == global) return known.dtype;
  return std::nullopt;
}

/// "torch.float32" -> f32.
[[nodiscard]] inline std::optional<DType> torch_dtype(std::string_view global) {
  constexpr TorchName names[] = {
      {"torch.float64", DType::f64},   {"torch.float32", DType::f32}, {"torch.float16", DType::f16},
      {"torch.bfloat16", DType::bf16}, {"torch.int64", DType::i64},   {"torch.int32", DType::i32},
      {"torch.int16", DType::i16},     {"torch.int8", DType::i8},     {"torch.uint64", DType::u64},
      {"torch.uint32", DType::u32},    {"torch.uint16", DType::u16},  {"torch.uint8", DType::u8},
      {"torch.bool", DType::boolean}};
  for (const TorchName& known : names)
    if (known.name == global) return known.dtype;
  return std::nullopt;
}

/// The closed list of what may appear. Nothing of it is ever called: of the plain types and of
/// training scripts' leftovers (argparse.Namespace, paths, NumPy scalars) only attributes are read.
/// TorchScript archives name their modules "__torch__....", whose attributes are the parameters.
[[nodiscard]] inline bool is_allowed_in_torch_file(std::string_view global) {
  constexpr std::string_view known[] = {"torch._utils._rebuild_tensor",
                                        "torch._utils._rebuild_tensor_v2",
                                        "torch._utils._rebuild_tensor_v3",
                                        "torch._utils._rebuild_parameter",
                                        "torch._utils._rebuild_parameter_with_state",
                                        "torch.Size",
                                        "torch.device",
                                        "torch.Tensor",
                                        "torch.nn.parameter.Parameter",
                                        "torch.jit._pickle.build_intlist",
                                        "torch.jit._pickle.build_doublelist",
                                        "torch.jit._pickle.build_boollist",
                                        "torch.jit._pickle.build_tensorlist",
                                        "torch.jit._pickle.restore_type_tag",
                                        "collections.OrderedDict",
                                        "collections.defaultdict",
                                        "collections.Counter",
                                        "argparse.Namespace",
                                        "types.SimpleNamespace",
                                        "pathlib.Path",
                                        "pathlib.PosixPath",
                                        "pathlib.WindowsPath",
                                        "pathlib.PurePosixPath",
                                        "pathlib.PureWindowsPath",
                                        "pathlib._local.PosixPath",
                                        "pathlib._local.WindowsPath",
                                        "numpy.core.multiarray.scalar",
                                        "numpy._core.multiarray.scalar",
                                        "numpy.core.multiarray._reconstruct",
                                        "numpy._core.multiarray._reconstruct",
                                        "numpy.dtype",
                                        "numpy.ndarray",
                                        "_codecs.encode"};
  for (const std::string_view name : known)
    if (name == global) return true;
  for (const std::string_view type : {"set", "frozenset", "dict", "list", "tuple", "int", "float",
                                      "str", "bytes", "bytearray", "bool", "complex", "object"})
    for (const std::string_view module : {"builtins.", "__builtin__."})
      if (global.starts_with(module) && global.substr(module.size()) == type) return true;
  const bool storage = global.starts_with("torch.") && global.ends_with("Storage") &&
                       global.find('.', 6) == std::string_view::npos;
  return storage || global == "torch.storage.UntypedStorage" || torch_dtype(global).has_value() ||
         global.starts_with("__torch__.");
}

/// A storage as a pickle refers to it.
struct TorchStorage {
  std::string key;
  std::string type;            // "torch.FloatStorage"
  std::optional<DType> dtype;  // nothing for quantised and complex ones
  std::uint64_t count = 0;     // elements
};

/// Reads ("storage", type, key, location, count).
[[nodiscard]] inline TorchStorage read_torch_storage(const PickleValue& value,
                                                     std::string_view where) {
  using Kind = PickleValue::Kind;
  if (value.kind != Kind::persistent || value.arguments->kind != Kind::tuple)
    fail(where, "its storage is no reference to a storage");
  const auto& id = value.arguments->items;
  const bool fits = (id.size() == 5 || id.size() == 6) && id[0]->kind == Kind::text &&
                    id[0]->text == "storage" && id[1]->kind == Kind::global &&
                    id[2]->kind == Kind::text && id[4]->kind == Kind::integer &&
                    id[4]->integer >= 0;
  if (!fits) fail(where, "a storage is described in an unknown way");
  if (id.size() == 6 && id[5]->kind != Kind::none)
    fail(where, "views on storages, as PyTorch before 0.4 saved them, are not read");
  return {id[2]->text, id[1]->text, torch_storage_dtype(id[1]->text),
          static_cast<std::uint64_t>(id[4]->integer)};
}

/// The call that rebuilds a tensor: `value` itself, or what a Parameter wraps. Null when `value`
/// is no tensor.
[[nodiscard]] inline const PickleValue* torch_tensor_call(const PickleValue& value) {
  const PickleValue* call = &value;
  for (int wrappers = 0; wrappers < 4; ++wrappers) {
    if (call->kind != PickleValue::Kind::object) return nullptr;
    const std::string_view callee = call->callee->text;
    if (callee.starts_with("torch._utils._rebuild_tensor")) return call;
    if (!callee.starts_with("torch._utils._rebuild_parameter") || call->arguments->items.empty())
      return nullptr;
    call = call->arguments->items[0];
  }
  return nullptr;
}

struct TorchTensor {
  TorchStorage storage;
  std::optional<DType> dtype;
  Shape shape;
  std::array<Index, Shape::max_rank> strides{};  // in elements
  Index offset = 0;                              // in elements
};

[[nodiscard]] inline std::int64_t torch_count(const PickleValue& value, std::string_view what,
                                              std::string_view where) {
  if (value.kind != PickleValue::Kind::integer || value.integer < 0)
    fail(where, "its ", what, " is no number of elements");
  return value.integer;
}

/// Reads the arguments of _rebuild_tensor, _v2 or _v3. Ranges are not checked yet.
[[nodiscard]] inline TorchTensor read_torch_tensor(const PickleValue& call,
                                                   std::string_view where) {
  using Kind = PickleValue::Kind;
  const auto& arguments = call.arguments->items;
  if (arguments.size() < 4 || arguments[2]->kind != Kind::tuple ||
      arguments[3]->kind != Kind::tuple)
    fail(where, "is rebuilt in an unknown way, expected (storage, offset, size, stride, ...)");
  const auto& size = arguments[2]->items;
  const auto& stride = arguments[3]->items;
  if (size.size() != stride.size() || size.size() > Shape::max_rank)
    fail(where, "has ", size.size(), " extents and ", stride.size(), " strides, at most ",
         Shape::max_rank, " are read");
  TorchTensor tensor;
  tensor.storage = read_torch_storage(*arguments[0], where);
  tensor.dtype = tensor.storage.dtype;
  tensor.offset = torch_count(*arguments[1], "offset", where);
  for (std::size_t d = 0; d < size.size(); ++d) {
    tensor.shape.push_back(torch_count(*size[d], "extent", where));
    tensor.strides[d] = torch_count(*stride[d], "stride", where);
  }
  const bool names_dtype = call.callee->text.ends_with("_v3");
  if (names_dtype) {
    if (arguments.size() < 7 || arguments[6]->kind != Kind::global)
      fail(where, "is rebuilt without a dtype");
    tensor.dtype = torch_dtype(arguments[6]->text);
  }
  const std::size_t extra = names_dtype ? 7 : 6;
  if (arguments.size() > extra && !arguments[extra]->items.empty())
    fail(where, "is a lazily negated or conjugated tensor, which is not read");
  return tensor;
}

/// The key-value pairs of a dict, an OrderedDict, a module or a Namespace; null for others.
[[nodiscard]] inline const std::vector<PickleValue*>* torch_mapping(const PickleValue& value) {
  using Kind = PickleValue::Kind;
  if (value.kind == Kind::dict) return &value.items;
  if (value.kind != Kind::object) return nullptr;
  const std::string_view callee = value.callee->text;
  if (callee.starts_with("collections.")) return &value.items;
  if (value.state != nullptr && value.state->kind == Kind::dict) return &value.state->items;
  return nullptr;
}

/// A scalar as metadata shows it; nothing for everything else.
[[nodiscard]] inline std::optional<std::string> scalar_text(const PickleValue& value) {
  using Kind = PickleValue::Kind;
  switch (value.kind) {
    case Kind::boolean: return value.integer != 0 ? "True" : "False";
    case Kind::integer: return std::to_string(value.integer);
    case Kind::text: return value.text.size() <= 4096 ? std::optional(value.text) : std::nullopt;
    case Kind::real: {
      char text[32];
      std::snprintf(text, sizeof text, "%.17g", value.real);
      return text;
    }
    default: return std::nullopt;
  }
}

}  // namespace detail
VITRAIL_END_COLD_NAMESPACE

#endif  // VITRAIL_IO_TORCH_PICKLE_HPP
