#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "trainer/optimizer_spec.h"

/// Optimizers over LibTorch's fused kernels, one call for all parameters. The learning rate is given at
/// each step (schedule.h). LibTorch's own C++ optimizers loop over tensors, and their zero_grad throws
/// when gradients are views of the reducer's buckets.

namespace muster::trainer {

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Changes the parameters by their gradients. A parameter without gradient is an error (c10::Error).
  virtual void Step(double learning_rate) = 0;
  /// What a checkpoint must hold to go on the same, bit for bit; the tensors are the live ones.
  [[nodiscard]] virtual std::vector<std::pair<std::string, at::Tensor>> State() const = 0;
};

/// Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019); betas 0.9 and 0.999, epsilon
/// 1e-8.
std::unique_ptr<Optimizer> MakeAdamW(std::vector<at::Tensor> parameters, double weight_decay);
/// v = momentum * v + g + weight_decay * w;  w -= lr * v.
std::unique_ptr<Optimizer> MakeSgd(std::vector<at::Tensor> parameters, double momentum,
                                   double weight_decay);
std::unique_ptr<Optimizer> MakeOptimizer(std::vector<at::Tensor> parameters,
                                         const OptimizerSpec& spec);

/// Zeroes the gradients without letting go of them: they may be views of the reducer's buckets.
void ZeroGradients(const std::vector<at::Tensor>& parameters);

}  // namespace muster::trainer
