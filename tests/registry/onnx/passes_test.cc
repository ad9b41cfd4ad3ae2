// What each pass does to a small graph. That results stay the same is passes_oracle.py's to show.

#include "registry/onnx/passes/passes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/onnx/checker.h"
#include "tests/registry/onnx/models.h"

namespace muster::onnx {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// "y=Relu(x)" of each node.
std::vector<std::string> Nodes(const Model& model) {
  std::vector<std::string> texts;
  for (const Node& node : model.graph.nodes) {
    std::string text = node.outputs[0] + "=" + node.op_type + "(";
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      text += (i > 0 ? "," : "") + node.inputs[i];
    texts.push_back(text + ")");
  }
  return texts;
}

const Tensor* Find(const Model& model, const std::string& name) {
  for (const Tensor& tensor : model.graph.initializers) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

/// The pass on a model that is well formed, which it must stay.
Model After(Passed (*pass)(Model), Model model) {
  EXPECT_THAT(Findings(model), IsEmpty());
  Model after = pass(std::move(model)).model;
  after = RemoveUnused(std::move(after)).model;
  EXPECT_THAT(Findings(after), IsEmpty());
  return after;
}

TEST(RemoveUnused, DeadNodeAndItsConstant_AreGone) {
  Model model = Around({MakeNode("Relu", {"x"}, "y"), MakeNode("Add", {"x", "c"}, "dead")},
                       {FloatTensor("c", {}, {1})});
  model.graph.value_info = {Value("dead", DataType::kFloat, {}),
                            Value("ghost", DataType::kFloat, {})};
  const Passed passed = RemoveUnused(model);
  EXPECT_EQ(passed.changes, 4u);
  EXPECT_THAT(Nodes(passed.model), ElementsAre("y=Relu(x)"));
  EXPECT_THAT(passed.model.graph.initializers, IsEmpty());
  EXPECT_THAT(passed.model.graph.value_info, IsEmpty());
  EXPECT_EQ(RemoveUnused(passed.model).changes, 0u);
}

TEST(RemoveIdentities, ChainOfThemBeforeTheOutput_LeavesTheOutputsName) {
  const Model after = After(
      RemoveIdentities,
      Around({MakeNode("Relu", {"x"}, "a"), MakeNode("Identity", {"a"}, "b"),
              MakeNode("Cast", {"b"}, "c", {{"to", std::int64_t{1}}}),
              MakeNode("Dropout", {"c"}, "d"),
              MakeNode("Transpose", {"d"}, "e", {{"perm", std::vector<std::int64_t>{0, 1, 2}}}),
              MakeNode("Identity", {"e"}, "y")}));
  EXPECT_THAT(Nodes(after), ElementsAre("y=Relu(x)"));
}

TEST(RemoveIdentities, InputThatIsAnOutput_Stays) {
  EXPECT_THAT(Nodes(After(RemoveIdentities, Around({MakeNode("Identity", {"x"}, "y")}))),
              ElementsAre("y=Identity(x)"));
}

TEST(RemoveIdentities, ValueThatIsTwoOutputs_KeepsBothNames) {
  Model model = Around({MakeNode("Relu", {"x"}, "a"), MakeNode("Identity", {"a"}, "y"),
                        MakeNode("Identity", {"a"}, "z")});
  model.graph.outputs.push_back(Value("z", DataType::kFloat, model.graph.outputs[0].shape));
  EXPECT_THAT(Nodes(After(RemoveIdentities, model)), ElementsAre("y=Relu(x)", "z=Identity(y)"));
}

TEST(RemoveIdentities, WhatChangesSomething_Stays) {
  Model model =
      Around({MakeNode("Transpose", {"x"}, "a", {{"perm", std::vector<std::int64_t>{0, 2, 1}}}),
              MakeNode("Dropout", {"a", "ratio", "training"}, "b"),
              MakeNode("Reshape", {"b", "shape"}, "y")},
             {FloatTensor("ratio", {}, {0.5f}), IntTensor("training", DataType::kBool, {}, {1}),
              Ints("shape", {-1, 4, 6})});
  EXPECT_EQ(Nodes(After(RemoveIdentities, model)), Nodes(model));
}

TEST(MergeTransposes, PairThatUndoesItself_BecomesAnIdentity) {
  const std::vector<std::int64_t> there = {1, 2, 0};
  const std::vector<std::int64_t> back = {2, 0, 1};
  const Model after =
      After(MergeTransposes, Around({MakeNode("Transpose", {"x"}, "a", {{"perm", there}}),
                                     MakeNode("Transpose", {"a"}, "y", {{"perm", back}})}));
  EXPECT_THAT(Nodes(after), ElementsAre("y=Transpose(x)"));
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(after.graph.nodes[0].attributes[0].value),
            (std::vector<std::int64_t>{0, 1, 2}));
}

TEST(MergeReshapes, SecondThatCopiesADimension_KeepsTheFirst) {
  Model model =
      Around({MakeNode("Reshape", {"x", "flat"}, "a"), MakeNode("Reshape", {"a", "back"}, "y")},
             {Ints("flat", {-1, 24}), Ints("back", {-1, 4, 6})});
  EXPECT_THAT(Nodes(After(MergeReshapes, model)), ElementsAre("y=Reshape(x,back)"));
  model.graph.initializers[1] = Ints("back", {0, 4, 6});
  EXPECT_THAT(Nodes(After(MergeReshapes, model)),
              ElementsAre("a=Reshape(x,flat)", "y=Reshape(a,back)"));
}

TEST(FoldConstants, ShapeOfKnownDimensions_IsAConstant) {
  const Model after = After(
      FoldConstants,
      Around({MakeNode("Shape", {"x"}, "s"), MakeNode("Gather", {"s", "last"}, "six"),
              MakeNode("Gather", {"s", "first"}, "rows"), MakeNode("Mul", {"six", "two"}, "twelve"),
              MakeNode("Div", {"twelve", "three"}, "four"),
              MakeNode("Concat", {"rows", "four", "six"}, "shape", {{"axis", std::int64_t{0}}}),
              MakeNode("Reshape", {"x", "shape"}, "y")},
             {Ints("first", {0}), Ints("last", {2}), Ints("two", {2}), Ints("three", {3})}));
  EXPECT_THAT(Nodes(after), ElementsAre("s=Shape(x)", "rows=Gather(s,first)",
                                        "shape=Concat(rows,four,six)", "y=Reshape(x,shape)"));
  EXPECT_EQ(*IntsOf(*Find(after, "four")), std::vector<std::int64_t>{4});
}

TEST(FoldConstants, DivisionByZeroAndOverflow_AreLeftToTheEngine) {
  Model model =
      Around({MakeNode("Div", {"one", "zero"}, "q"), MakeNode("Reshape", {"x", "q"}, "y")},
             {Ints("one", {1}), Ints("zero", {0})});
  EXPECT_EQ(FoldConstants(model).changes, 0u);
  model.graph.initializers = {Ints("one", {INT64_MIN}), Ints("zero", {-1})};
  EXPECT_EQ(FoldConstants(model).changes, 0u);
}

TEST(FoldConstants, SharedLargeWeight_IsNotStoredTwice) {
  const std::vector<float> values(2000, 1);
  const std::vector<std::int64_t> perm = {1, 0};
  Model model = Around({MakeNode("Transpose", {"w"}, "t", {{"perm", perm}}),
                        MakeNode("ReduceSum", {"t"}, "sum"), MakeNode("Add", {"x", "sum"}, "y")},
                       {FloatTensor("w", {2, 1000}, values)});
  EXPECT_EQ(FoldConstants(model).changes, 1u);
  model.graph.nodes.insert(model.graph.nodes.begin(), MakeNode("ReduceMax", {"w"}, "max"));
  model.graph.nodes[3].inputs[0] = "max";
  EXPECT_EQ(FoldConstants(model).changes, 0u);
}

TEST(FoldConstants, TurnedWeight_IsItsTransposeWhoeverOwnsIt) {
  const std::vector<std::int64_t> perm = {1, 0};
  constexpr std::int64_t kRows = 130, kColumns = 150;
  std::vector<float> values, turned;
  for (int i = 0; i < kRows * kColumns; ++i) values.push_back(static_cast<float>(i));
  for (int c = 0; c < kColumns; ++c) {
    for (int r = 0; r < kRows; ++r) turned.push_back(values[r * kColumns + c]);
  }
  Tensor weight = FloatTensor("w", {kRows, kColumns}, values);
  const auto owner = std::make_shared<const std::string>(weight.bytes.view());
  for (const bool borrowed : {false, true}) {
    if (borrowed) weight.bytes = TensorBytes::Borrow(*owner, owner);
    const Model after =
        After(FoldConstants,
              Around({MakeNode("Transpose", {"w"}, "t", {{"perm", perm}}),
                      MakeNode("ReduceSum", {"t"}, "sum"), MakeNode("Add", {"x", "sum"}, "y")},
                     {weight}));
    EXPECT_EQ(Find(after, "t")->dims, (std::vector<std::int64_t>{kColumns, kRows}));
    EXPECT_EQ(*FloatsOf(*Find(after, "t")), turned) << borrowed;
  }
}

TEST(FoldBatchNorm, AfterConv_GoesIntoItsWeights) {
  const Node conv = MakeNode("Conv", {"x", "w"}, "a", {{"pads", std::vector<std::int64_t>{0, 0}}});
  const Node norm = MakeNode("BatchNormalization", {"a", "scale", "shift", "mean", "var"}, "y",
                             {{"epsilon", 0.0f}});
  std::vector<Tensor> constants = {
      FloatTensor("w", {4, 4, 1}, std::vector<float>(16, 1)),
      FloatTensor("scale", {4}, {1, 2, 3, 4}), FloatTensor("shift", {4}, {0, 1, 0, 1}),
      FloatTensor("mean", {4}, {1, 1, 0, 0}), FloatTensor("var", {4}, {1, 4, 1, 16})};
  const Model after = After(FoldBatchNorm, Around({conv, norm}, constants));
  EXPECT_THAT(Nodes(after), ElementsAre("y=Conv(x,w/folded,a/bias/folded)"));
  EXPECT_EQ(*FloatsOf(*Find(after, "w/folded")),
            (std::vector<float>{1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 3, 1, 1, 1, 1}));
  EXPECT_EQ(*FloatsOf(*Find(after, "a/bias/folded")), (std::vector<float>{-1, 0, 0, 1}));

  Model shared = Around({conv, norm, MakeNode("Relu", {"a"}, "z")}, constants);
  shared.graph.outputs.push_back(Value("z", DataType::kFloat, shared.graph.outputs[0].shape));
  EXPECT_EQ(FoldBatchNorm(shared).changes, 0u) << "another node wants what is not normalised";
}

TEST(MergeCommon, SameWorkTwice_IsDoneOnce) {
  const Model after = After(
      MergeCommon, Around({MakeNode("Add", {"x", "one"}, "a"), MakeNode("Add", {"x", "uno"}, "b"),
                           MakeNode("Mul", {"a", "b"}, "y")},
                          {FloatTensor("one", {}, {1}), FloatTensor("uno", {}, {1})}));
  EXPECT_THAT(Nodes(after), ElementsAre("a=Add(x,one)", "y=Mul(a,a)"));
}

TEST(MergeCommon, RandomNumbersAndEqualParameters_StayTwo) {
  const Model model =
      Around({MakeNode("RandomNormalLike", {"x"}, "r"), MakeNode("RandomNormalLike", {"x"}, "s"),
              MakeNode("Add", {"r", "w"}, "a"), MakeNode("Add", {"s", "v"}, "b"),
              MakeNode("Mul", {"a", "b"}, "y")},
             {FloatTensor("w", {1}, {0}), FloatTensor("v", {1}, {0})});
  EXPECT_EQ(MergeCommon(model).changes, 0u);
}

TEST(Simplify, GraphThatUsesItself_Returns) {
  Model model = Around({MakeNode("Reshape", {"b", "s"}, "a"), MakeNode("Reshape", {"a", "s"}, "b"),
                        MakeNode("Identity", {"d"}, "c"), MakeNode("Identity", {"c"}, "d"),
                        MakeNode("Add", {"b", "d"}, "y")},
                       {Ints("s", {1})});
  EXPECT_EQ(Simplify(model).model.graph.outputs, model.graph.outputs);
}

}  // namespace
}  // namespace muster::onnx
