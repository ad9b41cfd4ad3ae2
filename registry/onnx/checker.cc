#include "registry/onnx/checker.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "registry/onnx/operators.h"
#include "registry/onnx/opset.h"
#include "registry/onnx/shapes/infer.h"

namespace muster::onnx {
namespace {

constexpr std::size_t kMaxFindings = 100;

char LetterOf(const AttributeValue& value) { return "ifstIFS"[value.index()]; }

std::string Label(const Node& node, std::size_t position) {
  const std::string name =
      node.name.empty() ? "#" + std::to_string(position) : "'" + node.name + "'";
  return "node " + name + " (" + node.op_type + ")";
}

std::string CountText(int min, int max) {
  if (min == max) return std::to_string(min);
  return max < 0 ? "at least " + std::to_string(min)
                 : std::to_string(min) + " to " + std::to_string(max);
}

class Checker {
 public:
  explicit Checker(const Model& model) : model_(model), graph_(model.graph) {}

  std::vector<std::string> Run() {
    CheckVersions();
    for (const ValueInfo& input : graph_.inputs) {
      CheckValue(input, "input");
      Define(input.name, "input");
    }
    for (const Tensor& tensor : graph_.initializers) {
      CheckTensor(tensor, "initializer '" + tensor.name + "'");
      Define(tensor.name, "initializer");
    }
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) CheckNode(graph_.nodes[i], i);
    CheckOutputs();
    CheckUses();
    // Only of a graph that is one: what follows from a wrong name is no second finding.
    if (findings_.empty()) findings_ = InferShapes(model_).contradictions;
    return std::move(findings_);
  }

 private:
  void Found(std::string sentence) {
    if (findings_.size() < kMaxFindings) findings_.push_back(std::move(sentence));
  }

  void CheckVersions() {
    if (model_.ir_version < 3 || model_.ir_version > 10) {
      Found("the model has IR version " + std::to_string(model_.ir_version) +
            "; known are 3 to 10");
    }
    const auto opset = model_.opsets.find("");
    if (opset == model_.opsets.end()) {
      Found("the model imports no operator set of the default domain");
    } else if (opset->second < 13 || opset->second > kOpsetMax) {
      // Below 13, Squeeze, ReduceSum, Softmax and others had other forms than the rules here.
      Found("the model imports operator set " + std::to_string(opset->second) +
            "; this checker knows 13 to " + std::to_string(kOpsetMax));
    }
    opset_ = opset == model_.opsets.end() ? kOpset : opset->second;
    if (graph_.name.empty()) Found("the graph has no name");
    if (graph_.outputs.empty()) Found("the graph has no output");
  }

  void CheckValue(const ValueInfo& value, std::string_view role) {
    const std::string label = std::string(role) + " '" + value.name + "'";
    if (value.type == DataType::kUndefined) Found(label + " has no element type");
    if (!value.has_shape) Found(label + " has no shape");
    if (value.shape.size() > kMaxRank) {
      Found(label + " has " + std::to_string(value.shape.size()) + " dimensions, at most " +
            std::to_string(kMaxRank) + " are known");
    }
    std::int64_t elements = 1;
    for (const Dim& dim : value.shape) {
      if (dim.size < -1) Found(label + " has a dimension of " + std::to_string(dim.size));
      if (dim.size > 0 && __builtin_mul_overflow(elements, dim.size, &elements)) {
        Found(label + " has more elements than 64 bits count");
        break;
      }
    }
  }

  void CheckTensor(const Tensor& tensor, const std::string& label) {
    const std::size_t width = DataTypeSize(tensor.type);
    if (width == 0) {
      Found(label + " has element type " + std::string(DataTypeName(tensor.type)));
      return;
    }
    const std::int64_t elements = tensor.elements();
    if (elements < 0) {
      Found(label + " has a negative or too large shape");
    } else if (tensor.bytes.size() / width != static_cast<std::size_t>(elements) ||
               tensor.bytes.size() % width != 0) {
      Found(label + " has " + std::to_string(tensor.bytes.size()) + " bytes; its shape wants " +
            std::to_string(elements) + " of " + std::to_string(width));
    }
  }

  void Define(const std::string& name, const std::string& by) {
    if (name.empty()) {
      Found(by + " without a name");
    } else if (!defined_.insert(name).second) {
      Found("value '" + name + "' is made twice, the second time by " + by);
    }
  }

  void CheckNode(const Node& node, std::size_t position) {
    const std::string label = Label(node, position);
    if (!node.name.empty() && !node_names_.insert(node.name).second) {
      Found(label + " has the name of an earlier node");
    }
    for (const std::string& input : node.inputs) {
      if (input.empty()) continue;
      used_.insert(input);
      if (!defined_.contains(input))
        Found(label + " uses value '" + input + "', which nothing before it makes");
    }
    if (!model_.opsets.contains(node.domain)) {
      Found(label + " is of domain '" + node.domain + "', which the model does not import");
    }
    if (node.domain.empty()) CheckRule(node, label);
    for (const std::string& output : node.outputs) {
      if (!output.empty()) Define(output, label);
    }
  }

