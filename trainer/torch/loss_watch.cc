#include "trainer/torch/loss_watch.h"

#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <cstdio>
#include <string>

namespace muster::trainer {

LossWatch::LossWatch(at::Device device, std::int64_t first_step)
    : first_step_(first_step),
      loss_(at::zeros({}, at::TensorOptions(device).dtype(at::kFloat))),
      steps_(at::zeros({}, at::TensorOptions(device).dtype(at::kLong))) {}

void LossWatch::Add(const at::Tensor& loss) {
  const at::Tensor good_so_far = at::isfinite(loss_);
  steps_.add_(good_so_far);
  loss_.copy_(at::where(good_so_far, loss.detach().to(at::kFloat), loss_));
}

std::optional<BadLoss> LossWatch::Read() const {
  const auto loss = loss_.item<double>();
  if (std::isfinite(loss)) return std::nullopt;
  return BadLoss{.step = first_step_ + steps_.item<std::int64_t>() - 1, .loss = loss};
}

Error Diverged(const BadLoss& bad, double learning_rate, std::string_view precision) {
  char rate[32];
  std::snprintf(rate, sizeof(rate), "%.6g", learning_rate);
  const char* value = std::isnan(bad.loss) ? "nan" : bad.loss > 0 ? "inf" : "-inf";
  return Invalid("loss is " + std::string(value) + " at step " + std::to_string(bad.step) +
                 " (lr " + rate + ", precision " + std::string(precision) +
                 "): the configuration diverged");
}

}  // namespace muster::trainer
