#include "registry/onnx/shapes/infer.h"

#include <algorithm>

#include "registry/onnx/numbers.h"
#include "registry/onnx/shapes/rules.h"

namespace muster::onnx {
namespace {

constexpr std::size_t kMaxContradictions = 100;

const std::unordered_map<std::string_view, void (*)(ShapeCall&)>& Rules() {
  static const auto table = [] {
    std::unordered_map<std::string_view, void (*)(ShapeCall&)> all;
    for (const auto& family : {ElementwiseRules, ReshapeRules, IndexingRules, WindowRules,
                               LinearRules, ReductionRules, GeneratorRules}) {
      for (const ShapeRule& rule : family()) all.emplace(rule.op, rule.apply);
    }
    return all;
  }();
  return table;
}

std::optional<std::vector<Number>> ContentOf(const Tensor& tensor) {
  if (tensor.dims.size() > 1 || tensor.elements() < 0 ||
      tensor.elements() > static_cast<std::int64_t>(kMaxContent)) {
    return std::nullopt;
  }
  const auto ints = IntsOf(tensor);
  if (!ints) return std::nullopt;
  return std::vector<Number>(ints->begin(), ints->end());
}

Inferred OfTensor(const Tensor& tensor) {
  Inferred inferred{.type = tensor.type, .shape = std::nullopt, .content = ContentOf(tensor)};
  if (tensor.dims.size() > kMaxRank) return inferred;
  inferred.shape.emplace();
  for (const std::int64_t dim : tensor.dims) inferred.shape->push_back(OfDim(Dim::Of(dim)));
  return inferred;
}

Inferred OfValue(const ValueInfo& value) {
  Inferred inferred{.type = value.type, .shape = std::nullopt, .content = std::nullopt};
  if (!value.has_shape || value.shape.size() > kMaxRank) return inferred;
  inferred.shape.emplace();
  for (const Dim& dim : value.shape) inferred.shape->push_back(OfDim(dim));
  return inferred;
}

class Inferrer {
 public:
  explicit Inferrer(const Model& model) : graph_(model.graph) {
    for (const ValueInfo& value : graph_.value_info) declared_[value.name] = &value;
    for (const ValueInfo& value : graph_.outputs) declared_[value.name] = &value;
  }

  Inference Run() {
    for (const ValueInfo& input : graph_.inputs) out_.values[input.name] = OfValue(input);
    for (const Tensor& tensor : graph_.initializers) {
      out_.values[tensor.name] = OfTensor(tensor);
      constants_[tensor.name] = &tensor;
    }
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) Visit(graph_.nodes[i], i);
    return std::move(out_);
  }

 private:
  void Found(std::string sentence) {
    if (out_.contradictions.size() < kMaxContradictions) {
      out_.contradictions.push_back(std::move(sentence));
    }
  }

  void Visit(const Node& node, std::size_t position) {
    label_ = "node " +
             (node.name.empty() ? "#" + std::to_string(position) : "'" + node.name + "'") + " (" +
             node.op_type + ")";
    std::vector<ShapeCall::Input> inputs(node.inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto value = out_.values.find(node.inputs[i]);
      if (value != out_.values.end()) inputs[i].value = &value->second;
      const auto constant = constants_.find(node.inputs[i]);
      if (constant != constants_.end()) inputs[i].constant = constant->second;
    }
    ShapeCall call(node, std::move(inputs));
    const auto rule = Rules().find(node.op_type);
    if (node.domain.empty() && rule != Rules().end() && !node.outputs.empty()) rule->second(call);
    if (!call.wrong().empty()) Found(label_ + ": " + call.wrong());
    const auto* constant = FindValue<Tensor>(node, "value");
    if (node.op_type == "Constant" && constant != nullptr && !node.outputs.empty()) {
      constants_[node.outputs[0]] = constant;
    }
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i].empty()) continue;
      Inferred& inferred = call.outputs()[i];
      const auto declared = declared_.find(node.outputs[i]);
      if (declared != declared_.end()) Merge(*declared->second, inferred);
      out_.values[node.outputs[i]] = std::move(inferred);
    }
  }

  /// What is declared fills in what is unknown, and is compared with the rest.
  void Merge(const ValueInfo& declared, Inferred& inferred) {
    const Inferred said = OfValue(declared);
    const std::string value = label_ + " makes '" + declared.name + "', declared ";
    if (inferred.type == DataType::kUndefined) {
      inferred.type = said.type;
    } else if (said.type != DataType::kUndefined && said.type != inferred.type) {
      Found(value + std::string(DataTypeName(said.type)) + ", as " +
            std::string(DataTypeName(inferred.type)));
    }
    if (!said.shape) return;
    if (!inferred.shape) {
      inferred.shape = said.shape;
      return;
    }
    Shape& shape = *inferred.shape;
    bool fits = shape.size() == said.shape->size();
    for (std::size_t d = 0; fits && d < shape.size(); ++d) {
      fits = !Differ(shape[d], (*said.shape)[d]);
    }
    if (!fits) Found(value + ShapeText(*said.shape) + ", with shape " + ShapeText(shape));
    for (std::size_t d = 0; fits && d < shape.size(); ++d) {
      const Number& other = (*said.shape)[d];
      if (!shape[d] || (!ConstantOf(shape[d]) && ConstantOf(other))) shape[d] = other;
    }
  }

  const Graph& graph_;
  std::unordered_map<std::string_view, const ValueInfo*> declared_;
  std::unordered_map<std::string_view, const Tensor*> constants_;
  std::string label_;
  Inference out_;
};

}  // namespace

