#include <vitrail/io/torch_file.hpp>

#include "support/zip_builder.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;

std::string torch_golden(const std::string& name) { return golden("torch_files/" + name); }

/// Every element, in row-major order, as double.
std::vector<double> values_of(const AnyView& view) {
  std::vector<double> values(static_cast<std::size_t>(view.shape.count()));
  view.convert_to(std::span(values));
  return values;
}

std::vector<double> counted(int count, double from = 0) {
  std::vector<double> values;
  for (int i = 0; i < count; ++i) values.push_back(from + i);
  return values;
}

// ---- pickles put together by hand, in the zip form

std::string text(const std::string& value) { return "X" + little(value.size(), 4) + value; }
std::string number(std::uint32_t value) { return "J" + little(value, 4); }
std::string tuple(const std::vector<std::uint32_t>& values) {
  std::string program = "(";
  for (const auto value : values) program += number(value);
  return program + "t";
}
std::string tensor(std::uint32_t elements, std::uint32_t offset,
                   const std::vector<std::uint32_t>& size,
                   const std::vector<std::uint32_t>& stride) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\nFloatStorage\n" +
         text("0") + text("cpu") + number(elements) + "tQ" + number(offset) + tuple(size) +
         tuple(stride) + "\x89NtR";
}
std::string archive_of(const std::string& program, const std::string& storage,
                       const std::string& order = "little") {
  return zip_of({{"archive/data.pkl", "\x80\x02" + program + "."},
                 {"archive/byteorder", order},
                 {"archive/data/0", storage}});
}
std::string program_error(const std::string& program, std::size_t storage_bytes = 24,
                          const Limits& limits = {}) {
  const std::string file = archive_of(program, std::string(storage_bytes, '\0'));
  return error_of([&] { TorchFile opened(bytes_of(file), "m.pth", limits); });
}

class FlatFile : public ::testing::TestWithParam<const char*> {};

TEST_P(FlatFile, HoldsEveryTensorInItsOwnOrder) {
  const TorchFile file(torch_golden(GetParam()));
  EXPECT_EQ(file.group(), "");
  EXPECT_EQ(file.size(), 18U);
  EXPECT_EQ(file.at("blocks.0.weight").shape, (Shape{3, 5}));
  EXPECT_EQ(values_of(file.at("blocks.0.weight")), counted(15));
  EXPECT_EQ(values_of(file.at("blocks.0.parameter")), counted(6));
  EXPECT_EQ(values_of(file.at("transposed")), counted(15));
  EXPECT_EQ(values_of(file.at("columns")),
            (std::vector<double>{1, 5, 9, 13, 17, 21, 2, 6, 10, 14, 18, 22}));
  EXPECT_EQ(values_of(file.at("shared.all")), counted(24));
  EXPECT_EQ(values_of(file.at("shared.rows")), counted(12, 12));
  EXPECT_EQ(values_of(file.at("expanded")), std::vector<double>(8, 1.0));
  EXPECT_EQ(values_of(file.at("scalar")), std::vector<double>{7});
  EXPECT_EQ(file.at("scalar").shape.rank(), 0U);
  EXPECT_EQ(file.at("empty").shape, (Shape{0, 3}));
  EXPECT_EQ(values_of(file.at("f64")), counted(2));
  for (const char* name : {"f16", "bf16", "i64", "i32", "i16", "i8", "u8"}) {
    EXPECT_EQ(name_of(file.at(name).dtype), name);
    EXPECT_EQ(values_of(file.at(name)), counted(3));
  }
  EXPECT_EQ(values_of(file.at("bool")), (std::vector<double>{1, 0, 1}));
}

INSTANTIATE_TEST_SUITE_P(BothContainers, FlatFile,
                         ::testing::Values("flat.pth", "flat_legacy.pth", "protocol4.pth",
                                           "deflated.pth"));

TEST(TorchFile, OpensTheModelOfATrainingCheckpoint) {
  for (const char* name : {"nested.pth", "nested_legacy.pth"}) {
    const TorchFile file(torch_golden(name));
    EXPECT_EQ(file.group(), "model");
    EXPECT_EQ(file.names(), (std::vector<std::string>{"inner.b", "list.0", "list.1", "w"}));
    EXPECT_EQ(file.groups(), (std::map<std::string, std::size_t, NameLess>{
                                 {"model", 4}, {"model_ema", 1}, {"optimizer", 1}}));
    EXPECT_EQ(file.metadata().at("args.model"), "vit_tiny");
    EXPECT_EQ(file.metadata().at("epoch"), "299");
    EXPECT_EQ(file.metadata().at("args.ema"), "True");
  }
}

