#include "trainer/export/trace.h"

#include <ATen/Functions.h>
#include <ATen/TracerMode.h>
#include <ATen/record_function.h>
#include <c10/util/Backtrace.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/ir/ir.h>

#include <exception>
#include <set>
#include <unordered_map>

namespace muster::exporting {
namespace {

namespace jit = torch::jit;

/// Notices values of tensors that are handed to C++ (item, a tensor in an "if"), which the trace
/// does not show: what C++ does with them would be frozen as it was for the examples.
class DataReads {
 public:
  explicit DataReads(std::size_t input_count) : input_count_(input_count) {
    current = this;
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(OnStart, OnEnd)
                                             .needsInputs(true)
                                             .scopes({at::RecordScope::FUNCTION}));
  }
  ~DataReads() {
    at::removeCallback(handle_);
    current = nullptr;
  }
  DataReads(const DataReads&) = delete;
  DataReads& operator=(const DataReads&) = delete;

  /// The operator that read something computed from an input; else empty.
  [[nodiscard]] const std::string& found() const { return found_; }

 private:
  static std::unique_ptr<at::ObserverContext> OnStart(const at::RecordFunction& call) {
    // Operators may read values inside: those that C++ calls itself have depth 0.
    if (current->depth_++ == 0 && ReadsValues(call.name())) current->Read(call);
    return nullptr;
  }
  static void OnEnd(const at::RecordFunction& /*call*/, at::ObserverContext* /*context*/) {
    --current->depth_;
  }

  void Read(const at::RecordFunction& call) {
    const c10::ArrayRef<const c10::IValue> inputs = call.inputs();
    if (std::string_view(call.name()) == "aten::equal" &&
        Decided(inputs[0].toTensor(), inputs[1].toTensor())) {
      return;
    }
    for (const c10::IValue& input : inputs) {
      if (input.isTensor() && ComesFromInput(input)) found_ = call.name();
    }
  }

  /// Whether at::equal answers now what it does for all values.
  static bool Decided(const at::Tensor& left, const at::Tensor& right) {
    const std::optional<bool> answer = EqualForAllValues(left, right);
    const at::tracer::impl::NoTracerDispatchMode untraced;
    return answer && (*answer || !at::equal(left, right));
  }

  [[nodiscard]] bool ComesFromInput(const c10::IValue& tensor) const {
    const auto& state = jit::tracer::getTracingState();
    if (!state || !state->hasValue(tensor)) return false;
    std::set<const jit::Value*> seen;
    std::vector<const jit::Value*> open = {state->getValue(tensor)};
    while (!open.empty()) {
      const jit::Value* value = open.back();
      open.pop_back();
      if (!seen.insert(value).second) continue;
      const jit::Node* maker = value->node();
      if (maker->kind() == c10::prim::Param && value->offset() < input_count_) return true;
      open.insert(open.end(), maker->inputs().begin(), maker->inputs().end());
    }
    return false;
  }

