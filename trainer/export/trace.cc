#include "trainer/export/trace.h"

#include <ATen/Functions.h>
#include <ATen/TracerMode.h>
#include <ATen/record_function.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/ir/ir.h>

#include <exception>
#include <set>

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
    static const std::set<std::string> reading = {"aten::item", "aten::_local_scalar_dense",
                                                  "aten::is_nonzero", "aten::equal",
                                                  "aten::allclose"};
    // Operators may read values inside: those that C++ calls itself have depth 0.
    if (current->depth_++ == 0 && reading.contains(call.name())) current->Read(call);
    return nullptr;
  }
  static void OnEnd(const at::RecordFunction& /*call*/, at::ObserverContext* /*context*/) {
    --current->depth_;
  }

  void Read(const at::RecordFunction& call) {
    const c10::ArrayRef<const c10::IValue> inputs = call.inputs();
    if (std::string_view(call.name()) == "aten::equal" &&
        PicksAWay(inputs[0].toTensor(), inputs[1].toTensor())) {
      return;
    }
    query_.reset();
    key_.reset();
    for (const c10::IValue& input : inputs) {
      if (input.isTensor() && ComesFromInput(input)) found_ = call.name();
    }
  }

  /// LibTorch's attention layer compares query and key, then key and value, to take a shorter way
  /// to the same numbers. No value decides that where the two are one tensor or differ in shape.
  /// Where they only differ now, the longer way is right for all values: it is known by the second
  /// comparison, which is of the same pair or begins with the first one's key.
  bool PicksAWay(const at::Tensor& left, const at::Tensor& right) {
    const bool follows = left.is_same(key_) || (left.is_same(query_) && right.is_same(key_));
    if (follows) found_.clear();
    const bool repeated = follows && right.is_same(key_);
    query_.reset();
    key_.reset();
    if (repeated || left.is_same(right) || left.sizes() != right.sizes()) return true;
    const at::tracer::impl::NoTracerDispatchMode untraced;
    if (!ComesFromInput(left) && !ComesFromInput(right)) return true;
    if (!found_.empty() || at::equal(left, right)) return false;
    query_ = left;
    key_ = right;
    found_ = "aten::equal";  // Unless such a second one follows.
    return true;
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
  at::Tensor query_, key_;  ///< compared last, and found to differ
  at::CallbackHandle handle_ = 0;
  int depth_ = 0;
  std::string found_;
};

thread_local DataReads* DataReads::current = nullptr;

/// The first `rows` rows of `example`, from the start again where it has fewer.
at::Tensor WithRows(const at::Tensor& example, std::int64_t rows) {
  const at::Tensor which = at::arange(rows, at::kLong).remainder(example.size(0));
  return example.index_select(0, which.to(example.device()));
}

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
    return Unsupported(
        reads.found() +
        " hands a value that depends on the input to C++, where a trace cannot follow it");
  } catch (const c10::Error& error) {
    return Internal("the forward pass failed while it was traced: " +
                    std::string(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return Internal("the forward pass failed while it was traced: " + std::string(error.what()));
  }
}

}  // namespace

Result<Graphs> TraceAll(const Forward& forward, const std::vector<NamedTensor>& state,
                        const std::vector<at::Tensor>& examples, bool dynamic_batch) {
  Graphs graphs;
  for (const std::int64_t rows : kBatches) {
    std::vector<at::Tensor> inputs;
    for (const at::Tensor& example : examples) {
      inputs.push_back(dynamic_batch ? WithRows(example, rows) : example.detach().clone());
    }
    MUSTER_ASSIGN_OR_RETURN(auto graph, TraceOnce(forward, state, inputs));
    graphs.push_back(std::move(graph));
    if (!dynamic_batch) break;
  }
  return graphs;
}

}  // namespace muster::exporting
