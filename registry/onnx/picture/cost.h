#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "registry/onnx/graph.h"
#include "registry/onnx/shapes/infer.h"

namespace muster::onnx {

/// What a node costs, or several together.
struct Cost {
  std::int64_t parameters = 0;  ///< elements of the initializers that it is the first to use
  std::int64_t bytes = 0;       ///< of these initializers
  /// Additions and multiplications for one row (each symbol is 1): two a multiply-add, one an element of an
  /// elementwise operator, none for what only moves elements. What is not known counts as 0, see `complete`.
  std::int64_t flops = 0;
  bool complete =
      true;  ///< false: the FLOPs of a node are not known (a shape is not, or another domain's operator)

  Cost& operator+=(const Cost& other);
};

/// One a node, in order. An initializer that several nodes use counts at the first.
std::vector<Cost> Costs(const Model& model, const Inference& inference);

/// "1,234,567"
std::string Grouped(std::int64_t number);
/// "1.23 M"; whole numbers below 1,000.
std::string Scaled(std::int64_t number);

/// Names in a file may hold anything: control characters (a terminal would obey them) become "?", and what is longer
/// than `limit` bytes is cut, with "~" at its end.
std::string Printable(const std::string& text, std::size_t limit = 80);

}  // namespace muster::onnx