TEST(TorchFile, OpensAnotherGroupWhenAskedTo) {
  const std::string path = torch_golden("nested.pth");
  const TorchFile averaged(path, {}, {.group = "model_ema"});
  EXPECT_EQ(values_of(averaged.at("w")), counted(4, 1));
  const TorchFile inner(path, {}, {.group = "model.inner"});
  EXPECT_EQ(inner.names(), std::vector<std::string>{"b"});
  const TorchFile all(path, {}, {.group = "."});
  EXPECT_TRUE(all.contains("model.w"));
  EXPECT_TRUE(all.contains("optimizer.state.0.exp_avg"));
  EXPECT_EQ(
      error_of([&] { TorchFile file(path, {}, {.group = "teacher"}); }),
      path + ": no tensors in the group 'teacher', there are 'model' 'model_ema' 'optimizer'");
  EXPECT_CONTAINS(error_of([] { TorchFile file(torch_golden("two_groups.pth")); }),
                  "holds several groups of tensors, choose one: 'left' (1 tensors), 'right' (1 "
                  "tensors)");
}

TEST(TorchFile, OpensTorchScriptAndSingleTensors) {
  const TorchFile script(torch_golden("torchscript.pt"));
  EXPECT_EQ(values_of(script.at("proj.weight")), counted(6));
  EXPECT_EQ(values_of(script.at("steps")), counted(2));
  EXPECT_EQ(values_of(TorchFile(torch_golden("tensor.pth")).at("tensor")), counted(6));
}

TEST(TorchFile, RefusesToRunAnything) {
  for (const char* name : {"hostile.pth", "hostile_legacy.pth"})
    EXPECT_CONTAINS(error_of([&] { TorchFile file(torch_golden(name)); }),
                    "the global 'posix.system' is refused");
  EXPECT_FALSE(std::filesystem::exists("/tmp/vitrail-was-here"));
  EXPECT_CONTAINS(error_of([] { TorchFile file(torch_golden("module.pth")); }),
                  "the global 'torch.nn.modules.linear.Linear' is refused");
  EXPECT_CONTAINS(program_error("}U\x01"
                                "ccomegaconf.dictconfig\nDictConfig\n)\x81s"),
                  "'omegaconf.dictconfig.DictConfig' is refused");
}

TEST(TorchFile, SkipsGlobalsThatTheCallerDeclaresInert) {
  const std::string file = archive_of("}(" + text("w") + tensor(6, 0, {6}, {1}) + text("cfg") +
                                          "comegaconf.dictconfig\nDictConfig\n)\x81}bu",
                                      std::string(24, '\0'));
  EXPECT_NE(error_of([&] { TorchFile opened(bytes_of(file), "m.pth"); }), "no error");
  const TorchFile opened(bytes_of(file), "m.pth", {},
                         {.inert_globals = {"omegaconf.dictconfig.DictConfig"}});
  EXPECT_EQ(opened.size(), 1U);
}

TEST(TorchFile, ReportsForeignTypesOnlyWhenAskedFor) {
  const TorchFile file(torch_golden("complex.pth"));
  EXPECT_EQ(file.names(), std::vector<std::string>{"w"});
  EXPECT_CONTAINS(error_of([&] { (void)file.at("c"); }),
                  "'c' is in a torch.ComplexFloatStorage, which is not supported");
  EXPECT_CONTAINS(error_of([] { TorchFile none(torch_golden("no_tensors.pth")); }),
                  "holds no tensors");
}

