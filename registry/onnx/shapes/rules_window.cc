#include <algorithm>
#include <cmath>

#include "registry/onnx/numbers.h"
#include "registry/onnx/shapes/rules.h"

// Shapes: x (N, C, D1, ...), a window slides over the D; one entry a D in kernel, strides, dilations, two in pads.

namespace muster::onnx {
namespace {

struct Window {
  std::vector<Number> kernel;
  std::vector<std::int64_t> strides, dilations, pads;
  std::string auto_pad;
};

/// Nothing, and Wrong(), when a list has another length than the `dims` wanted or an entry that is no size.
std::optional<Window> WindowOf(ShapeCall& call, std::size_t dims, std::vector<Number> kernel) {
  const Node& node = call.node();
  Window window{.kernel = std::move(kernel),
                .strides = IntsOr(node, "strides", std::vector<std::int64_t>(dims, 1)),
                .dilations = IntsOr(node, "dilations", std::vector<std::int64_t>(dims, 1)),
                .pads = IntsOr(node, "pads", std::vector<std::int64_t>(2 * dims, 0)),
                .auto_pad = TextOr(node, "auto_pad", "NOTSET")};
  const auto below_one = [](std::int64_t v) { return v < 1; };
  if (window.kernel.size() != dims || window.strides.size() != dims ||
      window.dilations.size() != dims || window.pads.size() != 2 * dims ||
      std::ranges::any_of(window.strides, below_one) ||
      std::ranges::any_of(window.dilations, below_one)) {
    call.Wrong("kernel, strides, dilations or pads do not fit " + std::to_string(dims) +
               " dimensions");
    return std::nullopt;
  }
  if (window.auto_pad == "VALID") window.pads.assign(2 * dims, 0);
  return window;
}

/// kernel_shape, or else the kernel of the weight's own dimensions 2 and up.
std::vector<Number> KernelOf(const ShapeCall& call, std::size_t weight) {
  const auto given = IntsOr(call.node(), "kernel_shape", {});
  if (!given.empty()) return {given.begin(), given.end()};
  const Shape* shape = call.shape(weight);
  if (shape == nullptr || shape->size() < 2) return {};
  return {shape->begin() + 2, shape->end()};
}

/// How far a window reaches: dilation * (kernel - 1) + 1.
Number Reach(const Window& w, std::size_t d) {
  return Add(Multiply(Known(w.dilations[d]), Subtract(w.kernel[d], Known(1))), Known(1));
}

Number Slid(const Window& w, std::size_t d, const Number& length, bool ceil) {
  const std::int64_t stride = w.strides[d];
  if (w.auto_pad.starts_with("SAME")) {
    return FloorDivide(Add(length, Known(stride - 1)), stride);
  }
  const std::int64_t before = w.pads[d];
  const Number pads = Add(Known(before), Known(w.pads[d + w.kernel.size()]));
  const Number room = Subtract(Add(length, pads), Reach(w, d));
  if (!ceil) return Add(FloorDivide(room, stride), Known(1));
  const Number count = Add(FloorDivide(Add(room, Known(stride - 1)), stride), Known(1));
  // A last window that would begin in the padding behind is left out.
  const auto outside = ConstantOf(
      Subtract(Multiply(Subtract(count, Known(1)), Known(stride)), Add(length, Known(before))));
  return outside && *outside >= 0 ? Subtract(count, Known(1)) : count;
}

/// (N, channels, slid dims ...); unknown when x's rank is.
std::optional<Shape> SlidShape(ShapeCall& call, std::vector<Number> kernel, Number channels,
                               bool ceil = false) {
  const Shape* x = call.shape(0);
  if (x == nullptr) return std::nullopt;
  if (x->size() < 3) {
    call.Wrong("its input has " + std::to_string(x->size()) + " dimensions, wanted 3 or more");
    return std::nullopt;
  }
  const std::size_t dims = x->size() - 2;
  if (kernel.empty()) kernel.resize(dims);
  const auto window = WindowOf(call, dims, std::move(kernel));
  if (!window) return std::nullopt;
  Shape shape{(*x)[0], std::move(channels)};
  for (std::size_t d = 0; d < dims; ++d) shape.push_back(Slid(*window, d, (*x)[d + 2], ceil));
  return shape;
}

void CheckChannels(ShapeCall& call, std::size_t weight) {
  const Number wanted = Multiply(call.dim(weight, 1), Known(IntOr(call.node(), "group", 1)));
  if (Differ(call.dim(0, 1), wanted)) {
    call.Wrong("its input has " + call.dim(0, 1)->text() + " channels, its weight wants " +
               wanted->text());
  }
}

void Conv(ShapeCall& call) {
  CheckChannels(call, 1);
  call.Out(call.type(0), SlidShape(call, KernelOf(call, 1), call.dim(1, 0)));
}

void ConvInteger(ShapeCall& call) {
  Conv(call);
  call.outputs()[0].type = DataType::kInt32;
}

void QLinearConv(ShapeCall& call) {
  CheckChannels(call, 3);
  call.Out(call.type(7), SlidShape(call, KernelOf(call, 3), call.dim(3, 0)));
}

void ConvTranspose(ShapeCall& call) {
  const Shape* x = call.shape(0);
  call.Out(call.type(0), std::nullopt);
  if (x == nullptr || x->size() < 3) return;
  const std::size_t dims = x->size() - 2;
  const auto window = WindowOf(call, dims, KernelOf(call, 1));
  if (!window) return;
  const auto extra = IntsOr(call.node(), "output_padding", std::vector<std::int64_t>(dims, 0));
  const auto given = IntsOr(call.node(), "output_shape", {});
  if (extra.size() != dims || (!given.empty() && given.size() != dims)) {
    return call.Wrong("output_padding or output_shape do not fit " + std::to_string(dims) +
                      " dimensions");
  }
  if (Differ(call.dim(0, 1), call.dim(1, 0))) {
    return call.Wrong("its input has " + call.dim(0, 1)->text() + " channels, its weight wants " +
                      call.dim(1, 0)->text());
  }
  Shape shape{(*x)[0], Multiply(call.dim(1, 1), Known(IntOr(call.node(), "group", 1)))};
  for (std::size_t d = 0; d < dims; ++d) {
    const Number stride = Known(window->strides[d]);
    if (!given.empty()) {
      shape.push_back(Known(given[d]));
    } else if (window->auto_pad.starts_with("SAME")) {
      shape.push_back(Multiply((*x)[d + 2], stride));
    } else {
      const Number grown = Add(Multiply(stride, Subtract((*x)[d + 2], Known(1))),
                               Add(Known(extra[d]), Reach(*window, d)));
      shape.push_back(Subtract(grown, Add(Known(window->pads[d]), Known(window->pads[d + dims]))));
    }
  }
  call.Out(call.type(0), std::move(shape));
}

void Pool(ShapeCall& call) {
  const bool ceil = IntOr(call.node(), "ceil_mode", 0) != 0;
  const auto shape = SlidShape(call, KernelOf(call, 1'000), call.dim(0, 1), ceil);
  call.Out(call.type(0), shape);
  call.Out(1, DataType::kInt64, shape);
}

void GlobalPool(ShapeCall& call) {
  const Shape* x = call.shape(0);
  if (x == nullptr || x->size() < 2) return call.Out(call.type(0), std::nullopt);
  Shape shape(x->size(), Known(1));
  shape[0] = (*x)[0];
  shape[1] = (*x)[1];
  call.Out(call.type(0), std::move(shape));
}

/// floor(length * scale), in the arithmetic of the engines.
Number Scaled(const Number& length, float scale) {
  const auto constant = ConstantOf(length);
  const float whole = std::nearbyint(scale);
  if (!(scale > 0) || scale > 1e6f) return std::nullopt;
  if (!constant)
    return scale == whole ? Multiply(length, Known(static_cast<std::int64_t>(whole))) : Number();
  const float product = static_cast<float>(*constant) * scale;
  return product < 1e15f ? Known(static_cast<std::int64_t>(std::floor(product))) : Number();
}

void Resize(ShapeCall& call) {
  const Shape* x = call.shape(0);
  if (x == nullptr) return call.Out(call.type(0), std::nullopt);
  Shape shape(x->size());
  const auto* sizes = call.content(3);
  const Tensor* constant = call.constant(2);
  const bool small = constant != nullptr && constant->bytes.size() <= kMaxRank * sizeof(float);
  const auto scales = small ? FloatsOf(*constant) : std::nullopt;
  const bool plain = FindValue(call.node(), "axes") == nullptr &&
                     TextOr(call.node(), "keep_aspect_ratio_policy", "stretch") == "stretch";
  if (plain && sizes != nullptr && sizes->size() == x->size()) {
    shape = *sizes;
  } else if (plain && scales && scales->size() == x->size()) {
    for (std::size_t d = 0; d < shape.size(); ++d) shape[d] = Scaled((*x)[d], (*scales)[d]);
  }
  call.Out(call.type(0), std::move(shape));
}

void GridSample(ShapeCall& call) {
  const Shape* grid = call.shape(1);
  if (grid == nullptr || grid->size() < 3) return call.Out(call.type(0), std::nullopt);
  Shape shape{call.dim(0, 0), call.dim(0, 1)};
  shape.insert(shape.end(), grid->begin() + 1, grid->end() - 1);
  call.Out(call.type(0), std::move(shape));
}

void RoiAlign(ShapeCall& call) {
  call.Out(call.type(0),
           Shape{call.dim(1, 0), call.dim(0, 1), Known(IntOr(call.node(), "output_height", 1)),
                 Known(IntOr(call.node(), "output_width", 1))});
}

void MaxRoiPool(ShapeCall& call) {
  const auto pooled = IntsOr(call.node(), "pooled_shape", {});
  if (pooled.size() != 2) return call.Out(call.type(0), std::nullopt);
  call.Out(call.type(0), Shape{call.dim(1, 0), call.dim(0, 1), Known(pooled[0]), Known(pooled[1])});
}

constexpr ShapeRule kRules[] = {
    {"AveragePool", Pool},
    {"Conv", Conv},
    {"ConvInteger", ConvInteger},
    {"ConvTranspose", ConvTranspose},
    {"GlobalAveragePool", GlobalPool},
    {"GlobalLpPool", GlobalPool},
    {"GlobalMaxPool", GlobalPool},
    {"GridSample", GridSample},
    {"LpPool", Pool},
    {"MaxPool", Pool},
    {"MaxRoiPool", MaxRoiPool},
    {"QLinearConv", QLinearConv},
    {"Resize", Resize},
    {"RoiAlign", RoiAlign},
};

}  // namespace

std::span<const ShapeRule> WindowRules() { return kRules; }

}  // namespace muster::onnx
