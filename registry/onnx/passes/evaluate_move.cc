#include <algorithm>
#include <cstring>

#include "registry/onnx/attributes.h"
#include "registry/onnx/numbers.h"
#include "registry/onnx/passes/evaluate.h"

namespace muster::onnx {
namespace {

using Inputs = std::vector<const Tensor*>;
using Dims = std::vector<std::int64_t>;

/// Results of so many bytes are made when they are written, where their source stays.
constexpr std::size_t kLater = std::size_t{1} << 16;

/// Where element 0 lies in the source and how far apart neighbours are, by dimension of the result: every operator
/// here but Concat is such a walk.
struct Walk {
  Dims dims, steps;  ///< steps: in elements of the source
  std::int64_t begin = 0;
};

Dims StridesOf(const Dims& dims) {
  Dims strides(dims.size(), 1);
  for (std::size_t d = dims.size(); d > 1; --d) strides[d - 2] = strides[d - 1] * dims[d - 1];
  return strides;
}

std::optional<std::size_t> AxisOf(std::int64_t axis, std::size_t rank) {
  const auto count = static_cast<std::int64_t>(rank);
  if (axis < -count || axis >= count) return std::nullopt;
  return static_cast<std::size_t>(axis < 0 ? axis + count : axis);
}

/// A matrix, in blocks that stay in the cache whichever way it is walked.
template <std::size_t kWidth>
void WalkMatrix(std::string_view source, const Walk& walk, char* out) {
  constexpr std::int64_t kBlock = 32;
  const std::int64_t rows = walk.dims[0], columns = walk.dims[1];
  for (std::int64_t r = 0; r < rows; r += kBlock) {
    for (std::int64_t c = 0; c < columns; c += kBlock) {
      for (std::int64_t i = r; i < std::min(r + kBlock, rows); ++i) {
        for (std::int64_t j = c; j < std::min(c + kBlock, columns); ++j) {
          const std::int64_t from = walk.begin + i * walk.steps[0] + j * walk.steps[1];
          std::memcpy(out + (i * columns + j) * kWidth,
                      &source[static_cast<std::size_t>(from) * kWidth], kWidth);
        }
      }
    }
  }
}

std::string Walked(std::string_view source, std::size_t width, const Walk& walk,
                   std::size_t count) {
  std::string out(count * width, '\0');
  if (walk.dims.size() == 2 && width == 4) {
    WalkMatrix<4>(source, walk, out.data());
    return out;
  }
  Dims at(walk.dims.size(), 0);
  std::int64_t from = walk.begin;
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(out.data() + i * width, source.data() + static_cast<std::size_t>(from) * width,
                width);
    for (std::size_t d = at.size(); d > 0; --d) {
      from += walk.steps[d - 1];
      if (++at[d - 1] < walk.dims[d - 1]) break;
      from -= walk.steps[d - 1] * walk.dims[d - 1];
      at[d - 1] = 0;
    }
  }
  return out;
}

std::optional<Tensor> Limited(const Tensor& source, const Walk& walk, std::int64_t max_elements) {
  Tensor out{.name = "", .type = source.type, .dims = walk.dims, .bytes = {}};
  const std::int64_t elements = out.elements();
  if (elements < 0 || elements > max_elements || (source.bytes.empty() && elements > 0))
    return std::nullopt;
  const std::size_t width = DataTypeSize(source.type);
  const auto count = static_cast<std::size_t>(elements);
  const auto make = [bytes = source.bytes, width, walk, count] {
    return Walked(bytes, width, walk, count);
  };
  if (source.bytes.borrowed() && count * width >= kLater) {
    out.bytes = TensorBytes::Later(count * width, make);
  } else {
    out.bytes = make();
  }
  return out;
}

std::optional<Tensor> Transpose(const Node& node, const Tensor& source, std::int64_t max_elements) {
  const Dims strides = StridesOf(source.dims);
  Dims perm = IntsOr(node, "perm", {});
  if (perm.empty()) {
    for (std::size_t d = source.dims.size(); d > 0; --d)
      perm.push_back(static_cast<std::int64_t>(d) - 1);
  }
  std::vector<bool> seen(source.dims.size());
  Walk walk;
  for (const std::int64_t axis : perm) {
    const auto d = AxisOf(axis, source.dims.size());
    if (!d || seen[*d]) return std::nullopt;
    seen[*d] = true;
    walk.dims.push_back(source.dims[*d]);
    walk.steps.push_back(strides[*d]);
  }
  if (walk.dims.size() != source.dims.size()) return std::nullopt;
  return Limited(source, walk, max_elements);
}

std::optional<Tensor> Gather(const Node& node, const Inputs& inputs, std::int64_t max_elements) {
  const Tensor& source = *inputs[0];
  const auto indices =
      inputs.size() == 2 && inputs[1] != nullptr ? IntsOf(*inputs[1]) : std::nullopt;
  const auto axis = AxisOf(IntOr(node, "axis", 0), source.dims.size());
  if (!indices || !axis) return std::nullopt;
  const std::int64_t size = source.dims[*axis];
  const auto at = static_cast<std::ptrdiff_t>(*axis);
  Tensor out{.name = "",
             .type = source.type,
             .dims = {source.dims.begin(), source.dims.begin() + at},
             .bytes = {}};
  out.dims.insert(out.dims.end(), inputs[1]->dims.begin(), inputs[1]->dims.end());
  out.dims.insert(out.dims.end(), source.dims.begin() + at + 1, source.dims.end());
  const std::int64_t count = out.elements();
  if (count < 0 || count > max_elements) return std::nullopt;
  std::size_t outer = 1;
  std::size_t inner = DataTypeSize(source.type);
  for (std::size_t d = 0; d < source.dims.size(); ++d) {
    if (d < *axis) outer *= static_cast<std::size_t>(source.dims[d]);
    if (d > *axis) inner *= static_cast<std::size_t>(source.dims[d]);
  }
  for (std::size_t o = 0; o < outer && count > 0; ++o) {
    for (const std::int64_t index : *indices) {
      if (index < -size || index >= size) return std::nullopt;
      const auto row = static_cast<std::size_t>(index < 0 ? index + size : index);
      out.bytes.append(source.bytes, (o * static_cast<std::size_t>(size) + row) * inner, inner);
    }
  }
  return out;
}

std::optional<Tensor> Slice(const Inputs& inputs, std::int64_t max_elements) {
  const Tensor& source = *inputs[0];
  const auto ints = [&](std::size_t i) {
    return i < inputs.size() && inputs[i] != nullptr ? IntsOf(*inputs[i]) : std::nullopt;
  };
  const auto starts = ints(1);
  const auto ends = ints(2);
  const auto axes = ints(3);
  const auto steps = ints(4);
  if (!starts || !ends || starts->size() != ends->size()) return std::nullopt;
  if ((axes && axes->size() != starts->size()) || (steps && steps->size() != starts->size()))
    return std::nullopt;
  Walk walk{.dims = source.dims, .steps = StridesOf(source.dims)};
  const Dims strides = walk.steps;
  for (std::size_t i = 0; i < starts->size(); ++i) {
    const auto axis = AxisOf(axes ? (*axes)[i] : static_cast<std::int64_t>(i), source.dims.size());
    // Backward and repeated cuts are left to the engines.
    if (!axis || (steps && (*steps)[i] < 1) || walk.dims[*axis] != source.dims[*axis])
      return std::nullopt;
    const std::int64_t size = source.dims[*axis];
    const std::int64_t step = std::min(steps ? (*steps)[i] : 1, std::max<std::int64_t>(size, 1));
    const auto bound = [&](std::int64_t at) {
      return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
    };
    const std::int64_t first = bound((*starts)[i]);
    const std::int64_t span = bound((*ends)[i]) - first;
    walk.dims[*axis] = span <= 0 ? 0 : 1 + (span - 1) / step;
    walk.begin += span <= 0 ? 0 : first * strides[*axis];
    walk.steps[*axis] = step * strides[*axis];
  }
  return Limited(source, walk, max_elements);
}

std::optional<Tensor> Concat(const Node& node, const Inputs& inputs, std::int64_t max_elements) {
  const auto axis = AxisOf(IntOr(node, "axis", 0), inputs[0]->dims.size());
  if (!axis || FindValue(node, "axis") == nullptr) return std::nullopt;
  Tensor out{.name = "", .type = inputs[0]->type, .dims = inputs[0]->dims, .bytes = {}};
  std::int64_t joined = 0;
  for (const Tensor* part : inputs) {
    if (part == nullptr || part->type != out.type || part->dims.size() != out.dims.size())
      return std::nullopt;
    Dims dims = part->dims;
    dims[*axis] = inputs[0]->dims[*axis];
    if (dims != inputs[0]->dims || __builtin_add_overflow(joined, part->dims[*axis], &joined))
      return std::nullopt;
  }
  out.dims[*axis] = joined;
  const std::int64_t count = out.elements();
  if (count < 0 || count > max_elements) return std::nullopt;
  if (count == 0) return out;
  std::size_t outer = 1;
  for (std::size_t d = 0; d < *axis; ++d) outer *= static_cast<std::size_t>(out.dims[d]);
  for (std::size_t o = 0; o < outer; ++o) {
    for (const Tensor* part : inputs) {
      const std::size_t run = part->bytes.size() / outer;
      out.bytes.append(part->bytes, o * run, run);
    }
  }
  return out;
}

}  // namespace

