#include "trainer/export/unify.h"

#include <ATen/Functions.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cmath>
#include <unordered_map>

#include "trainer/export/aliases.h"
#include "trainer/export/fold.h"

namespace muster::exporting {
namespace {

namespace jit = torch::jit;

/// Solves slope and offset from the numbers that the traces have in one place.
std::optional<Affine> Solve(const std::vector<std::int64_t>& numbers) {
  if (numbers.size() == 1 || (numbers[0] == numbers[1] && numbers[0] == numbers[2])) {
    return Affine{0, numbers[0]};
  }
  const std::int64_t rise = numbers[1] - numbers[0];
  const std::int64_t run = kBatches[1] - kBatches[0];
  if (rise % run != 0) return std::nullopt;
  const Affine line{rise / run, numbers[0] - rise / run * kBatches[0]};
  if (line.slope * kBatches[2] + line.offset != numbers[2]) return std::nullopt;
  return line;
}

std::string ModuleOf(const std::string& state) {
  const std::size_t dot = state.rfind('.');
  return dot == std::string::npos ? std::string() : state.substr(0, dot);
}

/// Dropout in evaluation mode answers its input itself, which its schema does not say.
bool MayAnswerItsInput(const std::string& op) { return op.find("dropout") != std::string::npos; }

/// Walks the graphs in lockstep.
class Unifier {
 public:
  Unifier(const Graphs& graphs, const std::vector<NamedTensor>& state, std::size_t input_count)
      : graphs_(std::move(graphs)),
        ids_(graphs_.size()),
        state_(state),
        input_count_(input_count) {}

  Result<Program> Run() {
    MUSTER_RETURN_IF_ERROR(AddInputs());
    std::vector<jit::graph_node_list_iterator> at;
    for (const auto& graph : graphs_) at.push_back(graph->nodes().begin());
    while (at[0] != graphs_[0]->nodes().end()) {
      std::vector<jit::Node*> nodes;
      for (std::size_t g = 0; g < graphs_.size(); ++g) {
        if (at[g] == graphs_[g]->nodes().end()) return Diverged("one trace is shorter");
        nodes.push_back(*at[g]++);
      }
      MUSTER_RETURN_IF_ERROR(AddNode(nodes));
    }
    for (std::size_t g = 1; g < graphs_.size(); ++g) {
      if (at[g] != graphs_[g]->nodes().end()) return Diverged("one trace is longer");
    }
    MUSTER_RETURN_IF_ERROR(AddOutputs());
    return std::move(program_);
  }

 private:
  using Nodes = std::vector<jit::Node*>;

  Error Diverged(const std::string& how) const {
    return Unsupported("the forward pass takes another course for another batch size (" + how +
                       (last_module_.empty() ? "" : ", after module '" + last_module_ + "'") +
                       "); export without a dynamic batch, or make its control flow independent");
  }

  std::size_t NewValue(Value value) {
    program_.values.push_back(std::move(value));
    return program_.values.size() - 1;
  }

  void Bind(std::size_t id, const Nodes& nodes, std::size_t output) {
    for (std::size_t g = 0; g < nodes.size(); ++g) ids_[g][nodes[g]->output(output)] = id;
  }

  Value& At(std::size_t id) { return program_.values[id]; }

  Result<TensorType> TypeOf(const std::vector<const jit::Value*>& values) const {
    TensorType type;
    std::vector<std::vector<std::int64_t>> shapes;
    for (const jit::Value* value : values) {
      const auto tensor = value->type()->cast<c10::TensorType>();
      const auto sizes = tensor ? tensor->sizes().concrete_sizes() : std::nullopt;
      if (!sizes || !tensor->scalarType()) return Diverged("a value without a known shape");
      type.dtype = *tensor->scalarType();
      shapes.push_back(*sizes);
      if (shapes.back().size() != shapes.front().size())
        return Diverged("a tensor of another rank");
    }
    for (std::size_t d = 0; d < shapes[0].size(); ++d) {
      std::vector<std::int64_t> numbers;
      for (const auto& shape : shapes) numbers.push_back(shape[d]);
      const std::optional<Affine> dim = Solve(numbers);
      if (!dim) return Diverged("a dimension that is not a multiple of the batch plus a number");
      type.shape.push_back(*dim);
    }
    return type;
  }

