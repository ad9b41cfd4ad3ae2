#include "trainer/export/unify.h"

#include <ATen/Functions.h>

#include <cmath>

#include "trainer/export/aliases.h"
#include "trainer/export/fold.h"

namespace muster::exporting {
namespace {

std::string ModuleOf(const std::string& state) {
  const std::size_t dot = state.rfind('.');
  return dot == std::string::npos ? std::string() : state.substr(0, dot);
}

/// Dropout in evaluation mode answers its input itself, which its schema does not say.
bool MayAnswerItsInput(const std::string& op) { return op.find("dropout") != std::string::npos; }

const c10::AliasInfo* AliasOf(const c10::FunctionSchema& schema, std::size_t argument) {
  return argument < schema.arguments().size() ? schema.arguments()[argument].alias_info() : nullptr;
}

/// Walks the recordings in lockstep. A value of the program has the id that it has in all of them;
/// what folding adds comes after.
class Unifier {
 public:
  Unifier(const std::vector<Recording>& runs, const std::vector<NamedTensor>& state,
          const Symbols& symbols)
      : runs_(runs), first_(runs[0]), state_(state), symbols_(symbols) {}

  Result<Program> Run() {
    program_.values.resize(first_.values.size());
    bound_.resize(first_.values.size());
    MUSTER_RETURN_IF_ERROR(AddInputs());
    for (std::size_t i = 0; i < first_.calls.size(); ++i) {
      for (const Recording& run : runs_) {
        if (i >= run.calls.size()) return Diverged("one run is shorter");
      }
      MUSTER_RETURN_IF_ERROR(AddCall(i));
    }
    for (const Recording& run : runs_) {
      if (run.calls.size() > first_.calls.size()) return Diverged("one run is longer");
    }
    MUSTER_RETURN_IF_ERROR(AddOutputs());
    return std::move(program_);
  }

 private:
  Value& At(std::size_t id) { return program_.values[id]; }

  std::size_t NewValue(Value value) {
    program_.values.push_back(std::move(value));
    return program_.values.size() - 1;
  }

  std::string SymbolNames() const {
    std::string names;
    for (const Symbol& symbol : symbols_)
      names += (names.empty() ? "'" : ", '") + symbol.name + "'";
    return names;
  }

  std::string Where() const {
    return last_module_.empty() ? " (before the first module with parameters)"
                                : " (in or after module '" + last_module_ + "')";
  }

  Error Diverged(const std::string& how) const {
    return Unsupported("the forward pass takes another course for another size of " +
                       SymbolNames() + " (" + how +
                       (last_module_.empty() ? "" : ", after module '" + last_module_ + "'") +
                       "); export with that size fixed, or make its control flow independent");
  }

  /// Numbers that no polynomial gives, by what they are.
  Error Unfit(const std::string& what, const std::vector<std::int64_t>& numbers) const {
    std::string list;
    for (const std::int64_t n : numbers) list += (list.empty() ? "" : ", ") + std::to_string(n);
    return Unsupported(what + " is " + list + " as sizes change" + Where() +
                       ": not a whole multiple of " + SymbolNames() +
                       " or their products plus a number. Where it is a quotient, say in "
                       "ExportOptions::multiples what divides the size; else export with the size "
                       "fixed");
  }

  Result<TensorType> TypeOf(std::size_t id, const std::string& what) const {
    TensorType type;
    std::vector<std::vector<std::int64_t>> shapes;
    for (const Recording& run : runs_) {
      const auto* tensor =
          id < run.values.size() ? std::get_if<RecordedTensor>(&run.values[id]) : nullptr;
      if (tensor == nullptr) return Diverged("other values");
      type.dtype = tensor->dtype;
      shapes.push_back(tensor->sizes);
      if (shapes.back().size() != shapes.front().size())
        return Diverged("a tensor of another rank");
    }
    for (std::size_t d = 0; d < shapes[0].size(); ++d) {
      std::vector<std::int64_t> numbers;
      for (const auto& shape : shapes) numbers.push_back(shape[d]);
      std::optional<Polynomial> dim = Fit(numbers, symbols_);
      if (!dim) return Unfit("dimension " + std::to_string(d) + " of " + what, numbers);
      type.shape.push_back(std::move(*dim));
    }
    return type;
  }

