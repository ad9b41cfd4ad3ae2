#pragma once

#include <optional>
#include <vector>

#include "registry/onnx/graph.h"

/// One node computed on constants, as ONNX defines it. Private to registry/onnx/passes.

namespace muster::onnx {

/// The tensor that `node` makes of `inputs` (whole ones; null: left out), without a name; nothing when the operator is
/// none of those that FoldConstants names, when the inputs do not fit it, or the result would have more than
/// `max_elements`.
std::optional<Tensor> Evaluate(const Node& node, const std::vector<const Tensor*>& inputs,
                               std::int64_t max_elements);

/// The families that Evaluate is made of: elements moved (any type), and computed (whole numbers, bool, float32).
std::optional<Tensor> EvaluateMove(const Node& node, const std::vector<const Tensor*>& inputs,
                                   std::int64_t max_elements);
std::optional<Tensor> EvaluateArithmetic(const Node& node, const std::vector<const Tensor*>& inputs,
                                         std::int64_t max_elements);

/// `source` broadcast with `target` as ONNX's Expand does it; nothing where they do not fit or nothing is in it.
std::optional<Tensor> Expanded(const Tensor& source, const std::vector<std::int64_t>& target,
                               std::int64_t max_elements);

}  // namespace muster::onnx
