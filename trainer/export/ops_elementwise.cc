#include <cmath>

#include "trainer/export/call.h"

namespace muster::exporting {
namespace {

/// self -> one ONNX operator, in the type of the result.
Translation Unary(const char* op) {
  return [op](Call& call) { call.Return(call.Node(op, {call.In("self", call.Out().dtype)})); };
}

std::string Scaled(Call& call, const std::string& value, const char* factor) {
  if (!call.Has(factor) || call.Real(factor) == 1) return value;
  return call.Node("Mul", {value, call.In(factor, call.Out().dtype)});
}

void Add(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  if (type == at::kBool) {
    return call.Return(call.Node("Or", {call.In("self"), call.In("other", type)}));
  }
  call.Return(
      call.Node("Add", {call.In("self", type), Scaled(call, call.In("other", type), "alpha")}));
}

void Subtract(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  call.Return(
      call.Node("Sub", {call.In("self", type), Scaled(call, call.In("other", type), "alpha")}));
}

void Multiply(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  call.Return(call.Node(type == at::kBool ? "And" : "Mul",
                        {call.In("self", type), call.In("other", type)}));
}

std::string FloorDivided(Call& call, const std::string& left, const std::string& right) {
  if (at::isFloatingType(call.Out().dtype)) {
    return call.Node("Floor", {call.Node("Div", {left, right})});
  }
  // Integer Div rounds to zero; without the remainder, which has the divisor's sign, it is exact.
  const std::string remainder = call.Node("Mod", {left, right});
  return call.Node("Div", {call.Node("Sub", {left, remainder}), right});
}

void Divide(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  const std::string left = call.In("self", type);
  const std::string right = call.In("other", type);
  const std::string mode = call.Text("rounding_mode");
  if (mode == "floor") return call.Return(FloorDivided(call, left, right));
  const std::string quotient = call.Node("Div", {left, right});
  if (mode != "trunc" || !at::isFloatingType(type)) return call.Return(quotient);
  const std::string whole = call.Node("Floor", {call.Node("Abs", {quotient})});
  call.Return(call.Node("Mul", {call.Node("Sign", {quotient}), whole}));
}

/// The remainder with the divisor's sign, as LibTorch's "remainder" has it.
void Remainder(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  const std::string left = call.In("self", type);
  const std::string right = call.In("other", type);
  if (!at::isFloatingType(type)) return call.Return(call.Node("Mod", {left, right}));
  const std::string times = call.Node("Floor", {call.Node("Div", {left, right})});
  call.Return(call.Node("Sub", {left, call.Node("Mul", {times, right})}));
}

void Power(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  call.Return(call.Node("Pow", {call.In("self", type), call.In("exponent", type)}));
}

Translation Compare(const char* op) {
  return [op](Call& call) {
    const at::ScalarType type = call.Promoted("self", "other");
    const std::string op_name = op;
    std::string value = call.Node(op_name == "NotEqual" ? "Equal" : op_name,
                                  {call.In("self", type), call.In("other", type)});
    call.Return(op_name == "NotEqual" ? call.Node("Not", {value}) : value);
  };
}

Translation Logical(const char* op) {
  return [op](Call& call) {
    call.FailUnless(call.Out().dtype == at::kBool,
                    "bits of integers have no ONNX operator in set 17");
    call.Return(call.Node(op, {call.In("self", at::kBool), call.In("other", at::kBool)}));
  };
}

void Not(Call& call) {
  call.FailUnless(call.Out().dtype == at::kBool,
                  "bits of integers have no ONNX operator in set 17");
  call.Return(call.Node("Not", {call.In("self", at::kBool)}));
}

Translation Extreme(const char* op) {
  return [op](Call& call) {
    const at::ScalarType type = call.Out().dtype;
    call.Return(call.Node(op, {call.In("self", type), call.In("other", type)}));
  };
}

void Clamp(Call& call, const char* low, const char* high) {
  const at::ScalarType type = call.Out().dtype;
  std::string value = call.In("self", type);
  // Max and Min take tensors and numbers alike; Clip takes numbers only.
  if (low != nullptr && call.Has(low)) value = call.Node("Max", {value, call.In(low, type)});
  if (high != nullptr && call.Has(high)) value = call.Node("Min", {value, call.In(high, type)});
  call.Return(value);
}

void Between(Call& call, double low, double high) {
  const at::ScalarType type = call.Out().dtype;
  call.Return(call.Node(
      "Clip", {call.In("self"), call.graph().Scalar(low, type), call.graph().Scalar(high, type)}));
}

/// x * Phi(x), or its tanh approximation (Hendrycks and Gimpel, arXiv 1606.08415).
void Gelu(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  const auto number = [&](double value) { return call.graph().Scalar(value, type); };
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

void Round(Call& call) {
  call.FailUnless(call.IntOr("decimals", 0) == 0, "decimals have no ONNX form");
  call.Return(call.Node("Round", {call.In("self", call.Out().dtype)}));
}

void Silu(Call& call) {
  const std::string x = call.In("self");
  call.Return(call.Node("Mul", {x, call.Node("Sigmoid", {x})}));
}

void Softplus(Call& call) {
  call.FailUnless(call.RealOr("beta", 1) == 1, "beta is not 1");
  // From 20 on a float's softplus is the float itself, which is what LibTorch's threshold is about.
  call.FailUnless(call.RealOr("threshold", 20) >= 20, "threshold is below 20");
  call.Return(call.Node("Softplus", {call.In("self")}));
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

void Elu(Call& call) {
  call.FailUnless(call.RealOr("scale", 1) == 1 && call.RealOr("input_scale", 1) == 1,
                  "scale or input_scale is not 1");
  call.Return(call.Node("Elu", {call.In("self")},
                        {{"alpha", static_cast<float>(call.RealOr("alpha", 1))}}));
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

void Rsqrt(Call& call) {
  const std::string root = call.Node("Sqrt", {call.In("self", call.Out().dtype)});
  call.Return(call.Node("Reciprocal", {root}));
}

void LogOnePlus(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  call.Return(
      call.Node("Log", {call.Node("Add", {call.In("self", type), call.graph().Scalar(1, type)})}));
}

void Square(Call& call) {
  const std::string x = call.In("self");
  call.Return(call.Node("Mul", {x, x}));
}

void LogSigmoid(Call& call) {
  call.Return(call.Node("Neg", {call.Node("Softplus", {call.Node("Neg", {call.In("self")})})}));
}

/// self + value * tensor1 op tensor2.
Translation AddCombined(const char* op) {
  return [op](Call& call) {
    const at::ScalarType type = call.Out().dtype;
    const std::string pair = call.Node(op, {call.In("tensor1", type), call.In("tensor2", type)});
    call.Return(call.Node("Add", {call.In("self", type), Scaled(call, pair, "value")}));
  };
}

void Lerp(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  const std::string start = call.In("self");
  const std::string way = call.Node("Sub", {call.In("end", type), start});
  call.Return(call.Node("Add", {start, call.Node("Mul", {way, call.In("weight", type)})}));
}

}  // namespace

Translations ElementwiseOps() {
  Translations rows = {
      {"add", Add},
      {"addcdiv", AddCombined("Div")},
      {"addcmul", AddCombined("Mul")},
      {"bitwise_and", Logical("And")},
      {"__and__", Logical("And")},
      {"bitwise_not", Not},
      {"bitwise_or", Logical("Or")},
      {"__or__", Logical("Or")},
      {"bitwise_xor", Logical("Xor")},
      {"clamp", [](Call& call) { Clamp(call, "min", "max"); }},
      {"clamp_max", [](Call& call) { Clamp(call, nullptr, "max"); }},
      {"clamp_min", [](Call& call) { Clamp(call, "min", nullptr); }},
      {"div", Divide},
      {"elu", Elu},
      {"eq", Compare("Equal")},
      {"floor_divide",
       [](Call& call) {
         const at::ScalarType type = call.Out().dtype;
         const std::string left = call.In("self", type);
         call.Return(FloorDivided(call, left, call.In("other", type)));
       }},
      {"ge", Compare("GreaterOrEqual")},
      {"gelu", Gelu},
      {"glu", Glu},
      {"gt", Compare("Greater")},
      {"hardsigmoid", HardSigmoid},
      {"hardtanh",
       [](Call& call) { Between(call, call.RealOr("min_val", -1), call.RealOr("max_val", 1)); }},
      {"le", Compare("LessOrEqual")},
      {"leaky_relu", LeakyRelu},
      {"lerp", Lerp},
      {"log1p", LogOnePlus},
      {"log_sigmoid", LogSigmoid},
      {"logical_and", Logical("And")},
      {"logical_not", Not},
      {"logical_or", Logical("Or")},
      {"logical_xor", Logical("Xor")},
      {"lt", Compare("Less")},
      {"maximum", Extreme("Max")},
      {"minimum", Extreme("Min")},
      {"mish", Mish},
      {"mul", Multiply},
      {"ne", Compare("NotEqual")},
      {"prelu", Prelu},
      {"relu6", [](Call& call) { Between(call, 0, 6); }},
      {"remainder", Remainder},
      {"round", Round},
      {"rsqrt", Rsqrt},
      {"silu", Silu},
      {"softplus", Softplus},
      {"square", Square},
      {"sub", Subtract},
      {"pow", Power},
  };
  constexpr std::pair<const char*, const char*> kUnary[] = {{"abs", "Abs"},
                                                            {"acos", "Acos"},
                                                            {"asin", "Asin"},
                                                            {"atan", "Atan"},
                                                            {"ceil", "Ceil"},
                                                            {"cos", "Cos"},
                                                            {"cosh", "Cosh"},
                                                            {"erf", "Erf"},
                                                            {"exp", "Exp"},
                                                            {"floor", "Floor"},
                                                            {"hardswish", "HardSwish"},
                                                            {"log", "Log"},
                                                            {"neg", "Neg"},
                                                            {"reciprocal", "Reciprocal"},
                                                            {"relu", "Relu"},
                                                            {"selu", "Selu"},
                                                            {"sigmoid", "Sigmoid"},
                                                            {"sign", "Sign"},
                                                            {"sin", "Sin"},
                                                            {"sinh", "Sinh"},

                                                            {"sqrt", "Sqrt"},
                                                            {"tan", "Tan"},
                                                            {"tanh", "Tanh"}};
  for (const auto& [name, op] : kUnary) rows.emplace_back(name, Unary(op));
  return rows;
}

}  // namespace muster::exporting
