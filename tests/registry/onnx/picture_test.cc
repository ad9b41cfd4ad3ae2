#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/onnx/picture/cost.h"
#include "registry/onnx/picture/layout.h"
#include "registry/onnx/picture/summary.h"
#include "registry/onnx/picture/svg.h"
#include "tests/registry/onnx/models.h"

namespace muster::onnx {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// A convolution of 4 channels and a product, in modules "net.0" and "net.1".
Model Net() {
  Model model =
      Around({MakeNode("Conv", {"x", "net.0.weight"}, "a",
                       {{"kernel_shape", std::vector<std::int64_t>{1}}}),
              MakeNode("Relu", {"a"}, "b"), MakeNode("MatMul", {"b", "net.1.weight"}, "y")},
             {FloatTensor("net.0.weight", {4, 4, 1}, std::vector<float>(16)),
              FloatTensor("net.1.weight", {6, 6}, std::vector<float>(36))});
  model.graph.nodes[0].name = "net.0/Conv";
  model.graph.nodes[1].name = "net.0/Relu";
  model.graph.nodes[2].name = "net.1/MatMul";
  return model;
}

TEST(Costs, ConvolutionElementwiseAndProduct_CountByHand) {
  const Model model = Net();
  std::vector<std::int64_t> flops;
  std::vector<std::int64_t> parameters;
  for (const Cost& cost : Costs(model, InferShapes(model))) {
    EXPECT_TRUE(cost.complete);
    flops.push_back(cost.flops);
    parameters.push_back(cost.parameters);
  }
  // 4 x 6 outputs of 4 multiply-adds; 24 elements; 24 outputs of 6 multiply-adds.
  EXPECT_THAT(flops, ElementsAre(2 * 24 * 4, 24, 2 * 24 * 6));
  EXPECT_THAT(parameters, ElementsAre(16, 0, 36));
}

TEST(Costs, NumbersForPeople) {
  EXPECT_EQ(Grouped(1234567), "1,234,567");
  EXPECT_EQ(Grouped(-123), "-123");
  EXPECT_EQ(Scaled(999), "999");
  EXPECT_EQ(Scaled(1234567), "1.23 M");
  EXPECT_EQ(Scaled(INT64_MAX), "9.22 E");
}

TEST(Summary, Net_HasRowsAndTotals) {
  const std::string page = Summary(Net());
  EXPECT_THAT(page, HasSubstr("input   x  float[batch, 4, 6]\n"));
  EXPECT_THAT(page, HasSubstr("net.1/MatMul  MatMul    float[batch, 4, 6]          36    288\n"));
  EXPECT_THAT(page, HasSubstr("total         3          52    208    504\n"));
}

TEST(Summary, NamesThatATerminalWouldObey_ArePrintedHarmless) {
  Model model = Net();
  model.graph.nodes[1].name = "\x1b[2J\n" + std::string(1000, 'n');
  const std::string page = Summary(model);
  EXPECT_THAT(page, AllOf(Not(HasSubstr("\x1b")), HasSubstr("?[2J?nnn"),
                          Not(HasSubstr(std::string(100, 'n')))));
}

TEST(Svg, Net_ShowsOperatorsShapesAndWeights) {
  const auto svg = Svg(Net());
  ASSERT_TRUE(svg.ok());
  for (const char* text : {">Conv<", ">net.0<", ">kernel 1<", ">weight 4x4x1<", ">batch x 4 x 6<",
                           ">y<", "small: 52 parameters, 504 FLOPs a row, 3 nodes"}) {
    EXPECT_THAT(*svg, HasSubstr(text));
  }
}

TEST(Svg, Depth_DrawsModulesAsOneBox) {
  const auto modules = Svg(Net(), {.depth = 2});
  ASSERT_TRUE(modules.ok());
  EXPECT_THAT(*modules, AllOf(HasSubstr(">net.0<"), HasSubstr(">2 nodes<"),
                              Not(HasSubstr(">Conv<")), HasSubstr(">MatMul<")));
  EXPECT_THAT(*Svg(Net(), {.depth = 1}),
              AllOf(HasSubstr(">net<"), HasSubstr(">3 nodes<"), HasSubstr(">52 parameters<")));
}

TEST(Svg, NamesWithMarkup_AreEscaped) {
  Model model = Net();
  model.graph.inputs[0].name = "<script>\"&";
  model.graph.nodes[0].inputs[0] = "<script>\"&";
  EXPECT_THAT(*Svg(model),
              AllOf(HasSubstr("&lt;script&gt;&quot;&amp;"), Not(HasSubstr("<script>"))));
}

TEST(Arrange, Diamond_HasThreeLayersWithoutOverlap) {
  const std::vector<Extent> boxes(4, {100, 20});
  const auto layout = Arrange(boxes, {{0, 1}, {0, 2}, {1, 3}, {2, 3}, {0, 3}});
  ASSERT_TRUE(layout.ok());
  const auto& at = layout->boxes;
  EXPECT_LT(at[0].y, at[1].y);
  EXPECT_EQ(at[1].y, at[2].y);
  EXPECT_LT(at[2].y, at[3].y);
  EXPECT_GE(std::abs(at[1].x - at[2].x), 100);
  EXPECT_EQ(layout->routes[4].size(), 3u)
      << "the long arrow passes the middle layer at a point of its own";
}

TEST(Arrange, CrossedPairs_AreUncrossed) {
  const auto layout = Arrange(std::vector<Extent>(4, {40, 20}), {{0, 3}, {1, 2}});
  ASSERT_TRUE(layout.ok());
  const auto& at = layout->boxes;
  EXPECT_EQ(at[0].x < at[1].x, at[3].x < at[2].x);
}

TEST(Arrange, MoreThanCanBeDrawn_IsUnsupported) {
  std::vector<Arrow> arrows;
  constexpr std::size_t kBoxes = 1000;
  for (std::size_t i = 0; i + 1 < kBoxes; ++i) arrows.push_back({i, i + 1});
  for (std::size_t i = 0; i < kBoxes / 4; ++i) arrows.push_back({i, kBoxes - 1});
  const auto layout = Arrange(std::vector<Extent>(kBoxes, {40, 20}), arrows);
  ASSERT_FALSE(layout.ok());
  EXPECT_EQ(layout.error().kind, ErrorKind::kUnsupported);
}

}  // namespace
}  // namespace muster::onnx
