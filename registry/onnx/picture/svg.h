#pragma once

#include <string>

#include "registry/onnx/graph.h"
#include "runtime/base/result.h"

namespace muster::onnx {

struct SvgOptions {
  /// 0: every node. N: nodes that follow each other and share the first N parts of their module's name ("layer1.0" is
  /// two parts) become one box with their count and parameters.
  int depth = 0;
};

/// The model as an SVG 1.1 picture, top to bottom: inputs, nodes with their constants, outputs; the arrows bear the
/// shapes that inference knows. Nothing is drawn of unused initializers, nor of values that are used before they are
/// made. kUnsupported for a graph of more than kMaxItems parts (`layout.h`).
Result<std::string> Svg(const Model& model, const SvgOptions& options = {});

}  // namespace muster::onnx
