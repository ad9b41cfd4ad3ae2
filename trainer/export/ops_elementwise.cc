#include <cmath>
#include <limits>

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

/// The nearest whole number towards zero.
std::string Truncated(Call& call, const std::string& x) {
  if (!at::isFloatingType(call.Out().dtype)) return x;
  return call.Node("Mul", {call.Node("Sign", {x}), call.Node("Floor", {call.Node("Abs", {x})})});
}

void Divide(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  const std::string left = call.In("self", type);
  const std::string right = call.In("other", type);
  const std::string mode = call.Text("rounding_mode");
  if (mode == "floor") return call.Return(FloorDivided(call, left, right));
  const std::string quotient = call.Node("Div", {left, right});
  if (mode != "trunc" || !at::isFloatingType(type)) return call.Return(quotient);
  call.Return(Truncated(call, quotient));
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

void Round(Call& call) {
  call.FailUnless(call.IntOr("decimals", 0) == 0, "decimals have no ONNX form");
  call.Return(call.Node("Round", {call.In("self", call.Out().dtype)}));
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

void Fraction(Call& call) {
  const std::string x = call.In("self");
  call.Return(call.Node("Sub", {x, Truncated(call, x)}));
}

/// The remainder with the dividend's sign.
void Fmod(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  call.Return(call.Node("Mod", {call.In("self", type), call.In("other", type)},
                        {{"fmod", std::int64_t{1}}}));
}

/// self op factor, after a function: exp2(x) = exp(x ln 2), log10(x) = ln(x) / ln 10.
Translation ExpOfScaled(double factor) {
  return [factor](Call& call) {
    const std::string x = call.In("self", call.Out().dtype);
    call.Return(call.Node("Exp", {call.Node("Mul", {x, call.Scalar(factor)})}));
  };
}

Translation LogScaled(double factor) {
  return [factor](Call& call) {
    const std::string log = call.Node("Log", {call.In("self", call.Out().dtype)});
    call.Return(call.Node("Mul", {log, call.Scalar(factor)}));
  };
}

void ExpMinusOne(Call& call) {
  const std::string power = call.Node("Exp", {call.In("self", call.Out().dtype)});
  call.Return(call.Node("Sub", {power, call.Scalar(1)}));
}

void Erfc(Call& call) {
  const std::string erf = call.Node("Erf", {call.In("self", call.Out().dtype)});
  call.Return(call.Node("Sub", {call.Scalar(1), erf}));
}

/// log(x / (1 - x)), x kept eps away from 0 and 1.
void Logit(Call& call) {
  std::string x = call.In("self", call.Out().dtype);
  if (call.Has("eps")) {
    const double eps = call.Real("eps");
    x = call.Node("Clip", {x, call.Scalar(eps), call.Scalar(1 - eps)});
  }
  const std::string rest = call.Node("Sub", {call.Scalar(1), x});
  call.Return(call.Node("Log", {call.Node("Div", {x, rest})}));
}

/// log(exp(a) + exp(b)) = max(a, b) + log(1 + exp(-|a - b|)).
void LogAddExp(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  const std::string a = call.In("self", type);
  const std::string b = call.In("other", type);
  const std::string apart = call.Node("Neg", {call.Node("Abs", {call.Node("Sub", {a, b})})});
  call.Return(call.Node("Add", {call.Node("Max", {a, b}), call.Node("Softplus", {apart})}));
}

/// The angle of (other, self) in (-pi, pi].
/// -0 too, whose reciprocal is minus infinity.
std::string IsNegative(Call& call, const std::string& x) {
  const std::string zero = call.Scalar(0);
  return call.Node("Or", {call.Node("Less", {x, zero}),
                          call.Node("Less", {call.Node("Div", {call.Scalar(1), x}), zero})});
}

void Atan2(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  const std::string y = call.In("self", type);
  const std::string x = call.In("other", type);
  // Two zeros and two infinities have no quotient, but the angle of their signs.
  const std::string diagonal = call.Node("Equal", {call.Node("Abs", {y}), call.Node("Abs", {x})});
  const std::string signs = call.Node("Mul", {call.Node("Sign", {y}), call.Node("Sign", {x})});
  const std::string slope = call.Node("Where", {diagonal, signs, call.Node("Div", {y, x})});
  const std::string half_turn =
      call.Node("Where", {IsNegative(call, y), call.Scalar(-M_PI), call.Scalar(M_PI)});
  const std::string turn = call.Node("Where", {IsNegative(call, x), half_turn, call.Scalar(0)});
  call.Return(call.Node("Add", {call.Node("Atan", {slope}), turn}));
}

void Hypot(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  const std::string a = call.In("self", type);
  const std::string b = call.In("other", type);
  const std::string sum = call.Node("Add", {call.Node("Mul", {a, a}), call.Node("Mul", {b, b})});
  call.Return(call.Node("Sqrt", {sum}));
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Integers are never NaN nor infinite.
std::string IsNan(Call& call, const std::string& x) {
  if (at::isFloatingType(call.Type("self").dtype)) return call.Node("IsNaN", {x});
  return call.Node("Not", {call.Node("Equal", {x, x})});
}

std::string IsInfinite(Call& call, const std::string& x) {
  const at::ScalarType type = call.Type("self").dtype;
  if (!at::isFloatingType(type)) return call.Node("Not", {call.Node("Equal", {x, x})});
  return call.Node("Equal", {call.Node("Abs", {x}), call.graph().Scalar(kInfinity, type)});
}

void IsFinite(Call& call) {
  const std::string x = call.In("self");
  call.Return(call.Node("Not", {call.Node("Or", {IsNan(call, x), IsInfinite(call, x)})}));
}

void NanToNum(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  std::string x = call.In("self");
  if (!at::isFloatingType(type)) return call.Return(x);
  const double largest = type == at::kDouble ? std::numeric_limits<double>::max()
                         : type == at::kHalf ? 65504
                                             : std::numeric_limits<float>::max();
  const std::string nan = IsNan(call, x);
  const auto replace = [&](double infinity, const char* name, double otherwise) {
    const std::string found = call.Node("Equal", {x, call.Scalar(infinity)});
    x = call.Node("Where", {found, call.Scalar(call.RealOr(name, otherwise)), x});
  };
  replace(kInfinity, "posinf", largest);
  replace(-kInfinity, "neginf", -largest);
  call.Return(call.Node("Where", {nan, call.Scalar(call.RealOr("nan", 0)), x}));
}

}  // namespace

Translations ElementwiseOps() {
  Translations rows = {
      {"addcdiv", AddCombined("Div")},
      {"addcmul", AddCombined("Mul")},
      {"atan2", Atan2},
      {"bitwise_not", Not},
      {"bitwise_xor", Logical("Xor")},
      {"clamp", [](Call& call) { Clamp(call, "min", "max"); }},
      {"clamp_max", [](Call& call) { Clamp(call, nullptr, "max"); }},
      {"clamp_min", [](Call& call) { Clamp(call, "min", nullptr); }},
      {"clip", [](Call& call) { Clamp(call, "min", "max"); }},
      {"erfc", Erfc},
      {"exp2", ExpOfScaled(M_LN2)},
      {"expm1", ExpMinusOne},
      {"floor_divide",
       [](Call& call) {
         const at::ScalarType type = call.Out().dtype;
         const std::string left = call.In("self", type);
         call.Return(FloorDivided(call, left, call.In("other", type)));
       }},
      {"fmod", Fmod},
      {"frac", Fraction},
      {"hypot", Hypot},
      {"isfinite", IsFinite},
      {"isinf", [](Call& call) { call.Return(IsInfinite(call, call.In("self"))); }},
      {"isnan", [](Call& call) { call.Return(IsNan(call, call.In("self"))); }},
      {"lerp", Lerp},
      {"log10", LogScaled(M_LOG10E)},
      {"log1p", LogOnePlus},
      {"log2", LogScaled(M_LOG2E)},
      {"logaddexp", LogAddExp},
      {"logical_not", Not},
      {"logical_xor", Logical("Xor")},
      {"logit", Logit},
      {"maximum", Extreme("Max")},
      {"minimum", Extreme("Min")},
      {"nan_to_num", NanToNum},
      {"pow", Power},
      {"remainder", Remainder},
      {"round", Round},
      {"rsqrt", Rsqrt},
      {"square", Square},
      {"trunc", [](Call& call) { call.Return(Truncated(call, call.In("self"))); }},
  };
  const auto named = [&](std::initializer_list<const char*> names, const Translation& translation) {
    for (const char* name : names) rows.emplace_back(name, translation);
  };
  named({"add"}, Add);
  named({"sub", "subtract"}, Subtract);
  named({"mul", "multiply"}, Multiply);
  named({"div", "divide", "true_divide"}, Divide);
  named({"eq"}, Compare("Equal"));
  named({"ne", "not_equal"}, Compare("NotEqual"));
  named({"ge", "greater_equal"}, Compare("GreaterOrEqual"));
  named({"gt", "greater"}, Compare("Greater"));
  named({"le", "less_equal"}, Compare("LessOrEqual"));
  named({"lt", "less"}, Compare("Less"));
  named({"bitwise_and", "__and__", "logical_and"}, Logical("And"));
  named({"bitwise_or", "__or__", "logical_or"}, Logical("Or"));
  constexpr std::pair<const char*, const char*> kUnary[] = {{"abs", "Abs"},
                                                            {"absolute", "Abs"},
                                                            {"acos", "Acos"},
                                                            {"acosh", "Acosh"},
                                                            {"asin", "Asin"},
                                                            {"asinh", "Asinh"},
                                                            {"atan", "Atan"},
                                                            {"atanh", "Atanh"},
                                                            {"ceil", "Ceil"},
                                                            {"cos", "Cos"},
                                                            {"cosh", "Cosh"},
                                                            {"erf", "Erf"},
                                                            {"exp", "Exp"},
                                                            {"floor", "Floor"},
                                                            {"hardswish", "HardSwish"},
                                                            {"log", "Log"},
                                                            {"neg", "Neg"},
                                                            {"negative", "Neg"},
                                                            {"reciprocal", "Reciprocal"},
                                                            {"relu", "Relu"},
                                                            {"selu", "Selu"},
                                                            {"sgn", "Sign"},
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
