#include <algorithm>
#include <numeric>

#include "registry/onnx/shapes/rules.h"

namespace muster::onnx {
namespace {

/// The shape with dimension `axis` set to `size`.
Shape With(Shape shape, std::size_t axis, Number size) {
  shape[axis] = std::move(size);
  return shape;
}

void JoinContents(ShapeCall& call) {
  std::vector<Number> joined;
  for (std::size_t i = 0; i < call.size(); ++i) {
    const auto* part = call.content(i);
    const auto length = ConstantOf(call.dim(i, 0));
    if (!length || *length + joined.size() > kMaxContent) return;
    // Where nothing is known of a part, its numbers are still so many.
    const std::vector<Number> unknown(static_cast<std::size_t>(*length));
    const auto& numbers = part == nullptr ? unknown : *part;
    joined.insert(joined.end(), numbers.begin(), numbers.end());
  }
  call.Content(std::move(joined));
}

void Concat(ShapeCall& call) {
  call.Out(call.type(0), std::nullopt);
  if (call.shape(0) == nullptr) return;
  Shape shape = *call.shape(0);
  const auto axis = call.Axis(IntOr(call.node(), "axis", 0), shape.size());
  if (!axis) return;
  for (std::size_t i = 1; i < call.size(); ++i) {
    const Shape* other = call.shape(i);
    if (other == nullptr) return;
    if (other->size() != shape.size()) {
      return call.Wrong("it joins shapes " + ShapeText(shape) + " and " + ShapeText(*other));
    }
    for (std::size_t d = 0; d < shape.size(); ++d) {
      const Number& dim = (*other)[d];
      if (d == *axis) {
        shape[d] = Add(shape[d], dim);
      } else if (Differ(shape[d], dim)) {
        return call.Wrong("it joins shapes " + ShapeText(shape) + " and " + ShapeText(*other) +
                          " along axis " + std::to_string(*axis));
      } else if (!shape[d] || ConstantOf(dim)) {
        shape[d] = dim;
      }
    }
  }
  const bool one_dimension = shape.size() == 1;
  call.Out(call.type(0), std::move(shape));
  const bool whole = call.type(0) == DataType::kInt64 || call.type(0) == DataType::kInt32;
  if (one_dimension && whole) JoinContents(call);
}

void Gather(ShapeCall& call) {
  const Shape* data = call.shape(0);
  const Shape* indices = call.shape(1);
  call.Out(call.type(0), std::nullopt);
  if (data == nullptr || indices == nullptr) return;
  const auto axis = call.Axis(IntOr(call.node(), "axis", 0), data->size());
  if (!axis) return;
  const auto at = static_cast<std::ptrdiff_t>(*axis);
  Shape shape(data->begin(), data->begin() + at);
  shape.insert(shape.end(), indices->begin(), indices->end());
  shape.insert(shape.end(), data->begin() + at + 1, data->end());
  call.Out(call.type(0), std::move(shape));
  const auto* content = call.content(0);
  const auto chosen = call.ints(1);
  if (content == nullptr || !chosen || data->size() != 1) return;
  std::vector<Number> numbers;
  for (std::int64_t index : *chosen) {
    const auto count = static_cast<std::int64_t>(content->size());
    if (index < -count || index >= count) {
      return call.Wrong("index " + std::to_string(index) + " of " + std::to_string(count));
    }
    numbers.push_back((*content)[static_cast<std::size_t>(index < 0 ? index + count : index)]);
  }
  call.Content(std::move(numbers));
}

void GatherElements(ShapeCall& call) {
  call.Same(1);
  call.outputs()[0].type = call.type(0);
}

void GatherNd(ShapeCall& call) {
  const Shape* data = call.shape(0);
  const Shape* indices = call.shape(1);
  call.Out(call.type(0), std::nullopt);
  const auto tuple = ConstantOf(call.dim(1, -1));
  if (data == nullptr || indices == nullptr || !tuple) return;
  const std::int64_t batch = IntOr(call.node(), "batch_dims", 0);
  const auto rank = static_cast<std::int64_t>(data->size());
  if (batch < 0 || *tuple < 1 || *tuple > rank || batch > rank - *tuple) {
    return call.Wrong("indices of " + std::to_string(*tuple) + " numbers into shape " +
                      ShapeText(*data));
  }
  Shape shape(indices->begin(), indices->end() - 1);
  shape.insert(shape.end(), data->begin() + batch + *tuple, data->end());
  call.Out(call.type(0), std::move(shape));
}

struct Cut {
  std::int64_t start, end, axis, step;
};

/// Slice's inputs; nothing where one is not constant.
std::optional<std::vector<Cut>> Cuts(const ShapeCall& call) {
  const auto starts = call.ints(1);
  const auto ends = call.ints(2);
  const auto axes = call.has(3) ? call.ints(3) : std::vector<std::int64_t>();
  const auto steps = call.has(4) ? call.ints(4) : std::vector<std::int64_t>();
  if (!starts || !ends || !axes || !steps || starts->size() != ends->size() ||
      (call.has(3) && axes->size() != starts->size()) ||
      (call.has(4) && steps->size() != starts->size())) {
    return std::nullopt;
  }
  std::vector<Cut> cuts;
  cuts.reserve(starts->size());
  for (std::size_t i = 0; i < starts->size(); ++i) {
    cuts.push_back({(*starts)[i], (*ends)[i],
                    axes->empty() ? static_cast<std::int64_t>(i) : (*axes)[i],
                    steps->empty() ? 1 : (*steps)[i]});
  }
  return cuts;
}

/// The positions [first, ...) that a cut leaves of `size`, as numpy counts.
std::int64_t CutSize(const Cut& cut, std::int64_t size, std::int64_t& first) {
  const auto bound = [&](std::int64_t at, std::int64_t low, std::int64_t high) {
    return std::clamp(at < 0 ? at + size : at, low, high);
  };
  if (cut.step > 0) {
    first = bound(cut.start, 0, size);
    const std::int64_t span = bound(cut.end, 0, size) - first;
    return span <= 0 ? 0 : 1 + (span - 1) / cut.step;
  }
  first = bound(cut.start, 0, std::max<std::int64_t>(size - 1, 0));
  const std::int64_t span = first - bound(cut.end, -1, size - 1);
  if (span <= 0 || size == 0) return 0;
  return 1 + static_cast<std::int64_t>(static_cast<std::uint64_t>(span - 1) /
                                       (0 - static_cast<std::uint64_t>(cut.step)));
}

constexpr std::int64_t kToTheEnd = std::int64_t{1} << 31;
/// Sums of a few lengths up to it stay within 64 bits.
constexpr std::int64_t kHuge = std::int64_t{1} << 61;

void Slice(ShapeCall& call) {
  const Shape* data = call.shape(0);
  call.Out(call.type(0), std::nullopt);
  if (data == nullptr) return;
  const auto cuts = Cuts(call);
  Shape shape = *data;
  if (!cuts) {
    // The axes may be known even so: only theirs change.
    const auto axes = call.ints(3);
    if (!axes) return call.Out(call.type(0), Shape(data->size()));
    for (const std::int64_t axis : *axes) {
      const auto at = call.Axis(axis, data->size());
      if (!at) return;
      shape[*at] = std::nullopt;
    }
    return call.Out(call.type(0), std::move(shape));
  }
  std::vector<Number> kept;
  for (const Cut& cut : *cuts) {
    const auto axis = call.Axis(cut.axis, data->size());
    if (!axis) return;
    if (cut.step == 0) return call.Wrong("it slices in steps of 0");
    const auto size = ConstantOf((*data)[*axis]);
    if (size) {
      std::int64_t first = 0;
      const std::int64_t count = CutSize(cut, *size, first);
      shape[*axis] = Known(count);
      for (std::int64_t i = 0; call.content(0) != nullptr && i < count; ++i) {
        kept.push_back((*call.content(0))[static_cast<std::size_t>(first + i * cut.step)]);
      }
    } else if (cut.start != 0 || cut.end < kToTheEnd - 1 || cut.step != 1) {
      shape[*axis] = std::nullopt;
    }
  }
  call.Out(call.type(0), std::move(shape));
  if (call.content(0) != nullptr && data->size() == 1 && cuts->size() == 1) {
    call.Content(std::move(kept));
  }
}

void Split(ShapeCall& call) {
  const Shape* data = call.shape(0);
  const std::size_t parts = call.outputs().size();
  for (std::size_t i = 0; i < parts; ++i) call.Out(i, call.type(0), std::nullopt);
  if (data == nullptr) return;
  const auto axis = call.Axis(IntOr(call.node(), "axis", 0), data->size());
  if (!axis) return;
  const auto sizes = call.has(1) ? call.ints(1) : std::nullopt;
  const Number& whole = (*data)[*axis];
  const auto length = ConstantOf(whole);
  if (sizes && sizes->size() != parts) {
    return call.Wrong(std::to_string(sizes->size()) + " sizes for " + std::to_string(parts) +
                      " outputs");
  }
  std::int64_t sum = 0;
  const auto count = static_cast<std::int64_t>(parts);
  for (std::size_t i = 0; i < parts; ++i) {
    Number size;
    if (sizes) {
      size = Known((*sizes)[i]);
      if (__builtin_add_overflow(sum, (*sizes)[i], &sum)) return;
    } else if (!call.has(1) && length && *length <= kHuge) {
      // The last part is the smaller one where they do not come out even.
      const std::int64_t chunk = *length / count + (*length % count != 0 ? 1 : 0);
      const auto before = static_cast<std::int64_t>(i) * chunk;
      size = Known(std::clamp<std::int64_t>(*length - before, 0, chunk));
    } else if (!call.has(1)) {
      size = DivideExactly(whole, Known(count));
    }
    call.Out(i, call.type(0), With(*data, *axis, size));
  }
  if (sizes && length && sum != *length) {
    call.Wrong("the sizes add up to " + std::to_string(sum) + ", the dimension is " +
               std::to_string(*length));
  }
}

void Expand(ShapeCall& call) {
  const auto* target = call.content(1);
  if (target == nullptr) return call.Out(call.type(0), std::nullopt);
  call.Out(call.type(0), Broadcast(call, call.shape(0), target));
}

void Tile(ShapeCall& call) {
  const Shape* data = call.shape(0);
  const auto* repeats = call.content(1);
  if (data == nullptr) return call.Out(call.type(0), std::nullopt);
  Shape shape(data->size());
  if (repeats != nullptr && repeats->size() == data->size()) {
    for (std::size_t d = 0; d < shape.size(); ++d) shape[d] = Multiply((*data)[d], (*repeats)[d]);
  }
  call.Out(call.type(0), std::move(shape));
}

void Pad(ShapeCall& call) {
  const Shape* data = call.shape(0);
  const auto* pads = call.content(1);
  if (data == nullptr) return call.Out(call.type(0), std::nullopt);
  std::vector<std::int64_t> axes(data->size());
  std::iota(axes.begin(), axes.end(), 0);
  if (call.has(3)) {
    const auto given = call.ints(3);
    if (!given) return call.Out(call.type(0), Shape(data->size()));
    axes = *given;
  }
  if (pads == nullptr) return call.Out(call.type(0), Shape(data->size()));
  if (pads->size() != 2 * axes.size()) {
    return call.Wrong(std::to_string(pads->size()) + " pads for " + std::to_string(axes.size()) +
                      " dimensions");
  }
  Shape shape = *data;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const auto axis = call.Axis(axes[i], data->size());
    if (!axis) return;
    shape[*axis] = Add(shape[*axis], Add((*pads)[i], (*pads)[i + axes.size()]));
  }
  call.Out(call.type(0), std::move(shape));
}

void OneHot(ShapeCall& call) {
  const Shape* indices = call.shape(0);
  if (indices == nullptr) return call.Out(call.type(2), std::nullopt);
  const auto axis = call.Axis(IntOr(call.node(), "axis", -1), indices->size() + 1);
  if (!axis) return;
  Shape shape = *indices;
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(*axis), call.number(1));
  call.Out(call.type(2), std::move(shape));
}

