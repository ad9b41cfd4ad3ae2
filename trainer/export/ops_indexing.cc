#include <ATen/Functions.h>

#include <algorithm>

#include "trainer/export/call.h"

namespace muster::exporting {
namespace {

void IndexSelect(Call& call) {
  const std::int64_t axis = call.Axis("dim", call.Type("self").rank());
  call.Return(call.Node("Gather", {call.In("self"), call.In("index")}, {{"axis", axis}}));
}

/// ONNX wants every dimension but `axis` of one size in both; LibTorch lets the index be smaller.
void GatherElements(Call& call) {
  const TensorType& type = call.Type("self");
  const TensorType& index = call.Type("index");
  const std::int64_t axis = call.Axis("dim", type.rank());
  std::string self = call.In("self");
  if (type.rank() == 0 || index.rank() != type.rank()) return call.Fail("gathers from a number");
  for (std::int64_t i = 0; i < type.rank(); ++i) {
    if (i == axis || index.shape[i] == type.shape[i]) continue;
    // By places and not by Slice, which OpenVINO 2026.4 drops before GatherElements.
    call.FailUnless(index.shape[i].fixed(), "an index that is smaller by some of the batch");
    const std::string places =
        call.graph().Constant(at::arange(index.shape[i].offset, at::kLong), "first");
    self = call.Node("Gather", {self, places}, {{"axis", i}});
  }
  call.Return(call.Node("GatherElements", {self, call.In("index", at::kLong)}, {{"axis", axis}}));
}

/// The same with dimensions of size one stretched.
void TakeAlong(Call& call) {
  const TensorType& type = call.Type("self");
  const TensorType& indices = call.Type("indices");
  if (!call.Has("dim")) return call.Fail("takes from all elements; flatten them first");
  const std::int64_t axis = call.Axis("dim", type.rank());
  if (type.rank() == 0 || indices.rank() != type.rank()) return call.Fail("takes from a number");
  Shape from = call.Out().shape;
  from[axis] = type.shape[axis];
  const std::string self = call.Expand(call.In("self"), type.shape, from);
  const std::string places = call.Expand(call.In("indices"), indices.shape, call.Out().shape);
  call.Return(call.Node("GatherElements", {self, places}, {{"axis", axis}}));
}

/// What self[:, a, :, b] names: tensors of places, one for each of some dimensions.
struct Places {
  Ints axes;            ///< the dimensions, ascending
  std::string stacked;  ///< (B..., axes.size())
  Shape shape;          ///< B...: theirs, broadcast
  Ints front;           ///< the order of self's dimensions that puts `axes` first

