#pragma once

#include <string>
#include <vector>

#include "registry/onnx/graph.h"
#include "registry/onnx/picture/layout.h"

/// What a picture of a model shows, without places. Private to registry/onnx/picture.

namespace muster::onnx {

struct Box {
  enum class Kind { kInput, kOutput, kNode, kModule };
  Kind kind = Kind::kNode;
  std::string title;
  std::string op;  ///< the operator; empty for the rest
  std::vector<std::string> lines;
};

struct Drawing {
  std::vector<Box> boxes;  ///< in an order in which arrows point forward
  std::vector<Arrow> arrows;
  std::vector<std::string>
      labels;  ///< of each arrow; empty where the same value left the box already
  std::string caption;
};

/// `depth`: see SvgOptions.
Drawing Draw(const Model& model, int depth);

}  // namespace muster::onnx
