#pragma once

#include <ATen/ATen.h>
#include <c10/util/intrusive_ptr.h>

#include <vector>

#include "trainer/torch/data_parallel.h"
#include "trainer/torch/gang.h"

/// Twenty steps of gradient descent of two layers on made-up rows, which the ranks share.

namespace muster::trainer {

/// The weights afterwards; `device_like` says where they and the rows are.
inline std::vector<at::Tensor> TrainTiny(const Gang& gang, const at::TensorOptions& device_like) {
  at::manual_seed(3);
  std::vector<at::Tensor> weights;
  for (const auto& shape : {std::vector<std::int64_t>{300, 20}, {300}, {3, 300}}) {
    weights.push_back((at::randn(shape) * 0.1).to(device_like).requires_grad_());
  }
  const at::Tensor rows = at::randn({64, 20}).to(device_like);
  const at::Tensor wanted = at::randn({64, 3}).to(device_like);
  const auto [rank, ranks] = gang.rank();
  // Several buckets, so that reductions overlap.
  DataParallel data_parallel(weights, gang, {.first_bucket_bytes = 1024, .bucket_bytes = 1024});
  const at::Tensor mine = at::arange(rank, 64, ranks, device_like.dtype(at::kLong));
  for (int step = 0; step < 20; ++step) {
    data_parallel.BeginStep();
    const at::Tensor hidden =
        at::tanh(at::linear(rows.index_select(0, mine), weights[0], weights[1]));
    const at::Tensor error = at::linear(hidden, weights[2]) - wanted.index_select(0, mine);
    const at::Tensor loss = error.square().mean();
    data_parallel.BeginBackward(loss);
    loss.backward();
    const at::NoGradGuard guard;
    for (at::Tensor& weight : weights) {
      weight.sub_(weight.grad(), 0.1);
      weight.mutable_grad().zero_();
    }
  }
  for (at::Tensor& weight : weights) weight = weight.detach();
  return weights;
}

inline bool SameWeights(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!at::equal(a[i], b[i])) return false;
  }
  return a.size() == b.size();
}

}  // namespace muster::trainer
