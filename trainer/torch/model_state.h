#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "trainer/checkpoint.h"

namespace torch::nn {
class Module;
}

/// Between live tensors and a checkpoint's.

namespace muster::trainer {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Parameters, then buffers, as "model.<dotted name>"; the tensors are the live ones.
NamedTensors ModelTensors(const torch::nn::Module& module);

/// A copy. kUnsupported for an element type that checkpoints do not hold.
Result<std::vector<StoredTensor>> StoreTensors(const NamedTensors& tensors);

/// Copies stored values into the live tensors. kInvalid names a tensor that is missing or of another type
/// or shape (the checkpoint is of other parameters); tensors that nobody asks for are left alone.
Status LoadTensors(const std::vector<StoredTensor>& stored, const NamedTensors& tensors);

}  // namespace muster::trainer
