#include "registry/onnx/opset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/onnx/checker.h"

namespace muster::onnx {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// x -> two reductions over the same axes -> y, in the forms of operator set 17.
Model Reductions() {
  const auto reduce = [](const std::string& op, const std::string& in, const std::string& out) {
    return Node{
        .name = out,
        .op_type = op,
        .inputs = {in},
        .outputs = {out},
        .attributes = {{"axes", std::vector<std::int64_t>{1, -1}}, {"keepdims", std::int64_t{1}}}};
  };
  const ValueInfo x{"x", DataType::kFloat, true, {Dim::Of(2), Dim::Of(3), Dim::Of(4)}};
  ValueInfo y{"axes", DataType::kFloat, true, {Dim::Of(2), Dim::Of(1), Dim::Of(1)}};
  return {
      .graph = {.name = "g",
                .nodes = {reduce("ReduceMean", "x", "mean"), reduce("ReduceMax", "mean", "axes")},
                .inputs = {x},
                .outputs = {y}}};
}

TEST(Opset, SetOpset_OfItself_Is17) {
  Model model = Reductions();
  ASSERT_TRUE(SetOpset(model).ok());
  EXPECT_EQ(model, Reductions());
}

TEST(Opset, SetOpset_18_GivesTheAxesAsOneInput) {
  for (const std::int64_t opset : {18, 19, 20}) {
    Model model = Reductions();
    ASSERT_TRUE(SetOpset(model, opset).ok());
    EXPECT_EQ(model.opsets.at(""), opset);
    EXPECT_EQ(model.ir_version, opset == 18 ? 8 : 9);
    EXPECT_THAT(Findings(model), IsEmpty());
    EXPECT_THAT(model.graph.nodes[0].inputs, ElementsAre("x", "axes_2"));
    EXPECT_THAT(model.graph.nodes[1].inputs, ElementsAre("mean", "axes_2"));
    ASSERT_EQ(model.graph.initializers.size(), 1u) << "'axes' is the name of the output";
    EXPECT_EQ(model.graph.initializers[0].elements(), 2);
    model.opsets[""] = 17;
    EXPECT_THAT(Findings(model), ::testing::Contains(HasSubstr("ReduceMean) has 2 inputs")));
  }
}

TEST(Opset, SetOpset_NewerOperator_ChoosesItsSet) {
  Model model = Reductions();
  model.graph.nodes[1] = {
      .name = "act", .op_type = "Gelu", .inputs = {"mean"}, .outputs = {"axes"}};
  for (const std::int64_t opset : {17, 19}) {
    const Status refused = SetOpset(model, opset);
    EXPECT_EQ(refused.error().kind, ErrorKind::kUnsupported);
    EXPECT_EQ(refused.error().message, "operator set " + std::to_string(opset) +
                                           " cannot hold the model: node 'act' is Gelu, which came "
                                           "with 20");
  }
  ASSERT_TRUE(SetOpset(model).ok());
  EXPECT_EQ(model.opsets.at(""), 20);
  EXPECT_THAT(Findings(model), IsEmpty());
}

TEST(Opset, SetOpset_NewerAttribute_CountsToo) {
  Model model = Reductions();
  model.graph.nodes[0] = {.name = "cast", .op_type = "Cast", .inputs = {"x"}, .outputs = {"mean"}};
  model.graph.nodes[0].attributes = {{"saturate", std::int64_t{0}}, {"to", std::int64_t{1}}};
  ASSERT_TRUE(SetOpset(model).ok());
  EXPECT_EQ(model.opsets.at(""), 19);
  EXPECT_THAT(Findings(model), IsEmpty());
}

TEST(Opset, SetOpset_OlderThanTheOperators_NamesThem) {
  Model model = Reductions();
  ASSERT_TRUE(SetOpset(model, 13).ok());
  EXPECT_THAT(Findings(model), IsEmpty());
  model.graph.nodes[0].op_type = "HardSwish";
  EXPECT_THAT(SetOpset(model, 13).error().message, HasSubstr("HardSwish, which came with 14"));
}

TEST(Opset, SetOpset_Unknown_IsUnsupported) {
  Model model = Reductions();
  EXPECT_EQ(SetOpset(model, 12).error().message, "operator set 12; muster writes 13 to 20");
  EXPECT_EQ(SetOpset(model, 21).error().message, "operator set 21; muster writes 13 to 20");
}

}  // namespace
}  // namespace muster::onnx
