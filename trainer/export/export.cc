#include "trainer/export/export.h"

#include <ATen/core/grad_mode.h>

#include <map>
#include <set>

#include "registry/onnx/checker.h"
#include "registry/onnx/opset.h"
#include "registry/onnx/passes/passes.h"
#include "trainer/export/call.h"
#include "trainer/export/trace.h"
#include "trainer/export/unify.h"

namespace muster::exporting {
namespace {

const std::map<std::string, Translation, std::less<>>& AllTranslations() {
  static const auto table = [] {
    std::map<std::string, Translation, std::less<>> all;
    for (const auto& family : {ActivationOps, AttentionOps, ConvolutionOps, ElementwiseOps,
                               EmbeddingOps, IndexingOps, LinearOps, NormalizationOps, PoolingOps,
                               RecurrentOps, ReductionOps, ResamplingOps, ScatterOps, ShapeOps}) {
      for (auto& [name, translation] : family()) {
        const bool is_new = all.emplace(name, std::move(translation)).second;
        MUSTER_CHECK(is_new, "an operator has one translation");
      }
    }
    return all;
  }();
  return table;
}

Result<std::vector<std::string>> Names(std::vector<std::string> given, std::size_t count,
                                       const std::string& stem) {
  if (given.size() > count) {
    return Invalid(std::to_string(given.size()) + " " + stem + " names for " +
                   std::to_string(count) + " " + stem + "s");
  }
  for (std::size_t i = given.size(); i < count; ++i) {
    given.push_back(i == 0 ? stem : stem + "_" + std::to_string(i));
  }
  const std::set<std::string> distinct(given.begin(), given.end());
  if (distinct.size() != given.size() || distinct.contains("")) {
    return Invalid("the " + stem + " names are not distinct and non-empty");
  }
  return given;
}

Status CheckExamples(const std::vector<at::Tensor>& examples, bool dynamic_batch) {
  if (examples.empty()) return Invalid("an export needs at least one example input");
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const std::string label = "example input " + std::to_string(i);
    if (!examples[i].defined()) return Invalid(label + " is undefined");
    if (OnnxType(examples[i].scalar_type()) == onnx::DataType::kUndefined) {
      return Invalid(label + " has element type " + c10::toString(examples[i].scalar_type()) +
                     ", which ONNX has not");
    }
    if (dynamic_batch && examples[i].dim() == 0) {
      return Invalid(label + " has no batch dimension");
    }
  }
  return Ok();
}

/// The operations that an output needs, as flags by position.
std::vector<bool> Needed(const Program& program) {
  std::vector<bool> wanted(program.values.size());
  for (const std::size_t id : program.outputs) wanted[id] = true;
  std::vector<bool> needed(program.operations.size());
  for (std::size_t i = program.operations.size(); i > 0; --i) {
    const Operation& operation = program.operations[i - 1];
    for (const std::size_t id : operation.outputs) needed[i - 1] = needed[i - 1] || wanted[id];
    if (!needed[i - 1]) continue;
    for (const std::size_t id : operation.inputs) {
      wanted[id] = true;
      const auto* items = std::get_if<List>(&program.values[id].held);
      if (items == nullptr) continue;
      for (const std::size_t item : *items) wanted[item] = true;
    }
  }
  return needed;
}

/// "in module 'conv1'", or where between modules an operation without parameters stands.
std::string Place(const Program& program, std::size_t position) {
  if (!program.operations[position].module.empty()) {
    return "in module '" + program.operations[position].module + "'";
  }
  std::string before;
  for (std::size_t i = 0; i < position; ++i) {
    if (!program.operations[i].module.empty()) before = program.operations[i].module;
  }
  std::string after;
  for (std::size_t i = program.operations.size(); i > position; --i) {
    if (!program.operations[i - 1].module.empty()) after = program.operations[i - 1].module;
  }
  std::string place = before.empty() ? "at the start" : "in or after module '" + before + "'";
  if (!after.empty()) place += ", before module '" + after + "'";
  return place;
}

Status Translate(const Program& program, std::vector<std::string>& names, GraphBuilder& graph) {
  const std::vector<bool> needed = Needed(program);
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    if (!needed[i]) continue;
    const Operation& operation = program.operations[i];
    const auto found = AllTranslations().find(operation.op);
    if (found == AllTranslations().end() || !operation.traced.starts_with("aten::")) {
      return Unsupported("operator " + operation.traced + ", " + Place(program, i) +
                         ", has no translation to ONNX; write it with operators that have one "
                         "(SupportedOperators lists them), or leave it to who calls the model");
    }
    graph.set_scope(operation.module);
    Call call(program, operation, names, graph);
    found->second(call);
    MUSTER_RETURN_IF_ERROR(call.status());
  }
  graph.set_scope("");
  return Ok();
}

