#include "trainer/torch/optimizer.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_zero.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <deque>
#include <optional>

namespace muster::trainer {
namespace {

/// Tensors that are changed alike, in one call.
struct Group {
  std::vector<std::size_t> numbers;  ///< places among the parameters
  std::vector<at::Tensor> parameters;
  std::vector<at::Tensor> values;  ///< the parameters, detached
  // Of a step; kept for their room.
  std::vector<std::size_t> present;  ///< places in the group of those that have a gradient
  std::vector<at::Tensor> gradients;
  double weight_decay = 0;

  [[nodiscard]] bool whole() const { return present.size() == values.size(); }
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

/// Undefined where the parameter took no part.
at::Tensor GradientOf(const at::Tensor& parameter) {
  const at::Tensor& gradient = parameter.grad();
  if (!gradient.defined()) return {};
  TORCH_CHECK(!gradient.is_sparse(), "a parameter of shape ", parameter.sizes(),
              " has a sparse gradient: wanted a dense one");
  if (gradient.strides() == parameter.strides()) return gradient;
  return at::empty_like(parameter.detach()).copy_(gradient);
}

/// Whether all parameters have a gradient.
bool TakeGradients(std::vector<Group>& groups) {
  bool whole = true;
  for (Group& group : groups) {
    group.present.clear();
    group.gradients.clear();
    for (std::size_t i = 0; i < group.parameters.size(); ++i) {
      at::Tensor gradient = GradientOf(group.parameters[i]);
      if (!gradient.defined()) continue;
      group.present.push_back(i);
      group.gradients.push_back(std::move(gradient));
    }
    whole = whole && group.whole();
  }
  return whole;
}

/// Of tensors that belong to a group's parameters, those whose parameters have a gradient.
class Present {
 public:
  explicit Present(const Group& group) : group_(group) {}
  at::TensorList Of(const std::vector<at::Tensor>& tensors) {
    if (group_.whole() || tensors.empty()) return tensors;
    std::vector<at::Tensor>& chosen = chosen_.emplace_back();
    for (const std::size_t place : group_.present) chosen.push_back(tensors[place]);
    return chosen;
  }

 private:
  const Group& group_;
  std::deque<std::vector<at::Tensor>> chosen_;
};

std::optional<at::Tensor> IfDefined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

class AdamW final : public Optimizer {
 public:
  AdamW(const std::vector<at::Tensor>& parameters, const OptimizerSpec& spec)
      : spec_(spec), groups_(MakeGroups(parameters, spec)) {
    if (parameters.empty()) return;
    // The kernels want a counter a tensor; in one piece they all count with one addition.
    step_ = at::zeros({static_cast<std::int64_t>(parameters.size())},
                      parameters.front().options().dtype(at::kFloat).requires_grad(false));
    for (const Group& group : groups_) {
      moments_.push_back({.mean = ZerosLike(group.values), .variance = ZerosLike(group.values)});
      for (const std::size_t number : group.numbers) {
        moments_.back().steps.push_back(step_[static_cast<std::int64_t>(number)]);
      }
    }
  }

  void Step(double learning_rate) override { Apply(learning_rate, {}); }

  void Step(const at::Tensor& learning_rate, const at::Tensor& found_inf) override {
    Apply(learning_rate, found_inf);
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
    if (groups_.empty()) return;
    const bool whole = TakeGradients(groups_);
    if (whole) step_.add_(1);
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      Group& group = groups_[g];
      if (group.gradients.empty()) continue;
      Present present(group);
      const at::TensorList steps = present.Of(moments_[g].steps);
      if (!whole) at::_foreach_add_(steps, 1);
      at::_fused_adamw_(present.Of(group.values), group.gradients, present.Of(moments_[g].mean),
                        present.Of(moments_[g].variance), {}, steps, learning_rate, spec_.beta1,
                        spec_.beta2, group.weight_decay, spec_.epsilon, /*amsgrad=*/false,
                        /*maximize=*/false, /*grad_scale=*/std::nullopt, IfDefined(found_inf));
      if (!whole && found_inf.defined()) at::_foreach_add_(steps, found_inf, -1);
      group.gradients.clear();
    }
    if (whole && found_inf.defined()) step_.sub_(found_inf);
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
    TakeGradients(groups_);
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      Group& group = groups_[g];
      if (group.gradients.empty()) continue;
      Present present(group);
      // From a velocity of zero the general step equals the first one, so there is no flag to save.
      at::_fused_sgd_(present.Of(group.values), group.gradients, present.Of(velocity_[g]),
                      group.weight_decay, spec_.momentum, learning_rate, /*dampening=*/0.0,
                      spec_.nesterov,
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
  for (const at::Tensor& parameter : parameters) {
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  return gradients;
}

void ZeroGradients(const std::vector<at::Tensor>& parameters) {
  const std::vector<at::Tensor> gradients = Gradients(parameters);
  if (!gradients.empty()) at::_foreach_zero_(gradients);
}

}  // namespace muster::trainer
