#include <algorithm>
#include <map>

#include "registry/onnx/shapes/rules.h"

namespace muster::onnx {
namespace {

/// numpy's matmul of inputs `left` and `right`.
std::optional<Shape> Product(ShapeCall& call, std::size_t left, std::size_t right) {
  if (call.shape(left) == nullptr || call.shape(right) == nullptr) return std::nullopt;
  Shape a = *call.shape(left);
  Shape b = *call.shape(right);
  if (a.empty() || b.empty()) {
    call.Wrong("a factor without dimensions");
    return std::nullopt;
  }
  const bool row = a.size() == 1;
  const bool column = b.size() == 1;
  if (row) a.insert(a.begin(), Known(1));
  if (column) b.push_back(Known(1));
  if (Differ(a[a.size() - 1], b[b.size() - 2])) {
    call.Wrong("shapes " + ShapeText(a) + " and " + ShapeText(b) + " cannot be multiplied");
    return std::nullopt;
  }
  const Shape outer_a(a.begin(), a.end() - 2);
  const Shape outer_b(b.begin(), b.end() - 2);
  std::optional<Shape> shape = Broadcast(call, &outer_a, &outer_b);
  if (!shape) return std::nullopt;
  if (!row) shape->push_back(a[a.size() - 2]);
  if (!column) shape->push_back(b.back());
  return shape;
}

void MatMul(ShapeCall& call) { call.Out(call.type(0), Product(call, 0, 1)); }
void MatMulInteger(ShapeCall& call) { call.Out(DataType::kInt32, Product(call, 0, 1)); }
void QLinearMatMul(ShapeCall& call) { call.Out(call.type(7), Product(call, 0, 3)); }

void Gemm(ShapeCall& call) {
  const bool turn_a = IntOr(call.node(), "transA", 0) != 0;
  const bool turn_b = IntOr(call.node(), "transB", 0) != 0;
  for (const std::size_t i : {0, 1}) {
    if (call.shape(i) != nullptr && call.shape(i)->size() != 2) {
      return call.Wrong("a factor of shape " + ShapeText(*call.shape(i)) + ", wanted 2 dimensions");
    }
  }
  const Number inner_a = call.dim(0, turn_a ? 0 : 1);
  const Number inner_b = call.dim(1, turn_b ? 1 : 0);
  if (Differ(inner_a, inner_b)) {
    return call.Wrong("inner dimensions " + inner_a->text() + " and " + inner_b->text());
  }
  call.Out(call.type(0), Shape{call.dim(0, turn_a ? 1 : 0), call.dim(1, turn_b ? 0 : 1)});
}

/// Letters only: an ellipsis, or an equation without "->", answers an unknown shape.
void Einsum(ShapeCall& call) {
  call.Out(call.type(0), std::nullopt);
  std::string equation = TextOr(call.node(), "equation", "");
  std::erase(equation, ' ');
  const std::size_t arrow = equation.find("->");
  if (arrow == std::string::npos || equation.find('.') != std::string::npos) return;
  std::map<char, Number> sizes;
  std::size_t input = 0;
  std::size_t d = 0;
  for (const char letter : equation.substr(0, arrow) + ",") {
    const Shape* shape = call.shape(input);
    if (letter == ',') {
      if (shape != nullptr && shape->size() != d) {
        return call.Wrong("'" + equation + "' does not fit shape " + ShapeText(*shape));
      }
      ++input;
      d = 0;
      continue;
    }
    const Number size = shape != nullptr && d < shape->size() ? (*shape)[d] : Number();
    ++d;
    Number& known = sizes.try_emplace(letter, size).first->second;
    if (!known || Is(known, 1) || ConstantOf(size)) known = size && !Is(size, 1) ? size : known;
  }
  Shape shape;
  for (const char letter : equation.substr(arrow + 2)) shape.push_back(sizes[letter]);
  call.Out(call.type(0), std::move(shape));
}

/// X (T, B, I), or (B, T, I) with layout 1; Y (T, directions, B, H), the last states (directions, B, H).
void Recurrent(ShapeCall& call) {
  const Number hidden = FindValue(call.node(), "hidden_size") != nullptr
                            ? Known(IntOr(call.node(), "hidden_size", 0))
                            : call.dim(2, 2);
  const Number directions =
      Known(TextOr(call.node(), "direction", "forward") == "bidirectional" ? 2 : 1);
  const bool batch_first = IntOr(call.node(), "layout", 0) != 0;
  const Number time = call.dim(0, batch_first ? 1 : 0);
  const Number batch = call.dim(0, batch_first ? 0 : 1);
  const Shape state =
      batch_first ? Shape{batch, directions, hidden} : Shape{directions, batch, hidden};
  call.Out(0, call.type(0),
           batch_first ? Shape{batch, time, directions, hidden}
                       : Shape{time, directions, batch, hidden});
  call.Out(1, call.type(0), state);
  call.Out(2, call.type(0), state);
}

constexpr ShapeRule kRules[] = {
    {"Einsum", Einsum},
    {"GRU", Recurrent},
    {"Gemm", Gemm},
    {"LSTM", Recurrent},
    {"MatMul", MatMul},
    {"MatMulInteger", MatMulInteger},
    {"QLinearMatMul", QLinearMatMul},
    {"RNN", Recurrent},
};

}  // namespace

std::span<const ShapeRule> LinearRules() { return kRules; }

}  // namespace muster::onnx