  void CheckRule(const Node& node, const std::string& label) {
    const OperatorRule* rule = FindOperator(node.op_type, std::max(opset_, kOpset));
    if (rule == nullptr) {
      Found(label + ": operator set " + std::to_string(std::max(opset_, kOpset)) +
            " has no such operator");
      return;
    }
    CheckSince(node.op_type, label + ":");
    CheckCount(node.inputs.size(), rule->min_inputs, rule->max_inputs, label, "inputs");
    CheckCount(node.outputs.size(), rule->min_outputs, rule->max_outputs, label, "outputs");
    CheckPresent(node.inputs, rule->min_inputs, label + " leaves out input ");
    CheckPresent(node.outputs, rule->min_outputs, label + " leaves out output ");
    std::set<std::string_view> seen;
    for (const Attribute& attribute : node.attributes) {
      if (!seen.insert(attribute.name).second) {
        Found(label + " has attribute '" + attribute.name + "' twice");
      }
      CheckAttribute(*rule, attribute, label);
    }
    CheckRequired(*rule, seen, label);
    if (node.op_type == "Constant" && seen.size() != 1) {
      Found(label + " has " + std::to_string(seen.size()) + " values, wanted 1");
    }
  }

  void CheckSince(const std::string& what, const std::string& label) {
    if (const int since = SinceVersion(what); since > opset_) {
      Found(label + " " + what + " came with operator set " + std::to_string(since) +
            ", the model imports " + std::to_string(opset_));
    }
  }

  /// "" leaves an optional one out; the first `wanted` are none.
  void CheckPresent(const std::vector<std::string>& names, int wanted, const std::string& label) {
    for (std::size_t i = 0; i < names.size() && static_cast<int>(i) < wanted; ++i) {
      if (names[i].empty()) Found(label + std::to_string(i) + ", which it must have");
    }
  }

  void CheckCount(std::size_t count, int min, int max, const std::string& label, const char* what) {
    const int n = static_cast<int>(count);
    if (n >= min && (max < 0 || n <= max)) return;
    Found(label + " has " + std::to_string(n) + " " + what + ", wanted " + CountText(min, max));
  }

  void CheckAttribute(const OperatorRule& rule, const Attribute& attribute,
                      const std::string& label) {
    const std::optional<AttributeRule> wanted = FindAttribute(rule, attribute.name);
    if (!wanted) {
      Found(label + " has attribute '" + attribute.name + "', which the operator does not know");
    } else if (wanted->type != LetterOf(attribute.value)) {
      Found(label + " has attribute '" + attribute.name + "' of type " + LetterOf(attribute.value) +
            ", wanted " + wanted->type);
    } else {
      CheckSince(std::string(rule.name) + "." + attribute.name, label + ":");
    }
    if (const auto* tensor = std::get_if<Tensor>(&attribute.value)) {
      CheckTensor(*tensor, label + " attribute '" + attribute.name + "'");
    }
  }

  void CheckRequired(const OperatorRule& rule, const std::set<std::string_view>& seen,
                     const std::string& label) {
    std::string_view rest = rule.attributes;
    for (std::size_t mark = rest.find('!'); mark != rest.npos; mark = rest.find('!')) {
      const std::size_t space = rest.rfind(' ', mark);
      const std::size_t start = space == rest.npos ? 0 : space + 1;
      const std::string_view name = rest.substr(start, mark - start);
      if (!seen.contains(name)) Found(label + " lacks attribute '" + std::string(name) + "'");
      rest.remove_prefix(mark + 1);
    }
  }

  void CheckOutputs() {
    std::set<std::string_view> names;
    for (const ValueInfo& output : graph_.outputs) {
      CheckValue(output, "output");
      used_.insert(output.name);
      if (!defined_.contains(output.name)) Found("output '" + output.name + "' is made by nothing");
      if (!names.insert(output.name).second) Found("output '" + output.name + "' is listed twice");
    }
  }

  void CheckUses() {
    for (const Tensor& tensor : graph_.initializers) {
      if (!used_.contains(tensor.name))
        Found("initializer '" + tensor.name + "' is used by nothing");
    }
    for (const ValueInfo& value : graph_.value_info) {
      if (!defined_.contains(value.name)) {
        Found("value_info names '" + value.name + "', which nothing makes");
      }
    }
  }

  const Model& model_;
  const Graph& graph_;
  std::int64_t opset_ = kOpset;  ///< of the default domain
  std::vector<std::string> findings_;
  std::unordered_set<std::string> defined_;
  std::unordered_set<std::string> used_;
  std::unordered_set<std::string> node_names_;
};

}  // namespace

std::vector<std::string> Findings(const Model& model) { return Checker(model).Run(); }

Status Check(const Model& model) {
  const std::vector<std::string> findings = Findings(model);
  if (findings.empty()) return Ok();
  std::string text = "ONNX model '" + model.graph.name + "' is not well formed";
  for (const std::string& finding : findings) text += "\n  " + finding;
  return Invalid(text);
}

}  // namespace muster::onnx
