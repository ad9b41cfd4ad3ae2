#include "trainer/torch/model_state.h"

#include <ATen/ATen.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace muster::trainer {
namespace {

struct TypeName {
  at::ScalarType type;
  std::string_view name;
};
constexpr std::array<TypeName, 8> kTypes = {{{at::kFloat, "FP32"},
                                             {at::kDouble, "FP64"},
                                             {at::kHalf, "FP16"},
                                             {at::kBFloat16, "BF16"},
                                             {at::kLong, "INT64"},
                                             {at::kInt, "INT32"},
                                             {at::kByte, "UINT8"},
                                             {at::kBool, "BOOL"}}};

Result<std::string> TypeText(const std::string& name, const at::Tensor& tensor) {
  for (const TypeName& type : kTypes) {
    if (type.type == tensor.scalar_type()) return std::string(type.name);
  }
  return Unsupported("tensor '" + name + "' is of type " +
                     std::string(c10::toString(tensor.scalar_type())) +
                     ", which checkpoints do not hold");
}

}  // namespace

NamedTensors ModelTensors(const torch::nn::Module& module) {
  NamedTensors tensors;
  for (const auto& item : module.named_parameters()) {
    tensors.emplace_back("model." + item.key(), item.value());
  }
  for (const auto& item : module.named_buffers()) {
    tensors.emplace_back("model." + item.key(), item.value());
  }
  return tensors;
}

Result<std::vector<StoredTensor>> StoreTensors(const NamedTensors& tensors) {
  std::vector<StoredTensor> stored;
  stored.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    StoredTensor one{.name = name, .shape = tensor.sizes().vec()};
    MUSTER_ASSIGN_OR_RETURN(one.dtype, TypeText(name, tensor));
    const at::Tensor host = tensor.detach().cpu().contiguous();
    one.bytes.resize(host.nbytes());
    std::memcpy(one.bytes.data(), host.data_ptr(), host.nbytes());
    stored.push_back(std::move(one));
  }
  return stored;
}

Status LoadTensors(const std::vector<StoredTensor>& stored, const NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    const auto found = std::ranges::find(stored, name, &StoredTensor::name);
    if (found == stored.end()) return Invalid("the checkpoint has no tensor '" + name + "'");
    MUSTER_ASSIGN_OR_RETURN(const std::string type, TypeText(name, tensor));
    if (found->dtype != type || found->shape != tensor.sizes().vec()) {
      return Invalid("tensor '" + name + "' of the checkpoint is " + found->dtype + " " +
                     c10::str(c10::IntArrayRef(found->shape)) + "; wanted " + type + " " +
                     c10::str(tensor.sizes()));
    }
    const at::Tensor host =
        at::empty(tensor.sizes(), tensor.options()
                                      .device(at::kCPU)
                                      .memory_format(at::MemoryFormat::Contiguous)
                                      .requires_grad(false));
    std::memcpy(host.data_ptr(), found->bytes.data(), found->bytes.size());
    tensor.detach().copy_(host);
  }
  return Ok();
}

}  // namespace muster::trainer