  Status AddInputs() {
    const std::size_t given = first_.inputs.size() - state_.size();
    for (std::size_t i = 0; i < first_.inputs.size(); ++i) {
      const std::size_t id = first_.inputs[i];
      const bool is_state = i >= given;
      MUSTER_ASSIGN_OR_RETURN(At(id).type, TypeOf(id, "input " + std::to_string(i)));
      At(id).held = Computed{};
      if (is_state) {
        const NamedTensor& named = state_[i - given];
        At(id).held = Known{named.tensor, named.name, false, named.name};
      } else {
        program_.inputs.push_back(id);
      }
      bound_[id] = true;
      aliases_.Fresh(id, is_state);
    }
    return Ok();
  }

  /// Takes over a constant or list when it is read first, by `reader`.
  Status Bind(std::size_t id, const std::string& reader) {
    if (bound_[id]) return Ok();
    bound_[id] = true;
    for (const Recording& run : runs_) {
      if (id >= run.values.size() || run.values[id].index() != first_.values[id].index()) {
        return Diverged("other inputs of " + reader);
      }
    }
    if (const auto* items = std::get_if<RecordedList>(&first_.values[id])) {
      for (const Recording& run : runs_) {
        if (std::get<RecordedList>(run.values[id]) != *items) {
          return Diverged("other inputs of " + reader);
        }
      }
      for (const std::size_t item : *items) MUSTER_RETURN_IF_ERROR(Bind(item, reader));
      At(id).held = *items;
      return Ok();
    }
    std::vector<c10::IValue> values;
    for (const Recording& run : runs_) {
      const auto* value = std::get_if<c10::IValue>(&run.values[id]);
      if (value == nullptr) return Internal(reader + " uses a value that nothing made");
      values.push_back(*value);
    }
    MUSTER_ASSIGN_OR_RETURN(At(id), ConstantValue(values, reader));
    if (At(id).is_tensor()) aliases_.Fresh(id);
    return Ok();
  }

  Result<Value> ConstantValue(const std::vector<c10::IValue>& values,
                              const std::string& reader) const {
    const c10::IValue& first = values[0];
    for (const c10::IValue& value : values) {
      if (value.type()->kind() != first.type()->kind()) {
        return Diverged("other inputs of " + reader);
      }
    }
    if (first.isInt()) {
      std::vector<std::int64_t> numbers;
      for (const c10::IValue& value : values) numbers.push_back(value.toInt());
      std::optional<Polynomial> number = Fit(numbers, symbols_);
      if (!number) return Unfit("an integer for " + reader, numbers);
      return Value{std::move(*number), {}};
    }
    if (first.isTensor()) return ConstantTensor(values, reader);
    for (const c10::IValue& value : values) {
      const bool same = first.isDouble()
                            ? value.toDouble() == first.toDouble() ||
                                  (std::isnan(value.toDouble()) && std::isnan(first.toDouble()))
                        : first.isBool()   ? value.toBool() == first.toBool()
                        : first.isString() ? value.toStringRef() == first.toStringRef()
                                           : true;
      if (!same) return Diverged("a number for " + reader + " that is no integer changes with it");
    }
    if (first.isDouble()) return Value{first.toDouble(), {}};
    if (first.isBool()) return Value{first.toBool(), {}};
    if (first.isString()) return Value{first.toStringRef(), {}};
    return Value{None{}, {}};
  }

  Result<Value> ConstantTensor(const std::vector<c10::IValue>& values,
                               const std::string& reader) const {
    const at::Tensor tensor = values[0].toTensor();
    for (const c10::IValue& value : values) {
      const at::Tensor other = value.toTensor();
      if (other.is_same(tensor)) continue;
      if (other.sizes() != tensor.sizes() || other.scalar_type() != tensor.scalar_type() ||
          !at::equal(other, tensor)) {
        return Diverged("a tensor for " + reader +
                        " that was made outside of LibTorch's operators changes with it");
      }
    }
    return KnownValue(tensor, "");
  }

