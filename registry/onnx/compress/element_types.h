#pragma once

#include <string>
#include <unordered_map>

#include "registry/onnx/graph.h"

namespace muster::onnx::compress {

/// The element type of every value of the graph, by the rules of ONNX's operators; kUndefined for what an unknown
/// domain or a value without a type leads to.
std::unordered_map<std::string, DataType> ElementTypes(const Graph& graph);

}  // namespace muster::onnx::compress
