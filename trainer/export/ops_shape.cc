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

void Turned(Call& call, const Ints& order) { call.Return(call.Transpose(call.In("self"), order)); }

void Permute(Call& call) {
  Ints order = call.IntList("dims");
  for (std::int64_t& axis : order) axis = axis < 0 ? axis + call.Type("self").rank() : axis;
  Turned(call, order);
}

void Swap(Call& call, const char* one, const char* other) {
  const std::int64_t rank = call.Type("self").rank();
  Ints order = Counted(rank);
  if (rank > 0) std::swap(order[call.Axis(one, rank)], order[call.Axis(other, rank)]);
  Turned(call, order);
}

/// Dimensions to new places; the rest keep their order around them.
void Move(Call& call) {
  const std::int64_t rank = call.Type("self").rank();
  const Ints from = call.Axes("source", rank);
  const Ints to = call.Axes("destination", rank);
  Ints order(rank, -1);
  for (std::size_t i = 0; i < from.size() && i < to.size(); ++i) order[to[i]] = from[i];
  std::int64_t next = 0;
  for (std::int64_t& axis : order) {
    if (axis >= 0) continue;
    while (std::ranges::find(from, next) != from.end()) ++next;
    axis = next++;
  }
  Turned(call, order);
}

/// The last two dimensions, where there are two.
void TurnMatrix(Call& call) {
  Ints order = Counted(call.Type("self").rank());
  if (order.size() >= 2) std::swap(order[order.size() - 1], order[order.size() - 2]);
  Turned(call, order);
}

void Reverse(Call& call) {
  Ints order = Counted(call.Type("self").rank());
  std::reverse(order.begin(), order.end());
  Turned(call, order);
}

void Expand(Call& call) {
  call.Return(call.Expand(call.In("self"), call.Type("self").shape, call.Out().shape));
}

/// The source, in the shape and type of what it is copied over.
void Copy(Call& call) {
  const std::string source = call.In("src", call.Out().dtype);
  call.Return(call.Expand(source, call.Type("src").shape, call.Out().shape));
}

void Repeat(Call& call, const char* times) {
  Shape repeats = call.Numbers(times);
  const std::size_t rank = call.Type("self").shape.size();
  // tile() lets the first dimensions be left out.
  if (repeats.size() < rank) repeats.insert(repeats.begin(), rank - repeats.size(), 1);
  Shape padded = call.Type("self").shape;
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
    if (types[i - 1]->shape == Shape{0}) parts.erase(parts.begin() + i - 1);
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

/// Each element a number of times in a row.
void RepeatInterleave(Call& call) {
  const TensorType& type = call.Type("self");
  if (call.IsTensor("repeats")) return call.Fail("repeats each element another number of times");
  const Polynomial repeats = call.Number("repeats");
  std::string value = call.In("self");
  std::int64_t axis = 0;
  if (call.Has("dim")) {
    axis = call.Axis("dim", type.rank());
  } else {
    value = call.Node("Reshape", {value, call.graph().Int64s({-1})});
    if (!repeats.fixed()) return call.Fail("a number of times that depends on the batch");
  }
  Shape times(call.Has("dim") ? type.shape.size() + 1 : 2, Polynomial(1));
  times[axis + 1] = repeats;
  value = call.Node("Tile", {call.Unsqueeze(value, {axis + 1}), call.graph().Shape(times)});
  call.Return(call.Reshape(value, {-1}, call.Out().shape));
}

/// What falls off one end of a dimension comes in at the other.
void Roll(Call& call) {
  const TensorType& type = call.Type("self");
  const Ints shifts = call.IntList("shifts");
  const Ints axes = call.Has("dims") ? call.IntList("dims") : Ints{};
  if (axes.size() != shifts.size()) return call.Fail("rolls all elements; flatten them first");
  std::string value = call.In("self");
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::int64_t axis = axes[i] < 0 ? axes[i] + type.rank() : axes[i];
    const Polynomial size = type.shape[axis];
    if (!size.fixed()) return call.Fail("rolls the batch");
    const std::int64_t shift =
        size.offset == 0 ? 0 : ((shifts[i] % size.offset) + size.offset) % size.offset;
    if (shift == 0) continue;
    const Polynomial cut = size.offset - shift;
    value =
        call.Concat({call.Slice(value, axis, cut, size), call.Slice(value, axis, 0, cut)}, axis);
  }
  call.Return(value);
}

/// Lists of coordinates as grids; with "xy" the first two dimensions are exchanged.
void Meshgrid(Call& call) {
  const std::vector<std::string> axes = call.InList("tensors", call.Out().dtype);
  const std::vector<const TensorType*> types = call.ListTypes("tensors");
  for (std::size_t i = 0; i < call.results() && i < axes.size(); ++i) {
    const std::size_t place = call.Text("indexing") == "xy" && i < 2 && axes.size() > 1 ? 1 - i : i;
    Shape along(axes.size(), Polynomial(1));
    along[place] = types[i]->rank() == 0 ? Polynomial(1) : types[i]->shape[0];
    const std::string line = call.Reshape(axes[i], types[i]->shape, along);
    call.Return(i, call.Expand(line, along, call.Out(i).shape));
  }
}

void BroadcastAll(Call& call) {
  const std::vector<const TensorType*> types = call.ListTypes("tensors");
  const std::vector<std::string> values = call.InList("tensors", call.Out().dtype);
  for (std::size_t i = 0; i < call.results() && i < values.size(); ++i) {
    call.Return(i, call.Expand(values[i], types[i]->shape, call.Out(i).shape));
  }
}

