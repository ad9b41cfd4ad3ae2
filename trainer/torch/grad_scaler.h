#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

/// Scaling of the loss for float16, whose gradients would vanish: Micikevicius et al., "Mixed Precision Training" (2018),
/// with the rules of PyTorch's torch.amp.GradScaler. bfloat16 has float32's range and needs none. A step is
///
///   scaler.Scale(loss).backward();
///   const at::Tensor found_inf = scaler.Unscale(gradients);   // after they were averaged over the ranks
///   ClipByGlobalNorm(gradients, ...);
///   optimizer.Step(learning_rate, found_inf);                 // leaves the step out where there was an infinity
///   scaler.Update();

namespace muster::trainer {

/// One thread. Nothing waits for a device. Gradients that are the same on all ranks leave the same state on all.
class GradScaler {
 public:
  struct Options {
    double scale = 65536;  ///< at first
    double growth = 2;     ///< factor after `growth_interval` steps in a row without an infinity
    double backoff = 0.5;  ///< factor after a step with one
    std::int64_t growth_interval = 2000;
  };
  explicit GradScaler(at::Device device);
  GradScaler(at::Device device, Options options);

  /// `loss` times the scale, as part of the graph.
  [[nodiscard]] at::Tensor Scale(const at::Tensor& loss) const;
  /// Divides the gradients by the scale, in place. Answers a float scalar on the device: 1 where any is infinite or NaN, else
  /// 0; the same tensor each time.
  at::Tensor Unscale(const std::vector<at::Tensor>& gradients);
  /// Once a step, after Unscale: the next step's scale. It does not grow beyond what a float holds.
  void Update();
  /// "scale" (a float scalar) and "growth_tracker" (an int scalar: good steps in a row), for checkpoints; the live tensors.
  [[nodiscard]] std::vector<std::pair<std::string, at::Tensor>> State() const;

 private:
  Options options_;
  at::Tensor scale_, growth_tracker_, found_inf_;
};

}  // namespace muster::trainer