/// The ONNX value of an output, which may also be a parameter or a constant.
std::string OutputValue(const Program& program, std::size_t id,
                        const std::vector<std::string>& names, GraphBuilder& graph) {
  if (!names[id].empty()) return names[id];
  const Known& known = std::get<Known>(program.values[id].held);
  return graph.Constant(known.tensor, "constant");
}

Result<onnx::Model> Build(const Program& program, const Symbols& symbols,
                          const std::vector<std::string>& input_names,
                          const ExportOptions& options) {
  MUSTER_ASSIGN_OR_RETURN(const auto output_names,
                          Names(options.output_names, program.outputs.size(), "output"));
  GraphBuilder graph(options.model_name, symbols);
  std::vector<std::string> names(program.values.size());
  for (std::size_t i = 0; i < input_names.size(); ++i) {
    names[program.inputs[i]] = input_names[i];
    graph.Input(input_names[i], program.values[program.inputs[i]].type);
  }
  MUSTER_RETURN_IF_ERROR(Translate(program, names, graph));
  for (std::size_t i = 0; i < output_names.size(); ++i) {
    const std::size_t id = program.outputs[i];
    graph.Output(output_names[i], OutputValue(program, id, names, graph), program.values[id].type);
  }
  onnx::Model model{.producer_name = "muster", .producer_version = MUSTER_VERSION};
  model.graph = graph.Take();
  return model;
}

Result<onnx::Model> ExportBy(const Tracer& tracer, const Forward& forward,
                             const std::vector<NamedTensor>& state,
                             const std::vector<at::Tensor>& examples,
                             const ExportOptions& options) {
  try {
    MUSTER_RETURN_IF_ERROR(CheckExamples(examples, options.dynamic_batch));
    const at::NoGradGuard no_grad;
    MUSTER_ASSIGN_OR_RETURN(const auto input_names,
                            Names(options.input_names, examples.size(), "input"));
    MUSTER_ASSIGN_OR_RETURN(const Symbols symbols, DeclareSymbols(examples, input_names, options));
    std::vector<Recording> runs;
    for (std::size_t trace = 0; trace < TraceCount(symbols); ++trace) {
      MUSTER_ASSIGN_OR_RETURN(runs.emplace_back(),
                              tracer(forward, state, Resized(examples, symbols, trace)));
    }
    MUSTER_ASSIGN_OR_RETURN(const Program program, Unify(runs, state, symbols));
    MUSTER_ASSIGN_OR_RETURN(onnx::Model built, Build(program, symbols, input_names, options));
    onnx::Model model = onnx::Simplify(std::move(built)).model;
    MUSTER_RETURN_IF_ERROR(onnx::SetOpset(model, options.opset));
    MUSTER_RETURN_IF_ERROR(onnx::Check(model));
    return model;
  } catch (const std::exception& error) {
    return Internal("export of '" + options.model_name + "': " + error.what());
  }
}

}  // namespace

Result<onnx::Model> ExportOnnx(const Forward& forward, const std::vector<NamedTensor>& state,
                               const std::vector<at::Tensor>& examples,
                               const ExportOptions& options) {
  const auto by = [&](const Tracer& tracer) {
    return ExportBy(tracer, forward, state, examples, options);
  };
  switch (options.front_end) {
    case FrontEnd::kDispatcher:
      return by(TraceWithDispatcher);
    case FrontEnd::kTorchScript:
      return by(TraceWithTorchScript);
    case FrontEnd::kEither:
      break;
  }
  auto model = by(TraceWithDispatcher);
  // The tracer's errors name operators as they are called, the dispatcher's what they are made of.
  return model.ok() ? std::move(model) : by(TraceWithTorchScript);
}

std::vector<std::string> SupportedOperators() {
  std::vector<std::string> names;
  for (const auto& [name, translation] : AllTranslations()) names.push_back("aten::" + name);
  return names;
}

}  // namespace muster::exporting
