#include "trainer/torch/optimizer.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace muster::trainer {
namespace {

std::vector<at::Tensor> ZerosLike(const std::vector<at::Tensor>& parameters) {
  std::vector<at::Tensor> zeros;
  zeros.reserve(parameters.size());
  for (const at::Tensor& parameter : parameters)
    zeros.push_back(at::zeros_like(parameter.detach()));
  return zeros;
}

std::vector<at::Tensor> Detached(const std::vector<at::Tensor>& parameters) {
  std::vector<at::Tensor> detached;
  detached.reserve(parameters.size());
  for (const at::Tensor& parameter : parameters) detached.push_back(parameter.detach());
  return detached;
}

std::vector<at::Tensor> Gradients(const std::vector<at::Tensor>& parameters) {
  std::vector<at::Tensor> gradients;
  gradients.reserve(parameters.size());
  for (const at::Tensor& parameter : parameters) {
    TORCH_CHECK(parameter.grad().defined(), "a parameter of shape ", parameter.sizes(),
                " took no part in the loss and has no gradient");
    gradients.push_back(parameter.grad());
  }
  return gradients;
}

class AdamW final : public Optimizer {
 public:
  AdamW(std::vector<at::Tensor> parameters, double weight_decay)
      : parameters_(std::move(parameters)),
        values_(Detached(parameters_)),
        mean_(ZerosLike(parameters_)),
        variance_(ZerosLike(parameters_)),
        weight_decay_(weight_decay) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      steps_.push_back(at::zeros({}, at::kFloat));
    }
  }

  void Step(double learning_rate) override {
    at::_foreach_add_(steps_, 1);
    at::_fused_adamw_(values_, Gradients(parameters_), mean_, variance_, {}, steps_, learning_rate,
                      0.9, 0.999, weight_decay_, 1e-8, /*amsgrad=*/false, /*maximize=*/false);
  }

  [[nodiscard]] std::vector<std::pair<std::string, at::Tensor>> State() const override {
    std::vector<std::pair<std::string, at::Tensor>> state;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const std::string number = std::to_string(i);
      state.emplace_back("mean." + number, mean_[i]);
      state.emplace_back("variance." + number, variance_[i]);
      state.emplace_back("steps." + number, steps_[i]);
    }
    return state;
  }

 private:
  std::vector<at::Tensor> parameters_, values_, mean_, variance_, steps_;
  double weight_decay_;
};

class Sgd final : public Optimizer {
 public:
  Sgd(std::vector<at::Tensor> parameters, double momentum, double weight_decay)
      : parameters_(std::move(parameters)),
        values_(Detached(parameters_)),
        velocity_(momentum == 0.0 ? std::vector<at::Tensor>() : ZerosLike(parameters_)),
        momentum_(momentum),
        weight_decay_(weight_decay) {}

  void Step(double learning_rate) override {
    // From a velocity of zero the general step equals the first one, so there is no flag to save.
    at::_fused_sgd_(values_, Gradients(parameters_), velocity_, weight_decay_, momentum_,
                    learning_rate, /*dampening=*/0.0, /*nesterov=*/false, /*maximize=*/false,
                    /*is_first_step=*/false);
  }

  [[nodiscard]] std::vector<std::pair<std::string, at::Tensor>> State() const override {
    std::vector<std::pair<std::string, at::Tensor>> state;
    for (std::size_t i = 0; i < velocity_.size(); ++i) {
      state.emplace_back("velocity." + std::to_string(i), velocity_[i]);
    }
    return state;
  }

 private:
  std::vector<at::Tensor> parameters_, values_;
  std::vector<at::Tensor> velocity_;  ///< none without momentum: the kernel insists
  double momentum_, weight_decay_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeAdamW(std::vector<at::Tensor> parameters, double weight_decay) {
  return std::make_unique<AdamW>(std::move(parameters), weight_decay);
}

std::unique_ptr<Optimizer> MakeSgd(std::vector<at::Tensor> parameters, double momentum,
                                   double weight_decay) {
  return std::make_unique<Sgd>(std::move(parameters), momentum, weight_decay);
}

std::unique_ptr<Optimizer> MakeOptimizer(std::vector<at::Tensor> parameters,
                                         const OptimizerSpec& spec) {
  if (spec.kind == OptimizerSpec::Kind::kSgd) {
    return MakeSgd(std::move(parameters), spec.momentum, spec.weight_decay);
  }
  return MakeAdamW(std::move(parameters), spec.weight_decay);
}

void ZeroGradients(const std::vector<at::Tensor>& parameters) {
  for (const at::Tensor& parameter : parameters) {
    if (parameter.grad().defined()) parameter.grad().zero_();
  }
}

}  // namespace muster::trainer
