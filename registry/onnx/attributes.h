#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "registry/onnx/graph.h"

/// Reading a node's attributes, and what a node takes for those that it leaves out.

namespace muster::onnx {

/// The attribute's value; null when the node has none of that name.
inline const AttributeValue* FindValue(const Node& node, std::string_view name) {
  for (const Attribute& attribute : node.attributes) {
    if (attribute.name == name) return &attribute.value;
  }
  return nullptr;
}

/// Null when the node has none of that name and type.
template <typename T>
const T* FindValue(const Node& node, std::string_view name) {
  const AttributeValue* value = FindValue(node, name);
  return value == nullptr ? nullptr : std::get_if<T>(value);
}

inline std::int64_t IntOr(const Node& node, std::string_view name, std::int64_t otherwise) {
  const auto* value = FindValue<std::int64_t>(node, name);
  return value == nullptr ? otherwise : *value;
}

inline float FloatOr(const Node& node, std::string_view name, float otherwise) {
  const auto* value = FindValue<float>(node, name);
  return value == nullptr ? otherwise : *value;
}

inline std::string TextOr(const Node& node, std::string_view name, const std::string& otherwise) {
  const auto* value = FindValue<std::string>(node, name);
  return value == nullptr ? otherwise : *value;
}

inline std::vector<std::int64_t> IntsOr(const Node& node, std::string_view name,
                                        const std::vector<std::int64_t>& otherwise) {
  const auto* value = FindValue<std::vector<std::int64_t>>(node, name);
  return value == nullptr ? otherwise : *value;
}

}  // namespace muster::onnx
