// Hostile files: whatever the bytes are, the reader answers a model or an error, and what it answers can be judged,
// simplified, drawn and written.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>

#include "registry/onnx/checker.h"
#include "registry/onnx/fields.h"
#include "registry/onnx/passes/passes.h"
#include "registry/onnx/picture/summary.h"
#include "registry/onnx/picture/svg.h"
#include "registry/onnx/reader.h"
#include "registry/onnx/wire.h"
#include "registry/onnx/writer.h"
#include "tests/registry/onnx/models.h"

namespace muster::onnx {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

std::string Golden(const std::string& name) {
  std::ifstream in(std::string(MUSTER_GOLDEN_DIR) + "/onnx/" + name, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

/// A model in which every family of shape rules and every pass has something to do.
Model Busy() {
  const std::vector<std::int64_t> perm = {0, 2, 1};
  const std::vector<float> ones(4, 1);
  return Around(
      {MakeNode("Conv", {"x", "w"}, "a", {{"pads", std::vector<std::int64_t>{1, 1}}}),
       MakeNode("BatchNormalization", {"a", "scale", "shift", "mean", "var"}, "b"),
       MakeNode("Transpose", {"b"}, "c", {{"perm", perm}}),
       MakeNode("Transpose", {"c"}, "d", {{"perm", perm}}), MakeNode("Shape", {"d"}, "s"),
       MakeNode("Gather", {"s", "zero"}, "n"), MakeNode("Slice", {"s", "one", "three"}, "tail"),
       MakeNode("Concat", {"n", "tail"}, "shape", {{"axis", std::int64_t{0}}}),
       MakeNode("Reshape", {"d", "shape"}, "e"), MakeNode("MatMul", {"e", "m"}, "f"),
       MakeNode("ReduceMean", {"f"}, "g", {{"axes", std::vector<std::int64_t>{2}}}),
       MakeNode("Expand", {"g", "shape"}, "h"), MakeNode("Pad", {"h", "pads"}, "i"),
       MakeNode("Add", {"i", "f"}, "y")},
      {FloatTensor("w", {4, 4, 3}, std::vector<float>(48, 0.5f)), FloatTensor("scale", {4}, ones),
       FloatTensor("shift", {4}, ones), FloatTensor("mean", {4}, ones),
       FloatTensor("var", {4}, ones), Ints("zero", {0}), Ints("one", {1}), Ints("three", {3}),
       FloatTensor("m", {6, 6}, std::vector<float>(36, 1)), Ints("pads", {0, 0, 0, 0, 0, 0})});
}

/// Bytes, and the numbers that protobuf's lengths and ONNX's sizes are made of.
class Mutator {
 public:
  explicit Mutator(std::uint32_t seed) : random_(seed) {}

  std::string Mutate(std::string bytes) {
    for (std::uint32_t i = 1 + Pick(4); i > 0 && !bytes.empty(); --i) {
      const std::size_t at = Pick(bytes.size());
      switch (Pick(7)) {
        case 0:
          bytes[at] = static_cast<char>(random_());
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << Pick(8)));
          break;
        case 2:
          bytes.erase(at, 1 + Pick(8));
          break;
        case 3:
          bytes.insert(at, bytes.substr(Pick(bytes.size()), Pick(40)));
          break;
        case 4:  // the largest and the most negative of numbers
          bytes.replace(at, std::min<std::size_t>(10, bytes.size() - at),
                        Pick(2) == 0 ? std::string("\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
                                     : std::string(9, '\xff') + "\x01");
          break;
        case 5:
          bytes[at] = static_cast<char>(Pick(2) == 0 ? 0 : 0x7f);
          break;
        default:
          if (Pick(8) == 0) bytes.resize(at);
      }
    }
    return bytes;
  }
  std::size_t Pick(std::size_t below) { return random_() % std::max<std::size_t>(below, 1); }

 private:
  std::mt19937 random_;
};

/// All that muster does with a model that it did not make.
void Use(const Model& model) {
  (void)Findings(model);
  (void)Describe(model);
  (void)Summary(model);
  const auto svg = Svg(model);
  EXPECT_TRUE(svg.ok() || svg.error().kind == ErrorKind::kUnsupported);
  EXPECT_TRUE(Write(Simplify(model).model).ok());
}

TEST(ReaderFuzz, MutatedFiles_AreModelsOrNamedErrors) {
  const std::vector<std::string> good{*Write(Busy()), Golden("tiny.onnx"), Golden("typed.onnx")};
  Mutator mutator(20261127);
  int accepted = 0;
  int refused = 0;
  constexpr int kRounds = 12'000;
  for (int round = 0; round < kRounds; ++round) {
    const std::string bytes = mutator.Mutate(good[static_cast<std::size_t>(round) % good.size()]);
    const Result<Model> model = Read(bytes);
    if (model.ok()) {
      ++accepted;
      Use(*model);
      continue;
    }
    ++refused;
    ASSERT_TRUE(model.error().kind == ErrorKind::kCorrupt ||
                model.error().kind == ErrorKind::kUnsupported);
    ASSERT_THAT(model.error().message, HasSubstr("ONNX model"));
  }
  EXPECT_GT(accepted, kRounds / 20);  // or the mutations never reach what comes after the reader
  EXPECT_GT(refused, kRounds / 20);
}

/// The same on values: each number of a model replaced by one that no shape arithmetic likes.
TEST(ReaderFuzz, HostileNumbers_LeaveEveryStageStanding) {
  constexpr std::int64_t kHostile[] = {
      0, -1, 1, INT64_MIN, INT64_MAX, INT64_MAX / 2, std::int64_t{1} << 32, 65};
  Mutator mutator(7);
  for (int round = 0; round < 3'000; ++round) {
    Model model = Busy();
    const auto number = [&] { return kHostile[mutator.Pick(std::size(kHostile))]; };
    for (std::size_t changes = 1 + mutator.Pick(3); changes > 0; --changes) {
      Node& node = model.graph.nodes[mutator.Pick(model.graph.nodes.size())];
      Tensor& tensor = model.graph.initializers[mutator.Pick(model.graph.initializers.size())];
      switch (mutator.Pick(5)) {
        case 0:
          model.graph.inputs[0].shape[mutator.Pick(3)] =
              Dim::Of(std::max<std::int64_t>(number(), -1));
          break;
        case 1:
          tensor.dims[mutator.Pick(tensor.dims.size())] = number();
          break;
        case 2:
          if (tensor.type == DataType::kInt64) tensor = Ints(tensor.name, {number()});
          break;
        case 3:
          for (Attribute& attribute : node.attributes) {
            if (auto* ints = std::get_if<std::vector<std::int64_t>>(&attribute.value))
              ints->assign(1 + mutator.Pick(4), number());
            if (auto* value = std::get_if<std::int64_t>(&attribute.value)) *value = number();
          }
          break;
        default:
          if (!node.inputs.empty())
            node.inputs[mutator.Pick(node.inputs.size())] =
                model.graph.nodes[mutator.Pick(model.graph.nodes.size())].outputs[0];
      }
    }
    Use(model);
  }
}

TEST(HostileFile, Cycle_IsAFinding) {
  const Model model = Around({MakeNode("Add", {"x", "b"}, "a"), MakeNode("Relu", {"a"}, "b"),
                              MakeNode("Relu", {"b"}, "y")});
  const Result<Model> read = Read(*Write(model));
  ASSERT_TRUE(read.ok());
  EXPECT_THAT(Findings(*read),
              Contains("node 'a/Add' (Add) uses value 'b', which nothing before it makes"));
  Use(*read);
}

TEST(HostileFile, SameNameTwice_IsAFinding) {
  Model model = Around({MakeNode("Relu", {"x"}, "y"), MakeNode("Tanh", {"x"}, "y")},
                       {FloatTensor("x", {}, {1})});
  EXPECT_THAT(Findings(model), Contains("value 'x' is made twice, the second time by initializer"));
  EXPECT_THAT(Findings(model),
              Contains("value 'y' is made twice, the second time by node 'y/Tanh' (Tanh)"));
  Use(model);
}

TEST(HostileFile, WeightShorterThanItsShape_IsAFinding) {
  Model model = Around({MakeNode("Add", {"x", "w"}, "y")}, {FloatTensor("w", {4, 6}, {1, 2, 3})});
  EXPECT_THAT(Findings(model), Contains("initializer 'w' has 12 bytes; its shape wants 24 of 4"));
  model.graph.initializers[0].dims = {INT64_MAX, INT64_MAX};
  EXPECT_THAT(Findings(model), Contains("initializer 'w' has a negative or too large shape"));
  Use(model);
}

TEST(HostileFile, DeepNesting_IsSkippedOrRefusedWithoutRecursion) {
  // A subgraph in a subgraph in ...: as an attribute whose graph field (6) holds a graph with a node with one.
  std::string nested;
  for (int depth = 0; depth < 2'000; ++depth) {
    WireWriter out;
    const std::size_t attribute = out.Begin(fields::kNodeAttribute);
    out.Int(fields::kAttributeType, fields::kTypeGraph);
    out.Bytes(6, nested);
    out.End(attribute);
    nested = out.Take();
  }
  WireWriter out;
  const std::size_t graph = out.Begin(fields::kModelGraph);
  out.Bytes(fields::kGraphNode, nested);
  out.End(graph);
  const Result<Model> model = Read(out.Take());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(model.error().message, HasSubstr("node 0: attribute '': it holds a subgraph"));
}

TEST(HostileFile, LengthBeyondTheFile_SaysWhere) {
  const Result<Model> model = Read("\x3a\xff\xff\xff\xff\x0f");
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().message, "ONNX model: truncated field 7 at byte 6 of 6");
}

}  // namespace
}  // namespace muster::onnx
