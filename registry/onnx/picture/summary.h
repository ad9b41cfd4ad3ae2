#pragma once

#include <string>

#include "registry/onnx/graph.h"

namespace muster::onnx {

/// A page for a terminal: inputs and outputs, a row a node (operator, output type, parameters, FLOPs for one row),
/// totals, and the share of each operator. Safe to print, whatever the names are.
std::string Summary(const Model& model);

}  // namespace muster::onnx
