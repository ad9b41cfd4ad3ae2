#include <ATen/Functions.h>

#include <limits>

#include "trainer/export/call.h"

namespace muster::exporting {
namespace {

void Embedding(Call& call) {
  call.Return(call.Node("Gather", {call.In("weight"), call.In("indices")}));
}

/// Bags of one length L, which are rows of ids (N, L): their vectors (N, L, D), joined over L.
void EmbeddingBag(Call& call) {
  enum : std::int64_t { kSum, kMean, kMax };
  const std::int64_t mode = call.Int("mode");
  const std::int64_t length = call.RangeStep("offsets");
  const TensorType& indices = call.Type("indices");
  const TensorType& weight = call.Type("weight");
  if (!call.status().ok() || weight.rank() != 2) return call.Fail("has no matrix of vectors");
  const Polynomial rows = call.Out().shape.empty() ? Polynomial() : call.Out().shape[0];
  const Shape flat = {rows * length};
  call.FailUnless(length > 0 && indices.shape == flat,
                  "bags that are not known to be of one length: wanted offsets by arange(0, N * L, "
                  "L) for N * L indices");
  call.FailUnless(!call.Flag("include_last_offset"), "offsets that include the end");
  if (!call.status().ok()) return;

  const at::ScalarType type = call.Out().dtype;
  GraphBuilder& graph = call.graph();
  const auto axis = [&] { return graph.Int64s({1}); };
  const std::string ids = call.Reshape(call.In("indices"), indices.shape, {rows, length});
  std::string vectors = call.Node("Gather", {call.In("weight"), ids});
  if (call.Has("per_sample_weights")) {
    const std::string factors =
        call.Reshape(call.In("per_sample_weights"), indices.shape, {rows, length, 1});
    vectors = call.Node("Mul", {vectors, factors});
  }
  if (!call.Has("padding_idx")) {
    if (mode == kSum)
      return call.Return(
          call.Node("ReduceSum", {vectors, axis()}, {{"keepdims", std::int64_t{0}}}));
    return call.Return(call.Node(mode == kMean ? "ReduceMean" : "ReduceMax", {vectors},
                                 {{"axes", Ints{1}}, {"keepdims", std::int64_t{0}}}));
  }
  const std::int64_t padding = call.Int("padding_idx");
  const std::string filler = graph.Constant(
      at::full({}, padding < 0 ? padding + weight.shape[0].offset : padding, indices.dtype),
      "padding");
  const std::string filled =
      call.Node("Unsqueeze", {call.Node("Equal", {ids, filler}), graph.Int64s({2})});
  const std::string kept = call.Cast(call.Node("Not", {filled}), at::kBool, type);
  const std::string count = call.Node("ReduceSum", {kept, axis()}, {{"keepdims", std::int64_t{0}}});
  if (mode == kMax) {
    const std::string least = graph.Scalar(-std::numeric_limits<double>::infinity(), type);
    const std::string most = call.Node("ReduceMax", {call.Node("Where", {filled, least, vectors})},
                                       {{"axes", Ints{1}}, {"keepdims", std::int64_t{0}}});
    // An empty bag is zeros.
    const std::string empty = call.Node("Equal", {count, graph.Scalar(0, type)});
    return call.Return(call.Node("Where", {empty, graph.Scalar(0, type), most}));
  }
  const std::string sum = call.Node("ReduceSum", {call.Node("Mul", {vectors, kept}), axis()},
                                    {{"keepdims", std::int64_t{0}}});
  if (mode == kSum) return call.Return(sum);
  call.Return(call.Node("Div", {sum, call.Node("Max", {count, graph.Scalar(1, type)})}));
}

void IndexSelect(Call& call) {
  const std::int64_t axis = call.Axis("dim", call.Type("self").rank());
  call.Return(call.Node("Gather", {call.In("self"), call.In("index")}, {{"axis", axis}}));
}

void GatherElements(Call& call) {
  const std::int64_t axis = call.Axis("dim", call.Type("self").rank());
  call.Return(call.Node("GatherElements", {call.In("self"), call.In("index")}, {{"axis", axis}}));
}

/// self[..., index, ...] with one tensor of places.
void Index(Call& call) {
  const std::vector<std::string> indices = call.OptionalList("indices");
  const std::vector<const TensorType*> types = call.ListTypes("indices");
  std::int64_t axis = -1;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (indices[i].empty()) continue;
    call.FailUnless(axis < 0, "indexes more than one dimension at once");
    call.FailUnless(at::isIntegralType(types[i]->dtype, false), "indexes by a mask");
    axis = static_cast<std::int64_t>(i);
  }
  if (axis < 0) return call.Fail("indexes no dimension");
  call.Return(call.Node("Gather", {call.In("self"), indices[axis]}, {{"axis", axis}}));
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
      {"embedding", Embedding},
      {"embedding_bag", EmbeddingBag},
      {"gather", GatherElements},
      {"index", Index},
      {"index_select", IndexSelect},
      {"masked_fill", MaskedFill},
      {"one_hot", OneHot},
      {"sort", Sort},
      {"topk", TopK},
      {"where", Where},
  };
}

}  // namespace muster::exporting
