#include "trainer/torch/optimizer.h"

#include <ATen/ops/_foreach_zero.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <optional>

namespace muster::trainer {
namespace {

/// Tensors that are changed alike, in one call.
struct Group {
  std::vector<std::size_t> numbers;  ///< places among the parameters
  std::vector<at::Tensor> parameters;
  std::vector<at::Tensor> values;     ///< the parameters, detached
  std::vector<at::Tensor> gradients;  ///< of the step; kept for its room
  double weight_decay = 0;
};

/// The kernels walk over memory and not over elements: what belongs together must lie in the same order.
void CheckParameter(const at::Tensor& parameter, const at::Tensor& first) {
  TORCH_CHECK(parameter.device() == first.device() && parameter.dtype() == first.dtype(),
              "parameters are of ", parameter.dtype(), " on ", parameter.device(), " and ",
              first.dtype(), " on ", first.device(), ": wanted one type and device");
  TORCH_CHECK(parameter.is_non_overlapping_and_dense(), "a parameter of shape ", parameter.sizes(),
              " and strides ", parameter.strides(), " has gaps: wanted a dense one");
}

std::vector<Group> MakeGroups(const std::vector<at::Tensor>& parameters,
                              const OptimizerSpec& spec) {
  std::vector<Group> groups(2);
  groups[0].weight_decay = spec.weight_decay;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    CheckParameter(parameters[i], parameters.front());
    Group& group = groups[spec.decay_all || parameters[i].dim() >= 2 ? 0 : 1];
    group.numbers.push_back(i);
    group.parameters.push_back(parameters[i]);
    group.values.push_back(parameters[i].detach());
  }
  std::erase_if(groups, [](const Group& group) { return group.numbers.empty(); });
  return groups;
}

std::vector<at::Tensor> ZerosLike(const std::vector<at::Tensor>& values) {
  std::vector<at::Tensor> zeros;
  zeros.reserve(values.size());
  for (const at::Tensor& value : values) zeros.push_back(at::zeros_like(value));
  return zeros;
}

const at::Tensor& GradientOf(const at::Tensor& parameter) {
  const at::Tensor& gradient = parameter.grad();
  TORCH_CHECK(gradient.defined(), "a parameter of shape ", parameter.sizes(),
              " took no part in the loss and has no gradient");
  TORCH_CHECK(!gradient.is_sparse(), "a parameter of shape ", parameter.sizes(),
              " has a sparse gradient: wanted a dense one");
  return gradient;
}

void TakeGradients(Group& group) {
  group.gradients.clear();
  for (const at::Tensor& parameter : group.parameters) {
    const at::Tensor& gradient = GradientOf(parameter);
    if (gradient.strides() == parameter.strides()) {
      group.gradients.push_back(gradient);
    } else {
      group.gradients.push_back(at::empty_like(parameter.detach()).copy_(gradient));
    }
  }
}

std::optional<at::Tensor> IfDefined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

class AdamW final : public Optimizer {
 public:
  AdamW(const std::vector<at::Tensor>& parameters, const OptimizerSpec& spec)
      : spec_(spec), groups_(MakeGroups(parameters, spec)) {
    if (parameters.empty()) return;
    // The kernels want a counter a tensor. All count the same, so all are the same.
    step_ = at::zeros({}, parameters.front().options().dtype(at::kFloat).requires_grad(false));
    for (const Group& group : groups_) {
      moments_.push_back({.mean = ZerosLike(group.values),
                          .variance = ZerosLike(group.values),
                          .steps = std::vector<at::Tensor>(group.values.size(), step_)});
    }
  }

  void Step(double learning_rate) override {
    if (groups_.empty()) return;
    step_.add_(1);
    Apply(learning_rate, {});
  }

  void Step(const at::Tensor& learning_rate, const at::Tensor& found_inf) override {
    if (groups_.empty()) return;
    step_.add_(1);
    Apply(learning_rate, found_inf);
    if (found_inf.defined()) step_.sub_(found_inf);
  }

