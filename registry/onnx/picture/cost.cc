#include "registry/onnx/picture/cost.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <unordered_set>

#include "registry/onnx/attributes.h"

namespace muster::onnx {
namespace {

std::int64_t Saturated(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/// What only moves or names elements.
constexpr std::string_view kFree[] = {"Cast",
                                      "CastLike",
                                      "Compress",
                                      "Concat",
                                      "Constant",
                                      "ConstantOfShape",
                                      "DepthToSpace",
                                      "Dropout",
                                      "Expand",
                                      "EyeLike",
                                      "Flatten",
                                      "Gather",
                                      "GatherElements",
                                      "GatherND",
                                      "Identity",
                                      "NonZero",
                                      "OneHot",
                                      "Pad",
                                      "Range",
                                      "Reshape",
                                      "ReverseSequence",
                                      "ScatterElements",
                                      "ScatterND",
                                      "Shape",
                                      "Size",
                                      "Slice",
                                      "SpaceToDepth",
                                      "Split",
                                      "Squeeze",
                                      "Tile",
                                      "Transpose",
                                      "Trilu",
                                      "Unsqueeze",
                                      "Where"};

class Estimator {
 public:
  explicit Estimator(const Inference& inference) : inference_(inference) {}

  /// Unknown where a shape is.
  [[nodiscard]] Number Flops(const Node& node) const {
    const std::string_view op = node.op_type;
    if (!node.domain.empty() || node.inputs.empty() || node.outputs.empty()) {
      return op == "Constant" && node.domain.empty() ? Known(0) : Number();
    }
    if (std::ranges::find(kFree, op) != std::end(kFree)) return Known(0);
    Number out = Elements(node.outputs[0]);
    Number in = Elements(node.inputs[0]);
    if (op == "Conv" || op == "ConvInteger") {
      return Twice(Multiply(out, Product(node.inputs, 1, 1)));
    }
    if (op == "ConvTranspose") return Twice(Multiply(in, Product(node.inputs, 1, 1)));
    if (op == "QLinearConv") return Twice(Multiply(out, Product(node.inputs, 3, 1)));
    if (op == "MatMul" || op == "MatMulInteger" || op == "QLinearMatMul") {
      return Twice(Multiply(out, Dimension(node.inputs, 0, -1)));
    }
    if (op == "Gemm") {
      return Twice(Multiply(out, Dimension(node.inputs, 0, IntOr(node, "transA", 0) != 0 ? 0 : 1)));
    }
    if (op == "LSTM" || op == "GRU" || op == "RNN") return Recurrent(node, in);
    if (op.starts_with("Reduce") || op.starts_with("Global") || op.starts_with("Arg")) return in;
    if (op.ends_with("Pool")) return Multiply(out, Window(node));
    if (op == "Softmax" || op == "LogSoftmax") return Multiply(in, Known(3));
    if (op.ends_with("Normalization")) return Multiply(in, Known(op[0] == 'B' ? 2 : 5));
    return out;
  }

 private:
  static Number Twice(const Number& number) { return Multiply(number, Known(2)); }

  [[nodiscard]] const Shape* ShapeOf(const std::vector<std::string>& values, std::size_t i) const {
    const auto found =
        i < values.size() ? inference_.values.find(values[i]) : inference_.values.end();
    return found == inference_.values.end() || !found->second.shape ? nullptr
                                                                    : &*found->second.shape;
  }
  /// The product of the dimensions from `first` on.
  [[nodiscard]] Number Product(const std::vector<std::string>& values, std::size_t i,
                               std::size_t first) const {
    const Shape* shape = ShapeOf(values, i);
    if (shape == nullptr || shape->size() < first) return std::nullopt;
    Number product = Known(1);
    for (std::size_t d = first; d < shape->size(); ++d) product = Multiply(product, (*shape)[d]);
    return product;
  }
  [[nodiscard]] Number Elements(const std::string& value) const { return Product({value}, 0, 0); }
  [[nodiscard]] Number Dimension(const std::vector<std::string>& values, std::size_t i,
                                 int d) const {
    const Shape* shape = ShapeOf(values, i);
    if (shape == nullptr) return std::nullopt;
    const int at = d < 0 ? d + static_cast<int>(shape->size()) : d;
    return at >= 0 && at < static_cast<int>(shape->size()) ? (*shape)[static_cast<std::size_t>(at)]
                                                           : Number();
  }
  static Number Window(const Node& node) {
    Number product = Known(1);
    for (const std::int64_t k : IntsOr(node, "kernel_shape", {}))
      product = Multiply(product, Known(k));
    return product;
  }
  /// 2 * steps * rows * (elements of W and R), of each direction.
  [[nodiscard]] Number Recurrent(const Node& node, const Number& in) const {
    const Number steps = DivideExactly(in, Dimension(node.inputs, 0, -1));
    return Twice(Multiply(steps, Add(Product(node.inputs, 1, 0), Product(node.inputs, 2, 0))));
  }

  const Inference& inference_;
};

}  // namespace

Cost& Cost::operator+=(const Cost& other) {
  parameters = Saturated(parameters, other.parameters);
  bytes = Saturated(bytes, other.bytes);
  flops = Saturated(flops, other.flops);
  complete = complete && other.complete;
  return *this;
}

std::vector<Cost> Costs(const Model& model, const Inference& inference) {
  const Estimator estimator(inference);
  std::unordered_map<std::string_view, const Tensor*> unseen;
  for (const Tensor& tensor : model.graph.initializers) unseen[tensor.name] = &tensor;
  std::vector<Cost> costs;
  for (const Node& node : model.graph.nodes) {
    Cost cost;
    for (const std::string& input : node.inputs) {
      const auto weight = unseen.find(input);
      if (weight == unseen.end()) continue;
      cost.parameters =
          Saturated(cost.parameters, std::max<std::int64_t>(weight->second->elements(), 0));
      cost.bytes = Saturated(cost.bytes, static_cast<std::int64_t>(weight->second->bytes.size()));
      unseen.erase(weight);
    }
    const Number flops = estimator.Flops(node);
    const auto at_one = flops ? flops->At(1) : std::nullopt;
    cost.complete = at_one.has_value();
    cost.flops = std::max<std::int64_t>(at_one.value_or(0), 0);
    costs.push_back(cost);
  }
  return costs;
}

std::string Grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  const std::size_t sign = number < 0 ? 1 : 0;
  for (std::size_t at = text.size(); at > 3 + sign; text.insert(at, ",")) at -= 3;
  return text;
}

std::string Scaled(std::int64_t number) {
  if (number < 1000) return std::to_string(number);
  static constexpr std::array kUnits = {"k", "M", "G", "T", "P", "E"};
  double value = static_cast<double>(number) / 1000;
  std::size_t unit = 0;
  for (; value >= 999.5 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g %s", value, kUnits[unit]);
  return text.data();
}

std::string Printable(const std::string& text, std::size_t limit) {
  std::string out = text.size() <= limit ? text : text.substr(0, limit) + "~";
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) c = '?';
  }
  return out;
}

}  // namespace muster::onnx
