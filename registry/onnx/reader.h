#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "registry/onnx/graph.h"
#include "runtime/base/result.h"

namespace muster::onnx {

/// A model from the bytes of a `.onnx` file, muster's own or another tool's. Safe on hostile bytes:
/// what it allocates is bounded by a hundred times `bytes.size()`. Fields that muster has no
/// use for (doc strings of nodes, training info, quantisation annotations) are skipped. Tensors
/// that keep their numbers in typed fields (`float_data`, ...) come out as little-endian bytes.
///
/// kCorrupt: the bytes are not a ModelProto; the message says what was read where ("graph: node 3:
/// truncated at byte 912"). kUnsupported: valid, but a thing that `graph.h` does not carry
/// (subgraph attributes, sparse or string tensors, values that are not tensors), with its name. A
/// model that reads is not yet a good one: see `checker.h`.
///
/// `open` answers the whole of a file beside the model's, of which it is asked once by its name; the
/// initializers borrow from it. Without `open`, external data is kUnsupported. A name that leaves
/// the folder, or a place that is not within the file, is kCorrupt.
using OpenWeights = std::function<Result<TensorBytes>(const std::string& name)>;
Result<Model> Read(std::string_view bytes, const OpenWeights& open = {});

}  // namespace muster::onnx