  [[nodiscard]] std::vector<std::pair<std::string, at::Tensor>> State() const override {
    std::vector<std::pair<std::string, at::Tensor>> state;
    if (step_.defined()) state.emplace_back("step", step_);
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      for (std::size_t i = 0; i < groups_[g].numbers.size(); ++i) {
        const std::string number = std::to_string(groups_[g].numbers[i]);
        state.emplace_back("mean." + number, moments_[g].mean[i]);
        state.emplace_back("variance." + number, moments_[g].variance[i]);
      }
    }
    return state;
  }

 private:
  struct Moments {
    std::vector<at::Tensor> mean, variance, steps;
  };

  template <typename Rate>
  void Apply(const Rate& learning_rate, const at::Tensor& found_inf) {
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      Group& group = groups_[g];
      TakeGradients(group);
      at::_fused_adamw_(group.values, group.gradients, moments_[g].mean, moments_[g].variance, {},
                        moments_[g].steps, learning_rate, spec_.beta1, spec_.beta2,
                        group.weight_decay, spec_.epsilon, /*amsgrad=*/false, /*maximize=*/false,
                        /*grad_scale=*/std::nullopt, IfDefined(found_inf));
      group.gradients.clear();
    }
  }

  const OptimizerSpec spec_;
  std::vector<Group> groups_;
  std::vector<Moments> moments_;
  at::Tensor step_;
};

class Sgd final : public Optimizer {
 public:
  Sgd(const std::vector<at::Tensor>& parameters, const OptimizerSpec& spec)
      : spec_(spec), groups_(MakeGroups(parameters, spec)) {
    for (const Group& group : groups_) {
      // None without momentum: the kernel insists.
      velocity_.push_back(spec.momentum == 0 ? std::vector<at::Tensor>() : ZerosLike(group.values));
    }
  }

  void Step(double learning_rate) override { Apply(learning_rate, {}); }
  void Step(const at::Tensor& learning_rate, const at::Tensor& found_inf) override {
    Apply(learning_rate, found_inf);
  }

  [[nodiscard]] std::vector<std::pair<std::string, at::Tensor>> State() const override {
    std::vector<std::pair<std::string, at::Tensor>> state;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      for (std::size_t i = 0; i < velocity_[g].size(); ++i) {
        state.emplace_back("velocity." + std::to_string(groups_[g].numbers[i]), velocity_[g][i]);
      }
    }
    return state;
  }

 private:
  template <typename Rate>
  void Apply(const Rate& learning_rate, const at::Tensor& found_inf) {
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      Group& group = groups_[g];
      TakeGradients(group);
      // From a velocity of zero the general step equals the first one, so there is no flag to save.
      at::_fused_sgd_(group.values, group.gradients, velocity_[g], group.weight_decay,
                      spec_.momentum, learning_rate, /*dampening=*/0.0, spec_.nesterov,
                      /*maximize=*/false, /*is_first_step=*/false, /*grad_scale=*/std::nullopt,
                      IfDefined(found_inf));
      group.gradients.clear();
    }
  }

  const OptimizerSpec spec_;
  std::vector<Group> groups_;
  std::vector<std::vector<at::Tensor>> velocity_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeOptimizer(const std::vector<at::Tensor>& parameters,
                                         const OptimizerSpec& spec) {
  if (spec.kind == OptimizerSpec::Kind::kSgd) return std::make_unique<Sgd>(parameters, spec);
  return std::make_unique<AdamW>(parameters, spec);
}

std::vector<at::Tensor> Gradients(const std::vector<at::Tensor>& parameters) {
  std::vector<at::Tensor> gradients;
  gradients.reserve(parameters.size());
  for (const at::Tensor& parameter : parameters) gradients.push_back(GradientOf(parameter));
  return gradients;
}

void ZeroGradients(const std::vector<at::Tensor>& parameters) {
  std::vector<at::Tensor> gradients;
  gradients.reserve(parameters.size());
  for (const at::Tensor& parameter : parameters) {
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  if (!gradients.empty()) at::_foreach_zero_(gradients);
}

}  // namespace muster::trainer