ValueInfo Inference::Info(const std::string& name) const {
  ValueInfo info{.name = name, .type = DataType::kUndefined, .has_shape = false, .shape = {}};
  const auto found = values.find(name);
  if (found == values.end()) return info;
  info.type = found->second.type;
  info.has_shape = found->second.shape.has_value();
  if (info.has_shape) {
    for (const Number& number : *found->second.shape) info.shape.push_back(ToDim(number));
  }
  return info;
}

Inference InferShapes(const Model& model) { return Inferrer(model).Run(); }

DataType ShapeCall::type(std::size_t i) const {
  const Input* input = At(i);
  return input == nullptr || input->value == nullptr ? DataType::kUndefined : input->value->type;
}

const Shape* ShapeCall::shape(std::size_t i) const {
  const Input* input = At(i);
  if (input == nullptr || input->value == nullptr || !input->value->shape) return nullptr;
  return &*input->value->shape;
}

Number ShapeCall::dim(std::size_t i, int d) const {
  const Shape* dims = shape(i);
  if (dims == nullptr) return std::nullopt;
  const auto rank = static_cast<std::int64_t>(dims->size());
  const std::int64_t at = d < 0 ? d + rank : d;
  return at >= 0 && at < rank ? (*dims)[static_cast<std::size_t>(at)] : Number();
}

const std::vector<Number>* ShapeCall::content(std::size_t i) const {
  const Input* input = At(i);
  if (input == nullptr || input->value == nullptr || !input->value->content) return nullptr;
  return &*input->value->content;
}

const Tensor* ShapeCall::constant(std::size_t i) const {
  const Input* input = At(i);
  return input == nullptr ? nullptr : input->constant;
}

std::optional<std::vector<std::int64_t>> ShapeCall::ints(std::size_t i) const {
  const auto* numbers = content(i);
  if (numbers == nullptr) return std::nullopt;
  std::vector<std::int64_t> ints;
  for (const Number& number : *numbers) {
    const auto constant = ConstantOf(number);
    if (!constant) return std::nullopt;
    ints.push_back(*constant);
  }
  return ints;
}

Number ShapeCall::number(std::size_t i) const {
  const auto* numbers = content(i);
  return numbers == nullptr || numbers->size() != 1 ? Number() : numbers->front();
}

std::optional<std::size_t> ShapeCall::Axis(std::int64_t axis, std::size_t rank) {
  const auto count = static_cast<std::int64_t>(rank);
  if (axis < -count || axis >= count) {
    Wrong("axis " + std::to_string(axis) + " of " + std::to_string(rank) + " dimensions");
    return std::nullopt;
  }
  return static_cast<std::size_t>(axis < 0 ? axis + count : axis);
}

std::optional<std::vector<std::size_t>> ShapeCall::Axes(const std::vector<std::int64_t>& axes,
                                                        std::size_t rank) {
  std::vector<std::size_t> sorted;
  for (const std::int64_t axis : axes) {
    const auto at = Axis(axis, rank);
    if (!at) return std::nullopt;
    sorted.push_back(*at);
  }
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    Wrong("an axis twice");
    return std::nullopt;
  }
  return sorted;
}

void ShapeCall::Out(std::size_t i, DataType type, std::optional<Shape> shape) {
  if (i >= outputs_.size()) return;
  outputs_[i].type = type;
  if (shape && std::any_of(shape->begin(), shape->end(), [](const Number& dim) {
        const auto constant = ConstantOf(dim);
        return constant && *constant < 0;
      })) {
    Wrong("its output would have shape " + ShapeText(*shape));
    return;
  }
  if (!shape || shape->size() <= kMaxRank) outputs_[i].shape = std::move(shape);
}

void ShapeCall::Content(std::vector<Number> numbers) {
  if (numbers.size() <= kMaxContent) outputs_[0].content = std::move(numbers);
}

std::optional<Shape> Broadcast(ShapeCall& call, const Shape* a, const Shape* b) {
  if (a == nullptr || b == nullptr) return std::nullopt;
  if (a->size() < b->size()) std::swap(a, b);
  Shape shape = *a;
  const std::size_t offset = a->size() - b->size();
  for (std::size_t d = 0; d < b->size(); ++d) {
    Number& dim = shape[offset + d];
    const Number& other = (*b)[d];
    const auto left = ConstantOf(dim);
    const auto right = ConstantOf(other);
    if (left == 1) {
      dim = other;
    } else if (right == 1 || (dim && dim == other)) {
      continue;
    } else if (left && right) {
      call.Wrong("shapes " + ShapeText(*a) + " and " + ShapeText(*b) + " do not broadcast");
      return std::nullopt;
    } else if (right) {
      dim = other;  // the other side is 1 or the same
    } else if (!left) {
      dim = std::nullopt;
    }
  }
  return shape;
}

Number ProductOf(const Shape& shape, std::size_t begin, std::size_t end) {
  Number product = Known(1);
  for (std::size_t d = begin; d < end; ++d) product = Multiply(product, shape[d]);
  return product;
}

std::string ShapeText(const Shape& shape) {
  std::string text;
  for (const Number& dim : shape) text += (text.empty() ? "" : ", ") + (dim ? dim->text() : "?");
  return "[" + text + "]";
}

}  // namespace muster::onnx