  static thread_local DataReads* current;
  std::size_t input_count_;
  at::CallbackHandle handle_ = 0;
  int depth_ = 0;
  std::string found_;
};

thread_local DataReads* DataReads::current = nullptr;

Result<std::shared_ptr<jit::Graph>> TraceOnce(const Forward& forward,
                                              const std::vector<NamedTensor>& state,
                                              const std::vector<at::Tensor>& inputs) {
  jit::Stack stack(inputs.begin(), inputs.end());
  for (const NamedTensor& named : state) stack.emplace_back(named.tensor);
  const auto traced = [&](const jit::Stack& all) {
    std::vector<at::Tensor> tensors;
    for (std::size_t i = 0; i < inputs.size(); ++i) tensors.push_back(all[i].toTensor());
    const std::vector<at::Tensor> outputs = forward(tensors);
    return jit::Stack(outputs.begin(), outputs.end());
  };
  try {
    const DataReads reads(inputs.size());
    auto graph = jit::tracer::trace(std::move(stack), traced, [](const at::Tensor&) {
                   return "";
                 }).first->graph;
    if (reads.found().empty()) return graph;
    return ValueRead(reads.found());
  } catch (const c10::Error& error) {
    return Internal("the forward pass failed while it was traced: " +
                    std::string(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return Internal("the forward pass failed while it was traced: " + std::string(error.what()));
  }
}

/// Copies a traced graph into a recording.
class Recorder {
 public:
  Result<Recording> Run(const jit::Graph& graph) {
    for (const jit::Value* input : graph.inputs()) {
      MUSTER_ASSIGN_OR_RETURN(RecordedTensor tensor, TensorOf(*input));
      recording_.inputs.push_back(Bind(*input, std::move(tensor)));
    }
    for (const jit::Node* node : graph.nodes()) MUSTER_RETURN_IF_ERROR(AddNode(*node));
    MUSTER_ASSIGN_OR_RETURN(recording_.outputs, IdsOf(graph.outputs()));
    return std::move(recording_);
  }

 private:
  std::size_t Bind(const jit::Value& value, RecordedValue held) {
    return ids_[&value] = recording_.Add(std::move(held));
  }

  static Result<RecordedTensor> TensorOf(const jit::Value& value) {
    const auto type = value.type()->cast<c10::TensorType>();
    const auto sizes = type ? type->sizes().concrete_sizes() : std::nullopt;
    if (!sizes || !type->scalarType()) return Internal("the trace has a tensor of unknown shape");
    return RecordedTensor{*type->scalarType(), *sizes};
  }

  Result<RecordedList> IdsOf(at::ArrayRef<const jit::Value*> values) const {
    RecordedList ids;
    for (const jit::Value* value : values) {
      const auto found = ids_.find(value);
      if (found == ids_.end()) return Internal("the trace uses a value that it never made");
      ids.push_back(found->second);
    }
    return ids;
  }

  Status AddNode(const jit::Node& node) {
    if (node.kind() == c10::prim::Constant) {
      const auto value = jit::toIValue(node.output());
      if (!value) return Internal("the trace has a constant without a value");
      Bind(*node.output(), *value);
      return Ok();
    }
    MUSTER_ASSIGN_OR_RETURN(RecordedList inputs, IdsOf(node.inputs()));
    if (node.kind() == c10::prim::ListConstruct || node.kind() == c10::prim::TupleConstruct) {
      Bind(*node.output(), std::move(inputs));
      return Ok();
    }
    if (node.kind() == c10::prim::ListUnpack) return Unpack(node, inputs[0]);
    RecordedCall call{.name = node.kind().toQualString(), .schema = node.maybeSchema()};
    call.inputs = std::move(inputs);
    MUSTER_ASSIGN_OR_RETURN(call.outputs, NewOutputs(node));
    recording_.calls.push_back(std::move(call));
    return Ok();
  }

  Result<RecordedList> NewOutputs(const jit::Node& node) {
    RecordedList outputs;
    for (const jit::Value* output : node.outputs()) {
      RecordedValue value;
      if (output->type()->kind() == c10::TypeKind::TensorType) {
        MUSTER_ASSIGN_OR_RETURN(value, TensorOf(*output));
      }
      outputs.push_back(Bind(*output, std::move(value)));
    }
    return outputs;
  }

  /// The tracer puts an unpacking after every operator that answers a list.
  Status Unpack(const jit::Node& node, std::size_t list) {
    for (auto call = recording_.calls.rbegin(); call != recording_.calls.rend(); ++call) {
      if (call->outputs != RecordedList{list}) continue;
      MUSTER_ASSIGN_OR_RETURN(call->outputs, NewOutputs(node));
      return Ok();
    }
    const auto* items = std::get_if<RecordedList>(&recording_.values[list]);
    if (items == nullptr || items->size() != node.outputs().size()) {
      return Internal("the trace unpacks something that is no list");
    }
    for (std::size_t i = 0; i < items->size(); ++i) ids_[node.outputs()[i]] = (*items)[i];
    return Ok();
  }

  Recording recording_;
  std::unordered_map<const jit::Value*, std::size_t> ids_;
};

}  // namespace

bool ReadsValues(const std::string& op) {
  static const std::set<std::string> reading = {"aten::item", "aten::_local_scalar_dense",
                                                "aten::is_nonzero", "aten::equal",
                                                "aten::allclose"};
  return reading.contains(op);
}

std::optional<bool> EqualForAllValues(const at::Tensor& left, const at::Tensor& right) {
  if (left.sizes() != right.sizes()) return false;
  // A tensor with a NaN does not equal itself.
  if (left.is_same(right) && c10::isIntegralType(left.scalar_type(), true)) return true;
  // LibTorch's attention layer asks whether it may take a shorter way to the same numbers, which is
  // right for one tensor; the longer way is right for all.
  const std::string stack = c10::get_backtrace();
  if (stack.find("torch::nn::MultiheadAttentionImpl::forward") == std::string::npos) {
    return std::nullopt;
  }
  return left.is_same(right);
}

Error ValueRead(const std::string& op) {
  return Unsupported(
      op + " hands a value that depends on the input to C++, where no recording can follow it");
}

Result<Recording> TraceWithTorchScript(const Forward& forward,
                                       const std::vector<NamedTensor>& state,
                                       const std::vector<at::Tensor>& inputs) {
  MUSTER_ASSIGN_OR_RETURN(const auto graph, TraceOnce(forward, state, inputs));
  return Recorder().Run(*graph);
}

}  // namespace muster::exporting