/// Two dimensions become their diagonal, the last one.
void Diagonal(Call& call) {
  const TensorType& type = call.Type("self");
  const std::int64_t one = call.Has("dim1") ? call.Axis("dim1", type.rank()) : 0;
  const std::int64_t other = call.Has("dim2") ? call.Axis("dim2", type.rank()) : 1;
  if (!call.status().ok() || type.rank() < 2 || !type.shape[one].fixed() ||
      !type.shape[other].fixed())
    return call.Fail("wants two dimensions that do not depend on the batch");
  const std::int64_t rows = type.shape[one].offset;
  const std::int64_t columns = type.shape[other].offset;
  Ints order;
  Shape flat;
  for (std::int64_t i = 0; i < type.rank(); ++i) {
    if (i == one || i == other) continue;
    order.push_back(i);
    flat.push_back(type.shape[i]);
  }
  order.insert(order.end(), {one, other});
  flat.emplace_back(rows * columns);
  const std::string matrices = call.Transpose(call.In("self"), order);
  const at::Tensor places = at::arange(rows * columns, at::kLong)
                                .view({rows, columns})
                                .diagonal(call.IntOr("offset", 0))
                                .contiguous();
  call.Return(call.Node(
      "Gather", {call.Reshape(matrices, {}, flat), call.graph().Constant(places, "diagonal")},
      {{"axis", type.rank() - 2}}));
}

/// The last dimension as the diagonal of matrices.
void DiagEmbed(Call& call) {
  const TensorType& type = call.Type("self");
  call.FailUnless(
      call.IntOr("offset", 0) == 0 && call.IntOr("dim1", -2) == -2 && call.IntOr("dim2", -1) == -1,
      "only main diagonals over the last two dimensions are translated");
  if (type.rank() == 0 || !type.shape.back().fixed()) return call.Fail("runs over the batch");
  if (!call.status().ok()) return;
  const std::string unit =
      call.graph().Constant(at::eye(type.shape.back().offset, call.Out().dtype), "unit");
  call.Return(call.Node("Mul", {call.Unsqueeze(call.In("self"), {-1}), unit}));
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

void Flip(Call& call, const Ints& axes) {
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
  call.Return(call.Expand(call.In(name, call.Out().dtype), {}, call.Out().shape));
}

void Arange(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  const std::string start =
      call.Has("start") ? call.In("start", type) : call.graph().Scalar(0, type);
  const std::string step = call.Has("step") ? call.In("step", type) : call.graph().Scalar(1, type);
  call.Return(call.Node("Range", {start, call.In("end", type), step}));
}

/// Trilu knows numbers only.
void Triangle(Call& call, bool upper) {
  const at::ScalarType type = call.Out().dtype == at::kBool ? at::kLong : call.Out().dtype;
  const std::string value =
      call.Node("Trilu", {call.In("self", type), call.graph().Int64(call.IntOr("diagonal", 0))},
                {{"upper", std::int64_t{upper}}});
  call.Return(call.Cast(value, type, call.Out().dtype));
}

}  // namespace

Translations ShapeOps() {
  Translations rows = {
      {"arange", Arange},
      {"broadcast_tensors", BroadcastAll},
      {"cat", Concat},
      {"concat", Concat},
      {"copy", Copy},
      {"diag_embed", DiagEmbed},
      {"diagonal", Diagonal},
      {"expand", Expand},
      {"expand_as", Expand},
      {"broadcast_to", Expand},
      {"fill", [](Call& call) { FilledWith(call, "value"); }},
      {"flip", [](Call& call) { Flip(call, call.Axes("dims", call.Type("self").rank())); }},
      {"fliplr", [](Call& call) { Flip(call, {1}); }},
      {"flipud", [](Call& call) { Flip(call, {0}); }},
      {"full", [](Call& call) { FilledWith(call, "fill_value"); }},
      {"full_like", [](Call& call) { FilledWith(call, "fill_value"); }},
      {"meshgrid", Meshgrid},
      {"moveaxis", Move},
      {"movedim", Move},
      {"narrow", Narrow},
      {"new_full", [](Call& call) { FilledWith(call, "fill_value"); }},
      {"mT", TurnMatrix},
      {"numpy_T", Reverse},
      {"permute", Permute},
      {"repeat", [](Call& call) { Repeat(call, "repeats"); }},
      {"repeat_interleave", RepeatInterleave},
      {"roll", Roll},
      {"select", Select},
      {"slice", Slice},
      {"stack", Stack},
      {"t", TurnMatrix},
      {"swapaxes", [](Call& call) { Swap(call, "axis0", "axis1"); }},
      {"swapdims", [](Call& call) { Swap(call, "dim0", "dim1"); }},
      {"tile", [](Call& call) { Repeat(call, "dims"); }},
      {"transpose", [](Call& call) { Swap(call, "dim0", "dim1"); }},
      {"tril", [](Call& call) { Triangle(call, false); }},
      {"triu", [](Call& call) { Triangle(call, true); }},
      {"unbind", Unbind},
      {"zero", [](Call& call) { Filled(call, 0); }},
  };
  for (const char* name : {"view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze",
                           "_unsafe_view", "view_as", "reshape_as", "ravel"}) {
    rows.emplace_back(name, Reshaped);
  }
  for (const char* name :
       {"alias", "clone", "contiguous", "detach", "lift_fresh", "to", "type_as"}) {
    rows.emplace_back(name, Same);
  }
  for (const char* name : {"chunk", "split", "split_with_sizes", "tensor_split", "unsafe_chunk",
                           "unsafe_split", "unsafe_split_with_sizes"}) {
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
