// The program as a user meets it: what it prints, its one-line errors, its exit codes.
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <support/program.hpp>
#include <vitrail/io/safetensors.hpp>

namespace {

using namespace vitrail;
namespace fs = std::filesystem;
using namespace vitrail_test;

/// A safetensors file of a header and `bytes` zero bytes.
std::string safetensors(const std::string& header, std::size_t bytes) {
  std::string file(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<char>((header.size() >> (8 * i)) & 255);
  return file + header + std::string(bytes, '\0');
}

TEST(Classify, NamesTheBundledPictures) {
  const Outcome outcome =
      vitrail_program("classify " + model + "/pictures/trouser.png --top 1 --json");
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  const nlohmann::json answer = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(answer.at("predictions").at(0).at("label"), "Trouser");
  EXPECT_EQ(answer.at("predictions").size(), 1U);
  EXPECT_TRUE(answer.contains("encode_ms"));
}

TEST(Classify, TakesFoldersAndReportsFailuresAtTheEnd) {
  const Outcome outcome =
      vitrail_program("classify " + model + "/pictures " + model + "/config.json --json");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 10);
  EXPECT_NE(outcome.error.find("config.json"), std::string::npos) << outcome.error;
}

TEST(Classify, ShowsABarForEachClass) {
  const Outcome outcome =
      vitrail_program("classify " + model + "/pictures/bag.png --top 3 --threads 1");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.out.find("#####"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("Bag"), std::string::npos) << outcome.out;
}

TEST(Run, WritesEveryStageUnderThePublishersName) {
  const TemporaryFolder scratch;
  const Outcome outcome =
      vitrail_program("run --model " + golden + "/hf_vit --input " + golden +
                      "/hf_vit/input.safetensors --output " + scratch / "out.safetensors");
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  const Safetensors out(scratch / "out.safetensors");
  for (const char* name :
       {"logits", "last_hidden_state", "attentions.last", "hidden_states.0", "hidden_states.3"})
    EXPECT_TRUE(out.contains(name)) << name;
}

TEST(Verify, FailsWhenATensorDiffers) {
  EXPECT_EQ(vitrail_program("verify " + golden + "/timm_vit_cls").code, 0);
  const Outcome outcome = vitrail_program("verify --gelu tanh " + golden + "/timm_vit_cls");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.out.find("FAILED"), std::string::npos);
}

TEST(Convert, ToBf16HalvesTheFileAndRuns) {
  const TemporaryFolder scratch;
  ASSERT_EQ(
      vitrail_program("convert " + golden + "/timm_vit_cls " + scratch / "half --precision bf16")
          .code,
      0);
  EXPECT_LT(fs::file_size(scratch / "half/model.safetensors"),
            fs::file_size(golden + "/timm_vit_cls/model.safetensors") * 6 / 10);
  EXPECT_EQ(vitrail_program("info " + scratch / "half").code, 0);
}