void TopK(ShapeCall& call) {
  const Shape* data = call.shape(0);
  call.Out(call.type(0), std::nullopt);
  call.Out(1, DataType::kInt64, std::nullopt);
  if (data == nullptr) return;
  const auto axis = call.Axis(IntOr(call.node(), "axis", -1), data->size());
  if (!axis) return;
  const Shape shape = With(*data, *axis, call.number(1));
  call.Out(call.type(0), shape);
  call.Out(1, DataType::kInt64, shape);
}

void NonZero(ShapeCall& call) {
  const Shape* data = call.shape(0);
  const Number rank = data ? Known(static_cast<std::int64_t>(data->size())) : Number();
  call.Out(DataType::kInt64, Shape{rank, Number()});
}

void Compress(ShapeCall& call) {
  const Shape* data = call.shape(0);
  if (FindValue(call.node(), "axis") == nullptr) return call.Out(call.type(0), Shape(1));
  if (data == nullptr) return call.Out(call.type(0), std::nullopt);
  const auto axis = call.Axis(IntOr(call.node(), "axis", 0), data->size());
  if (axis) call.Out(call.type(0), With(*data, *axis, std::nullopt));
}

void Unique(ShapeCall& call) {
  Compress(call);
  for (std::size_t i = 1; i < 4; ++i) call.Out(i, DataType::kInt64, Shape(1));
}

constexpr ShapeRule kRules[] = {
    {"Compress", Compress},
    {"Concat", Concat},
    {"Expand", Expand},
    {"Gather", Gather},
    {"GatherElements", GatherElements},
    {"GatherND", GatherNd},
    {"NonZero", NonZero},
    {"OneHot", OneHot},
    {"Pad", Pad},
    {"Slice", Slice},
    {"Split", Split},
    {"Tile", Tile},
    {"TopK", TopK},
    {"Unique", Unique},
};

}  // namespace

std::span<const ShapeRule> IndexingRules() { return kRules; }

}  // namespace muster::onnx
