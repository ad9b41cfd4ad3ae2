#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "trainer/optimizer_spec.h"

/// Optimizers over LibTorch's fused kernels, one call for all parameters that decay and one for those that do
/// not. The learning rate is given at each step (schedule.h). LibTorch's own C++ optimizers loop over
/// tensors, and their zero_grad throws when gradients are views of the reducer's buckets.
///
/// AdamW: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019). SGD:
/// v = momentum * v + g + weight_decay * w;  w -= lr * v (with Nesterov: w -= lr * (g + weight_decay * w + momentum * v)).
/// Both follow PyTorch's torch.optim to within 1e-6, relative.

namespace muster::trainer {

/// One thread. Errors are c10::Error. Nothing waits for a device.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Changes the parameters by their gradients. One without a gradient took no part: it stays as it is, and so does its
  /// state, the number of its steps too. A sparse gradient is an error.
  virtual void Step(double learning_rate) = 0;
  /// The same with the rate in a float scalar on the parameters' device, which a CUDA graph reads anew at each
  /// replay. `found_inf`, if defined, is such a scalar too (grad_scaler.h): where it is 1, nothing changes.
  virtual void Step(const at::Tensor& learning_rate, const at::Tensor& found_inf) = 0;
  /// What a checkpoint must hold to go on the same, bit for bit; the tensors are the live ones. AdamW: "step" (floats: how
  /// many each parameter has taken), "mean.<n>" and "variance.<n>" of the n-th parameter; SGD: "velocity.<n>", with
  /// momentum.
  [[nodiscard]] virtual std::vector<std::pair<std::string, at::Tensor>> State() const = 0;
};

/// `parameters` are leaves of one device and floating type. The members of `spec` that say how one step changes weights
/// are used: schedule, clip_norm (clip.h) and ema_decay (ema.h) are the caller's.
std::unique_ptr<Optimizer> MakeOptimizer(const std::vector<at::Tensor>& parameters,
                                         const OptimizerSpec& spec);

/// Of the parameters that have one.
std::vector<at::Tensor> Gradients(const std::vector<at::Tensor>& parameters);

/// Zeroes the gradients without letting go of them: they may be views of the reducer's buckets.
void ZeroGradients(const std::vector<at::Tensor>& parameters);

}  // namespace muster::trainer