TEST(TorchFile, ChecksThatTensorsLieWithinTheirStorage) {
  const auto error = [](std::uint32_t offset, const std::vector<std::uint32_t>& size,
                        const std::vector<std::uint32_t>& stride) {
    return program_error("}" + text("w") + tensor(6, offset, size, stride) + "s");
  };
  EXPECT_EQ(error(0, {2, 3}, {3, 1}), "no error");
  EXPECT_EQ(error(0, {2, 3}, {1, 2}), "no error");
  EXPECT_EQ(error(5, {1}, {1}), "no error");
  EXPECT_EQ(error(6, {0}, {1}), "no error");
  EXPECT_EQ(error(1, {2, 3}, {3, 1}),
            "m.pth: 'w': shape (2, 3) at element 1 reaches beyond its storage of 6 elements");
  EXPECT_CONTAINS(error(0, {2, 3}, {4, 1}), "reaches beyond its storage");
  EXPECT_CONTAINS(error(7, {0}, {1}), "reaches beyond its storage");
  EXPECT_CONTAINS(error(0, {2}, {0x7fffffff}), "reaches beyond its storage");
  EXPECT_CONTAINS(error(0, {0x7fffffff, 0x7fffffff}, {1, 1}), "reaches beyond its storage");
  EXPECT_CONTAINS(error(0, {0xffffffff}, {1}), "its extent is no number of elements");
  EXPECT_CONTAINS(error(0xffffffff, {1}, {1}), "its offset is no number of elements");
  EXPECT_CONTAINS(error(0, {2, 3}, {1}), "has 2 extents and 1 strides");
  EXPECT_CONTAINS(program_error("}" + text("w") + tensor(6, 0, {6}, {1}) + "s", 20),
                  "its storage '0' has 20 bytes, expected 24");
}

TEST(TorchFile, RefusesATensorThatRepeatsAFewBytesBeyondTheLimits) {
  // Stride 0: 2^31 - 1 elements out of one.
  EXPECT_CONTAINS(program_error("}" + text("w") + tensor(6, 0, {0x7fffffff}, {0}) + "s"),
                  "'w': needs 8589934588 bytes of memory, the limits leave ");
  EXPECT_CONTAINS(
      program_error("}" + text("w") +
                    tensor(6, 0, {0x7fffffff, 0x7fffffff, 0x7fffffff}, {0, 0, 0}) + "s"),
      "whose size overflows");
}

TEST(TorchFile, RefusesTreesThatFoldBackOnThemselves) {
  // Each list holds the one before it twice: 2^40 leaves.
  std::string bomb = "]q" + std::string(1, '\0');
  for (char level = 1; level < 40; ++level) {
    const std::string before = "h" + std::string(1, static_cast<char>(level - 1));
    bomb += "0](" + before + before + "eq" + std::string(1, level);
  }
  Limits limits;
  limits.max_pickle_values = 100'000;
  EXPECT_NE(program_error(bomb, 24, limits), "m.pth: holds no tensors");
  EXPECT_CONTAINS(program_error(bomb, 2'000'000, limits), "more than 100000 values");
  EXPECT_CONTAINS(program_error("]q\x01h\x01"
                                "a"),
                  "nested deeper than the limit of 100");
}

TEST(TorchFile, RefusesOtherByteOrdersAndOtherArchives) {
  const std::string big =
      archive_of("}" + text("w") + tensor(6, 0, {6}, {1}) + "s", std::string(24, '\0'), "big");
  EXPECT_EQ(error_of([&] { TorchFile opened(bytes_of(big), "m.pth"); }),
            "m.pth: its byte order is 'big', expected 'little'");
  EXPECT_EQ(error_of([] {
              TorchFile opened(bytes_of(zip_of({{"a", "x"}})), "m.pth");
            }),
            "m.pth: not a PyTorch file: the archive has no entry data.pkl");
}

TEST(TorchFile, RefusesEveryTruncationAndSurvivesEveryFlippedByte) {
  Limits limits;
  limits.check_crc = false;
  for (const char* name : {"flat.pth", "flat_legacy.pth", "nested_legacy.pth"}) {
    const std::string whole = read_whole(torch_golden(name));
    for (std::size_t size = 1; size < whole.size(); size += 7) {
      const std::string part = whole.substr(0, size);
      EXPECT_NE(error_of([&] { TorchFile opened(bytes_of(part), "m"); }), "no error") << size;
    }
    for (std::size_t at = 0; at < whole.size(); at += 3) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (at % 2 == 0 ? 1 : 0xff));
      (void)error_of([&] { TorchFile opened(bytes_of(changed), "m", limits); });
    }
  }
}

}  // namespace