  Status AddCall(std::size_t position) {
    const RecordedCall& call = first_.calls[position];
    for (const Recording& run : runs_) {
      const RecordedCall& other = run.calls[position];
      if (other.name != call.name) {
        return Diverged(call.name + " in one run, " + other.name + " in another");
      }
      if (other.inputs != call.inputs || other.outputs != call.outputs) {
        return Diverged("other inputs of " + call.name);
      }
    }
    for (const std::size_t input : call.inputs) MUSTER_RETURN_IF_ERROR(Bind(input, call.name));

    Operation operation{.op = call.name, .traced = call.name, .inputs = call.inputs};
    if (operation.op.starts_with("aten::")) operation.op.erase(0, 6);
    bool writes = false;
    if (call.schema != nullptr) {
      for (std::size_t i = 0; i < call.inputs.size(); ++i) {
        operation.arguments.push_back(call.schema->arguments()[i].name());
        const c10::AliasInfo* alias = AliasOf(*call.schema, i);
        if (alias == nullptr || !alias->isWrite()) continue;
        if (i > 0 || call.outputs.empty()) {
          return Unsupported(call.name + " writes to something that is not its result" + Where());
        }
        writes = true;
      }
    }
    if (writes && operation.op.ends_with('_')) operation.op.pop_back();
    MUSTER_RETURN_IF_ERROR(CheckReads(operation, writes));
    if (call.schema == nullptr || !KnownNow(program_, call.inputs)) {
      return Keep(call, std::move(operation), writes);
    }
    if (IsRandom(*call.schema) && !MayAnswerItsInput(operation.op)) {
      return Unsupported(operation.traced + " draws random numbers" + Where());
    }
    return Fold(call, operation, writes);
  }

  Status CheckReads(const Operation& operation, bool writes) {
    bool stale = false;
    for (const std::size_t input : operation.inputs) {
      ForEachLeaf(program_, input, [&](std::size_t id) { stale |= aliases_.Stale(id); });
    }
    if (stale) {
      return Unsupported(
          operation.traced +
          " reads a view of a tensor that was changed in place through another view" + Where() +
          "; use the operator that is not in place");
    }
    if (writes && aliases_.IsState(operation.inputs[0])) {
      return Unsupported(operation.traced + " changes a parameter or buffer" + Where() +
                         "; a served model has no state");
    }
    return Ok();
  }

  /// Computes the operator with LibTorch: nothing it reads depends on inputs or their sizes.
  Status Fold(const RecordedCall& call, const Operation& operation, bool writes) {
    // A constant that nobody has read yet may change, and its views with it; else a copy does.
    const bool in_place = writes && !aliases_.Captured(operation.inputs[0]);
    MUSTER_ASSIGN_OR_RETURN(
        std::vector<c10::IValue> results,
        ComputeNow(program_, *call.schema, operation.inputs, writes && !in_place));
    if (results.size() == 1 && results[0].isTensorList() &&
        !std::holds_alternative<std::monostate>(first_.values[call.outputs[0]])) {
      const auto items = results[0].toTensorVector();
      results.assign(items.begin(), items.end());
    }
    if (results.size() != call.outputs.size())
      return Internal(call.name + " has other results now");
    for (std::size_t i = 0; i < results.size(); ++i) {
      const std::size_t id = call.outputs[i];
      MUSTER_RETURN_IF_ERROR(SetFolded(id, results[i], operation));
      if (in_place) aliases_.View(id, operation.inputs[0]);
      if (writes && !in_place) aliases_.Written(id, operation.inputs[0]);
    }
    return Ok();
  }

