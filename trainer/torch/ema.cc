#include "trainer/torch/ema.h"

#include <ATen/ops/_foreach_lerp.h>

namespace muster::trainer {

Ema::Ema(const std::vector<at::Tensor>& parameters, double decay) : decay_(decay) {
  values_.reserve(parameters.size());
  averages_.reserve(parameters.size());
  for (const at::Tensor& parameter : parameters) {
    values_.push_back(parameter.detach());
    averages_.push_back(values_.back().clone());
  }
}

void Ema::Update() {
  if (!values_.empty()) at::_foreach_lerp_(averages_, values_, 1 - decay_);
}

void Ema::Swap() {
  // One by one, so that only the largest is there three times.
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const at::Tensor value = values_[i].clone();
    values_[i].copy_(averages_[i]);
    averages_[i].copy_(value);
  }
}

std::vector<std::pair<std::string, at::Tensor>> Ema::State() const {
  std::vector<std::pair<std::string, at::Tensor>> state;
  state.reserve(averages_.size());
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    state.emplace_back("average." + std::to_string(i), averages_[i]);
  }
  return state;
}

}  // namespace muster::trainer