TEST(Convert, ToInt8ShrinksTheFileAndAnswersTheSame) {
  const TemporaryFolder scratch;
  const std::string from = golden + "/hf_vit";
  const auto logits = [&](const std::string& path, const std::string& width) {
    const std::string out = scratch / "out.safetensors";
    const Outcome run =
        vitrail_program("run --precision int8" + width + " --model " + path + " --input " + golden +
                        "/hf_vit/input.safetensors " + "--output " + out);
    EXPECT_EQ(run.code, 0) << run.error;
    const Safetensors file(out);
    const auto bytes = file.at("logits").bytes;
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  const auto size = [](const std::string& folder) {
    return static_cast<double>(std::filesystem::file_size(folder + "/model.safetensors"));
  };
  // The model is narrow: by default its products stay in bf16, some in f32.
  double larger = size(from);
  for (const auto& [width, products] :
       {std::pair{"", "of 0 products in int8, of "}, {" --int8-width 0", " products in int8"}}) {
    const std::string to = scratch / "int8";
    const Outcome outcome =
        vitrail_program("convert " + from + " " + to + " --precision int8" + width);
    ASSERT_EQ(outcome.code, 0) << outcome.error;
    EXPECT_NE(outcome.out.find(products), std::string::npos) << outcome.out;
    EXPECT_LT(size(to), 0.95 * larger);
    larger = size(to);
    EXPECT_EQ(logits(to, width), logits(from, width));
    expect_error("convert " + to + " " + (scratch / "again"), {"holds int8 weights"});
  }
}

TEST(ComparePrecision, ShowsWhatEachCosts) {
  const std::string arguments = "compare-precision " + model + "/pictures";
  const Outcome text = vitrail_program(arguments);
  EXPECT_EQ(text.code, 0) << text.error;
  EXPECT_NE(text.out.find("10 pictures"), std::string::npos) << text.out;
  const Outcome outcome = vitrail_program(arguments + " --json --threads 1");
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  const nlohmann::json result = nlohmann::json::parse(outcome.out);
  ASSERT_EQ(result.at("precisions").size(), 3U);
  const nlohmann::json& f32 = result.at("precisions")[0];
  EXPECT_EQ(f32.at("largest_difference").get<double>(), 0);
  EXPECT_EQ(f32.at("top1_agreement").get<double>(), 1);
  for (const nlohmann::json& p : result.at("precisions")) {
    EXPECT_GT(p.at("cosine").get<double>(), 0.99) << p.at("precision");
    EXPECT_LT(p.at("mean_difference").get<double>(), p.at("largest_difference").get<double>() + 1);
    EXPECT_GT(p.at("median_ms").get<double>(), 0);
  }
}

TEST(Embed, WritesFeaturesNamedAfterThePictures) {
  const TemporaryFolder scratch;
  const std::string picture = model + "/pictures/bag.png";
  ASSERT_EQ(
      vitrail_program("embed " + picture + " --output " + scratch / "features.safetensors").code,
      0);
  EXPECT_EQ(Safetensors(scratch / "features.safetensors").at(picture).shape.count(), 128);
}

TEST(Info, SaysWhereEachFactComesFrom) {
  const Outcome outcome = vitrail_program("info " + golden + "/hf_vit");
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  for (const char* word : {"Hugging Face", "1e-12", "config.json", "class, patches", "gelu_erf"})
    EXPECT_NE(outcome.out.find(word), std::string::npos) << word;
}

TEST(Errors, SayWhereWhatWasFoundAndWhatWasExpected) {
  const TemporaryFolder scratch;
  const std::string good = read(golden + "/timm_vit_cls/model.safetensors");
  const std::string config = read(golden + "/timm_vit_cls/config.json");
  const std::string picture = model + "/pictures/bag.png";
  const auto classify = [&](const std::string& path) {
    return "classify " + picture + " --model " + path;
  };
  fs::create_directories(scratch / "m");
  write(scratch / "m/config.json", config);
  const std::string file = scratch / "m/model.safetensors";

  expect_error(classify(scratch / "absent"), {"absent"});
  write(file, good.substr(0, good.size() / 2));
  expect_error(classify(scratch / "m"), {"model.safetensors", "reach beyond", "truncated"});
  write(file, safetensors(R"({"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}})", 4));
  expect_error(classify(scratch / "m"), {"'a'", "F33"});
  write(
      file,
      safetensors(
          R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
          12));
  expect_error(classify(scratch / "m"), {"'b'", "'a'"});
  write(file,
        safetensors(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})",
                    4));
  expect_error(classify(scratch / "m"), {"'a'", "overflow"});

  std::string renamed = good;
  renamed.replace(renamed.find("blocks.1.norm2.weight"), 21, "blocks.1.norm2.wxight");
  write(file, renamed);
  expect_error(classify(scratch / "m"), {"no tensor 'blocks.1.norm2.weight'", "nearest"});
  std::string reshaped = good;
  const std::size_t at = reshaped.find("[96,24]", reshaped.find("blocks.1.mlp.fc1.weight"));
  reshaped.replace(at, 7, "[24,96]");
  write(file, reshaped);
  expect_error(classify(scratch / "m"), {"blocks.1.mlp.fc1.weight is (24, 96)", "(96, 24)"});
  write(file, good);
  write(scratch / "m/config.json", R"({"architecture":"vit_enormous_patch1"})");
  expect_error(classify(scratch / "m"), {"config.json", "vit_enormous_patch1"});
  expect_error("classify " + golden + "/timm_vit_cls/config.json", {"config.json", "no JPEG"});
  expect_error("classify " + (scratch / "absent.png"), {"absent.png", "not found"});
}

