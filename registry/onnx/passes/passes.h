#pragma once

#include <cstddef>

#include "registry/onnx/graph.h"

/// Clean-up passes: each a pure function that keeps what a model computes and the names of its inputs and outputs.
///
/// They expect a model that passes `Check`; of another one they may make another faulty one, and never crash. A pass
/// moves the model through: weights are not copied. Values between, nodes and initializers keep their names where
/// they stay; what a pass makes is named after what it replaces.

namespace muster::onnx {

struct Passed {
  Model model;
  std::size_t changes = 0;  ///< nodes or constants removed, replaced or computed
};

/// Nodes that no output needs, initializers that no node uses, value_info of what is not made (or said twice).
Passed RemoveUnused(Model model);

/// Identity; Dropout and Cast that change nothing; Reshape, Flatten, Expand, Squeeze, Unsqueeze to the shape that
/// the value has; Transpose to the order that it has; Concat of one; Pad by nothing.
Passed RemoveIdentities(Model model);

/// A Transpose of a Transpose becomes one.
Passed MergeTransposes(Model model);

/// A Reshape (Flatten, Squeeze, Unsqueeze) of which only a Reshape is taken is left out.
Passed MergeReshapes(Model model);

/// What shapes and constants decide becomes an initializer: whole-number arithmetic, Shape of known dimensions,
/// comparisons, small float arithmetic (+ - * / sqrt, as float32), and whatever only moves elements (Transpose of a
/// weight). A result of more than 1,024 elements only where no input is used elsewhere, so that no file grows by it.
Passed FoldConstants(Model model);

/// BatchNormalization after Conv, ConvTranspose or Gemm with constant weights, into these weights (computed in
/// double). The new weights have the old one's name with "/folded".
Passed FoldBatchNorm(Model model);

/// Nodes that compute what an earlier one does become one, and so do equal short lists of int64 and equal constants
/// without dimensions (parameters keep their names). Random numbers are never the same.
Passed MergeCommon(Model model);

/// All of them, again and again until nothing changes (at most 16 rounds). `changes` is the sum.
Passed Simplify(Model model);

}  // namespace muster::onnx
