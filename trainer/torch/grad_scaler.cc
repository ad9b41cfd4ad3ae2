#include "trainer/torch/grad_scaler.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_amp_foreach_non_finite_check_and_unscale.h>
#include <ATen/ops/_amp_update_scale.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

namespace muster::trainer {

GradScaler::GradScaler(at::Device device) : GradScaler(device, Options()) {}

GradScaler::GradScaler(at::Device device, Options options)
    : options_(options),
      scale_(at::full({}, options.scale, at::TensorOptions(device).dtype(at::kFloat))),
      growth_tracker_(at::zeros({}, at::TensorOptions(device).dtype(at::kInt))),
      found_inf_(at::zeros({}, at::TensorOptions(device).dtype(at::kFloat))) {}

at::Tensor GradScaler::Scale(const at::Tensor& loss) const { return loss * scale_; }

at::Tensor GradScaler::Unscale(const std::vector<at::Tensor>& gradients) {
  found_inf_.zero_();
  if (gradients.empty()) return found_inf_;
  // By way of double, as PyTorch does: a float's reciprocal of a large scale is not exact.
  const at::Tensor inverse = scale_.to(at::kDouble).reciprocal().to(at::kFloat);
  at::_amp_foreach_non_finite_check_and_unscale_(gradients, found_inf_, inverse);
  return found_inf_;
}

void GradScaler::Update() {
  at::_amp_update_scale_(scale_, growth_tracker_, found_inf_, options_.growth, options_.backoff,
                         options_.growth_interval);
}

std::vector<std::pair<std::string, at::Tensor>> GradScaler::State() const {
  return {{"scale", scale_}, {"growth_tracker", growth_tracker_}};
}

}  // namespace muster::trainer
