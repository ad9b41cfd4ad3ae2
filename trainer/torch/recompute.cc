#include "trainer/torch/recompute.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <mutex>
#include <utility>

namespace muster::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The devices that a function on `inputs` draws random numbers on and computes on.
std::vector<at::Device> DevicesOf(at::TensorList inputs) {
  std::vector<at::Device> devices{at::Device(at::kCPU)};
  for (const at::Tensor& input : inputs) {
    if (std::ranges::find(devices, input.device()) == devices.end()) {
      devices.push_back(input.device());
    }
  }
  return devices;
}

/// The states of the default generators of some devices.
class RandomState {
 public:
  explicit RandomState(const std::vector<at::Device>& devices) {
    for (const at::Device device : devices) {
      at::Generator generator = at::globalContext().defaultGenerator(device);
      const std::scoped_lock lock(generator.mutex());
      states_.emplace_back(generator, generator.get_state());
    }
  }
  void Restore() const {
    for (const auto& [held, state] : states_) {
      at::Generator generator = held;
      const std::scoped_lock lock(generator.mutex());
      generator.set_state(state);
    }
  }

 private:
  std::vector<std::pair<at::Generator, at::Tensor>> states_;
};

/// Autocast of this thread on some devices.
class AutocastState {
 public:
  explicit AutocastState(const std::vector<at::Device>& devices) {
    for (const at::Device device : devices) {
      types_.push_back({.device = device.type(),
                        .enabled = at::autocast::is_autocast_enabled(device.type()),
                        .dtype = at::autocast::get_autocast_dtype(device.type())});
    }
  }
  void Restore() const {
    for (const Type& type : types_) {
      at::autocast::set_autocast_enabled(type.device, type.enabled);
      at::autocast::set_autocast_dtype(type.device, type.dtype);
    }
  }

 private:
  struct Type {
    at::DeviceType device;
    bool enabled;
    at::ScalarType dtype;
  };
  std::vector<Type> types_;
};

/// Autocast keeps the casts of weights to use them again. One that was made without a graph would cut a weight off
/// from its gradient, and one of an outer graph belongs to that: no cast goes in or out here.
class NoCastCache {
 public:
  NoCastCache() { at::autocast::set_autocast_cache_enabled(false); }
  ~NoCastCache() { at::autocast::set_autocast_cache_enabled(was_); }
  NoCastCache(const NoCastCache&) = delete;
  NoCastCache& operator=(const NoCastCache&) = delete;

 private:
  const bool was_ = at::autocast::is_autocast_cache_enabled();
};

/// What the second call needs beside its inputs.
struct Call : torch::CustomClassHolder {
  Call(TensorsFunction called, const std::vector<at::Device>& on, bool same_random)
      : function(std::move(called)), devices(on), autocast(on) {
    if (same_random) random.emplace(on);
  }
  const TensorsFunction function;
  const std::vector<at::Device> devices;
  const AutocastState autocast;
  std::optional<RandomState> random;
};

/// As the first call was: its random numbers and autocast. Afterwards all is as it was before.
std::vector<at::Tensor> CallAgain(const Call& call, const std::vector<at::Tensor>& inputs) {
  const AutocastState autocast_before(call.devices);
  std::optional<RandomState> random_before;
  if (call.random) random_before.emplace(call.devices);
  const auto restore = [&] {
    autocast_before.Restore();
    if (random_before) random_before->Restore();
  };
  const NoCastCache no_cache;
  call.autocast.Restore();
  if (call.random) call.random->Restore();
  try {
    std::vector<at::Tensor> outputs = call.function(inputs);
    restore();
    return outputs;
  } catch (...) {
    restore();
    throw;
  }
}

struct RecomputeFunction : torch::autograd::Function<RecomputeFunction> {
  /// `anchor` wants a gradient, so that backward comes here for the sake of parameters, whatever the inputs are.
  static variable_list forward(AutogradContext* context, const c10::intrusive_ptr<Call>& call,
                               const at::Tensor& /*anchor*/, at::TensorList inputs) {
    context->set_materialize_grads(false);
    context->saved_data["call"] = c10::IValue::make_capsule(call);
    context->save_for_backward(inputs.vec());
    const NoCastCache no_cache;
    return call->function(inputs.vec());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto capsule = context->saved_data["call"].toCapsule();
    const auto& call = static_cast<const Call&>(*capsule);
    const variable_list inputs = context->get_saved_variables();
    std::vector<at::Tensor> leaves;
    for (const at::Tensor& input : inputs) {
      leaves.push_back(input.detach().set_requires_grad(input.requires_grad()));
    }
    const at::AutoGradMode with_graph(true);
    const std::vector<at::Tensor> outputs = CallAgain(call, leaves);
    TORCH_CHECK(outputs.size() == gradients.size(), "a recomputed function gave ", gradients.size(),
                " tensors in forward and ", outputs.size(), " in backward");
    variable_list roots, root_gradients;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (!gradients[i].defined() || !outputs[i].requires_grad()) continue;
      roots.push_back(outputs[i]);
      root_gradients.push_back(gradients[i]);
    }
    if (!roots.empty()) torch::autograd::backward(roots, root_gradients);
    variable_list result(2);  // for call and anchor
    for (const at::Tensor& leaf : leaves) result.push_back(leaf.grad());
    return result;
  }
};

}  // namespace

std::vector<at::Tensor> Recompute(TensorsFunction function, const std::vector<at::Tensor>& inputs,
                                  RecomputeOptions options) {
  if (!at::GradMode::is_enabled()) return function(inputs);
  const auto call =
      c10::make_intrusive<Call>(std::move(function), DevicesOf(inputs), options.same_random);
  const at::Tensor anchor = at::empty({0}).set_requires_grad(true);
  return RecomputeFunction::apply(call, anchor, at::TensorList(inputs));
}

at::Tensor Recompute(TensorFunction function, const at::Tensor& input, RecomputeOptions options) {
  TensorsFunction list = [one = std::move(function)](const std::vector<at::Tensor>& inputs) {
    return std::vector<at::Tensor>{one(inputs[0])};
  };
  return Recompute(std::move(list), std::vector<at::Tensor>{input}, options)[0];
}

}  // namespace muster::trainer