  Result<TensorType> OutputType(const Nodes& nodes, std::size_t output) const {
    std::vector<const jit::Value*> values;
    for (const jit::Node* node : nodes) values.push_back(node->output(output));
    return TypeOf(values);
  }

  Status AddInputs() {
    for (std::size_t i = 0; i < graphs_[0]->inputs().size(); ++i) {
      std::vector<const jit::Value*> values;
      for (const auto& graph : graphs_) values.push_back(graph->inputs()[i]);
      MUSTER_ASSIGN_OR_RETURN(TensorType type, TypeOf(values));
      const bool is_state = i >= input_count_;
      Value value{Computed{}, std::move(type)};
      if (is_state) {
        const NamedTensor& named = state_[i - input_count_];
        value.held = Known{named.tensor, named.name, false, named.name};
      }
      const std::size_t id = NewValue(std::move(value));
      for (std::size_t g = 0; g < graphs_.size(); ++g) ids_[g][values[g]] = id;
      aliases_.Fresh(id, is_state);
      if (!is_state) program_.inputs.push_back(id);
    }
    return Ok();
  }

  /// The ids of a node's inputs, the same in every trace.
  Result<List> InputsOf(const Nodes& nodes) {
    List inputs;
    for (std::size_t i = 0; i < nodes[0]->inputs().size(); ++i) {
      for (std::size_t g = 0; g < nodes.size(); ++g) {
        if (i >= nodes[g]->inputs().size()) return Diverged("other inputs");
        const auto found = ids_[g].find(nodes[g]->input(i));
        if (found == ids_[g].end()) return Internal("the trace uses a value that it never made");
        if (g == 0) inputs.push_back(found->second);
        if (found->second != inputs.back()) return Diverged("other inputs");
      }
    }
    return inputs;
  }

  Status AddNode(const Nodes& nodes) {
    const jit::Node* first = nodes[0];
    for (const jit::Node* node : nodes) {
      if (node->kind() != first->kind() || node->outputs().size() != first->outputs().size() ||
          node->inputs().size() != first->inputs().size()) {
        return Diverged(std::string(first->kind().toQualString()) + " in one trace, " +
                        node->kind().toQualString() + " in another");
      }
    }
    if (first->kind() == c10::prim::Constant) return AddConstant(nodes);
    MUSTER_ASSIGN_OR_RETURN(const List inputs, InputsOf(nodes));
    if (first->kind() == c10::prim::ListConstruct || first->kind() == c10::prim::TupleConstruct) {
      Bind(NewValue({inputs, {}}), nodes, 0);
      return Ok();
    }
    if (first->kind() == c10::prim::ListUnpack) return AddUnpack(nodes, inputs);
    return AddOperator(nodes, inputs);
  }

  Status AddConstant(const Nodes& nodes) {
    std::vector<c10::IValue> values;
    for (const jit::Node* node : nodes) {
      const auto value = jit::toIValue(node->output());
      if (!value) return Internal("the trace has a constant without a value");
      values.push_back(*value);
    }
    MUSTER_ASSIGN_OR_RETURN(Value value, ConstantValue(values));
    const bool tensor = value.is_tensor();
    const std::size_t id = NewValue(std::move(value));
    if (tensor) aliases_.Fresh(id);
    Bind(id, nodes, 0);
    return Ok();
  }

