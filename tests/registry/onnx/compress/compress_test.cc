#include "registry/onnx/compress/compress.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/registry/onnx/compress/models.h"

namespace muster::onnx::compress {
namespace {

using testing::Attention;
using testing::Convolutions;
using ::testing::ElementsAre;
using testing::Embeddings;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Mlp;
using testing::ModelBuilder;
using ::testing::SizeIs;

std::vector<std::string> Ops(const Model& model) {
  std::vector<std::string> ops;
  for (const Node& node : model.graph.nodes) ops.push_back(node.op_type);
  return ops;
}

std::string LeftOf(const Compressed& compressed, const std::string& node) {
  for (const LayerReport& layer : compressed.layers) {
    if (layer.node == node) return layer.left;
  }
  return "not listed";
}

float& FirstFloat(Model& model, std::size_t tensor) {
  return *reinterpret_cast<float*>(model.graph.initializers[tensor].bytes.data());
}

TEST(QuantizeDynamic, Mlp_EveryLayerInOperatorsOfIntegers) {
  const auto compressed = QuantizeDynamic(Mlp(), {.min_elements = 1});
  ASSERT_TRUE(compressed.ok()) << compressed.error().message;
  EXPECT_EQ(compressed->rewritten(), 3);
  EXPECT_THAT(
      Ops(compressed->model),
      ElementsAre("Abs", "ReduceMax", "Max", "Mul", "Div", "QuantizeLinear", "MatMulInteger",
                  "Cast", "Mul", "Mul", "Add", "Relu",  // and no Abs of what Relu made
                  "ReduceMax", "Max", "Mul", "Div", "QuantizeLinear", "MatMulInteger", "Cast",
                  "Mul", "Mul", "Add", "Relu",  //
                  "ReduceMax", "Max", "Mul", "Div", "QuantizeLinear", "MatMulInteger", "Cast",
                  "Mul", "Mul", "Add"));
  EXPECT_EQ(compressed->model.graph.outputs, Mlp().graph.outputs);
  EXPECT_EQ(compressed->model.opsets, Mlp().opsets);
}

TEST(QuantizeDynamic, OneValueIntoThreeLayers_QuantizedOnce) {
  const auto compressed = QuantizeDynamic(Attention());
  ASSERT_TRUE(compressed.ok()) << compressed.error().message;
  EXPECT_EQ(compressed->rewritten(), 3);
  EXPECT_EQ(std::ranges::count(Ops(compressed->model), "QuantizeLinear"), 1);
  EXPECT_EQ(LeftOf(*compressed, "/scores"), "its weights are not constant");
}

TEST(QuantizeDynamic, SetsFrom18_AxesOfReduceMaxAreAnInput) {
  Model model = Mlp();
  model.opsets[""] = 18;
  const auto compressed = QuantizeDynamic(model, {.min_elements = 1});
  ASSERT_TRUE(compressed.ok()) << compressed.error().message;
  for (const Node& node : compressed->model.graph.nodes) {
    if (node.op_type != "ReduceMax") continue;
    EXPECT_THAT(node.inputs, ElementsAre(::testing::_, "row.axes"));
    EXPECT_THAT(node.attributes, IsEmpty());
  }
}

TEST(Compress, ValuesMadeInACycle_Ends) {
  Model model = ModelBuilder("cycle", 6)
                    .Input("x", DataType::kFloat, {32})
                    .Weight("w", {32, 16}, 0.2)
                    .Node("Identity", {"b"}, "a")
                    .Node("Identity", {"a"}, "b")
                    .Node("MatMul", {"b", "w"}, "y")
                    .Output("y", {16})
                    .Build();
  EXPECT_EQ(QuantizeDynamic(model)->rewritten(), 1);
  EXPECT_EQ(QuantizeStatic(model, {{"b", {-1, 1}}})->rewritten(), 1);
}

TEST(QuantizeStatic, FactorsThatAreNegativeInSomeChannels_NotFusedWithTheQuantisation) {
  const auto barriers = [](const char* op, float first, const char* between) {
    Model model = ModelBuilder("scaled", 6)
                      .Input("x", DataType::kFloat, {32})
                      .Weight("gain", {32}, 0)
                      .Weight("w", {32, 16}, 0.2)
                      .Node(op, {"x", "gain"}, "scaled")
                      .Node(between, {"scaled"}, "moved")
                      .Node("MatMul", {"moved", "w"}, "y")
                      .Output("y", {16})
                      .Build();
    FirstFloat(model, 0) = first;
    const auto compressed = QuantizeStatic(model, {{"moved", {-1, 1}}}, {.min_elements = 1});
    return std::ranges::count(Ops(compressed->model), "Max");
  };
  EXPECT_EQ(barriers("Mul", -1, "Identity"), 1);
  EXPECT_EQ(barriers("LayerNormalization", -1, "Flatten"), 1);
  EXPECT_EQ(barriers("Mul", 1, "Identity"), 0);
  EXPECT_EQ(barriers("Mul", -1, "Relu"), 0) << "OpenVINO fuses nothing over it";
}

TEST(Compress, LayersThatAreLeftAlone_SayWhy) {
  const auto small = QuantizeWeights(Mlp(), {.min_elements = 1'600});
  EXPECT_EQ(small->rewritten(), 1);
  EXPECT_EQ(LeftOf(*small, "/a2"), "its 1536 weights are fewer than 1600");
  const auto ends =
      QuantizeDynamic(Mlp(), {.min_elements = 1, .keep_first = true, .keep_last = true});
  EXPECT_EQ(LeftOf(*ends, "/m1"), "it is the first layer");
  EXPECT_EQ(LeftOf(*ends, "/a2"), "");
  EXPECT_EQ(LeftOf(*ends, "/y"), "it is the last layer");
  Model turned = Mlp();
  turned.graph.nodes[3].attributes.push_back({"transA", std::int64_t{1}});
  EXPECT_EQ(LeftOf(*QuantizeDynamic(turned), "/a2"), "its input is transposed");
  const auto scaled = QuantizeStatic(Mlp(), {{"x", {-1, 1}}, {"h1", {0, 1}}});
  EXPECT_EQ(LeftOf(*scaled, "/a2"), "its product is scaled");
  const auto blind = QuantizeStatic(Mlp(), {}, {.min_elements = 1});
  EXPECT_EQ(LeftOf(*blind, "/m1"), "'x' has no calibrated range");
}

TEST(Compress, NothingToRewrite_SameModel) {
  const auto compressed = QuantizeWeights(Mlp(), {.min_elements = 1'000'000});
  ASSERT_TRUE(compressed.ok());
  EXPECT_EQ(compressed->rewritten(), 0);
  EXPECT_EQ(compressed->model, Mlp());
}

TEST(Compress, WeightsNotFinite_InvalidNamesThem) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    Model model = Mlp();
    FirstFloat(model, 0) = bad;
    EXPECT_THAT(QuantizeDynamic(model).error().message, HasSubstr("'w1' holds NaN or infinity"));
    EXPECT_THAT(QuantizeWeights(model).error().message, HasSubstr("'w1'"));
    EXPECT_THAT(QuantizeStatic(model, {{"x", {-1, 1}}}).error().message, HasSubstr("'w1'"));
  }
}

TEST(Compress, OldOperatorSet_UnsupportedSaysWhatToDo) {
  Model model = Mlp();
  model.opsets[""] = 12;
  const auto compressed = QuantizeWeights(model);
  ASSERT_FALSE(compressed.ok());
  EXPECT_EQ(compressed.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(compressed.error().message, HasSubstr("12; to be compressed it must be of 13"));
}

TEST(Compress, NamesThatAreTaken_AreNotTakenAgain) {
  Model model = Mlp();
  model.graph.nodes[2].outputs[0] = "x.scale";  // what the quantised x would call its scale
  model.graph.nodes[3].inputs[0] = "x.scale";
  const auto compressed = QuantizeDynamic(model, {.min_elements = 1});
  ASSERT_TRUE(compressed.ok());
  std::set<std::string> made;
  for (const Node& node : compressed->model.graph.nodes) {
    for (const std::string& output : node.outputs)
      EXPECT_TRUE(made.insert(output).second) << output;
  }
}

TEST(QuantizeWeights, TiedTable_OneTableOfInt8) {
  const auto compressed = QuantizeWeights(Embeddings(), {.min_elements = 64});
  ASSERT_TRUE(compressed.ok());
  int tables = 0;
  for (const Tensor& tensor : compressed->model.graph.initializers) {
    if (tensor.type == DataType::kInt8) ++tables;
    EXPECT_NE(tensor.name, "table") << "nothing uses the table in f32";
  }
  EXPECT_EQ(tables, 1);
}

TEST(CalibrationPoints, InputsOfLayersAndWhatComesOutOfConv) {
  EXPECT_THAT(CalibrationPoints(Convolutions(), {.min_elements = 1}),
              ElementsAre("x", "r1", "r2", "c3", "f"));
  EXPECT_THAT(CalibrationPoints(Attention()), ElementsAre("x"));
  EXPECT_THAT(CalibrationPoints(Mlp(), {.min_elements = 1'000'000}), IsEmpty());
}

TEST(WithOutputs, AddsEachOnce) {
  const Model observed = WithOutputs(Mlp(), {"h1", "y"});
  ASSERT_THAT(observed.graph.outputs, SizeIs(2));
  EXPECT_EQ(observed.graph.outputs[1].name, "h1");
}

TEST(Prune, ShareOutOfRange_Invalid) {
  for (const double share : {-0.1, 1.0, std::nan("")}) {
    EXPECT_THAT(Prune(Mlp(), share, PruneScope::kTensor).error().message,
                HasSubstr("wanted 0 or more, less than 1"));
  }
}

TEST(Prune, ReportsTheShareOfZeros) {
  const auto pruned = Prune(Mlp(), 0.25, PruneScope::kTensor, {.min_elements = 1});
  ASSERT_THAT(pruned->layers, SizeIs(3));
  for (const LayerReport& layer : pruned->layers) EXPECT_EQ(layer.zeros, 0.25) << layer.node;
}

TEST(RangeObserver, OneOutlier_OnlyMinMaxKeepsIt) {
  std::vector<float> values;
  for (int i = 0; i < 100'000; ++i) {
    values.push_back(static_cast<float>(std::sin(i * 0.1) * std::exp(-(i % 97) / 40.0)));
  }
  values[5] = 1'000;
  RangeObserver observer;
  observer.AddExtremes(values);
  observer.AddCounts(values);
  EXPECT_EQ(observer.Find(RangeMethod::kMinMax)->high, 1'000);
  EXPECT_LT(observer.Find(RangeMethod::kPercentile)->high, 2);
  EXPECT_LT(observer.Find(RangeMethod::kEntropy)->high, 100);
  EXPECT_GE(observer.Find(RangeMethod::kEntropy)->high, 0.9);
}

TEST(RangeObserver, ZeroIsAlwaysInside) {
  RangeObserver observer;
  observer.AddExtremes(std::vector<float>{3, 4});
  EXPECT_EQ(*observer.Find(RangeMethod::kMinMax), (Range{0, 4}));
  RangeObserver constant;
  constant.AddExtremes(std::vector<float>{0, 0});
  constant.AddCounts(std::vector<float>{0, 0});
  EXPECT_EQ(*constant.Find(RangeMethod::kEntropy), (Range{0, 0}));
}

TEST(RangeObserver, NaNOrNothing_Invalid) {
  RangeObserver observer;
  EXPECT_THAT(observer.Find(RangeMethod::kMinMax).error().message, HasSubstr("no value"));
  observer.AddExtremes(std::vector<float>{1, std::nanf(""), 2});
  observer.AddCounts(std::vector<float>{1, std::nanf(""), 2});
  EXPECT_THAT(observer.Find(RangeMethod::kEntropy).error().message, HasSubstr("NaN or infinite"));
}

}  // namespace
}  // namespace muster::onnx::compress
