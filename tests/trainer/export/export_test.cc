#include "trainer/export/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/trainer/export/models.h"

namespace muster::exporting {
namespace {

namespace nn = torch::nn;
using at::Tensor;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using torch::indexing::Slice;

using OneForward = std::function<Tensor(const Tensor&)>;

Forward Of(OneForward function) {
  return [function = std::move(function)](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    return {function(in[0])};
  };
}

Result<onnx::Model> ExportFunction(OneForward function, const ExportOptions& options = {}) {
  return ExportOnnx(Of(std::move(function)), {}, {at::ones({2, 4, 6})}, options);
}

std::string ErrorOf(const Result<onnx::Model>& result) {
  return result.ok() ? "no error" : result.error().message;
}

TEST(Export, DigitsCnn_NamesItsParametersAndLeavesTheBatchOpen) {
  const testing::ExportCase digits = testing::DigitsCnn();
  const auto model = ExportModule(*digits.module, digits.forward, digits.inputs(1),
                                  {.input_names = {"image"}, .output_names = {"logits"}});
  ASSERT_TRUE(model.ok()) << model.error().message;
  const onnx::Graph& graph = model->graph;
  ASSERT_EQ(graph.inputs.size(), 1u);
  EXPECT_EQ(graph.inputs[0].name + " " + onnx::TypeText(graph.inputs[0]),
            "image float[batch, 1, 8, 8]");
  EXPECT_EQ(graph.outputs[0].name + " " + onnx::TypeText(graph.outputs[0]),
            "logits float[batch, 10]");
  std::vector<std::string> names;
  for (const onnx::Tensor& tensor : graph.initializers) names.push_back(tensor.name);
  EXPECT_THAT(names, IsSupersetOf({"0.weight/folded", "0.bias/folded", "12.weight", "12.bias"}));
  std::vector<std::string> operators;
  for (const onnx::Node& node : graph.nodes) operators.push_back(node.op_type);
  EXPECT_THAT(operators, ElementsAre("Conv", "Relu", "Conv", "Relu", "MaxPool", "Reshape", "Gemm",
                                     "Relu", "Gemm"));
  EXPECT_EQ(graph.nodes[0].name, "0/Conv");
}

TEST(Export, FixedBatch_FreezesTheExamplesShape) {
  const auto model =
      ExportFunction([](const Tensor& x) { return x.flatten(1); }, {.dynamic_batch = false});
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(onnx::TypeText(model->graph.outputs[0]), "float[2, 24]");
}

TEST(Export, ProductOfBatchAndLength_IsNamedInTheShape) {
  const auto model = ExportFunction([](const Tensor& x) { return x.view({-1, 6}); });
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(onnx::TypeText(model->graph.outputs[0]), "float[4*batch, 6]");
}

TEST(Export, ModuleInTrainingMode_IsExportedInEvaluationModeAndPutBack) {
  nn::Sequential model(nn::Linear(6, 6), nn::Dropout(0.5), nn::BatchNorm1d(4));
  model->train();
  model->ptr(2)->eval();
  const Tensor mean = model->named_buffers()["2.running_mean"].clone();
  const auto exported = ExportModule(*model, Of([&](const Tensor& x) { return model->forward(x); }),
                                     {at::randn({3, 4, 6})});
  ASSERT_TRUE(exported.ok()) << exported.error().message;
  EXPECT_TRUE(model->is_training());
  EXPECT_TRUE(model->ptr(1)->is_training());
  EXPECT_FALSE(model->ptr(2)->is_training());
  EXPECT_TRUE(at::equal(model->named_buffers()["2.running_mean"], mean));
}

TEST(Export, TwoInputsAndOutputs_AreNamedInOrder) {
  const Forward both = [](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    const Tensor sum = in[0] + in[1];
    return {sum, sum, in[1]};
  };
  const auto model = ExportOnnx(both, {}, {at::ones({2, 3}), at::ones({2, 3}, at::kLong)},
                                {.input_names = {"a"}, .output_names = {"p", "q"}});
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->graph.inputs[1].name, "input_1");
  EXPECT_EQ(onnx::TypeText(model->graph.inputs[1]), "int64[batch, 3]");
  EXPECT_EQ(model->graph.outputs[1].name, "q");
  EXPECT_EQ(onnx::TypeText(model->graph.outputs[2]), "int64[batch, 3]");
}

TEST(Export, OperatorWithoutTranslation_NamesOperatorAndModules) {
  nn::Sequential before(nn::Linear(6, 6));
  nn::Linear after(4, 2);
  std::vector<NamedTensor> state;
  for (const auto& p : before->named_parameters())
    state.push_back({"encoder." + p.key(), p.value()});
  for (const auto& p : after->named_parameters()) state.push_back({"head." + p.key(), p.value()});
  const auto model = ExportOnnx(
      Of([&](const Tensor& x) { return after(at::abs(at::fft_rfft(before->forward(x)))); }), state,
      {at::randn({2, 3, 6})});
  EXPECT_EQ(ErrorOf(model),
            "operator aten::fft_rfft, in or after module 'encoder.0', before module 'head', has no "
            "translation to ONNX; write it with operators that have one (SupportedOperators lists "
            "them), or leave it to who calls the model");
  EXPECT_EQ(model.error().kind, ErrorKind::kUnsupported);
}

TEST(Export, ArgumentWithoutOnnxForm_NamesOperatorAndReason) {
  EXPECT_EQ(ErrorOf(ExportFunction([](const Tensor& x) {
              return x.scatter_reduce(1, at::zeros_like(x, at::kLong), x, "amax");
            })),
            "aten::scatter_reduce: reduction 'amax' has no ONNX operator in set 17");
}

TEST(Export, RecurrentLayerWithProjection_NamesLayerAndReason) {
  nn::LSTM lstm(nn::LSTMOptions(6, 5).proj_size(2).batch_first(true));
  std::vector<NamedTensor> state;
  for (const auto& p : lstm->named_parameters()) state.push_back({"tagger." + p.key(), p.value()});
  const auto model = ExportOnnx(Of([&](const Tensor& x) { return std::get<0>(lstm->forward(x)); }),
                                state, {at::ones({2, 4, 6})});
  EXPECT_EQ(ErrorOf(model),
            "aten::lstm (in module 'tagger'): projections of the state have no ONNX form "
            "(proj_size)");
}

TEST(Export, IndexByMask_SaysWhatToUse) {
  EXPECT_THAT(ErrorOf(ExportOnnx(
                  [](const std::vector<Tensor>& in) -> std::vector<Tensor> {
                    return {in[0].index({Slice(), at::ones({4}, at::kBool), in[1].select(0, 0)})};
                  },
                  {}, {at::ones({2, 4, 6}), at::zeros({2, 4}, at::kLong)})),
              HasSubstr("aten::index: indexes by a mask, whose result has another shape for other "
                        "values; use where or masked_fill"));
}

TEST(Export, UnusedOperatorWithoutTranslation_IsLeftOut) {
  EXPECT_TRUE(ExportFunction([](const Tensor& x) {
                (void)at::fft_rfft(x);
                return x + 1;
              }).ok());
}

TEST(Export, ControlFlowByBatch_IsRefused) {
  const auto by_kind =
      ExportFunction([](const Tensor& x) { return x.size(0) > 2 ? x.relu() : x.tanh(); });
  EXPECT_THAT(ErrorOf(by_kind), AllOf(HasSubstr("another course for another size of 'batch'"),
                                      HasSubstr("aten::tanh in one run, aten::relu in another")));
  const auto by_length = ExportFunction([](const Tensor& x) {
    Tensor y = x;
    for (std::int64_t i = 0; i < x.size(0); ++i) y = y + 1;
    return y;
  });
  EXPECT_THAT(ErrorOf(by_length), HasSubstr("another course for another size of 'batch'"));
}

TEST(Export, NumberNotLinearInTheBatch_IsRefused) {
  const auto square = ExportFunction([](const Tensor& x) { return x * (x.size(0) * x.size(0)); });
  EXPECT_THAT(ErrorOf(square), HasSubstr("an integer for aten::mul is 4, 9, 25 as sizes change"));
  const auto inverse =
      ExportFunction([](const Tensor& x) { return x * (1.0 / static_cast<double>(x.size(0))); });
  EXPECT_THAT(ErrorOf(inverse),
              HasSubstr("a number for aten::mul that is no integer changes with it"));
}

TEST(Export, ValueReadByCpp_IsRefused) {
  const std::string wanted = " hands a value that depends on the input to C++";
  EXPECT_THAT(ErrorOf(ExportFunction([](const Tensor& x) { return x * x.max().item<float>(); })),
              HasSubstr("aten::item" + wanted));
  EXPECT_THAT(
      ErrorOf(ExportFunction([](const Tensor& x) { return x.max().is_nonzero() ? x.relu() : x; })),
      HasSubstr("aten::is_nonzero" + wanted));
}

TEST(Export, ComparisonThatPicksAWay_IsRefusedUnlessAllValuesPickTheSame) {
  // What LibTorch's attention layer asks, asked by somebody else.
  const OneForward picks = [](const Tensor& x) {
    const Tensor y = x * 2;
    const Tensor z = x + 1;
    const bool all = at::equal(x, y) && at::equal(y, z);
    return all ? x : at::equal(y, z) ? y : z;
  };
  const OneForward finds_nan = [](const Tensor& x) { return at::equal(x, x) ? x : x.nan_to_num(); };
  const OneForward by_shape = [](const Tensor& x) {
    return at::equal(x, x.select(1, 0)) ? x : x.tanh();
  };
  nn::MultiheadAttention attention(6, 2);
  attention->eval();
  const OneForward attends = [&](const Tensor& x) {
    return std::get<0>(attention(x, x.tanh(), x.sin()));
  };
  for (const FrontEnd front_end : {FrontEnd::kTorchScript, FrontEnd::kDispatcher}) {
    const auto error_of = [&](const OneForward& forward) {
      std::vector<NamedTensor> state;
      for (const auto& p : attention->named_parameters()) state.push_back({p.key(), p.value()});
      return ErrorOf(
          ExportOnnx(Of(forward), state, {at::ones({2, 4, 6})}, {.front_end = front_end}));
    };
    EXPECT_THAT(error_of(picks), HasSubstr("aten::equal hands a value"));
    EXPECT_THAT(error_of(finds_nan), HasSubstr("aten::equal hands a value"));
    EXPECT_EQ(error_of(by_shape), "no error");
    EXPECT_EQ(error_of(attends), "no error");
  }
}

TEST(Export, ConstantReadByCpp_IsFine) {
  const Tensor scale = at::full({1}, 2);
  const auto model = ExportOnnx(Of([&](const Tensor& x) { return x * (scale * 2).item<float>(); }),
                                {{"scale", scale}}, {at::ones({2, 3})});
  EXPECT_TRUE(model.ok()) << ErrorOf(model);
}

TEST(Export, WriteSeenThroughAnotherView_IsRefused) {
  const auto base_read = ExportFunction([](const Tensor& x) {
    Tensor y = x * 2;
    y.select(1, 0).add_(1);
    return y;
  });
  EXPECT_THAT(ErrorOf(base_read), HasSubstr("is a view of a tensor that was changed in place"));
  const auto view_read = ExportFunction([](const Tensor& x) {
    Tensor y = x * 2;
    const Tensor flat = y.view({-1, 24});
    y.add_(1);
    return flat * 3;
  });
  EXPECT_THAT(ErrorOf(view_read), HasSubstr("aten::mul reads a view of a tensor that was changed"));
}

TEST(Export, ForwardThatChangesABuffer_IsRefused) {
  const Tensor counter = at::zeros({1});
  const auto model = ExportOnnx(Of([&](const Tensor& x) {
                                  counter.add_(1);
                                  return x + counter;
                                }),
                                {{"counter", counter}}, {at::ones({2, 3})});
  EXPECT_THAT(ErrorOf(model), HasSubstr("aten::add_ changes a parameter or buffer"));
}

TEST(Export, ArgumentWithoutOnnxForm_IsRefused) {
  const auto upsampled = ExportFunction([](const Tensor& x) {
    namespace F = nn::functional;
    return F::interpolate(x.unsqueeze(1), F::InterpolateFuncOptions()
                                              .scale_factor(std::vector<double>{1.3, 2})
                                              .mode(torch::kBilinear)
                                              .align_corners(false));
  });
  EXPECT_THAT(ErrorOf(upsampled), HasSubstr("a factor of 1.300000 takes 4 to no whole number"));
  EXPECT_THAT(ErrorOf(ExportFunction([](const Tensor& x) { return at::round(x, 2); })),
              HasSubstr("aten::round: decimals have no ONNX form"));
  EXPECT_THAT(ErrorOf(ExportFunction([](const Tensor& x) { return at::cdist(x, x, 3); })),
              HasSubstr("aten::cdist: only norms 1 and 2 are translated"));
}

TEST(Export, RandomNumbers_AreRefused) {
  EXPECT_THAT(ErrorOf(ExportFunction([](const Tensor& x) { return x + at::rand({4, 6}); })),
              HasSubstr("aten::rand draws random numbers"));
  EXPECT_THAT(ErrorOf(ExportFunction([](const Tensor& x) { return at::dropout(x, 0.5, true); })),
              HasSubstr("aten::dropout: is in training mode"));
}

TEST(Export, ForwardThatThrows_GivesItsWords) {
  const auto model = ExportFunction([](const Tensor& x) { return x.view({5, 5}); });
  EXPECT_EQ(model.error().kind, ErrorKind::kInternal);
  EXPECT_THAT(ErrorOf(model), HasSubstr("shape '[5, 5]' is invalid"));
  // The tracer is idle again.
  EXPECT_TRUE(ExportFunction([](const Tensor& x) { return x.relu(); }).ok());
}

TEST(Export, BadOptionsAndExamples_AreInvalid) {
  const OneForward relu = [](const Tensor& x) { return x.relu(); };
  EXPECT_THAT(ErrorOf(ExportFunction(relu, {.input_names = {"a", "b"}})),
              HasSubstr("2 input names for 1 inputs"));
  EXPECT_THAT(ErrorOf(ExportOnnx(Of(relu), {}, {})), HasSubstr("at least one example"));
  EXPECT_THAT(ErrorOf(ExportOnnx(Of(relu), {}, {at::ones({})})),
              HasSubstr("has no batch dimension"));
  EXPECT_THAT(
      ErrorOf(ExportOnnx(Of(relu), {}, {at::ones({2, 1}), at::ones({3, 1})})),
      HasSubstr("input 1 has 3 in dimension 0; wanted at least 1 and, as 'batch', as many as "
                "the first of them (2)"));
  EXPECT_THAT(ErrorOf(ExportFunction(relu, {.input_names = {"x"}, .output_names = {"x"}})),
              HasSubstr("value 'x' is made twice"));
}

TEST(Export, ProductOfTwoSymbols_IsComputedInTheGraph) {
  const auto model =
      ExportOnnx(Of([](const Tensor& x) { return x.repeat({1, 1, x.size(1)}).view({-1, 6}); }), {},
                 {at::ones({2, 8, 6})}, {.dynamic_axes = {{"input", {{1, "length"}}}}});
  EXPECT_THAT(ErrorOf(model), HasSubstr("dimension 0 of the result of aten::view"));
  const auto rows =
      ExportOnnx(Of([](const Tensor& x) { return at::arange(x.size(0) * x.size(1)) + x.size(1); }),
                 {}, {at::ones({2, 8, 6})}, {.dynamic_axes = {{"input", {{1, "length"}}}}});
  ASSERT_TRUE(rows.ok()) << ErrorOf(rows);
  EXPECT_EQ(onnx::TypeText(rows->graph.inputs[0]), "float[batch, length, 6]");
  EXPECT_EQ(onnx::TypeText(rows->graph.outputs[0]), "int64[batch*length]");
}

TEST(Export, QuotientOfALength_NeedsItsDivisor) {
  const OneForward halves = [](const Tensor& x) { return at::max_pool1d(x, 2).flatten(1); };
  ExportOptions options{.dynamic_axes = {{"input", {{2, "length"}}}}};
  const auto refused = ExportOnnx(Of(halves), {}, {at::ones({2, 3, 12})}, options);
  EXPECT_THAT(ErrorOf(refused), AllOf(HasSubstr("dimension 2 of the result of aten::max_pool1d"),
                                      HasSubstr("ExportOptions::multiples")));
  options.multiples["length"] = 2;
  const auto model = ExportOnnx(Of(halves), {}, {at::ones({2, 3, 12})}, options);
  ASSERT_TRUE(model.ok()) << ErrorOf(model);
  EXPECT_EQ(onnx::TypeText(model->graph.outputs[0]), "float[batch, 3*length/2]");
}

TEST(Export, DispatcherFrontEnd_GivesTheSameModels) {
  std::vector<testing::ExportCase> cases = testing::ModelCases();
  for (auto& trial : testing::TrialCases()) cases.push_back(std::move(trial));
  for (auto& dynamic : testing::DynamicCases()) cases.push_back(std::move(dynamic));
  for (const testing::ExportCase& c : cases) {
    ExportOptions options = c.options;
    const auto inputs = c.inputs(2);
    const auto traced = ExportModule(*c.module, c.forward, inputs, options);
    options.front_end = FrontEnd::kDispatcher;
    const auto recorded = ExportModule(*c.module, c.forward, inputs, options);
    ASSERT_TRUE(traced.ok()) << c.name << ": " << ErrorOf(traced);
    ASSERT_TRUE(recorded.ok()) << c.name << ": " << ErrorOf(recorded);
    EXPECT_EQ(onnx::Describe(*recorded), onnx::Describe(*traced)) << c.name;
    EXPECT_TRUE(*recorded == *traced) << c.name;
  }
}

TEST(Export, DispatcherFrontEnd_RefusesTheSame) {
  const ExportOptions options{.front_end = FrontEnd::kDispatcher};
  EXPECT_THAT(
      ErrorOf(ExportFunction([](const Tensor& x) { return x * x.max().item<float>(); }, options)),
      HasSubstr("aten::item hands a value that depends on the input to C++"));
  EXPECT_THAT(
      ErrorOf(ExportFunction([](const Tensor& x) { return x + at::rand({4, 6}); }, options)),
      HasSubstr("aten::rand draws random numbers"));
  EXPECT_THAT(ErrorOf(ExportFunction(
                  [](const Tensor& x) { return x.size(0) > 2 ? x.relu() : x.tanh(); }, options)),
              HasSubstr("aten::tanh in one run, aten::relu in another"));
  EXPECT_THAT(ErrorOf(ExportFunction([](const Tensor& x) { return x.view({5, 5}); }, options)),
              HasSubstr("shape '[5, 5]' is invalid"));
  EXPECT_TRUE(ExportFunction([](const Tensor& x) { return x + torch::arange(6); }, options).ok());
  // What is not computed is judged all the same.
  EXPECT_THAT(
      ErrorOf(ExportFunction([](const Tensor& x) { return at::layer_norm(x, {5}); }, options)),
      HasSubstr("normalized_shape=[5]"));
  EXPECT_THAT(ErrorOf(ExportFunction(
                  [](const Tensor& x) {
                    const Tensor heads = x.unsqueeze(1);
                    return at::scaled_dot_product_attention(heads, heads.narrow(3, 0, 5), heads);
                  },
                  options)),
              HasSubstr("the forward pass failed while it was traced"));
  EXPECT_THAT(ErrorOf(ExportFunction(
                  [](const Tensor& x) { return at::embedding(at::ones({3, 2}), x); }, options)),
              HasSubstr("the forward pass failed while it was traced"));
}

TEST(Export, Opset_IsWhatWasAskedForOrWhy) {
  const OneForward mean = [](const Tensor& x) { return at::layer_norm(x, {6}).mean(1); };
  EXPECT_EQ(ExportFunction(mean)->opsets.at(""), 17);
  EXPECT_EQ(ExportFunction(mean, {.opset = 20})->opsets.at(""), 20);
  EXPECT_THAT(ErrorOf(ExportFunction(mean, {.opset = 16})),
              HasSubstr("is LayerNormalization, which came with 17"));
}

TEST(Export, DynamicAxesThatDoNotFit_AreInvalid) {
  const OneForward relu = [](const Tensor& x) { return x.relu(); };
  const auto with = [&](ExportOptions options) { return ErrorOf(ExportFunction(relu, options)); };
  EXPECT_EQ(with({.dynamic_axes = {{"x", {{1, "length"}}}}}), "dynamic_axes names 'x', no input");
  EXPECT_EQ(with({.dynamic_axes = {{"input", {{3, "length"}}}}}),
            "dynamic_axes names dimension 3 of input 'input', which has 3");
  EXPECT_EQ(
      with({.dynamic_axes = {{"input", {{1, "length"}}}}}),
      "symbol 'length' has 4 in the examples; to be varied it wants a multiple of 1, at least 5");
  EXPECT_THAT(
      with({.dynamic_axes = {{"input", {{1, "n"}, {2, "n"}}}}}),
      HasSubstr("has 6 in dimension 2; wanted at least 1 and, as 'n', as many as the first"));
}

TEST(Export, SupportedOperators_AreSortedAndNamed) {
  const std::vector<std::string> names = SupportedOperators();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_THAT(names, Contains("aten::scaled_dot_product_attention"));
}

}  // namespace
}  // namespace muster::exporting
