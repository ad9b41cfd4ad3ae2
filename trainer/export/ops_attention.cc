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

/// What is added to the scores: a mask of truth values says which take part.
std::string AddedMask(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  const std::string mask = call.In("attn_mask");
  if (call.Type("attn_mask").dtype != at::kBool) return call.In("attn_mask", type);
  return call.Node("Where",
                   {mask, call.graph().Scalar(0, type), call.graph().Scalar(kMinusInfinity, type)});
}

/// softmax(q k^T * scale + mask) v, over the last two dimensions.
void ScaledDotProductAttention(Call& call) {
  call.FailUnless(call.RealOr("dropout_p", 0) == 0, "has dropout");
  call.FailUnless(!call.Flag("enable_gqa"), "shares keys among groups of heads");
  const TensorType& query = call.Type("query");
  const TensorType& key = call.Type("key");
  if (!call.status().ok() || query.rank() < 2 || key.rank() < 2)
    return call.Fail("has no sequences");
  const Polynomial width = query.shape.back();
  call.FailUnless(width.fixed(), "a head's width that depends on the batch");

  Ints turned;
  for (std::int64_t i = 0; i < key.rank(); ++i) turned.push_back(i);
  std::swap(turned[turned.size() - 1], turned[turned.size() - 2]);
  const double scale = call.RealOr("scale", 1 / std::sqrt(static_cast<double>(width.offset)));
  const std::string scaled =
      call.Node("Mul", {call.In("query"), call.graph().Scalar(scale, call.Out().dtype)});
  const std::string keys = call.Node("Transpose", {call.In("key")}, {{"perm", turned}});
  std::string scores = call.Node("MatMul", {scaled, keys});
  if (call.Flag("is_causal")) {
    const Polynomial rows = query.shape[query.shape.size() - 2];
    scores = call.Node("Add", {scores, CausalMask(call, rows, key.shape[key.shape.size() - 2])});
  }
  if (call.Has("attn_mask")) scores = call.Node("Add", {scores, AddedMask(call)});
  const std::string weights = call.Node("Softmax", {scores}, {{"axis", std::int64_t{-1}}});
  call.Return(call.Node("MatMul", {weights, call.In("value")}));
}

}  // namespace

Translations AttentionOps() {
  return {{"scaled_dot_product_attention", ScaledDotProductAttention}};
}

}  // namespace muster::exporting