  Result<Value> ConstantValue(const std::vector<c10::IValue>& values) const {
    const c10::IValue& first = values[0];
    if (first.isInt()) {
      std::vector<std::int64_t> numbers;
      for (const c10::IValue& value : values) numbers.push_back(value.toInt());
      const std::optional<Affine> line = Solve(numbers);
      if (!line) return Diverged("an integer that is not a multiple of the batch plus a number");
      return Value{*line, {}};
    }
    if (first.isTensor()) return ConstantTensor(values);
    for (const c10::IValue& value : values) {
      const bool same =
          first.isDouble()
              ? value.isDouble() && (value.toDouble() == first.toDouble() ||
                                     (std::isnan(value.toDouble()) && std::isnan(first.toDouble())))
          : first.isBool()   ? value.isBool() && value.toBool() == first.toBool()
          : first.isString() ? value.isString() && value.toStringRef() == first.toStringRef()
                             : true;
      if (!same) return Diverged("a number that is not an integer changes with the batch");
    }
    if (first.isDouble()) return Value{first.toDouble(), {}};
    if (first.isBool()) return Value{first.toBool(), {}};
    if (first.isString()) return Value{first.toStringRef(), {}};
    return Value{None{}, {}};
  }

  Result<Value> ConstantTensor(const std::vector<c10::IValue>& values) const {
    const at::Tensor tensor = values[0].toTensor();
    for (const c10::IValue& value : values) {
      const at::Tensor other = value.toTensor();
      if (other.sizes() != tensor.sizes() || other.scalar_type() != tensor.scalar_type() ||
          !at::equal(other, tensor)) {
        return Diverged("a tensor made outside of LibTorch's operators changes with the batch");
      }
    }
    return KnownValue(tensor, "");
  }

  /// The tracer puts an unpacking after every operator that answers a list: the operator gets the
  /// unpacked values as outputs.
  Status AddUnpack(const Nodes& nodes, const List& inputs) {
    Value& list = At(inputs[0]);
    if (const auto* items = std::get_if<List>(&list.held)) {
      for (std::size_t i = 0; i < items->size(); ++i) Bind((*items)[i], nodes, i);
      return Ok();
    }
    MUSTER_ASSIGN_OR_RETURN(const List outputs, NewOutputs(nodes));
    for (const std::size_t id : outputs) aliases_.View(id, inputs[0]);
    for (auto maker = program_.operations.rbegin(); maker != program_.operations.rend(); ++maker) {
      if (maker->outputs != List{inputs[0]}) continue;
      // Pieces beside each other, whose whole nobody reads again.
      if (maker->op.starts_with("unsafe_")) {
        for (const std::size_t id : outputs) aliases_.Fresh(id);
      }
      maker->outputs = outputs;
      return Ok();
    }
    return Internal("the trace unpacks a list that it never made");
  }

  Result<List> NewOutputs(const Nodes& nodes) {
    List outputs;
    for (std::size_t i = 0; i < nodes[0]->outputs().size(); ++i) {
      Value value{Computed{}, {}};
      if (nodes[0]->output(i)->type()->kind() == c10::TypeKind::TensorType) {
        MUSTER_ASSIGN_OR_RETURN(value.type, OutputType(nodes, i));
      }
      outputs.push_back(NewValue(std::move(value)));
      Bind(outputs.back(), nodes, i);
    }
    return outputs;
  }

  Status AddOperator(const Nodes& nodes, const List& inputs) {
    const jit::Node* node = nodes[0];
    Operation operation{.traced = node->kind().toQualString(), .inputs = inputs};
    operation.op = node->kind().toUnqualString();
    const c10::FunctionSchema* schema = node->maybeSchema();
    bool writes = false;
    if (schema != nullptr) {
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        operation.arguments.push_back(schema->arguments()[i].name());
      }
      const auto* alias = inputs.empty() ? nullptr : schema->arguments()[0].alias_info();
      writes = alias != nullptr && alias->isWrite();
    }
    if (writes && operation.op.ends_with('_')) operation.op.pop_back();
    MUSTER_RETURN_IF_ERROR(CheckReads(operation, writes));
    if (schema != nullptr && KnownNow(program_, inputs)) {
      if (node->isNondeterministic() && operation.op.find("dropout") == std::string::npos) {
        return Unsupported(operation.traced + " draws random numbers" + Where());
      }
      return Fold(nodes, operation, writes);
    }
    return Keep(nodes, std::move(operation), writes, schema);
  }

