#include <algorithm>

#include "trainer/export/call.h"

// Operators that write into a copy of a tensor.

namespace muster::exporting {
namespace {

/// ONNX wants as many updates as places; LibTorch lets `src` be larger, or a number.
std::string Updates(Call& call, const char* name) {
  const Shape& places = call.Type("index").shape;
  std::string updates = call.In(name, call.Out().dtype);
  if (!call.IsTensor(name)) return call.Expand(updates, {}, places);
  const Shape& from = call.Type(name).shape;
  if (from.empty()) return call.Expand(updates, from, places);
  for (std::size_t i = 0; i < places.size() && i < from.size(); ++i) {
    if (from[i] == places[i]) continue;
    updates = call.Slice(updates, static_cast<std::int64_t>(i), 0, places[i]);
  }
  return updates;
}

/// "add", "mul", or empty: the written value stands alone. Set 17 has no others.
std::string Reduction(Call& call) {
  const std::string reduce = call.Text("reduce");
  if (reduce.empty()) return "";
  call.FailUnless(!call.Has("include_self") || call.Flag("include_self"),
                  "leaves out what was there before");
  if (reduce == "add" || reduce == "sum") return "add";
  if (reduce == "multiply" || reduce == "prod") return "mul";
  call.Fail("reduction '" + reduce + "' has no ONNX operator in set 17");
  return "";
}

void ScatterElements(Call& call, const std::string& reduction) {
  const std::int64_t axis = call.Axis("dim", call.Type("self").rank());
  Attributes attributes = {{"axis", axis}};
  if (!reduction.empty()) attributes.push_back({"reduction", reduction});
  call.Return(call.Node("ScatterElements",
                        {call.In("self", call.Out().dtype), call.In("index", at::kLong),
                         Updates(call, call.Has("src") ? "src" : "value")},
                        attributes));
}

/// Whole slices along `dim`, at the places of a list.
void ScatterSlices(Call& call, const char* source, const std::string& reduction) {
  const TensorType& type = call.Type("self");
  const std::int64_t axis = call.Axis("dim", type.rank());
  if (type.rank() == 0 || call.Type("index").rank() != 1)
    return call.Fail("wants a list of places");
  Shape slices = type.shape;
  slices[axis] = call.Type("index").shape[0];
  std::string updates = call.In(source, call.Out().dtype);
  if (!call.IsTensor(source) || call.Type(source).rank() == 0)
    updates = call.Expand(updates, {}, slices);
  if (call.Has("alpha") && call.Real("alpha") != 1)
    updates = call.Node("Mul", {updates, call.In("alpha", call.Out().dtype)});
  Ints order = Counted(type.rank());
  std::swap(order[0], order[axis]);
  Attributes attributes;
  if (!reduction.empty()) attributes.push_back({"reduction", reduction});
  const std::string places = call.Unsqueeze(call.In("index", at::kLong), {1});
  const std::string written = call.Node(
      "ScatterND", {call.Transpose(call.In("self"), order), places, call.Transpose(updates, order)},
      attributes);
  call.Return(call.Transpose(written, order));
}

/// `src` in the place of the elements `begin` to before `end` of a dimension.
void Replace(Call& call, std::int64_t axis, const Polynomial& begin, const Polynomial& end,
             const std::string& src) {
  const Polynomial size = call.Type("self").shape[axis];
  const std::string self = call.In("self");
  std::vector<std::string> parts;
  if (begin != Polynomial(0)) parts.push_back(call.Slice(self, axis, 0, begin));
  parts.push_back(src);
  if (end != size) parts.push_back(call.Slice(self, axis, end, size));
  call.Return(call.Concat(parts, axis));
}

void SelectScatter(Call& call) {
  const TensorType& type = call.Type("self");
  const std::int64_t axis = call.Axis("dim", type.rank());
  std::int64_t index = call.Int("index");
  if (!call.status().ok() || axis >= type.rank()) return call.Fail("has no dimensions");
  call.FailUnless(index >= 0 || type.shape[axis].fixed(), "counts from the end of the batch");
  if (index < 0) index += type.shape[axis].offset;
  Replace(call, axis, index, index + 1, call.Unsqueeze(call.In("src", call.Out().dtype), {axis}));
}

/// An end of a slice, as a place from the beginning and within the dimension.
Polynomial Place(Call& call, const char* name, const Polynomial& size,
                 const Polynomial& otherwise) {
  if (!call.Has(name)) return otherwise;
  Polynomial place = call.Number(name);
  if (!place.fixed() || !size.fixed()) {
    call.FailUnless(place == size || place == Polynomial(0),
                    "an end that is not known to be within the dimension");
    return place;
  }
  if (place.offset < 0) place.offset += size.offset;
  return std::clamp<std::int64_t>(place.offset, 0, size.offset);
}

void SliceScatter(Call& call) {
  const TensorType& type = call.Type("self");
  const std::int64_t axis = call.Has("dim") ? call.Axis("dim", type.rank()) : 0;
  if (!call.status().ok() || axis >= type.rank()) return call.Fail("has no dimensions");
  call.FailUnless(call.IntOr("step", 1) == 1, "a step that is not 1");
  const Polynomial size = type.shape[axis];
  Replace(call, axis, Place(call, "start", size, 0), Place(call, "end", size, size),
          call.In("src", call.Out().dtype));
}

}  // namespace

Translations ScatterOps() {
  return {
      {"index_add", [](Call& call) { ScatterSlices(call, "source", "add"); }},
      {"index_copy", [](Call& call) { ScatterSlices(call, "source", ""); }},
      {"index_fill", [](Call& call) { ScatterSlices(call, "value", ""); }},
      {"scatter", [](Call& call) { ScatterElements(call, Reduction(call)); }},
      {"scatter_add", [](Call& call) { ScatterElements(call, "add"); }},
      {"scatter_reduce", [](Call& call) { ScatterElements(call, Reduction(call)); }},
      {"select_scatter", SelectScatter},
      {"slice_scatter", SliceScatter},
  };
}

}  // namespace muster::exporting
