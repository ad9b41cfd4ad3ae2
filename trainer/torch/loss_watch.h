#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "runtime/base/result.h"

/// Whether the losses of a run stay finite, found out on the device and asked now and then.

namespace muster::trainer {

struct BadLoss {
  std::int64_t step = 0;
  double loss = 0;  ///< nan, inf or -inf
};

/// One thread.
class LossWatch {
 public:
  /// The first loss will be that of optimizer step `first_step`.
  LossWatch(at::Device device, std::int64_t first_step);
  /// A scalar loss of any floating type on the device, one each step, without gradient scaling. Waits for nothing, so it
  /// may be captured in a CUDA graph.
  void Add(const at::Tensor& loss);
  /// The first loss that was not finite, if any was. Waits for the device.
  [[nodiscard]] std::optional<BadLoss> Read() const;

 private:
  std::int64_t first_step_;
  at::Tensor loss_;   ///< the newest, or the first bad one
  at::Tensor steps_;  ///< added, up to the first bad one
};

/// What ends such a run: kInvalid, "loss is nan at step 123 (lr 0.1, precision fp16): the configuration diverged".
Error Diverged(const BadLoss& bad, double learning_rate, std::string_view precision);

}  // namespace muster::trainer
