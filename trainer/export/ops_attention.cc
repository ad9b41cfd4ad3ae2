#include <ATen/Functions.h>

#include <cmath>
#include <limits>

#include "trainer/export/call.h"

namespace muster::exporting {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

/// 0 where row r may look at column c (c <= r), minus infinity elsewhere.
std::string CausalMask(Call& call, const Polynomial& rows, const Polynomial& columns) {
  if (!rows.fixed() || !columns.fixed()) {
    GraphBuilder& graph = call.graph();
    const auto range = [&](const Polynomial& count) {
      return call.Node("Range", {graph.Int64(0), graph.Number(count), graph.Int64(1)});
    };
    const std::string row = call.Node("Unsqueeze", {range(rows), graph.Int64s({1})});
    return call.Node("Where", {call.Node("Less", {row, range(columns)}),
                               graph.Scalar(kMinusInfinity, call.Out().dtype),
                               graph.Scalar(0, call.Out().dtype)});
  }
  const at::Tensor mask =
      at::full({rows.offset, columns.offset}, kMinusInfinity, call.Out().dtype).triu(1);
  return call.graph().Constant(mask, "causal_mask");
}

/// Each of the heads of `name` repeated, so that there are as many as the query has.
std::string Heads(Call& call, const char* name) {
  const Shape& from = call.Type(name).shape;
  const Shape& query = call.Type("query").shape;
  if (!call.Flag("enable_gqa") || from[from.size() - 3] == query[query.size() - 3])
    return call.In(name);
  const std::size_t axis = from.size() - 3;
  const Polynomial heads = from[axis];
  if (!heads.fixed() || !query[axis].fixed()) {
    call.Fail("a number of heads that depends on the batch");
    return "";
  }
  Shape grouped = from;
  grouped.insert(grouped.begin() + static_cast<std::ptrdiff_t>(axis) + 1,
                 query[axis].offset / heads.offset);
  const std::string apart = call.Unsqueeze(call.In(name), {static_cast<std::int64_t>(axis) + 1});
  Shape joined = from;
  joined[axis] = query[axis];
  return call.Reshape(call.Expand(apart, {}, grouped), grouped, joined);
}

/// Softmax over what a mask of truth values lets take part; where that is nothing, zeros.
std::string MaskedSoftmax(Call& call, const std::string& scores) {
  const std::string mask = call.In("attn_mask");
  // Finite, as a row of minus infinities has no softmax. It leaves the others' weights at zero all
  // the same.
  const std::string low = call.Node("Where", {mask, scores, call.Scalar(-1e30)});
  const std::string weights = call.Node("Softmax", {low}, {{"axis", std::int64_t{-1}}});
  const at::Tensor known = call.Constant("attn_mask");
  if (known.defined() && known.any(-1).all().item<bool>()) return weights;
  return call.Node("Where", {mask, weights, call.Scalar(0)});
}

/// softmax(q k^T * scale + mask) v, over the last two dimensions.
void ScaledDotProductAttention(Call& call) {
  call.FailUnless(call.RealOr("dropout_p", 0) == 0, "has dropout");
  const TensorType& query = call.Type("query");
  const TensorType& key = call.Type("key");
  if (!call.status().ok() || query.rank() < 2 || key.rank() < 2)
    return call.Fail("has no sequences");
  if (call.Flag("enable_gqa") && (query.rank() < 3 || key.rank() < 3))
    return call.Fail("shares keys among heads, but has none");
  const Polynomial width = query.shape.back();
  call.FailUnless(width.fixed(), "a head's width that depends on the batch");

  Ints turned = Counted(key.rank());
  std::swap(turned[turned.size() - 1], turned[turned.size() - 2]);
  const double scale = call.RealOr("scale", 1 / std::sqrt(static_cast<double>(width.offset)));
  const std::string scaled = call.Node("Mul", {call.In("query"), call.Scalar(scale)});
  std::string scores = call.Node("MatMul", {scaled, call.Transpose(Heads(call, "key"), turned)});
  if (call.Flag("is_causal")) {
    const Polynomial rows = query.shape[query.shape.size() - 2];
    scores = call.Node("Add", {scores, CausalMask(call, rows, key.shape[key.shape.size() - 2])});
  }
  const bool masked = call.Has("attn_mask");
  std::string weights;
  if (masked && call.Type("attn_mask").dtype == at::kBool) {
    weights = MaskedSoftmax(call, scores);
  } else {
    if (masked) scores = call.Node("Add", {scores, call.In("attn_mask", call.Out().dtype)});
    weights = call.Node("Softmax", {scores}, {{"axis", std::int64_t{-1}}});
  }
  call.Return(call.Node("MatMul", {weights, Heads(call, "value")}));
}

}  // namespace

Translations AttentionOps() {
  return {{"scaled_dot_product_attention", ScaledDotProductAttention}};
}

}  // namespace muster::exporting