  /// How (B..., other dimensions of self) becomes LibTorch's order: B... stands where the axes
  /// stood if they are neighbours, else first.
  [[nodiscard]] Ints ToResult() const {
    const bool neighbours =
        axes.back() - axes.front() + 1 == static_cast<std::int64_t>(axes.size());
    const auto broadcast = static_cast<std::int64_t>(shape.size());
    const std::int64_t before = neighbours ? axes.front() : 0;
    Ints order;
    for (std::int64_t i = 0; i < before; ++i) order.push_back(broadcast + i);
    for (std::int64_t i = 0; i < broadcast; ++i) order.push_back(i);
    const auto others = static_cast<std::int64_t>(front.size() - axes.size());
    for (std::int64_t i = before; i < others; ++i) order.push_back(broadcast + i);
    return order;
  }
};

Ints Inverse(const Ints& order) {
  Ints inverse(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) inverse[order[i]] = static_cast<std::int64_t>(i);
  return inverse;
}

Shape Ordered(const Shape& shape, const Ints& order) {
  Shape ordered;
  for (const std::int64_t axis : order) ordered.push_back(shape[axis]);
  return ordered;
}

/// Grows `shape` to hold `other`, by LibTorch's broadcasting.
void Broadcast(Shape& shape, const Shape& other) {
  if (shape.size() < other.size())
    shape.insert(shape.begin(), other.size() - shape.size(), Polynomial(1));
  const std::size_t missing = shape.size() - other.size();
  for (std::size_t i = 0; i < other.size(); ++i) {
    Polynomial& dim = shape[missing + i];
    if (dim == Polynomial(1)) dim = other[i];
  }
}

Places PlacesOf(Call& call) {
  const std::vector<std::string> indices = call.OptionalList("indices");
  const std::vector<const TensorType*> types = call.ListTypes("indices");
  Places places;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (indices[i].empty()) continue;
    call.FailUnless(types[i]->dtype == at::kLong || types[i]->dtype == at::kInt,
                    "indexes by a mask, whose result has another shape for other values; use where "
                    "or masked_fill");
    places.axes.push_back(static_cast<std::int64_t>(i));
    Broadcast(places.shape, types[i]->shape);
  }
  if (places.axes.empty()) call.Fail("indexes no dimension");
  if (!call.status().ok()) return places;
  places.front = places.axes;
  for (std::int64_t i = 0; i < call.Type("self").rank(); ++i) {
    if (std::ranges::find(places.axes, i) == places.axes.end()) places.front.push_back(i);
  }
  const auto last = static_cast<std::int64_t>(places.shape.size());
  std::vector<std::string> columns;
  for (const std::int64_t axis : places.axes) {
    const std::string whole = call.Expand(call.Cast(indices[axis], types[axis]->dtype, at::kLong),
                                          types[axis]->shape, places.shape);
    columns.push_back(call.Unsqueeze(whole, {last}));
  }
  places.stacked = call.Concat(columns, last);
  return places;
}

void Index(Call& call) {
  const std::vector<std::string> indices = call.OptionalList("indices");
  const auto is_given = [](const std::string& index) { return !index.empty(); };
  if (std::ranges::count_if(indices, is_given) == 1) {
    const auto axis = std::ranges::find_if(indices, is_given) - indices.begin();
    if (call.ListTypes("indices")[axis]->dtype == at::kLong) {
      return call.Return(
          call.Node("Gather", {call.In("self"), indices[axis]}, {{"axis", std::int64_t{axis}}}));
    }
  }
  const Places places = PlacesOf(call);
  if (!call.status().ok()) return;
  const std::string self = call.Transpose(call.In("self"), places.front);
  call.Return(call.Transpose(call.Node("GatherND", {self, places.stacked}), places.ToResult()));
}

/// self[..., mask, ...] = one number: the mask's dimensions begin at `axis`.
void PutByMask(Call& call, const std::string& mask, const TensorType& type, std::int64_t axis) {
  call.FailUnless(!call.Flag("accumulate"), "adds by a mask");
  for (const Polynomial& dim : call.Type("values").shape)
    call.FailUnless(dim == Polynomial(1), "puts more than one number by a mask");
  Ints trailing;
  for (std::int64_t i = type.rank(); i < call.Type("self").rank() - axis; ++i)
    trailing.push_back(i);
  const std::string value =
      call.Node("Reshape", {call.In("values", call.Out().dtype), call.graph().Int64s({})});
  call.Return(call.Node("Where", {call.Unsqueeze(mask, trailing), value, call.In("self")}));
}

/// self[indices] = values, or += values.
void IndexPut(Call& call) {
  const std::vector<std::string> indices = call.OptionalList("indices");
  const std::vector<const TensorType*> types = call.ListTypes("indices");
  if (!indices.empty() && !indices.back().empty() && types.back()->dtype == at::kBool &&
      std::ranges::count(indices, "") == static_cast<std::ptrdiff_t>(indices.size()) - 1) {
    return PutByMask(call, indices.back(), *types.back(),
                     static_cast<std::int64_t>(indices.size()) - 1);
  }
  const Places places = PlacesOf(call);
  if (!call.status().ok()) return;
  const TensorType& self = call.Type("self");
  Shape region = places.shape;
  for (std::size_t i = places.axes.size(); i < places.front.size(); ++i)
    region.push_back(self.shape[places.front[i]]);
  const Ints to_result = places.ToResult();
  const TensorType& values = call.Type("values");
  const std::string whole =
      call.Expand(call.In("values", call.Out().dtype), values.shape, Ordered(region, to_result));
  Attributes attributes;
  if (call.Flag("accumulate")) attributes.push_back({"reduction", std::string("add")});
  const std::string written = call.Node("ScatterND",
                                        {call.Transpose(call.In("self"), places.front),
                                         places.stacked, call.Transpose(whole, Inverse(to_result))},
                                        attributes);
  call.Return(call.Transpose(written, Inverse(places.front)));
}

/// How many boundaries lie below each element; with `right`, those equal to it count too.
void CountBelow(Call& call, const char* elements, const char* boundaries) {
  const TensorType& type = call.Type(elements);
  call.FailUnless(call.Type(boundaries).rank() == 1, "wants one list of boundaries");
  call.FailUnless(!call.Has("sorter") && !call.Has("side"), "sorter and side are not translated");
  const at::ScalarType common = call.Promoted(elements, boundaries);
  const std::string column = call.Unsqueeze(call.In(elements, common), {type.rank()});
  const std::string below =
      call.Node(call.Flag("right") ? "LessOrEqual" : "Less", {call.In(boundaries, common), column});
  const std::string count =
      call.Node("ReduceSum", {call.Cast(below, at::kBool, at::kLong), call.graph().Int64s({-1})},
                {{"keepdims", std::int64_t{0}}});
  call.Return(call.Cast(count, at::kLong, call.Out().dtype));
}

void Where(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  call.Return(call.Node(
      "Where", {call.In("condition", at::kBool), call.In("self", type), call.In("other", type)}));
}

void MaskedFill(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  const std::string mask = call.In("mask", at::kBool);
  call.Return(call.Node("Where", {mask, call.In("value", type), call.In("self", type)}));
}

/// Results of topk and sort: values, places.
void Ranked(Call& call, const std::string& count, bool largest) {
  const std::int64_t axis =
      call.Has("dim") ? call.Axis("dim", call.Type("self").rank()) : call.Type("self").rank() - 1;
  const std::vector<std::string> both = call.graph().Node(
      "TopK", {call.In("self"), count},
      {{"axis", axis}, {"largest", std::int64_t{largest}}, {"sorted", std::int64_t{1}}}, 2);
  if (call.results() == 1) return call.Return(both[1]);  // argsort
  for (std::size_t i = 0; i < both.size(); ++i) call.Return(i, both[i]);
}

void TopK(Call& call) {
  Ranked(call, call.graph().Shape({call.Number("k")}), call.Flag("largest"));
}

void Sort(Call& call) {
  const TensorType& type = call.Type("self");
  const std::int64_t axis = call.Axis("dim", type.rank());
  if (!call.status().ok() || axis >= type.rank()) return call.Fail("sorts a number");
  Ranked(call, call.graph().Shape({type.shape[axis]}), call.Flag("descending"));
}

void OneHot(Call& call) {
  const std::int64_t classes = call.Int("num_classes");
  call.FailUnless(classes > 0, "the number of classes is taken from the data");
  if (!call.status().ok()) return;
  Shape column = call.Type("self").shape;
  column.push_back(1);
  const std::string places = call.Reshape(call.In("self"), call.Type("self").shape, column);
  const std::string numbers = call.graph().Constant(at::arange(classes, at::kLong), "classes");
  call.Return(call.Cast(call.Node("Equal", {places, numbers}), at::kBool, call.Out().dtype));
}

}  // namespace

Translations IndexingOps() {
  return {
      {"argsort", Sort},
      {"bucketize", [](Call& call) { CountBelow(call, "self", "boundaries"); }},
      {"gather", GatherElements},
      {"index", Index},
      {"index_put", IndexPut},
      {"index_select", IndexSelect},
      {"masked_fill", MaskedFill},
      {"one_hot", OneHot},
      {"searchsorted", [](Call& call) { CountBelow(call, "self", "sorted_sequence"); }},
      {"sort", Sort},
      {"take_along_dim", TakeAlong},
      {"topk", TopK},
      {"where", Where},
  };
}

}  // namespace muster::exporting
