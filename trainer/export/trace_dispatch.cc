#include <ATen/Functions.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <unordered_map>

#include "trainer/export/trace.h"

namespace muster::exporting {
namespace {

/// A key that LibTorch leaves to others, above all of its own: what is registered for it sees an
/// operator before it is taken apart.
constexpr auto kKey = c10::DispatchKey::TESTING_ONLY_GenericMode;

/// The result, without values, of operators that are in most models and for which LibTorch has no
/// kernel on shapes; nullopt for other operators, and for arguments that LibTorch is to judge.
std::optional<at::Tensor> ResultShape(const std::string& op,
                                      const std::vector<c10::IValue>& arguments) {
  const auto shaped = [](at::IntArrayRef sizes, const at::Tensor& like) {
    return at::empty(sizes, like.options().device(at::kMeta));
  };
  if (op == "aten::layer_norm") {
    const at::Tensor& x = arguments[0].toTensor();
    const std::vector<std::int64_t> last = arguments[1].toIntVector();
    const auto fits = [&](const c10::IValue& weight) {
      return weight.isNone() || !weight.toTensor().defined() || weight.toTensor().sizes() == last;
    };
    if (last.size() > x.sizes().size() || x.sizes().slice(x.sizes().size() - last.size()) != last ||
        !fits(arguments[2]) || !fits(arguments[3])) {
      return std::nullopt;
    }
    return shaped(x.sizes(), x);
  }
  if (op == "aten::embedding") {
    const at::Tensor &weight = arguments[0].toTensor(), &ids = arguments[1].toTensor();
    if (weight.dim() != 2 || (ids.scalar_type() != at::kLong && ids.scalar_type() != at::kInt)) {
      return std::nullopt;
    }
    std::vector<std::int64_t> sizes = ids.sizes().vec();
    sizes.push_back(weight.size(1));
    return shaped(sizes, weight);
  }
  if (op == "aten::scaled_dot_product_attention") {
    const at::Tensor &query = arguments[0].toTensor(), &key = arguments[1].toTensor();
    const at::Tensor& value = arguments[2].toTensor();
    const bool masked = !arguments[3].isNone() && arguments[3].toTensor().defined();
    const bool plain = !masked && query.dim() == 4 && key.sizes() == value.sizes() &&
                       key.dim() == 4 && key.size(0) == query.size(0) &&
                       key.size(1) == query.size(1) && key.size(3) == query.size(3) &&
                       key.scalar_type() == query.scalar_type() &&
                       value.scalar_type() == query.scalar_type();
    if (plain) return shaped(query.sizes(), query);
  }
  return std::nullopt;
}

/// Records the operators that are called while it lives, on its thread.
class Watch {
 public:
  Watch(const std::vector<NamedTensor>& state, const std::vector<at::Tensor>& inputs)
      : device_(state.empty() ? at::kCPU : state[0].tensor.device()) {
    for (const at::Tensor& input : inputs) AddInput(input, true);
    for (const NamedTensor& named : state) AddInput(named.tensor, false);
    current = this;
  }
  ~Watch() { current = nullptr; }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  Result<Recording> Finish(const std::vector<at::Tensor>& outputs) {
    for (const at::Tensor& output : outputs) recording_.outputs.push_back(IdOf(output));
    if (error_) return *error_;
    return std::move(recording_);
  }

  void Call(const c10::OperatorHandle& op, c10::Stack& stack) {
    const c10::FunctionSchema& schema = op.schema();
    const std::size_t count = schema.arguments().size();
    RecordedCall call{.name = schema.name(), .schema = &schema};
    bool depends = false;
    bool shapes_only = false;
    for (std::size_t i = stack.size() - count; i < stack.size(); ++i) {
      call.inputs.push_back(IdOf(stack[i]));
      depends = depends || Depends(call.inputs.back());
      shapes_only = shapes_only || HasMeta(stack[i]);
    }
    std::optional<bool> answer;
    if (depends && call.name == "aten::equal") {
      answer = EqualForAllValues(stack[stack.size() - 2].toTensor(), stack.back().toTensor());
    }
    if (answer) {
      stack.resize(stack.size() - count);
      stack.emplace_back(*answer);
    } else {
      if (depends && ReadsValues(call.name)) Fail(ValueRead(call.name));
      if (shapes_only) {
        RunOnShapes(op, stack);
      } else {
        op.callBoxed(stack);
      }
    }
    for (std::size_t i = stack.size() - schema.returns().size(); i < stack.size(); ++i) {
      AddResult(stack[i], depends, call.outputs);
    }
    recording_.calls.push_back(std::move(call));
  }

  static thread_local Watch* current;

