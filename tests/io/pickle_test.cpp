#include <vitrail/io/pickle.hpp>

#include "support/io_files.hpp"

namespace {

using namespace vitrail;
using namespace vitrail_test;
using Kind = PickleValue::Kind;

bool only_dicts(std::string_view global) { return global == "collections.OrderedDict"; }

/// `program` behind the opcode for protocol 2.
std::string pickled(const std::string& program) { return "\x80\x02" + program; }

std::string pickle_error(const std::string& program, const Limits& limits = {}) {
  const std::string bytes = pickled(program);
  return error_of([&] { Pickle pickle(bytes_of(bytes), "p", only_dicts, limits); });
}

TEST(Pickle, ReadsScalars) {
  std::string program = "(NK\x07J\xff\xff\xff\xff";
  program += std::string("\x8a\x02\x00\x80", 4);
  program += "\x88\x89G\x3f\xf8" + std::string(6, '\0');
  program += "X" + little(2, 4) + "hi" + "t.";
  const std::string whole = pickled(program);
  const Pickle pickle(bytes_of(whole), "p", only_dicts);
  const auto& items = pickle.root().items;
  ASSERT_EQ(items.size(), 8U);
  EXPECT_EQ(items[0]->kind, Kind::none);
  EXPECT_EQ(items[1]->integer, 7);
  EXPECT_EQ(items[2]->integer, -1);
  EXPECT_EQ(items[3]->integer, -32768);
  EXPECT_EQ(items[4]->kind, Kind::boolean);
  EXPECT_EQ(items[5]->integer, 0);
  EXPECT_EQ(items[6]->real, 1.5);
  EXPECT_EQ(items[7]->text, "hi");
  EXPECT_EQ(pickle.size(), whole.size());
}

TEST(Pickle, ReadsContainersAndTheMemo) {
  // [{"a": 1}, the same dict again, (2, 3)]
  const std::string bytes = pickled(
      "](}q\x01(U\x01"
      "aK\x01uh\x01K\x02K\x03\x86"
      "e.");
  const Pickle pickle(bytes_of(bytes), "p", only_dicts);
  ASSERT_EQ(pickle.root().kind, Kind::list);
  ASSERT_EQ(pickle.root().items.size(), 3U);
  EXPECT_EQ(pickle.root().items[0], pickle.root().items[1]);
  EXPECT_EQ(pickle.root().items[0]->items[0]->text, "a");
  EXPECT_EQ(pickle.root().items[2]->items[1]->integer, 3);
}

TEST(Pickle, DescribesCallsInsteadOfMakingThem) {
  const std::string bytes = pickled("ccollections\nOrderedDict\n)RK\x01K\x02s}b.");
  const Pickle pickle(bytes_of(bytes), "p", only_dicts);
  EXPECT_EQ(pickle.root().kind, Kind::object);
  EXPECT_TRUE(pickle.root().callee->is_global("collections.OrderedDict"));
  EXPECT_EQ(pickle.root().items.size(), 2U);
  EXPECT_NE(pickle.root().state, nullptr);
}

TEST(Pickle, RefusesGlobalsThatAreNotAllowed) {
  EXPECT_EQ(pickle_error("cos\nsystem\nU\x04true\x85R."),
            "p: pickle, byte 13: the global 'os.system' is refused: only tensors and plain data "
            "are read (of a model, save its state_dict())");
  EXPECT_CONTAINS(pickle_error("U\x02osU\x06system\x93."), "the global 'os.system' is refused");
  EXPECT_CONTAINS(pickle_error("K\x01)R."), "calls something that is no global");
}

TEST(Pickle, RefusesOpcodesByTheirNumber) {
  EXPECT_EQ(pickle_error("(ios\nsystem\n."), "p: pickle, byte 3: opcode 0x69 is refused");
  EXPECT_CONTAINS(pickle_error("\x82\x01."), "opcode 0x82 is refused");
  EXPECT_CONTAINS(error_of([] { Pickle pickle(bytes_of("(dp0\n."), "p", only_dicts); }),
                  "does not begin with a protocol");
  EXPECT_CONTAINS(error_of([] { Pickle pickle(bytes_of("\x80\x06N."), "p", only_dicts); }),
                  "protocol 6, expected 2 to 5");
}

TEST(Pickle, RefusesProgramsThatMisuseTheStack) {
  EXPECT_CONTAINS(pickle_error("."), "takes from an empty stack");
  EXPECT_CONTAINS(pickle_error("(."), "takes from an empty stack");
  EXPECT_CONTAINS(pickle_error("t."), "no mark on the stack");
  EXPECT_CONTAINS(pickle_error("h\x05."), "recalls an object that was never stored");
  EXPECT_CONTAINS(pickle_error("NN."), "more than one object on the stack");
  EXPECT_CONTAINS(pickle_error("K\x01(K\x01u."), "no container");
  EXPECT_CONTAINS(pickle_error("}(K\x01u."), "a key without a value");
  EXPECT_CONTAINS(pickle_error("N("), "ends in the middle");
  EXPECT_CONTAINS(pickle_error("X\xff\xff\xff\xff"
                               "abc"),
                  "ends in the middle (truncated?)");
  EXPECT_CONTAINS(pickle_error("\x8e\xff\xff\xff\xff\xff\xff\xff\xff."), "truncated?");
  EXPECT_CONTAINS(pickle_error("cabc"), "ends in the middle of a line");
}

TEST(Pickle, KeepsToTheLimitOfObjects) {
  Limits limits;
  limits.max_pickle_values = 10;
  EXPECT_CONTAINS(pickle_error(std::string(11, 'N'), limits), "more than 10 objects");
}

TEST(Pickle, HoldsObjectsThatContainThemselves) {
  const std::string bytes = pickled(
      "]q\x01h\x01"
      "a.");
  const Pickle pickle(bytes_of(bytes), "p", only_dicts);
  EXPECT_EQ(pickle.root().items[0], &pickle.root());
}

}  // namespace
