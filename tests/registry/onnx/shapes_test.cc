// What passes_oracle.py cannot ask onnx: symbols, contents, contradictions.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/onnx/checker.h"
#include "registry/onnx/shapes/infer.h"
#include "tests/registry/onnx/models.h"

namespace muster::onnx {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Text(const Number& number) { return number ? number->text() : "?"; }

TEST(Symbolic, TextAndArithmetic) {
  const Number a = Symbolic::Of("4*batch*time-1");
  EXPECT_EQ(Text(a), "4*batch*time-1");
  EXPECT_EQ(Text(Add(a, Symbolic::Of("1+time"))), "4*batch*time+time");
  EXPECT_EQ(Text(Subtract(a, a)), "0");
  EXPECT_EQ(Text(Multiply(Symbolic::Of("b+1"), Symbolic::Of("b-1"))), "b*b-1");
  EXPECT_EQ(Text(FloorDivide(Symbolic::Of("4*b-1"), 2)), "2*b-1");
  EXPECT_EQ(Text(FloorDivide(Symbolic::Of("b"), 2)), "?");
  EXPECT_EQ(Text(DivideExactly(Symbolic::Of("6*b*t+2*t"), Symbolic::Of("2*t"))), "3*b+1");
  EXPECT_EQ(Text(DivideExactly(Symbolic::Of("b+1"), Symbolic::Of("b"))), "?");
  EXPECT_EQ(Text(Multiply(Known(INT64_MAX), Known(2))), "?");
  EXPECT_EQ(Symbolic::Of("floor(n/2)+1").text(), "floor(n/2)+1");
  EXPECT_EQ(Symbolic::Of("2*a+b*a"), Symbolic::Of("a*b+2*a"));
  EXPECT_EQ(Symbolic::Of("3*n+1").At(1), 4);
}

TEST(Symbolic, Differ_OnlyWhereNoValueMakesThemEqual) {
  EXPECT_TRUE(Differ(Symbolic::Of("b+1"), Symbolic::Of("b")));
  EXPECT_FALSE(Differ(Symbolic::Of("b"), Symbolic::Of("t")));
  EXPECT_FALSE(Differ(Symbolic::Of("b"), Known(3)));
  EXPECT_FALSE(Differ(std::nullopt, Known(3)));
}

TEST(InferShapes, ShapeArithmeticOnTwoSymbols_KeepsThem) {
  Model model = Around({MakeNode("Shape", {"x"}, "s"), MakeNode("Gather", {"s", "zero"}, "b"),
                        MakeNode("Gather", {"s", "one"}, "t"), MakeNode("Mul", {"b", "t"}, "bt"),
                        MakeNode("Concat", {"bt", "rest"}, "flat", {{"axis", std::int64_t{0}}}),
                        MakeNode("Reshape", {"x", "flat"}, "f"),
                        MakeNode("Concat", {"f", "f"}, "y", {{"axis", std::int64_t{0}}})},
                       {Ints("zero", {0}), Ints("one", {1}), Ints("rest", {-1})});
  model.graph.inputs[0].shape[1] = Dim::Of("time");
  const Inference inference = InferShapes(model);
  EXPECT_EQ(TypeText(inference.Info("f")), "float[batch*time, 6]");
  EXPECT_EQ(TypeText(inference.Info("y")), "float[2*batch*time, 6]");
  EXPECT_EQ(Text(inference.values.at("flat").content->at(0)), "batch*time");
  EXPECT_THAT(inference.contradictions,
              ElementsAre("node 'y/Concat' (Concat) makes 'y', declared [batch, 4, 6], with shape "
                          "[2*batch*time, 6]"));
}

struct Contradiction {
  const char* name;
  Node node;
  std::vector<Tensor> constants;
  const char* finding;
};

class Contradictions : public ::testing::TestWithParam<Contradiction> {};

TEST_P(Contradictions, Findings_NameNodeAndShapes) {
  const Model model = Around({GetParam().node}, GetParam().constants);
  EXPECT_THAT(Findings(model), ElementsAre(HasSubstr(GetParam().finding)));
}

const std::vector<std::int64_t> kTwice = {0, 0, 1};
INSTANTIATE_TEST_SUITE_P(
    All, Contradictions,
    ::testing::Values(
        Contradiction{"matmul",
                      MakeNode("MatMul", {"x", "w"}, "y"),
                      {FloatTensor("w", {5, 1}, std::vector<float>(5))},
                      "shapes [batch, 4, 6] and [5, 1] cannot be multiplied"},
        Contradiction{"add",
                      MakeNode("Add", {"x", "w"}, "y"),
                      {FloatTensor("w", {5}, std::vector<float>(5))},
                      "shapes [batch, 4, 6] and [5] do not broadcast"},
        Contradiction{"reshape",
                      MakeNode("Reshape", {"w", "s"}, "y"),
                      {FloatTensor("w", {5}, std::vector<float>(5)), Ints("s", {2, -1})},
                      "a value of shape [5] cannot have shape [2, -1]"},
        Contradiction{
            "perm", MakeNode("Transpose", {"x"}, "y", {{"perm", kTwice}}), {}, "an axis twice"},
        Contradiction{"conv",
                      MakeNode("Conv", {"x", "w"}, "y"),
                      {FloatTensor("w", {4, 3, 1}, std::vector<float>(12))},
                      "its input has 4 channels, its weight wants 3"},
        Contradiction{"declared",
                      MakeNode("ReduceSum", {"x"}, "y"),
                      {},
                      "makes 'y', declared [batch, 4, 6], with shape [1, 1, 1]"},
        Contradiction{"type",
                      MakeNode("Cast", {"x"}, "y", {{"to", std::int64_t{7}}}),
                      {},
                      "makes 'y', declared float, as int64"}),
    [](const auto& test) { return test.param.name; });

TEST(Findings, ShapeThatNoMemoryHolds_IsNamed) {
  Model model = Around({MakeNode("Relu", {"x"}, "y")});
  model.graph.inputs[0].shape = {Dim::Of(INT64_MAX), Dim::Of(2)};
  EXPECT_THAT(Findings(model), ElementsAre("input 'x' has more elements than 64 bits count"));
  model.graph.inputs[0].shape.assign(65, Dim::Of(1));
  EXPECT_THAT(Findings(model), ElementsAre("input 'x' has 65 dimensions, at most 64 are known"));
}

}  // namespace
}  // namespace muster::onnx
