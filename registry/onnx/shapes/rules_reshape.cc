#include <algorithm>

#include "registry/onnx/shapes/rules.h"

namespace muster::onnx {
namespace {

/// What is left of the product of `from` when the known dimensions of `others` are divided out.
Number Rest(const Shape& from, const Shape& others) {
  Shape left = from;
  Number divisor = Known(1);
  for (const Number& other : others) {
    const auto same = std::find_if(left.begin(), left.end(),
                                   [&](const Number& dim) { return dim && dim == other; });
    // Equal factors go first: a sum cannot be divided by, and an unknown product need not be known.
    if (same != left.end() && !Is(other, 0)) {
      left.erase(same);
    } else {
      divisor = Multiply(divisor, other);
    }
  }
  if (Is(divisor, 0)) return std::nullopt;
  return DivideExactly(ProductOf(left, 0, left.size()), divisor);
}

/// The numbers of Reshape's second input as dimensions; `open` is the one to be computed, if any.
Shape Wanted(const ShapeCall& call, const std::vector<Number>& target,
             std::vector<std::size_t>& open) {
  const bool zero_copies = IntOr(call.node(), "allowzero", 0) == 0;
  Shape shape = target;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (zero_copies && Is(shape[d], 0)) {
      shape[d] = call.dim(0, static_cast<int>(d));
      // Copied from what is unknown: not one to be computed.
      continue;
    }
    if (shape[d] && !Is(shape[d], -1)) continue;
    shape[d] = std::nullopt;
    open.push_back(d);
  }
  return shape;
}

void Reshape(ShapeCall& call) {
  const auto* target = call.content(1);
  if (target == nullptr) {
    const auto rank = ConstantOf(call.dim(1, 0));
    const bool sane = rank && *rank >= 0 && *rank <= static_cast<std::int64_t>(kMaxRank);
    call.Out(call.type(0),
             sane ? std::optional(Shape(static_cast<std::size_t>(*rank))) : std::nullopt);
    return;
  }
  std::vector<std::size_t> open;
  Shape shape = Wanted(call, *target, open);
  const Shape* from = call.shape(0);
  if (from != nullptr && open.size() <= 1) {
    Shape others = shape;
    if (!open.empty()) others.erase(others.begin() + static_cast<std::ptrdiff_t>(open[0]));
    const Number rest = Rest(*from, others);
    const auto have = ConstantOf(ProductOf(*from, 0, from->size()));
    const auto want = ConstantOf(ProductOf(others, 0, others.size()));
    const bool fits =
        !have || !want || (open.empty() ? have == want : *want == 0 || *have % *want == 0);
    if (!fits) {
      call.Out(call.type(0), std::nullopt);
      return call.Wrong("a value of shape " + ShapeText(*from) + " cannot have shape " +
                        ShapeText(*target));
    }
    if (!open.empty()) shape[open[0]] = rest;
  }
  call.Out(call.type(0), std::move(shape));
  if (call.content(0) != nullptr && call.outputs()[0].shape && target->size() <= 1) {
    call.Content(*call.content(0));
  }
}

void Flatten(ShapeCall& call) {
  const Shape* shape = call.shape(0);
  if (shape == nullptr) return call.Out(call.type(0), Shape(2));
  const std::int64_t axis = IntOr(call.node(), "axis", 1);
  const auto rank = static_cast<std::int64_t>(shape->size());
  if (axis < -rank || axis > rank) {
    return call.Wrong("axis " + std::to_string(axis) + " of " + std::to_string(rank) +
                      " dimensions");
  }
  const auto at = static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
  call.Out(call.type(0), Shape{ProductOf(*shape, 0, at), ProductOf(*shape, at, shape->size())});
}

void Squeeze(ShapeCall& call) {
  const Shape* shape = call.shape(0);
  call.Out(call.type(0), std::nullopt);
  if (call.content(0) != nullptr) call.Content(*call.content(0));
  if (shape == nullptr) return;
  Shape kept;
  if (call.has(1)) {
    const auto ints = call.ints(1);
    const auto axes = ints ? call.Axes(*ints, shape->size()) : std::nullopt;
    if (!axes) return;
    for (std::size_t d = 0; d < shape->size(); ++d) {
      if (!std::binary_search(axes->begin(), axes->end(), d)) {
        kept.push_back((*shape)[d]);
      } else if (const auto size = ConstantOf((*shape)[d]); size && *size != 1) {
        return call.Wrong("it drops dimension " + std::to_string(d) + " of shape " +
                          ShapeText(*shape));
      }
    }
  } else {
    for (const Number& dim : *shape) {
      if (!ConstantOf(dim)) return;  // it may be 1
      if (!Is(dim, 1)) kept.push_back(dim);
    }
  }
  call.Out(call.type(0), std::move(kept));
}

void Unsqueeze(ShapeCall& call) {
  const Shape* shape = call.shape(0);
  const auto ints = call.ints(1);
  call.Out(call.type(0), std::nullopt);
  if (shape == nullptr || !ints) return;
  const std::size_t rank = shape->size() + ints->size();
  const auto axes = call.Axes(*ints, rank);
  if (!axes) return;
  Shape wider;
  auto next = shape->begin();
  for (std::size_t d = 0; d < rank; ++d) {
    wider.push_back(std::binary_search(axes->begin(), axes->end(), d) ? Known(1) : *next++);
  }
  call.Out(call.type(0), std::move(wider));
  if (call.content(0) != nullptr && rank <= 1) call.Content(*call.content(0));
}

void Transpose(ShapeCall& call) {
  const Shape* shape = call.shape(0);
  if (shape == nullptr) return call.Out(call.type(0), std::nullopt);
  std::vector<std::int64_t> perm = IntsOr(call.node(), "perm", {});
  if (FindValue(call.node(), "perm") == nullptr) {
    for (std::size_t d = shape->size(); d > 0; --d)
      perm.push_back(static_cast<std::int64_t>(d) - 1);
  }
  if (perm.size() != shape->size() || !call.Axes(perm, shape->size())) {
    return call.Wrong("perm has " + std::to_string(perm.size()) +
                      " axes or one twice; the input has " + std::to_string(shape->size()) +
                      " dimensions");
  }
  Shape turned;
  for (const std::int64_t axis : perm) {
    const auto rank = static_cast<std::int64_t>(shape->size());
    turned.push_back((*shape)[static_cast<std::size_t>(axis < 0 ? axis + rank : axis)]);
  }
  call.Out(call.type(0), std::move(turned));
}

/// DepthToSpace and, with `up` false, SpaceToDepth.
template <bool up>
void Blocks(ShapeCall& call) {
  const Shape* shape = call.shape(0);
  const std::int64_t block = IntOr(call.node(), "blocksize", 0);
  if (shape == nullptr || shape->size() != 4 || block < 1 || block > 1'000'000) {
    return call.Out(call.type(0), std::nullopt);
  }
  const Shape& s = *shape;
  const Number area = Known(block * block);
  call.Out(call.type(0), up ? Shape{s[0], FloorDivide(s[1], block * block),
                                    Multiply(s[2], Known(block)), Multiply(s[3], Known(block))}
                            : Shape{s[0], Multiply(s[1], area), FloorDivide(s[2], block),
                                    FloorDivide(s[3], block)});
}

void ShapeOf(ShapeCall& call) {
  const Shape* shape = call.shape(0);
  if (shape == nullptr) return call.Out(DataType::kInt64, Shape(1));
  const auto rank = static_cast<std::int64_t>(shape->size());
  const auto clamped = [&](std::int64_t at) {
    return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const std::int64_t start = clamped(IntOr(call.node(), "start", 0));
  const std::int64_t end = std::max(clamped(IntOr(call.node(), "end", rank)), start);
  call.Out(DataType::kInt64, Shape{Known(end - start)});
  call.Content({shape->begin() + start, shape->begin() + end});
}

void Size(ShapeCall& call) {
  call.Out(DataType::kInt64, Shape());
  if (call.shape(0) != nullptr) call.Content({ProductOf(*call.shape(0), 0, call.shape(0)->size())});
}

constexpr ShapeRule kRules[] = {
    {"DepthToSpace", Blocks<true>},
    {"Flatten", Flatten},
    {"Reshape", Reshape},
    {"Shape", ShapeOf},
    {"Size", Size},
    {"SpaceToDepth", Blocks<false>},
    {"Squeeze", Squeeze},
    {"Transpose", Transpose},
    {"Unsqueeze", Unsqueeze},
};

}  // namespace

std::span<const ShapeRule> ReshapeRules() { return kRules; }

}  // namespace muster::onnx