  static at::Tensor WithoutValues(const at::Tensor& tensor) {
    if (!tensor.defined() || tensor.is_meta()) return tensor;
    return at::empty_strided(tensor.sizes(), tensor.strides(), tensor.options().device(at::kMeta));
  }

 private:
  static bool HasMeta(const c10::IValue& value) {
    if (value.isTensor()) return value.toTensor().defined() && value.toTensor().is_meta();
    return value.isList() && std::ranges::any_of(value.toListRef(), HasMeta);
  }

  /// `value` with each tensor in it as `change` answers it.
  template <typename Change>
  static c10::IValue Changed(const c10::IValue& value, const Change& change) {
    if (value.isTensor()) return change(value.toTensor());
    if (!value.isList() || std::ranges::none_of(value.toListRef(), &c10::IValue::isTensor)) {
      return value;
    }
    c10::impl::GenericList list(value.toList().elementType());
    for (const c10::IValue& item : value.toListRef()) list.push_back(Changed(item, change));
    return list;
  }

  /// Computes the shapes of the results. Where LibTorch has no kernel that does no more, the operator
  /// runs on zeros, which are valid as ids too.
  void RunOnShapes(const c10::OperatorHandle& op, c10::Stack& stack) const {
    const std::vector<c10::Argument>& schema = op.schema().arguments();
    const std::size_t base = stack.size() - schema.size();
    const std::vector<c10::IValue> given(stack.begin() + static_cast<std::ptrdiff_t>(base),
                                         stack.end());
    bool writes = false;
    for (std::size_t i = 0; i < given.size(); ++i) {
      const bool written = schema[i].alias_info() != nullptr && schema[i].alias_info()->isWrite();
      TORCH_CHECK(!written || HasMeta(given[i]), "a write to a tensor with values");
      writes = writes || written;
      stack[base + i] =
          Changed(given[i], [](const at::Tensor& t) -> at::Tensor { return WithoutValues(t); });
    }
    if (const auto result = ResultShape(op.schema().name(), given)) {
      stack.resize(base);
      stack.emplace_back(*result);
      return;
    }
    try {
      return op.callBoxed(stack);
    } catch (const c10::Error&) {
      if (writes) throw;
    }
    stack.resize(base);
    for (const c10::IValue& value : given) {
      stack.push_back(Changed(value, [this](const at::Tensor& t) -> at::Tensor {
        if (!t.defined() || !t.is_meta()) return t;
        return at::empty_strided(t.sizes(), t.strides(), t.options().device(device_)).zero_();
      }));
    }
    op.callBoxed(stack);
    for (std::size_t i = base; i < stack.size(); ++i) {
      stack[i] =
          Changed(stack[i], [](const at::Tensor& t) -> at::Tensor { return WithoutValues(t); });
    }
  }

  void Fail(Error error) {
    if (!error_) error_ = std::move(error);
  }

  [[nodiscard]] bool Depends(std::size_t id) const {
    const auto* items = std::get_if<RecordedList>(&recording_.values[id]);
    if (items == nullptr) return id < depends_.size() && depends_[id];
    return std::ranges::any_of(*items, [&](std::size_t item) { return Depends(item); });
  }

  std::size_t Name(const at::Tensor& tensor, bool depends) {
    const std::size_t id =
        recording_.Add(RecordedTensor{tensor.scalar_type(), tensor.sizes().vec()});
    ids_[tensor.unsafeGetTensorImpl()] = id;
    if (tensor.has_storage())
      on_storage_[tensor.storage().unsafeGetStorageImpl()].push_back(tensor);
    kept_.push_back(tensor);  // an address that is given again would be another tensor
    depends_.resize(id + 1);
    depends_[id] = depends;
    return id;
  }

  void AddInput(const at::Tensor& tensor, bool depends) {
    recording_.inputs.push_back(Name(tensor, depends));
  }

  void AddResult(const c10::IValue& result, bool depends, std::vector<std::size_t>& outputs) {
    if (result.isTensorList()) {
      for (const at::Tensor& item : result.toTensorVector()) outputs.push_back(Name(item, depends));
    } else if (result.isTensor() && result.toTensor().defined()) {
      outputs.push_back(Name(result.toTensor(), depends));
    } else {
      outputs.push_back(recording_.Add(std::monostate()));
    }
  }

