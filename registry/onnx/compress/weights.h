#pragma once

#include <vector>

#include "registry/onnx/graph.h"
#include "runtime/base/result.h"

/// Symmetric int8 weights with a scale a channel. Private to registry/onnx/compress.

namespace muster::onnx::compress {

struct ChannelWeights {
  Tensor values;              ///< int8, the weight's shape
  std::vector<float> scales;  ///< one an index of the channel axis; > 0
};

/// `weight` is a whole tensor of float (numbers.h).
/// scale = max(max|w| / 127, floor[channel]), 1 where that is 0; w is about values * scale. `floor` is empty or has
/// a number >= 0 a channel. kInvalid, with its name, for a weight that is not finite.
Result<ChannelWeights> QuantizeChannels(const Tensor& weight, int axis,
                                        const std::vector<float>& floor = {});
/// A matrix turned over.
Tensor Transposed(const Tensor& matrix);

}  // namespace muster::onnx::compress