  Status SetFolded(std::size_t id, const c10::IValue& result, const Operation& operation) {
    bound_[id] = true;
    const std::string origin = OriginOf(program_, operation.inputs);
    if (result.isTensorList()) {
      List items;
      for (const at::Tensor& tensor : result.toTensorVector()) {
        items.push_back(NewValue(KnownValue(tensor, origin)));
        RememberMemory(items.back(), operation);
      }
      At(id).held = std::move(items);
      return Ok();
    }
    if (!result.isTensor()) {
      const std::vector<c10::IValue> in_each_run(runs_.size(), result);
      MUSTER_ASSIGN_OR_RETURN(At(id), ConstantValue(in_each_run, operation.traced));
      return Ok();
    }
    Value value = KnownValue(result.toTensor(), origin);
    MarkTranspose(operation, std::get<Known>(value.held));
    At(id) = std::move(value);
    RememberMemory(id, operation);
    return Ok();
  }

  /// A result on the same storage as an input is a view of it.
  void RememberMemory(std::size_t id, const Operation& operation) {
    const at::Tensor& tensor = std::get<Known>(At(id).held).tensor;
    for (const std::size_t input : operation.inputs) {
      const auto* known = std::get_if<Known>(&At(input).held);
      if (known != nullptr && known->tensor.defined() && known->tensor.is_alias_of(tensor)) {
        aliases_.View(id, input);
        return;
      }
    }
    aliases_.Fresh(id);
  }

  /// LibTorch's linear layers read weight.t(): the graph then keeps the parameter itself.
  void MarkTranspose(const Operation& operation, Known& result) {
    if (operation.op != "t" || result.tensor.dim() != 2) return;
    const Known& source = std::get<Known>(At(operation.inputs[0]).held);
    if (source.state.empty() || source.transposed) return;
    result.state = source.state;
    result.transposed = true;
  }

  /// The operator becomes one of the model.
  Status Keep(const RecordedCall& call, Operation operation, bool writes) {
    operation.module = ModuleOf(OriginOf(program_, operation.inputs));
    if (!operation.module.empty()) last_module_ = operation.module;
    for (const std::size_t input : operation.inputs) {
      ForEachLeaf(program_, input, [&](std::size_t id) { aliases_.Capture(id); });
    }
    const bool view = call.schema != nullptr && !call.inputs.empty() &&
                      (AliasOf(*call.schema, 0) != nullptr || MayAnswerItsInput(operation.op)) &&
                      At(call.inputs[0]).is_tensor();
    operation.outputs = call.outputs;
    for (const std::size_t id : call.outputs) {
      bound_[id] = true;
      At(id).held = Computed{};
      if (std::holds_alternative<RecordedTensor>(first_.values[id])) {
        MUSTER_ASSIGN_OR_RETURN(At(id).type, TypeOf(id, "the result of " + call.name));
      }
      if (writes) {
        aliases_.Written(id, call.inputs[0]);
      } else if (view) {
        aliases_.View(id, call.inputs[0]);
      } else {
        aliases_.Fresh(id);
      }
    }
    program_.operations.push_back(std::move(operation));
    return Ok();
  }

  Status AddOutputs() {
    for (const Recording& run : runs_) {
      if (run.outputs != first_.outputs) return Diverged("other outputs");
    }
    for (std::size_t i = 0; i < first_.outputs.size(); ++i) {
      const std::size_t id = first_.outputs[i];
      const std::string label = "output " + std::to_string(i);
      MUSTER_RETURN_IF_ERROR(Bind(id, label));
      if (!At(id).is_tensor()) return Unsupported(label + " is not a tensor");
      if (aliases_.Stale(id)) {
        return Unsupported(label +
                           " is a view of a tensor that was changed in place through another view");
      }
      program_.outputs.push_back(id);
    }
    return Ok();
  }

  const std::vector<Recording>& runs_;
  const Recording& first_;
  const std::vector<NamedTensor>& state_;
  const Symbols& symbols_;
  Program program_;
  std::vector<bool> bound_;  ///< by id: the program's value is what it will be
  Aliases aliases_;
  std::string last_module_;
};

}  // namespace

Result<Program> Unify(const std::vector<Recording>& runs, const std::vector<NamedTensor>& state,
                      const Symbols& symbols) {
  return Unifier(runs, state, symbols).Run();
}

}  // namespace muster::exporting
