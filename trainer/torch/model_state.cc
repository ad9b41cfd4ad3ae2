#include "trainer/torch/model_state.h"

#include <ATen/ops/from_blob.h>
#include <torch/nn/module.h>

#include <array>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

namespace muster::trainer {
namespace {

struct TypeName {
  at::ScalarType type;
  std::string_view name;
};
constexpr std::array<TypeName, 10> kTypes = {{{at::kFloat, "FP32"},
                                              {at::kDouble, "FP64"},
                                              {at::kHalf, "FP16"},
                                              {at::kBFloat16, "BF16"},
                                              {at::kLong, "INT64"},
                                              {at::kInt, "INT32"},
                                              {at::kShort, "INT16"},
                                              {at::kChar, "INT8"},
                                              {at::kByte, "UINT8"},
                                              {at::kBool, "BOOL"}}};

constexpr std::size_t kNamedMost = 10;

std::string Described(std::string_view type, at::IntArrayRef shape) {
  return std::string(type) + " " + c10::str(shape);
}

/// What does not fit, in the order it was met.
class Differences {
 public:
  void Add(const std::string& text) {
    if (++count_ <= kNamedMost) text_ += (count_ == 1 ? "" : "; ") + text;
  }
  [[nodiscard]] Status AsStatus() const {
    if (count_ == 0) return Ok();
    const std::string more =
        count_ > kNamedMost ? "; and " + std::to_string(count_ - kNamedMost) + " more" : "";
    return Invalid("the checkpoint is of another model: " + text_ + more);
  }

 private:
  std::size_t count_ = 0;
  std::string text_;
};

/// Where each live tensor finds its values.
Result<std::vector<const StoredTensor*>> Match(const std::vector<StoredTensor>& stored,
                                               const NamedTensors& tensors) {
  std::unordered_map<std::string_view, const StoredTensor*> by_name;
  for (const StoredTensor& one : stored) by_name[one.name] = &one;
  Differences differences;
  std::unordered_set<std::string_view> wanted, groups;
  std::vector<const StoredTensor*> matched;
  for (const auto& [name, tensor] : tensors) {
    wanted.insert(name);
    groups.insert(GroupOf(name));
    MUSTER_ASSIGN_OR_RETURN(const std::string type, StoredType(name, tensor.scalar_type()));
    const auto found = by_name.find(name);
    if (found == by_name.end()) {
      differences.Add("it has no '" + name + "', wanted " + Described(type, tensor.sizes()));
      continue;
    }
    const StoredTensor& one = *found->second;
    if (one.dtype != type || one.shape != tensor.sizes().vec()) {
      differences.Add("its '" + name + "' is " + Described(one.dtype, one.shape) + ", wanted " +
                      Described(type, tensor.sizes()));
    }
    matched.push_back(&one);
  }
  for (const StoredTensor& one : stored) {
    if (!groups.contains(GroupOf(one.name)) || wanted.contains(one.name)) continue;
    differences.Add("it has '" + one.name + "' (" + Described(one.dtype, one.shape) +
                    "), which is not wanted");
  }
  MUSTER_RETURN_IF_ERROR(differences.AsStatus());
  return matched;
}

}  // namespace

Result<std::string> StoredType(const std::string& name, at::ScalarType type) {
  for (const TypeName& known : kTypes) {
    if (known.type == type) return std::string(known.name);
  }
  return Unsupported("tensor '" + name + "' is of type " + std::string(c10::toString(type)) +
                     ", which checkpoints do not hold");
}

NamedTensors TrainedParameters(const torch::nn::Module& module) {
  NamedTensors trained;
  for (const auto& item : module.named_parameters()) {
    const bool known = std::ranges::any_of(
        trained, [&](const auto& other) { return other.second.is_same(item.value()); });
    if (item.value().requires_grad() && !known) trained.emplace_back(item.key(), item.value());
  }
  return trained;
}

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
    MUSTER_ASSIGN_OR_RETURN(one.dtype, StoredType(name, tensor.scalar_type()));
    const at::Tensor host = tensor.detach().cpu().contiguous();
    one.bytes.resize(host.nbytes());
    std::memcpy(one.bytes.data(), host.data_ptr(), host.nbytes());
    stored.push_back(std::move(one));
  }
  return stored;
}

Status LoadTensors(const std::vector<StoredTensor>& stored, const NamedTensors& tensors) {
  MUSTER_ASSIGN_OR_RETURN(const auto matched, Match(stored, tensors));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor& live = tensors[i].second;
    if (live.numel() == 0) continue;
    // Read only; from_blob takes no const.
    auto* const bytes = const_cast<std::byte*>(matched[i]->bytes.data());
    live.detach().copy_(at::from_blob(bytes, live.sizes(), at::TensorOptions(live.scalar_type())));
  }
  return Ok();
}

Status LoadModel(const Checkpoint& checkpoint, const torch::nn::Module& module) {
  MUSTER_RETURN_IF_ERROR(LoadTensors(checkpoint.tensors, ModelTensors(module)));
  if (!HasGroup(checkpoint, "ema")) return Ok();
  NamedTensors averaged;
  for (const auto& [name, parameter] : TrainedParameters(module)) {
    averaged.emplace_back("ema.average." + std::to_string(averaged.size()), parameter);
  }
  return LoadTensors(checkpoint.tensors, averaged);
}

}  // namespace muster::trainer