  std::size_t IdOf(const at::Tensor& tensor) {
    const auto found = ids_.find(tensor.unsafeGetTensorImpl());
    if (found != ids_.end()) return found->second;
    if (!tensor.has_storage()) return Constant(tensor);
    // LibTorch wraps some results anew (torch::arange) without an operator.
    const auto others = on_storage_.find(tensor.storage().unsafeGetStorageImpl());
    if (others == on_storage_.end()) return Constant(tensor);
    for (auto other = others->second.rbegin(); other != others->second.rend(); ++other) {
      if (other->sizes() == tensor.sizes() && other->strides() == tensor.strides() &&
          other->storage_offset() == tensor.storage_offset() &&
          other->scalar_type() == tensor.scalar_type()) {
        kept_.push_back(tensor);
        return ids_[tensor.unsafeGetTensorImpl()] = ids_.at(other->unsafeGetTensorImpl());
      }
    }
    Fail(Unsupported("the forward pass makes a view of a tensor past LibTorch's operators"));
    return Constant(tensor);
  }

  std::size_t Constant(const at::Tensor& tensor) {
    kept_.push_back(tensor);
    return ids_[tensor.unsafeGetTensorImpl()] = recording_.Add(c10::IValue(tensor));
  }

  std::size_t IdOf(const c10::IValue& value) {
    if (value.isTensor()) {
      return value.toTensor().defined() ? IdOf(value.toTensor()) : recording_.Add(c10::IValue());
    }
    if (!value.isList()) return recording_.Add(value);
    RecordedList items;
    for (const c10::IValue& item : value.toListRef()) items.push_back(IdOf(item));
    return recording_.Add(std::move(items));
  }

  const at::Device device_;
  Recording recording_;
  std::unordered_map<const c10::TensorImpl*, std::size_t> ids_;
  std::unordered_map<const c10::StorageImpl*, std::vector<at::Tensor>> on_storage_;
  std::vector<at::Tensor> kept_;
  std::vector<bool> depends_;  ///< by id: on an input
  std::optional<Error> error_;
};

thread_local Watch* Watch::current = nullptr;

/// Operators that stand for others, and have no translation of their own, are
/// watched at work: what LibTorch's tracer does too.
std::optional<c10::DispatchKey> TakenApart(const c10::OperatorHandle& op) {
  static const std::vector<std::string> whole = SupportedOperators();
  std::string name = op.schema().name();
  if (std::ranges::binary_search(whole, name)) return std::nullopt;
  if (name.ends_with('_')) name.pop_back();
  if (std::ranges::binary_search(whole, name) || ReadsValues(name)) return std::nullopt;
  std::vector keys = {c10::DispatchKey::CompositeImplicitAutograd};
  if (name == "aten::convolution" || name == "aten::rsub") {
    // Such too, though not said to be: the kernel for CPUs calls operators on whatever it is given.
    keys.insert(keys.end(), {c10::DispatchKey::CompositeExplicitAutograd, c10::DispatchKey::CPU});
  }
  for (const c10::DispatchKey key : keys) {
    if (op.hasKernelForDispatchKey(key)) return key;
  }
  return std::nullopt;
}

void OnOperator(const c10::OperatorHandle& op, c10::Stack* stack) {
  if (Watch::current != nullptr) {
    if (const auto key = TakenApart(op)) return op.callBoxedForDispatchKey(*key, *stack);
  }
  const c10::impl::ExcludeDispatchKeyGuard inner(kKey);
  if (Watch::current != nullptr) return Watch::current->Call(op, *stack);
  op.callBoxed(*stack);
}

Result<Recording> Record(const Forward& forward, const std::vector<NamedTensor>& state,
                         const std::vector<at::Tensor>& inputs) {
  static const c10::RegistrationHandleRAII registered =
      c10::Dispatcher::singleton().registerFallback(
          kKey, c10::KernelFunction::makeFromBoxedFunction<&OnOperator>(), "muster");
  Watch watch(state, inputs);
  try {
    std::vector<at::Tensor> outputs;
    {
      const c10::impl::IncludeDispatchKeyGuard on(kKey);
      outputs = forward(inputs);
    }
    return watch.Finish(outputs);
  } catch (const c10::Error& error) {
    return Internal("the forward pass failed while it was traced: " +
                    std::string(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return Internal("the forward pass failed while it was traced: " + std::string(error.what()));
  }
}

}  // namespace

Result<Recording> TraceWithDispatcher(const Forward& forward, const std::vector<NamedTensor>& state,
                                      const std::vector<at::Tensor>& inputs) {
  // Shapes are all that is wanted: what depends on an input is not computed, unless the forward pass
  // does not run without.
  std::vector<at::Tensor> shapes;
  shapes.reserve(inputs.size());
  for (const at::Tensor& input : inputs) shapes.push_back(Watch::WithoutValues(input));
  auto recording = Record(forward, state, shapes);
  return recording.ok() ? std::move(recording) : Record(forward, state, inputs);
}

}  // namespace muster::exporting
