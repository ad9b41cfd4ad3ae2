#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include <memory>

#include "trainer/torch/gang.h"

/// Batch normalization (Ioffe and Szegedy 2015) over the rows of all ranks, as PyTorch's SyncBatchNorm: for models whose
/// share of a batch is too small for statistics of its own. With it a batch gives the same outputs, gradients and running
/// statistics whatever the number of ranks, up to rounding; with a batch norm of each rank's own it does not.
///
/// LibTorch has no place where a module of somebody's class could be replaced, so there is nothing that converts one: a
/// model declares `SyncBatchNorm norm{nullptr}` and registers SyncBatchNorm(channels, gang) (Trial::gang).

namespace muster::trainer {

/// Normalizes x (N, C, ...), each channel by its mean and variance over all else and all ranks: y = (x - mean) /
/// sqrt(variance + eps) * weight + bias, of x's type. `weight` and `bias` (C) may be undefined. Running statistics (C), if
/// defined, move by `momentum` towards those, with the unbiased variance. Statistics are of float32 at least. Gradients
/// flow to x, weight and bias. All ranks, also one without rows (N = 0); the joined batch has 2 values a channel or
/// more. `gang` outlives the graph.
at::Tensor SyncBatchNormalize(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                              const at::Tensor& running_mean, const at::Tensor& running_variance,
                              double momentum, double eps, const Gang& gang);

struct SyncBatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;
};

/// Parameters and buffers as of torch::nn::BatchNorm1d, 2d and 3d: weight, bias, running_mean, running_var,
/// num_batches_tracked. With one rank, and in evaluation mode, it is at::batch_norm, which export knows.
class SyncBatchNormImpl final : public torch::nn::Cloneable<SyncBatchNormImpl> {
 public:
  /// Without a gang (null) there is one rank.
  explicit SyncBatchNormImpl(std::int64_t channels, const Gang* gang = nullptr,
                             SyncBatchNormOptions options = {});
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  at::Tensor forward(const at::Tensor& x);

  at::Tensor weight, bias, running_mean, running_var, num_batches_tracked;

 private:
  std::int64_t channels_;
  std::shared_ptr<Gang> gang_;  ///< where it is not alone
  SyncBatchNormOptions options_;
};
TORCH_MODULE(SyncBatchNorm);

}  // namespace muster::trainer
