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

/// The parameters that training changes, each once, by its dotted name: of tied weights the first.
NamedTensors TrainedParameters(const torch::nn::Module& module);

/// Parameters, then buffers, as "model.<dotted name>"; the tensors are the live ones.
NamedTensors ModelTensors(const torch::nn::Module& module);

/// A copy. kUnsupported for an element type that checkpoints do not hold.
Result<std::vector<StoredTensor>> StoreTensors(const NamedTensors& tensors);

/// "FP32", ...: what checkpoints call an element type. kUnsupported names the tensor.
Result<std::string> StoredType(const std::string& name, at::ScalarType type);

/// Copies stored values into the live tensors. kInvalid when the checkpoint is of another model, and nothing is changed
/// then: it names what is missing, of another type or shape, or too much in a group ("model", "optimizer") that
/// `tensors` has; ten of them, and how many more there are. Groups that `tensors` has nothing of are left alone.
Status LoadTensors(const std::vector<StoredTensor>& stored, const NamedTensors& tensors);

/// Gives the module the weights that were validated: the averaged ones where the checkpoint has them ("ema").
Status LoadModel(const Checkpoint& checkpoint, const torch::nn::Module& module);

}  // namespace muster::trainer
