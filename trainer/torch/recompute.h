#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

/// Activation checkpointing: what a part of the model computed on the way is not kept for the backward pass but
/// computed once more there. Chen et al., "Training Deep Nets with Sublinear Memory Cost" (2016); the semantics of PyTorch's
/// torch.utils.checkpoint with use_reentrant=True.
///
///   x = Recompute([&](const at::Tensor& x) { return block->forward(x); }, x);
///
/// The function is called twice, in forward without a graph and in backward with one, and must do the same both times: it
/// depends on its inputs and on parameters, changes nothing in place that it was given, and what it holds lives until the
/// backward pass. A batch norm inside moves its running statistics twice. Random numbers and autocast are the same in
/// the second call as in the first. The parameters it uses get their gradients in a backward pass of its own within the
/// outer one, once each, so hooks on them (DataParallel) see what they would see otherwise; a parameter that is used in
/// two recomputed parts gets them twice, which DataParallel refuses. Gradients reach inputs and parameters only by
/// backward(): autograd::grad and gradients of gradients are errors of LibTorch or leave parameters out.

namespace muster::trainer {

struct RecomputeOptions {
  /// The generators of the CPU and of the inputs' device begin the second call as the first. Not possible while a CUDA
  /// graph is captured: without dropout inside, say false.
  bool same_random = true;
};

using TensorsFunction = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>;
using TensorFunction = std::function<at::Tensor(const at::Tensor&)>;

/// function(inputs), which are defined tensors; inputs are kept, and nothing else. Without gradients (NoGradGuard) it
/// is a plain call.
std::vector<at::Tensor> Recompute(TensorsFunction function, const std::vector<at::Tensor>& inputs,
                                  RecomputeOptions options = {});
at::Tensor Recompute(TensorFunction function, const at::Tensor& input,
                     RecomputeOptions options = {});

}  // namespace muster::trainer
