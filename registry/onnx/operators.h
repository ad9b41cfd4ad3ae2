#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

/// What ONNX's operator set 17 says about each operator, for the checker. Private to registry/onnx.
/// Left out: operators with subgraphs, which `graph.h` does not carry, and those withdrawn.

namespace muster::onnx {

struct OperatorRule {
  std::string_view name;
  int min_inputs;
  int max_inputs;  ///< -1: any number
  int min_outputs;
  int max_outputs;  ///< -1: any number
  /// "axis!:i pads:I": each attribute, "!" when required, then the type's letter: i(nt), f(loat),
  /// s(tring), t(ensor), I(nts), F(loats), S(trings).
  std::string_view attributes;
};

struct AttributeRule {
  char type;
  bool required;
};

/// The rule of an operator of the default domain; null when operator set 17 has none of that name.
const OperatorRule* FindOperator(std::string_view name);
/// The same for a set up to 20.
const OperatorRule* FindOperator(std::string_view name, std::int64_t opset);
std::optional<AttributeRule> FindAttribute(const OperatorRule& rule, std::string_view name);
/// The operator set that "Trilu", an operator, or "Reshape.allowzero", an attribute, came with; 13 for what was
/// there by then.
int SinceVersion(std::string_view what);

}  // namespace muster::onnx
