#pragma once

#include <string>
#include <vector>

#include "registry/onnx/graph.h"
#include "runtime/base/result.h"

namespace muster::onnx {

/// All that is wrong with the structure of `model`, a sentence a finding, each naming the node or
/// value: an IR or operator set that muster does not know; a graph without a name; a graph input or
/// output without type or shape; a name made twice; a value used before it is made, or never made;
/// an initializer whose bytes do not fit its shape, or that nothing uses; an operator unknown to the
/// operator set, or newer than the model's, with too few or too many inputs or outputs, a required
/// input, output or attribute missing, an unknown attribute or one of the wrong type. Nodes of other domains are judged by their names only. At most 100 findings.
///
/// Of a model without such findings: types and shapes that contradict each other (`shapes/infer.h`), declared ones and
/// those that follow from the operators.
std::vector<std::string> Findings(const Model& model);

/// Ok, or kInvalid with the findings, one a line.
Status Check(const Model& model);

}  // namespace muster::onnx
