#include <cmath>

#include "trainer/export/call.h"

namespace muster::exporting {
namespace {

void Between(Call& call, double low, double high) {
  call.Return(call.Node("Clip", {call.In("self"), call.Scalar(low), call.Scalar(high)}));
}

/// x * Phi(x), or its tanh approximation (Hendrycks and Gimpel, arXiv 1606.08415).
void Gelu(Call& call) {
  const auto number = [&](double value) { return call.Scalar(value); };
  const std::string x = call.In("self");
  std::string inner;
  if (call.Text("approximate") == "tanh") {
    const std::string cube = call.Node("Mul", {call.Node("Mul", {x, x}), x});
    const std::string sum = call.Node("Add", {x, call.Node("Mul", {cube, number(0.044715)})});
    inner = call.Node("Tanh", {call.Node("Mul", {sum, number(std::sqrt(2 / M_PI))})});
  } else {
    inner = call.Node("Erf", {call.Node("Mul", {x, number(M_SQRT1_2)})});
  }
  const std::string half = call.Node("Mul", {x, number(0.5)});
  call.Return(call.Node("Mul", {half, call.Node("Add", {inner, number(1)})}));
}

void Silu(Call& call) {
  const std::string x = call.In("self");
  call.Return(call.Node("Mul", {x, call.Node("Sigmoid", {x})}));
}

/// log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold.
void Softplus(Call& call) {
  const std::string x = call.In("self");
  const double beta = call.RealOr("beta", 1);
  const double threshold = call.RealOr("threshold", 20);
  const std::string scaled = beta == 1 ? x : call.Node("Mul", {x, call.Scalar(beta)});
  std::string value = call.Node("Softplus", {scaled});
  if (beta != 1) value = call.Node("Div", {value, call.Scalar(beta)});
  // From 20 on a float's softplus is the float itself, so that ONNX needs no threshold.
  if (threshold < 20) {
    const std::string above = call.Node("Greater", {scaled, call.Scalar(threshold)});
    value = call.Node("Where", {above, x, value});
  }
  call.Return(value);
}

void Mish(Call& call) {
  const std::string x = call.In("self");
  call.Return(call.Node("Mul", {x, call.Node("Tanh", {call.Node("Softplus", {x})})}));
}

/// a * sigmoid(b), the halves of the input.
void Glu(Call& call) {
  const std::int64_t axis = call.Axis("dim", call.Type("self").rank());
  const std::vector<std::string> halves =
      call.graph().Node("Split", {call.In("self")}, {{"axis", axis}}, 2);
  call.Return(call.Node("Mul", {halves[0], call.Node("Sigmoid", {halves[1]})}));
}

void LeakyRelu(Call& call) {
  call.Return(call.Node("LeakyRelu", {call.In("self")},
                        {{"alpha", static_cast<float>(call.RealOr("negative_slope", 0.01))}}));
}

/// max(x, 0) + min(0, alpha * (exp(x / alpha) - 1)).
void Celu(Call& call) {
  const std::string x = call.In("self");
  const double alpha = call.RealOr("alpha", 1);
  const std::string scaled = call.Node("Mul", {x, call.Scalar(1 / alpha)});
  call.Return(
      call.Node("Mul", {call.Node("Elu", {scaled}, {{"alpha", 1.0f}}), call.Scalar(alpha)}));
}

void Elu(Call& call) {
  call.FailUnless(call.RealOr("scale", 1) == 1 && call.RealOr("input_scale", 1) == 1,
                  "scale or input_scale is not 1");
  call.Return(call.Node("Elu", {call.In("self")},
                        {{"alpha", static_cast<float>(call.RealOr("alpha", 1))}}));
}

/// In evaluation a leaky rectifier whose slope is the middle of its range.
void RandomizedRelu(Call& call) {
  call.FailUnless(!call.Flag("training"), "is in training mode");
  const double slope = (call.RealOr("lower", 1.0 / 8) + call.RealOr("upper", 1.0 / 3)) / 2;
  call.Return(call.Node("LeakyRelu", {call.In("self")}, {{"alpha", static_cast<float>(slope)}}));
}

/// x above the threshold, else a number.
void Threshold(Call& call) {
  const std::string x = call.In("self");
  const std::string above = call.Node("Greater", {x, call.In("threshold", call.Out().dtype)});
  call.Return(call.Node("Where", {above, x, call.In("value", call.Out().dtype)}));
}

/// Shrinking: x, or x nearer to zero, outside of [-lambda, lambda]; inside zero.
void Shrink(Call& call, bool nearer) {
  const double lambda = call.RealOr("lambd", 0.5);
  const float bias = nearer ? static_cast<float>(lambda) : 0;
  call.Return(call.Node("Shrink", {call.In("self")},
                        {{"lambd", static_cast<float>(lambda)}, {"bias", bias}}));
}

void Prelu(Call& call) {
  const TensorType& type = call.Type("self");
  const TensorType& weight = call.Type("weight");
  std::string slope = call.In("weight");
  if (type.rank() > 2 && weight.rank() == 1 && weight.shape[0] != Polynomial(1)) {
    // One slope a channel, which is dimension 1: ONNX aligns from the right.
    Shape aligned(type.shape.size() - 1, Polynomial(1));
    aligned[0] = weight.shape[0];
    slope = call.Reshape(slope, weight.shape, aligned);
  }
  call.Return(call.Node("PRelu", {call.In("self"), slope}));
}

void HardSigmoid(Call& call) {
  call.Return(call.Node("HardSigmoid", {call.In("self")}, {{"alpha", 1.0f / 6}, {"beta", 0.5f}}));
}

void LogSigmoid(Call& call) {
  call.Return(call.Node("Neg", {call.Node("Softplus", {call.Node("Neg", {call.In("self")})})}));
}

}  // namespace

Translations ActivationOps() {
  return {
      {"celu", Celu},
      {"elu", Elu},
      {"gelu", Gelu},
      {"glu", Glu},
      {"hardshrink", [](Call& call) { Shrink(call, false); }},
      {"hardsigmoid", HardSigmoid},
      {"hardtanh",
       [](Call& call) { Between(call, call.RealOr("min_val", -1), call.RealOr("max_val", 1)); }},
      {"leaky_relu", LeakyRelu},
      {"log_sigmoid", LogSigmoid},
      {"mish", Mish},
      {"prelu", Prelu},
      {"relu6", [](Call& call) { Between(call, 0, 6); }},
      {"rrelu", RandomizedRelu},
      {"silu", Silu},
      {"softplus", Softplus},
      {"softshrink", [](Call& call) { Shrink(call, true); }},
      {"threshold", Threshold},
  };
}

}  // namespace muster::exporting