std::optional<Tensor> Expanded(const Tensor& source, const Dims& target,
                               std::int64_t max_elements) {
  if (source.elements() < 1) return std::nullopt;
  const Dims strides = StridesOf(source.dims);
  const std::size_t rank = std::max(target.size(), source.dims.size());
  Walk walk{.dims = Dims(rank, 1), .steps = Dims(rank, 0)};
  for (std::size_t d = 0; d < rank; ++d) {
    const std::size_t from_end = rank - d;
    const std::int64_t want = from_end <= target.size() ? target[target.size() - from_end] : 1;
    const bool has = from_end <= source.dims.size();
    const std::int64_t have = has ? source.dims[source.dims.size() - from_end] : 1;
    if (have != want && have != 1 && want != 1) return std::nullopt;
    walk.dims[d] = have == 1 ? want : have;
    if (has && have != 1) walk.steps[d] = strides[source.dims.size() - from_end];
  }
  return Limited(source, walk, max_elements);
}

std::optional<Tensor> EvaluateMove(const Node& node, const Inputs& inputs,
                                   std::int64_t max_elements) {
  if (inputs.empty() || inputs[0] == nullptr) return std::nullopt;
  if (node.op_type == "Concat") return Concat(node, inputs, max_elements);
  // Nothing moved is nothing worth folding, and the other dimensions may be of any size.
  if (inputs[0]->elements() < 1) return std::nullopt;
  if (node.op_type == "Transpose") return Transpose(node, *inputs[0], max_elements);
  if (node.op_type == "Expand" && inputs.size() == 2 && inputs[1] != nullptr) {
    const auto target = IntsOf(*inputs[1]);
    return target ? Expanded(*inputs[0], *target, max_elements) : std::nullopt;
  }
  if (node.op_type == "Gather") return Gather(node, inputs, max_elements);
  if (node.op_type == "Slice") return Slice(inputs, max_elements);
  return std::nullopt;
}

std::optional<Tensor> Evaluate(const Node& node, const Inputs& inputs, std::int64_t max_elements) {
  if (auto moved = EvaluateMove(node, inputs, max_elements)) return moved;
  return EvaluateArithmetic(node, inputs, max_elements);
}

}  // namespace muster::onnx
