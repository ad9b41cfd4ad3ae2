#pragma once

#include <torch/nn.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/trainer/export/models.h"

/// How a module becomes a case.

namespace muster::testing {

using Inputs = std::function<std::vector<at::Tensor>(std::int64_t rows)>;

/// Statistics and biases unlike those of a new layer, so that an export that forgets them shows.
inline void Disturb(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  for (const auto& buffer : module.named_buffers()) {
    if (buffer.key().ends_with("running_mean")) buffer.value().normal_(0, 0.3);
    if (buffer.key().ends_with("running_var")) buffer.value().uniform_(0.5, 1.5);
  }
  for (const auto& parameter : module.named_parameters()) {
    if (parameter.value().dim() == 1)
      parameter.value().add_(at::randn_like(parameter.value()) * 0.1);
  }
}

/// Weights with which signals neither die nor grow in a deep net, so that a mistake at its start
/// shows at its end.
inline void Spread(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  for (const auto& parameter : module.named_parameters()) {
    const at::Tensor& weight = parameter.value();
    if (weight.dim() < 2) continue;
    const auto inputs = static_cast<double>(weight.numel() / weight.size(0));
    weight.normal_(0, 1.3 / std::sqrt(inputs));
  }
  Disturb(module);
}

inline Inputs Images(std::int64_t channels, std::int64_t side) {
  return [=](std::int64_t rows) -> std::vector<at::Tensor> {
    at::manual_seed(100 + rows);
    return {at::randn({rows, channels, side, side})};
  };
}

/// Rows of `length` ids below `count`.
inline Inputs Ids(std::int64_t length, std::int64_t count) {
  return [=](std::int64_t rows) -> std::vector<at::Tensor> {
    at::manual_seed(200 + rows);
    return {at::randint(0, count, {rows, length}, at::kLong)};
  };
}

/// `call` computes the outputs from the module and the inputs.
template <typename Module, typename Call>
ExportCase OfModule(const std::string& name, torch::nn::ModuleHolder<Module> holder, Call call,
                    Inputs inputs) {
  std::shared_ptr<Module> module = holder.ptr();
  return {name, module,
          [module, call](const std::vector<at::Tensor>& in) -> std::vector<at::Tensor> {
            return call(*module, in);
          },
          std::move(inputs)};
}

template <typename Module>
ExportCase OfModule(const std::string& name, torch::nn::ModuleHolder<Module> holder,
                    Inputs inputs) {
  return OfModule(
      name, holder,
      [](Module& module, const std::vector<at::Tensor>& in) -> std::vector<at::Tensor> {
        return {module.forward(in[0])};
      },
      std::move(inputs));
}

/// A seeded architecture of one input.
template <typename Holder>
ExportCase Architecture(const std::string& name, Inputs inputs) {
  at::manual_seed(7);
  Holder holder;
  Spread(*holder);
  return OfModule(name, torch::nn::ModuleHolder<typename Holder::ContainedType>(holder.ptr()),
                  std::move(inputs));
}

/// One whose outputs `call` computes.
template <typename Holder, typename Call>
ExportCase Architecture(const std::string& name, Call call, Inputs inputs) {
  at::manual_seed(7);
  Holder holder;
  Spread(*holder);
  return OfModule(name, torch::nn::ModuleHolder<typename Holder::ContainedType>(holder.ptr()), call,
                  std::move(inputs));
}

}  // namespace muster::testing
