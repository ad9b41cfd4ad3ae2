#include <ATen/Functions.h>

#include <algorithm>
#include <limits>

#include "trainer/export/call.h"

namespace muster::exporting {
namespace {

/// view, flatten, squeeze and their kin: the traced result says the shape.
void Reshaped(Call& call) {
  call.Return(call.Reshape(call.In("self"), call.Type("self").shape, call.Out().shape));
}

/// The tensor itself, in the element type of the result.
void Same(Call& call) { call.Return(call.In("self", call.Out().dtype)); }

void Turned(Call& call, const Ints& order) {
  call.Return(call.Node("Transpose", {call.In("self")}, {{"perm", order}}));
}

Ints Identity(std::int64_t rank) {
  Ints order;
  for (std::int64_t i = 0; i < rank; ++i) order.push_back(i);
  return order;
}

void Permute(Call& call) {
  Ints order = call.IntList("dims");
  for (std::int64_t& axis : order) axis = axis < 0 ? axis + call.Type("self").rank() : axis;
  Turned(call, order);
}

void Transpose(Call& call) {
  const std::int64_t rank = call.Type("self").rank();
  Ints order = Identity(rank);
  if (rank > 0) std::swap(order[call.Axis("dim0", rank)], order[call.Axis("dim1", rank)]);
  Turned(call, order);
}

/// The last two dimensions, where there are two.
void TurnMatrix(Call& call) {
  Ints order = Identity(call.Type("self").rank());
  if (order.size() >= 2) std::swap(order[order.size() - 1], order[order.size() - 2]);
  Turned(call, order);
}

void Reverse(Call& call) {
  Ints order = Identity(call.Type("self").rank());
  std::reverse(order.begin(), order.end());
  Turned(call, order);
}

void Expand(Call& call) {
  if (call.Type("self").shape == call.Out().shape) return call.Return(call.In("self"));
  call.Return(call.Node("Expand", {call.In("self"), call.graph().Shape(call.Out().shape)}));
}

/// The source, in the shape and type of what it is copied over.
void Copy(Call& call) {
  const std::string source = call.In("src", call.Out().dtype);
  if (call.Type("src").shape == call.Out().shape) return call.Return(source);
  call.Return(call.Node("Expand", {source, call.graph().Shape(call.Out().shape)}));
}

void Repeat(Call& call) {
  const Shape repeats = call.Numbers("repeats");
  Shape padded = call.Type("self").shape;
  if (padded.size() > repeats.size()) return call.Fail("repeats fewer dimensions than there are");
  padded.insert(padded.begin(), repeats.size() - padded.size(), Polynomial(1));
  const std::string value = call.Reshape(call.In("self"), call.Type("self").shape, padded);
  call.Return(call.Node("Tile", {value, call.graph().Shape(repeats)}));
}

void Concat(Call& call) {
  const std::int64_t axis = call.Axis("dim", call.Out().rank());
  std::vector<std::string> parts = call.InList("tensors", call.Out().dtype);
  // LibTorch skips empty one-dimensional tensors, ONNX does not.
  const std::vector<const TensorType*> types = call.ListTypes("tensors");
  for (std::size_t i = types.size(); i > 0; --i) {
    if (types[i - 1]->shape == Shape{{0, 0}}) parts.erase(parts.begin() + i - 1);
  }
  call.Return(call.Node("Concat", parts, {{"axis", axis}}));
}

void Stack(Call& call) {
  const std::int64_t axis = call.Axis("dim", call.Out().rank());
  std::vector<std::string> parts;
  for (const std::string& part : call.InList("tensors", call.Out().dtype)) {
    parts.push_back(call.Node("Unsqueeze", {part, call.graph().Int64s({axis})}));
  }
  call.Return(call.Node("Concat", parts, {{"axis", axis}}));
}

/// split, chunk, split_with_sizes: the traced results say the sizes.
void Split(Call& call) {
  const std::int64_t axis = call.Axis("dim", call.Type("self").rank());
  Shape sizes;
  for (std::size_t i = 0; i < call.results(); ++i) {
    if (axis >= call.Out(i).rank()) return call.Fail("its pieces are not used one by one");
    sizes.push_back(call.Out(i).shape[axis]);
  }
  const std::vector<std::string> pieces =
      call.graph().Node("Split", {call.In("self"), call.graph().Shape(sizes)}, {{"axis", axis}},
                        static_cast<int>(call.results()));
  for (std::size_t i = 0; i < pieces.size(); ++i) call.Return(i, pieces[i]);
}

void Unbind(Call& call) {
  const std::int64_t axis = call.Axis("dim", call.Type("self").rank());
  const std::string self = call.In("self");
  for (std::size_t i = 0; i < call.results(); ++i) {
    const std::string index = call.graph().Int64(static_cast<std::int64_t>(i));
    call.Return(i, call.Node("Gather", {self, index}, {{"axis", axis}}));
  }
}

void Slice(Call& call) {
  constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
  const std::int64_t axis = call.Axis("dim", call.Type("self").rank());
  const Polynomial start = call.Has("start") ? call.Number("start") : Polynomial(0);
  const Polynomial end = call.Has("end") ? call.Number("end") : Polynomial(kEnd);
  if (call.Type("self").shape == call.Out().shape && call.IntOr("step", 1) == 1) {
    return call.Return(call.In("self"));
  }
  GraphBuilder& graph = call.graph();
  call.Return(call.Node("Slice", {call.In("self"), graph.Shape({start}), graph.Shape({end}),
                                  graph.Int64s({axis}), graph.Int64s({call.IntOr("step", 1)})}));
}

void Narrow(Call& call) {
  const std::int64_t axis = call.Axis("dim", call.Type("self").rank());
  Polynomial start = call.Number("start");
  if (start.negative()) {
    // Counted from the end, where a slice would not reach beyond.
    const Polynomial size = call.Type("self").shape[axis];
    start = start + size;
  }
  const Polynomial length = call.Number("length");
  const Polynomial end = start + length;
  GraphBuilder& graph = call.graph();
  call.Return(call.Node(
      "Slice", {call.In("self"), graph.Shape({start}), graph.Shape({end}), graph.Int64s({axis})}));
}

void Select(Call& call) {
  const std::int64_t axis = call.Axis("dim", call.Type("self").rank());
  call.Return(call.Node("Gather", {call.In("self"), call.graph().Number(call.Number("index"))},
                        {{"axis", axis}}));
}

void Flip(Call& call) {
  const Ints axes = call.Axes("dims", call.Type("self").rank());
  GraphBuilder& graph = call.graph();
  // A step of -1 from the last element to before the first.
  call.Return(
      call.Node("Slice", {call.In("self"), graph.Int64s(Ints(axes.size(), -1)),
                          graph.Int64s(Ints(axes.size(), std::numeric_limits<std::int64_t>::min())),
                          graph.Int64s(axes), graph.Int64s(Ints(axes.size(), -1))}));
}

/// A tensor of the result's shape that holds `value` everywhere.
void Filled(Call& call, double value) {
  onnx::Tensor one = OnnxTensor("", at::full({1}, value, call.Out().dtype));
  call.Return(call.Node("ConstantOfShape", {call.graph().Shape(call.Out().shape)},
                        {{"value", std::move(one)}}));
}

void FilledWith(Call& call, const char* name) {
  if (!call.IsTensor(name)) return Filled(call, call.Real(name));
  call.Return(
      call.Node("Expand", {call.In(name, call.Out().dtype), call.graph().Shape(call.Out().shape)}));
}

void Arange(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  const std::string start =
      call.Has("start") ? call.In("start", type) : call.graph().Scalar(0, type);
  const std::string step = call.Has("step") ? call.In("step", type) : call.graph().Scalar(1, type);
  call.Return(call.Node("Range", {start, call.In("end", type), step}));
}

void Triangle(Call& call, bool upper) {
  call.Return(call.Node("Trilu", {call.In("self"), call.graph().Int64(call.IntOr("diagonal", 0))},
                        {{"upper", std::int64_t{upper}}}));
}

}  // namespace

Translations ShapeOps() {
  Translations rows = {
      {"arange", Arange},
      {"cat", Concat},
      {"copy", Copy},
      {"expand", Expand},
      {"expand_as", Expand},
      {"broadcast_to", Expand},
      {"fill", [](Call& call) { FilledWith(call, "value"); }},
      {"flip", Flip},
      {"full", [](Call& call) { FilledWith(call, "fill_value"); }},
      {"full_like", [](Call& call) { FilledWith(call, "fill_value"); }},
      {"narrow", Narrow},
      {"new_full", [](Call& call) { FilledWith(call, "fill_value"); }},
      {"mT", TurnMatrix},
      {"numpy_T", Reverse},
      {"permute", Permute},
      {"repeat", Repeat},
      {"select", Select},
      {"slice", Slice},
      {"stack", Stack},
      {"t", TurnMatrix},
      {"transpose", Transpose},
      {"tril", [](Call& call) { Triangle(call, false); }},
      {"triu", [](Call& call) { Triangle(call, true); }},
      {"unbind", Unbind},
      {"zero", [](Call& call) { Filled(call, 0); }},
  };
  for (const char* name : {"view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze",
                           "_unsafe_view", "view_as", "reshape_as", "ravel"}) {
    rows.emplace_back(name, Reshaped);
  }
  for (const char* name : {"alias", "clone", "contiguous", "detach", "to", "type_as"}) {
    rows.emplace_back(name, Same);
  }
  for (const char* name : {"chunk", "split", "split_with_sizes", "tensor_split"}) {
    rows.emplace_back(name, Split);
  }
  for (const char* name :
       {"zeros", "zeros_like", "new_zeros", "empty", "empty_like", "new_empty"}) {
    rows.emplace_back(name, [](Call& call) { Filled(call, 0); });
  }
  for (const char* name : {"ones", "ones_like", "new_ones"}) {
    rows.emplace_back(name, [](Call& call) { Filled(call, 1); });
  }
  return rows;
}

}  // namespace muster::exporting