TEST(Errors, AreOneLineAndJsonIsJsonWhateverAFileIsCalled) {
  const TemporaryFolder scratch;
  expect_error("classify '" + (scratch / "a\nb\x1b[31m\xff.png") + "'", {"a?b?[31m", "not found"});
  expect_error("info '" + (scratch / "a\nb") + "'", {"a?b", "does not exist"});
  const std::string name = scratch / "line\n\x1b[31m\xff.png";
  fs::copy_file(model + "/pictures/bag.png", name);
  const Outcome text = vitrail_program("classify '" + name + "'");
  EXPECT_EQ(text.code, 0) << text.error;
  EXPECT_NE(text.out.find("line??[31m"), std::string::npos) << text.out;
  EXPECT_EQ(text.out.find('\x1b'), std::string::npos);
  const Outcome json = vitrail_program("classify --json '" + name + "'");
  EXPECT_EQ(json.code, 0) << json.error;
  EXPECT_NE(nlohmann::json::parse(json.out).at("file").get<std::string>().find("line\n"),
            std::string::npos);

  // A label that would speak to the terminal, and an architecture that is no UTF-8.
  fs::create_directories(scratch / "m");
  fs::copy_file(golden + "/timm_vit_cls/model.safetensors", scratch / "m/model.safetensors");
  nlohmann::json config = nlohmann::json::parse(read(golden + "/timm_vit_cls/config.json"));
  nlohmann::json labels = nlohmann::json::array();
  for (Index i = 0; i < config.at("num_classes").get<Index>(); ++i) labels.push_back("\x1b[2J\nx");
  config["label_names"] = labels;
  write(scratch / "m/config.json", config.dump());
  const Outcome labelled = vitrail_program("classify '" + name + "' --model " + (scratch / "m"));
  EXPECT_EQ(labelled.code, 0) << labelled.error;
  EXPECT_EQ(labelled.out.find('\x1b'), std::string::npos) << labelled.out;
  EXPECT_NE(labelled.out.find("?[2J?x"), std::string::npos) << labelled.out;
}

TEST(Errors, StrangeFilesAreRefused) {
  const TemporaryFolder scratch;
  fs::create_symlink("loop", scratch / "loop");
  fs::create_symlink("loop.png", scratch / "loop.png");
  write(scratch / "empty", "");
  const std::string picture = model + "/pictures/bag.png";
  for (const std::string& file :
       {scratch / "loop", scratch / "empty", scratch / "loop.png", std::string("/dev/zero"),
        std::string("/dev/null"), scratch / "."}) {
    expect_error("info " + file, {file});
    expect_error("classify " + file, {file.substr(0, file.find_last_not_of("/.") + 1)});
    expect_error("classify " + picture + " --labels " + file, {file});
    expect_error("verify " + file, {file});
    expect_error("run --model " + model + " -i " + file + " -o " + (scratch / "out"), {file});
    expect_error("preprocess " + picture + " --recipe " + file + " -o " + (scratch / "out"),
                 {file});
  }
  EXPECT_FALSE(fs::exists(scratch / "out"));
}

TEST(Errors, AFullDiskLeavesNothingHalfWritten) {
  const TemporaryFolder scratch;
  const std::string picture = model + "/pictures/bag.png";
  const std::string small = "trap '' XFSZ; ulimit -f 8; ";  // 4 KiB; then as on a full disk
  const std::string out = scratch / "out.safetensors";
  write(out, "old");
  expect_error("embed --tokens " + picture + " -o " + out, {out, "cannot write"}, small);
  EXPECT_EQ(read(out), "old");
  expect_error("convert " + model + " " + (scratch / "converted"), {"cannot write"}, small);
  EXPECT_TRUE(fs::is_empty(scratch / "converted"));
  expect_error(
      "run --model " + golden + "/hf_vit -i " + golden + "/hf_vit/input.safetensors -o " + out,
      {out, "cannot write"}, small);
  EXPECT_EQ(read(out), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(scratch / "."), {}), 2);

  expect_error("classify " + picture + " >/dev/full", {"standard output", "No space left"});
  expect_error("info " + model + " >/dev/full", {"standard output", "No space left"});
  expect_error("embed " + picture + " -o /dev/full", {"/dev/full", "No space left"});
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
  expect_error("embed " + picture + " -o " + (scratch / "."), {"is a directory"});
  expect_error("embed " + picture + " -o " + (scratch / "absent/out"), {"folder does not exist"});
}

