#include "trainer/torch/gang.h"

#include <ATen/ATen.h>

#include <cstring>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

namespace muster::trainer {
namespace {

void AllReduce(c10d::ProcessGroup& group, at::Tensor& tensor, c10d::ReduceOp::RedOpType op) {
  std::vector<at::Tensor> tensors{tensor};
  c10d::AllreduceOptions options;
  options.reduceOp = op;
  group.allreduce(tensors, options)->wait();
}

void BroadcastOne(c10d::ProcessGroup& group, const at::Tensor& tensor) {
  const at::Tensor contiguous = tensor.detach().contiguous();
  std::vector<at::Tensor> tensors{contiguous};
  group.broadcast(tensors, {})->wait();
  if (!contiguous.is_same(tensor) && contiguous.data_ptr() != tensor.data_ptr()) {
    tensor.detach().copy_(contiguous);
  }
}

}  // namespace

Gang::Gang() = default;
Gang::~Gang() = default;
Gang::Gang(const Gang&) = default;
Gang::Gang(Gang&&) noexcept = default;

Gang::Gang(c10::intrusive_ptr<c10d::Backend> backend)
    : rank_{.rank = backend->getRank(), .world_size = backend->getSize()} {
  group_ = c10::make_intrusive<c10d::ProcessGroup>(static_cast<int>(rank_.rank),
                                                   static_cast<int>(rank_.world_size));
  group_->setBackend(at::kCPU, c10d::ProcessGroup::BackendType::CUSTOM, backend);
  group_->setDefaultBackend(c10d::ProcessGroup::BackendType::CUSTOM);
}

void Gang::Sum(std::vector<double>& values) const {
  if (alone()) return;
  at::Tensor tensor = at::tensor(values, at::kDouble);
  AllReduce(*group_, tensor, c10d::ReduceOp::SUM);
  std::memcpy(values.data(), tensor.data_ptr(), values.size() * sizeof(double));
}

std::int64_t Gang::Max(std::int64_t value) const {
  if (alone()) return value;
  at::Tensor tensor = at::full({1}, value, at::kLong);
  AllReduce(*group_, tensor, c10d::ReduceOp::MAX);
  return tensor.item<std::int64_t>();
}

void Gang::Broadcast(const std::vector<at::Tensor>& tensors) const {
  if (alone()) return;
  for (const at::Tensor& tensor : tensors) BroadcastOne(*group_, tensor);
}

std::string Gang::Broadcast(std::string text) const {
  if (alone()) return text;
  const at::Tensor size = at::full({1}, static_cast<std::int64_t>(text.size()), at::kLong);
  BroadcastOne(*group_, size);
  const at::Tensor bytes = at::zeros({size.item<std::int64_t>()}, at::kByte);
  if (first()) std::memcpy(bytes.data_ptr(), text.data(), text.size());
  if (bytes.numel() > 0) BroadcastOne(*group_, bytes);
  return {static_cast<const char*>(bytes.data_ptr()), static_cast<std::size_t>(bytes.numel())};
}

void Gang::Barrier() const {
  if (!alone()) group_->barrier()->wait();
}

}  // namespace muster::trainer
