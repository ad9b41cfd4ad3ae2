#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <sstream>

#include "registry/onnx/checker.h"
#include "registry/onnx/graph.h"
#include "registry/onnx/reader.h"
#include "registry/onnx/wire.h"
#include "registry/onnx/writer.h"
#include "runtime/base/random.h"

namespace muster::onnx {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Golden(const std::string& name) {
  std::ifstream in(std::string(MUSTER_GOLDEN_DIR) + "/onnx/" + name, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

ValueInfo Floats(const std::string& name, std::vector<Dim> shape) {
  return {.name = name, .type = DataType::kFloat, .shape = std::move(shape)};
}

/// The model of tests/golden/onnx/make.py's tiny().
Model Tiny() {
  const Dim batch = Dim::Of("batch");
  Model model{.producer_name = "muster", .producer_version = "0.1.0", .metadata = {{"epoch", "3"}}};
  Graph& graph = model.graph;
  graph.name = "tiny";
  graph.inputs = {Floats("x", {batch, Dim::Of(1), Dim::Of(2)})};
  graph.outputs = {Floats("z", {batch, Dim::Of(4)})};
  graph.value_info = {Floats("flat", {batch, Dim::Of(2)})};
  graph.initializers = {
      {"fc.weight", DataType::kFloat, {2, 2}, Bytes<float>({1, -2, 0.5, 4})},
      {"shape", DataType::kInt64, {2}, Bytes<std::int64_t>({0, -1})},
      {"limit", DataType::kFloat, {}, Bytes<float>({6})},
      {"pads", DataType::kInt64, {4}, Bytes<std::int64_t>({0, 1, 0, 1})},
  };
  graph.nodes = {
      {.name = "Reshape", .op_type = "Reshape", .inputs = {"x", "shape"}, .outputs = {"flat"}},
      {.name = "fc/Gemm",
       .op_type = "Gemm",
       .inputs = {"flat", "fc.weight"},
       .outputs = {"product"},
       .attributes = {{"alpha", 0.5f}, {"transB", std::int64_t{1}}}},
      {.name = "Clip", .op_type = "Clip", .inputs = {"product", "", "limit"}, .outputs = {"y"}},
      {.name = "Pad",
       .op_type = "Pad",
       .inputs = {"y", "pads"},
       .outputs = {"z"},
       .attributes = {{"mode", std::string("constant")}}},
  };
  return model;
}

TEST(OnnxWriter, Write_TinyModel_GivesTheBytesOfOnnxsOwnLibrary) {
  const Result<std::string> bytes = Write(Tiny());
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(*bytes, Golden("tiny.onnx"));
}

TEST(OnnxReader, Read_GoldenFile_GivesTheModel) {
  const Result<Model> model = Read(Golden("tiny.onnx"));
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(*model, Tiny());
  EXPECT_THAT(Findings(*model), IsEmpty());
}

TEST(OnnxReader, Read_TypedFields_GivesLittleEndianBytes) {
  const Result<Model> model = Read(Golden("typed.onnx"));
  ASSERT_TRUE(model.ok()) << model.error().message;
  const std::vector<Tensor>& tensors = model->graph.initializers;
  ASSERT_EQ(tensors.size(), 5u);
  EXPECT_EQ(tensors[0].bytes, Bytes<float>({1.5f, -2}));
  EXPECT_EQ(tensors[1].bytes, Bytes<double>({0.25}));
  EXPECT_EQ(tensors[2].bytes, Bytes<std::int64_t>({1, -1, std::int64_t{1} << 40}));
  EXPECT_EQ(tensors[3].bytes, Bytes<signed char>({-128, 127}));
  EXPECT_EQ(tensors[4].bytes, std::string("\x01\x00", 2));
  EXPECT_THAT(model->graph.inputs, IsEmpty()) << "initializers are not inputs";
  EXPECT_EQ(model->opsets.at(""), 17) << "ai.onnx is the default domain";
}

TEST(OnnxWriter, WriteThenRead_EveryAttributeType_IsTheSame) {
  Model model = Tiny();
  model.graph.nodes[0].attributes = {
      {"int", std::int64_t{-5}},
      {"float", std::bit_cast<float>(0x7fc01234u)},
      {"string", std::string("a\0b", 3)},
      {"ints", std::vector<std::int64_t>{INT64_MIN, 0, INT64_MAX}},
      {"floats", std::vector<float>{1, -0.0f}},
      {"strings", std::vector<std::string>{"", "x"}},
      {"tensor", Tensor{"t", DataType::kBool, {2}, std::string("\x01\x00", 2)}},
      {"none", std::vector<std::int64_t>{}},
  };
  const Result<Model> again = Read(*Write(model));
  ASSERT_TRUE(again.ok()) << again.error().message;
  // A NaN differs from itself: its bits are compared, and the rest by value.
  const float nan = std::get<float>(again->graph.nodes[0].attributes[1].value);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(nan), 0x7fc01234u);
  std::vector<Attribute> got = again->graph.nodes[0].attributes;
  std::vector<Attribute> wanted = model.graph.nodes[0].attributes;
  got.erase(got.begin() + 1);
  wanted.erase(wanted.begin() + 1);
  EXPECT_EQ(got, wanted);
}

TEST(OnnxWriter, Write_LargerThanAFileMayBe_IsUnsupported) {
  const std::size_t size = Write(Tiny())->size();
  EXPECT_TRUE(Write(Tiny(), size).ok());
  const Result<std::string> refused = Write(Tiny(), size - 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(refused.error().message, HasSubstr("an ONNX file holds at most"));
  EXPECT_FALSE(Write(Tiny(), 40).ok()) << "84 bytes of weights alone are too many";
}

TEST(OnnxReader, Read_NotAModel_SaysSo) {
  EXPECT_EQ(Read("").error().kind, ErrorKind::kCorrupt);
  EXPECT_THAT(Read("").error().message, HasSubstr("0 bytes without a graph"));
  EXPECT_EQ(Read("PK\x03\x04 a zip file").error().kind, ErrorKind::kCorrupt);
}

TEST(OnnxReader, Read_EveryTruncation_IsAnErrorOrASmallerModel) {
  const std::string bytes = Golden("tiny.onnx");
  std::size_t refused = 0;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Result<Model> model = Read(std::string_view(bytes).substr(0, size));
    if (!model.ok()) ++refused;
  }
  // Only the cuts between the last fields of the outermost message leave a whole message.
  EXPECT_GE(refused + 4, bytes.size());
}

TEST(OnnxReader, Read_BytesChangedAtRandom_NeverCrashesAndErrorsAreNamed) {
  const std::string golden[] = {Golden("tiny.onnx"), Golden("typed.onnx")};
  Random random(20261124);
  std::size_t refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = golden[round % 2];
    for (std::uint64_t changes = 1 + random.Below(4); changes > 0; --changes) {
      const std::size_t at = random.Below(bytes.size());
      bytes[at] = static_cast<char>(random.Below(256));
    }
    const Result<Model> model = Read(bytes);
    if (!model.ok()) {
      ++refused;
      EXPECT_THAT(model.error().message, HasSubstr("ONNX model"));
      continue;
    }
    // What reads can be judged, described and written again.
    (void)Findings(*model);
    (void)Describe(*model);
    EXPECT_TRUE(Write(*model).ok());
  }
  EXPECT_GT(refused, 1000u);
}

TEST(OnnxReader, Read_ExternalData_NamesTheTensor) {
  WireWriter out;
  const std::size_t graph = out.Begin(7);
  const std::size_t tensor = out.Begin(5);
  out.Bytes(8, "big.weight");
  out.Int(14, 1);
  out.End(tensor);
  out.End(graph);
  const Result<Model> model = Read(out.Take());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(model.error().message,
              HasSubstr("tensor 'big.weight': its data lies in another file"));
}

TEST(OnnxChecker, Findings_EachFault_NamesNodeAndValue) {
  Model model = Tiny();
  Graph& graph = model.graph;
  graph.nodes[0].inputs[0] = "ghost";
  graph.nodes[1].attributes.push_back({"beta", std::int64_t{1}});
  graph.nodes[2].op_type = "Klip";
  graph.nodes[3].outputs[0] = "flat";
  graph.initializers[3].bytes.pop_back();
  graph.initializers.push_back({"lonely", DataType::kBool, {1}, std::string(1, '\0')});
  EXPECT_THAT(
      Findings(model),
      ElementsAre("initializer 'pads' has 31 bytes; its shape wants 4 of 8",
                  "node 'Reshape' (Reshape) uses value 'ghost', which nothing before it makes",
                  "node 'fc/Gemm' (Gemm) has attribute 'beta' of type i, wanted f",
                  "node 'Clip' (Klip): operator set 17 has no such operator",
                  "value 'flat' is made twice, the second time by node 'Pad' (Pad)",
                  "output 'z' is made by nothing", "initializer 'lonely' is used by nothing"));
  EXPECT_EQ(Check(model).error().kind, ErrorKind::kInvalid);
}

TEST(OnnxChecker, Findings_WrongCountsAndAttributes_AreNamed) {
  Model model = Tiny();
  Graph& graph = model.graph;
  graph.nodes[0].inputs.pop_back();
  graph.nodes[1].attributes[0].name = "alfa";
  graph.nodes.push_back({.name = "Pad", .op_type = "Concat", .inputs = {"y"}, .outputs = {"w"}});
  graph.initializers.erase(graph.initializers.begin() + 1);
  graph.outputs[0].has_shape = false;
  EXPECT_THAT(
      Findings(model),
      ElementsAre("node 'Reshape' (Reshape) has 1 inputs, wanted 2",
                  "node 'fc/Gemm' (Gemm) has attribute 'alfa', which the operator does not know",
                  "node 'Pad' (Concat) has the name of an earlier node",
                  "node 'Pad' (Concat) lacks attribute 'axis'", "output 'z' has no shape"));
}

TEST(OnnxChecker, Findings_RequiredEndsLeftOut_AreNamed) {
  Model model = Tiny();
  model.graph.nodes[2].inputs[0] = "";
  model.graph.nodes[3].outputs[0] = "";
  EXPECT_THAT(Findings(model),
              ElementsAre("node 'Clip' (Clip) leaves out input 0, which it must have",
                          "node 'Pad' (Pad) leaves out output 0, which it must have",
                          "output 'z' is made by nothing"));
}

TEST(OnnxChecker, Findings_NewerThanTheModelsOperatorSet_AreNamed) {
  Model model = Tiny();
  model.graph.nodes.push_back({.op_type = "Trilu", .inputs = {"z"}, .outputs = {"w"}});
  model.graph.nodes[0].attributes = {{"allowzero", std::int64_t{1}}};
  EXPECT_THAT(Findings(model), IsEmpty());
  model.opsets[""] = 13;
  EXPECT_THAT(
      Findings(model),
      ElementsAre(
          "node 'Reshape' (Reshape): Reshape.allowzero came with operator set 14, the model "
          "imports 13",
          "node #4 (Trilu): Trilu came with operator set 14, the model imports 13"));
}

TEST(OnnxChecker, Findings_ConstantsAndTheGraphsName) {
  Model model = Tiny();
  model.graph.name = "";
  model.graph.nodes.push_back({.name = "none", .op_type = "Constant", .outputs = {"a"}});
  model.graph.nodes.push_back(
      {.name = "two",
       .op_type = "Constant",
       .outputs = {"b"},
       .attributes = {{"value_int", std::int64_t{1}}, {"value_float", 1.0f}}});
  EXPECT_THAT(Findings(model),
              ElementsAre("the graph has no name", "node 'none' (Constant) has 0 values, wanted 1",
                          "node 'two' (Constant) has 2 values, wanted 1"));
}

TEST(OnnxReader, Read_NodeOfDomainAiOnnx_IsOfTheDefaultDomain) {
  Model model = Tiny();
  model.graph.nodes[1].domain = "ai.onnx";
  const Result<Model> again = Read(*Write(model));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, Tiny());
}

TEST(OnnxGraph, Describe_TinyModel_ShowsTypesAndNodes) {
  const std::string text = Describe(Tiny());
  EXPECT_THAT(text, HasSubstr("input  x float[batch, 1, 2]\n"));
  EXPECT_THAT(text, HasSubstr("product = Gemm(flat, fc.weight) alpha=0.500000 transB=1\n"));
}

}  // namespace
}  // namespace muster::onnx