TEST(Errors, AClosedPipeIsOneLine) {
  const TemporaryFolder scratch;
  const std::string pictures = model + "/pictures";
  const std::string code = scratch / "code";
  const std::string error = scratch / "error";
  const std::string command = "{ sleep 0.3; " VITRAIL_PROGRAM " classify " + pictures + " 2>" +
                              error + "; echo $? >" + code + "; } | true; sleep 1";
  ASSERT_EQ(std::system(command.c_str()), 0);
  for (int wait = 0; wait < 100 && read(code).empty(); ++wait) ::usleep(100'000);
  EXPECT_EQ(read(code), "1\n");
  EXPECT_EQ(read(error), "vitrail: standard output: cannot write: Broken pipe\n");
}

TEST(Errors, AFileThatShrinksIsOneLine) {
  const TemporaryFolder scratch;
  const std::string pipe = scratch / "picture.png";
  const std::string error = scratch / "error";
  const std::string code = scratch / "code";
  // What the system does to a program that touches pages of a file no longer there.
  const std::string command = "mkfifo " + pipe + "; " VITRAIL_PROGRAM " classify " + pipe + " 2>" +
                              error + " & sleep 2; kill -BUS $!; wait $!; echo $? >" + code;
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(read(code), "1\n");
  EXPECT_NE(read(error).find("vitrail: a file shrank while it was read"), std::string::npos);
}

TEST(Errors, SayWhenThereIsNoPermission) {
  std::string before;
  if (::geteuid() == 0) {  // root may read everything: become somebody else
    before = "setpriv --reuid=65534 --clear-groups ";
    if (std::system((before + "test -x " VITRAIL_PROGRAM).c_str()) != 0)
      GTEST_SKIP() << "cannot drop root's rights here";
  }
  const TemporaryFolder scratch;
  fs::permissions(scratch.path(), fs::perms::all);  // for somebody else too
  const std::string picture = model + "/pictures/bag.png";
  fs::create_directories(scratch / "closed");
  fs::copy(model, scratch / "closed/model");
  fs::create_directories(scratch / "model");
  for (const char* name : {"config.json", "model.safetensors"})
    fs::copy_file(model + "/" + name, scratch / "model/" + name);
  const auto classify = "classify " + picture + " --model ";
  fs::permissions(scratch / "closed", fs::perms::none);
  expect_error(classify + (scratch / "closed"), {"closed", "cannot list", "no permission"}, before);
  expect_error(classify + (scratch / "closed/model"), {"closed/model", "no permission"}, before);
  expect_error("classify " + (scratch / "closed/cat.png"), {"cat.png", "no permission"}, before);
  expect_error("classify " + (scratch / "closed"), {"closed", "Permission denied"}, before);
  expect_error("embed " + picture + " -o " + (scratch / "closed/out"), {"out", "no permission"},
               before);
  fs::permissions(scratch / "model/config.json", fs::perms::none);
  expect_error(classify + (scratch / "model"), {"config.json", "no permission"}, before);
  fs::permissions(scratch / "model/model.safetensors", fs::perms::none);
  expect_error(classify + (scratch / "model"), {"model.safetensors", "no permission"}, before);
  fs::permissions(scratch / "closed", fs::perms::owner_all);
}

TEST(Environment, ForcesTheInstructionSet) {
  const std::string command = "classify --json --top 1 " + model + "/pictures/bag.png";
  expect_error(command, {"VITRAIL_CPU", "unknown instruction set \"avx513\"", "generic avx2"},
               "VITRAIL_CPU=avx513 ");
  const auto label = [&](const std::string& before) {
    const Outcome outcome = vitrail_program(command, before);
    EXPECT_EQ(outcome.code, 0) << outcome.error;
    return outcome.code == 0
               ? nlohmann::json::parse(outcome.out).at("predictions").at(0).at("label")
               : nlohmann::json();
  };
  EXPECT_EQ(label("VITRAIL_CPU=generic "), label("VITRAIL_CPU= "));
}

TEST(CommandLine, ABadFlagExitsWithTwo) {
  for (const char* wrong :
       {"", "classify", "classify x.png --precision f8", "classify x.png --nonsense", "paint x.png",
        "classify x.png --size big", "run --model m", "classify x.png --threads -3",
        "verify folder --model m", "bench --gelu tanh", "preprocess x.png -o o --precision int8",
        "compare-precision x.png --precision int8"}) {
    const Outcome outcome = vitrail_program(wrong);
    EXPECT_EQ(outcome.code, 2) << wrong;
    EXPECT_FALSE(outcome.error.empty() && outcome.out.empty()) << wrong;
  }
  EXPECT_EQ(vitrail_program("--help").code, 0);
  EXPECT_EQ(vitrail_program("classify --help").code, 0);
}

}  // namespace
