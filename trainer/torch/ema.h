#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

/// Exponential moving averages of weights, which validate better than the last ones: Polyak and Juditsky, "Acceleration of
/// Stochastic Approximation by Averaging" (1992); as in PyTorch's get_ema_multi_avg_fn.

namespace muster::trainer {

/// One thread. Nothing waits for a device.
class Ema {
 public:
  /// Averages begin as the parameters are now. `decay` from 0 to below 1: they remember about 1 / (1 - decay) steps, which
  /// should be few beside those of the run.
  Ema(const std::vector<at::Tensor>& parameters, double decay);

  /// After each step: average = decay * average + (1 - decay) * parameter.
  void Update();
  /// Exchanges the values of parameters and averages, in place; twice is as never, bit for bit. Between the two the model
  /// computes with the averages (a batch norm's running statistics stay those of the last weights), and neither
  /// Update nor a step may be taken.
  void Swap();
  /// "average.<n>" of the n-th parameter, for checkpoints; the live tensors.
  [[nodiscard]] std::vector<std::pair<std::string, at::Tensor>> State() const;

 private:
  std::vector<at::Tensor> values_;  ///< the parameters, detached
  std::vector<at::Tensor> averages_;
  double decay_;
};

}  // namespace muster::trainer