  std::string Where() const {
    return last_module_.empty() ? " (before the first module with parameters)"
                                : " (in or after module '" + last_module_ + "')";
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

  /// Computes the node with LibTorch: nothing it reads depends on inputs or batch.
  Status Fold(const Nodes& nodes, const Operation& operation, bool writes) {
    // A constant that nobody has read yet may change, and its views with it; else a copy does.
    const bool in_place = writes && !aliases_.Captured(operation.inputs[0]);
    MUSTER_ASSIGN_OR_RETURN(const jit::Stack stack,
                            ComputeNow(program_, *nodes[0], operation.inputs, writes && !in_place));
    const std::string origin = OriginOf(program_, operation.inputs);
    for (std::size_t i = 0; i < stack.size(); ++i) {
      const std::size_t id = FoldedValue(stack[i], origin, operation);
      Bind(id, nodes, i);
      if (in_place) aliases_.View(id, operation.inputs[0]);
      if (writes && !in_place) aliases_.Written(id, operation.inputs[0]);
    }
    return Ok();
  }

  std::size_t FoldedValue(const c10::IValue& result, const std::string& origin,
                          const Operation& operation) {
    if (result.isTensorList()) {
      List items;
      for (const at::Tensor& tensor : result.toTensorVector()) {
        items.push_back(NewValue(KnownValue(tensor, origin)));
        RememberMemory(items.back(), operation);
      }
      return NewValue({items, {}});
    }
    if (!result.isTensor()) {
      auto value = ConstantValue({result});
      return NewValue(value.ok() ? *value : Value{None{}, {}});
    }
    Value value = KnownValue(result.toTensor(), origin);
    MarkTranspose(operation, std::get<Known>(value.held));
    const std::size_t id = NewValue(std::move(value));
    RememberMemory(id, operation);
    return id;
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

  /// The node becomes an operation of the model.
  Status Keep(const Nodes& nodes, Operation operation, bool writes,
              const c10::FunctionSchema* schema) {
    operation.module = ModuleOf(OriginOf(program_, operation.inputs));
    if (!operation.module.empty()) last_module_ = operation.module;
    for (const std::size_t input : operation.inputs) {
      ForEachLeaf(program_, input, [&](std::size_t id) { aliases_.Capture(id); });
    }
    MUSTER_ASSIGN_OR_RETURN(operation.outputs, NewOutputs(nodes));
    const bool view =
        schema != nullptr && !operation.inputs.empty() &&
        (schema->arguments()[0].alias_info() != nullptr || MayAnswerItsInput(operation.op)) &&
        At(operation.inputs[0]).is_tensor();
    for (const std::size_t id : operation.outputs) {
      if (writes) {
        aliases_.Written(id, operation.inputs[0]);
      } else if (view) {
        aliases_.View(id, operation.inputs[0]);
      } else {
        aliases_.Fresh(id);
      }
    }
    program_.operations.push_back(std::move(operation));
    return Ok();
  }

  Status AddOutputs() {
    for (std::size_t i = 0; i < graphs_[0]->outputs().size(); ++i) {
      const std::size_t id = ids_[0].at(graphs_[0]->outputs()[i]);
      for (std::size_t g = 1; g < graphs_.size(); ++g) {
        if (graphs_[g]->outputs().size() != graphs_[0]->outputs().size() ||
            ids_[g].at(graphs_[g]->outputs()[i]) != id) {
          return Diverged("other outputs");
        }
      }
      if (!At(id).is_tensor())
        return Unsupported("output " + std::to_string(i) + " is not a tensor");
      if (aliases_.Stale(id)) {
        return Unsupported("output " + std::to_string(i) +
                           " is a view of a tensor that was changed in place through another view");
      }
      program_.outputs.push_back(id);
    }
    return Ok();
  }

  const Graphs& graphs_;
  std::vector<std::unordered_map<const jit::Value*, std::size_t>> ids_;  ///< one map a trace
  const std::vector<NamedTensor>& state_;
  std::size_t input_count_;
  Program program_;
  Aliases aliases_;
  std::string last_module_;
};

}  // namespace

Result<Program> Unify(const Graphs& graphs, const std::vector<NamedTensor>& state,
                      std::size_t input_count) {
  return Unifier(graphs, state, input_count).Run();
}

}  // namespace muster::exporting
