#include <ATen/Functions.h>

#include <limits>

#include "trainer/export/call.h"

namespace muster::exporting {
namespace {

void Embedding(Call& call) {
  call.Return(call.Node("Gather", {call.In("weight"), call.In("indices")}));
}

/// The vectors of N bags, and which of them belong to which.
struct Bags {
  std::string vectors;  ///< (N, L, D), or (1, all, D) where the bags differ in length
  std::string members;  ///< truth values (N, L) or (N, all); empty when all belong
};

/// True for what is no filler; empty when nothing is.
std::string Kept(Call& call, const std::string& ids) {
  if (!call.Has("padding_idx")) return "";
  const std::int64_t padding = call.Int("padding_idx");
  const std::int64_t counted = call.Type("weight").shape[0].offset;
  const at::Tensor filler =
      at::full({}, padding < 0 ? padding + counted : padding, call.Type("indices").dtype);
  return call.Node("Not", {call.Node("Equal", {ids, call.graph().Constant(filler, "padding")})});
}

/// Bags of one length are rows of ids.
Bags EvenBags(Call& call, const Polynomial& rows, std::int64_t length) {
  const Shape& flat = call.Type("indices").shape;
  const std::string ids = call.Reshape(call.In("indices"), flat, {rows, length});
  Bags bags{call.Node("Gather", {call.In("weight"), ids}), Kept(call, ids)};
  if (call.Has("per_sample_weights")) {
    const std::string factors =
        call.Reshape(call.In("per_sample_weights"), flat, {rows, length, 1});
    bags.vectors = call.Node("Mul", {bags.vectors, factors});
  }
  return bags;
}

/// Id i is in bag n when offset n <= i < offset n + 1, or the end.
Bags UnevenBags(Call& call, const Polynomial& rows) {
  const Polynomial all = call.Type("indices").shape[0];
  const std::string ids = call.In("indices");
  std::string begins = call.In("offsets", at::kLong);
  std::string ends = begins;
  GraphBuilder& graph = call.graph();
  if (call.Flag("include_last_offset")) {
    begins = call.Slice(begins, 0, 0, rows);
  } else {
    ends = call.Concat({ends, graph.Shape({all})}, 0);
  }
  ends = call.Slice(ends, 0, 1, rows + 1);
  const std::string places =
      call.Node("Range", {graph.Int64(0), graph.Number(all), graph.Int64(1)});
  const std::string begun =
      call.Node("LessOrEqual", {call.Unsqueeze(begins, {1}), call.Unsqueeze(places, {0})});
  const std::string going =
      call.Node("Less", {call.Unsqueeze(places, {0}), call.Unsqueeze(ends, {1})});
  std::string members = call.Node("And", {begun, going});
  const std::string kept = Kept(call, ids);
  if (!kept.empty()) members = call.Node("And", {members, call.Unsqueeze(kept, {0})});
  std::string vectors = call.Node("Gather", {call.In("weight"), ids});
  if (call.Has("per_sample_weights")) {
    const std::string factors = call.Unsqueeze(call.In("per_sample_weights"), {1});
    vectors = call.Node("Mul", {vectors, factors});
  }
  return {call.Unsqueeze(vectors, {0}), members};
}

void ReturnJoined(Call& call, const Bags& bags, std::int64_t mode) {
  enum : std::int64_t { kSum, kMean, kMax };
  const std::string axis = call.graph().Int64s({1});
  const Attributes away = {{"keepdims", std::int64_t{0}}};
  const Attributes of_axis = {{"axes", Ints{1}}, {"keepdims", std::int64_t{0}}};
  if (bags.members.empty()) {
    if (mode == kSum) return call.Return(call.Node("ReduceSum", {bags.vectors, axis}, away));
    return call.Return(
        call.Node(mode == kMean ? "ReduceMean" : "ReduceMax", {bags.vectors}, of_axis));
  }
  const std::string ones = call.Cast(bags.members, at::kBool, call.Out().dtype);
  const std::string count = call.Node("ReduceSum", {ones, axis}, {{"keepdims", std::int64_t{1}}});
  if (mode == kMax) {
    const std::string least = call.Scalar(-std::numeric_limits<double>::infinity());
    const std::string taken =
        call.Node("Where", {call.Unsqueeze(bags.members, {2}), bags.vectors, least});
    const std::string most = call.Node("ReduceMax", {taken}, of_axis);
    // An empty bag is zeros.
    const std::string empty = call.Node("Equal", {count, call.Scalar(0)});
    return call.Return(call.Node("Where", {empty, call.Scalar(0), most}));
  }
  const std::string product = call.Node("MatMul", {call.Unsqueeze(ones, {1}), bags.vectors});
  const std::string sum = call.Squeeze(product, {1});
  if (mode == kSum) return call.Return(sum);
  call.Return(call.Node("Div", {sum, call.Node("Max", {count, call.Scalar(1)})}));
}

void EmbeddingBag(Call& call) {
  const TensorType& indices = call.Type("indices");
  if (!call.status().ok() || call.Type("weight").rank() != 2 || indices.rank() != 1)
    return call.Fail("wants a matrix of vectors and a list of ids");
  const Polynomial rows = call.Out().shape.empty() ? Polynomial() : call.Out().shape[0];
  const std::int64_t length = call.RangeStep("offsets");
  const bool even =
      length > 0 && !call.Flag("include_last_offset") && indices.shape == Shape{rows * length};
  ReturnJoined(call, even ? EvenBags(call, rows, length) : UnevenBags(call, rows),
               call.Int("mode"));
}

}  // namespace

Translations EmbeddingOps() { return {{"embedding", Embedding}, {"embedding_bag", EmbeddingBag}}; }

}  // namespace muster::exporting
