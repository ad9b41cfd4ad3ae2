#include <cctype>
#include <map>

#include "trainer/export/call.h"

namespace muster::exporting {
namespace {

std::string Scaled(Call& call, const std::string& value, double factor) {
  if (factor == 1) return value;
  return call.Node("Mul", {value, call.graph().Scalar(factor, call.Out().dtype)});
}

/// beta * self + alpha * (mat1 @ mat2).
void Addmm(Call& call) {
  const auto [weight, transposed] = call.Matrix("mat2");
  call.Return(call.Node("Gemm", {call.In("mat1"), weight, call.In("self")},
                        {{"alpha", static_cast<float>(call.RealOr("alpha", 1))},
                         {"beta", static_cast<float>(call.RealOr("beta", 1))},
                         {"transB", std::int64_t{transposed}}}));
}

void Matmul(Call& call, const char* left, const char* right) {
  call.Return(call.Node("MatMul", {call.In(left), call.In(right)}));
}

/// input @ weight^T + bias, where LibTorch's own function is traced whole.
void Linear(Call& call) {
  const std::string weight = call.In("weight");
  if (call.Type("input").rank() == 2 && call.Has("bias")) {
    call.Return(call.Node("Gemm", {call.In("input"), weight, call.In("bias")},
                          {{"transB", std::int64_t{1}}}));
    return;
  }
  call.FailUnless(call.Type("weight").rank() == 2, "a weight that is not a matrix");
  const std::string turned = call.Node("Transpose", {weight}, {{"perm", Ints{1, 0}}});
  const std::string product = call.Node("MatMul", {call.In("input"), turned});
  call.Return(call.Has("bias") ? call.Node("Add", {product, call.In("bias")}) : product);
}

/// The equation with its result spelled out, as not every engine sorts the letters: those that
/// appear once, in LibTorch's order (upper case first), after what the dots stand for.
std::string Explicit(std::string equation) {
  std::erase(equation, ' ');
  if (equation.find("->") != std::string::npos) return equation;
  std::map<char, int> counts;
  for (const char c : equation) {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) ++counts[c];
  }
  const bool dots = equation.find("...") != std::string::npos;
  equation += dots ? "->..." : "->";
  for (const auto& [letter, count] : counts) {
    if (count == 1) equation += letter;
  }
  return equation;
}

void Einsum(Call& call) {
  call.Return(call.Node("Einsum", call.InList("tensors", call.Out().dtype),
                        {{"equation", Explicit(call.Text("equation"))}}));
}

/// beta * self + alpha * product.
void AddProduct(Call& call, const std::string& product) {
  call.Return(call.Node("Add", {Scaled(call, call.In("self"), call.RealOr("beta", 1)),
                                Scaled(call, product, call.RealOr("alpha", 1))}));
}

void Outer(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  call.Return(call.Node("Mul", {call.Unsqueeze(call.In("self", type), {1}),
                                call.Unsqueeze(call.In("vec2", type), {0})}));
}

/// Sums over pairs of dimensions, of any number.
void Tensordot(Call& call) {
  const std::int64_t left = call.Type("self").rank();
  const std::int64_t right = call.Type("other").rank();
  const Ints from = call.Axes("dims_self", left);
  const Ints to = call.Axes("dims_other", right);
  if (left + right > 26) return call.Fail("has more than 26 dimensions");
  std::string a;
  std::string b;
  for (std::int64_t i = 0; i < left; ++i) a += static_cast<char>('a' + i);
  for (std::int64_t i = 0; i < right; ++i) b += static_cast<char>('a' + left + i);
  for (std::size_t i = 0; i < from.size() && i < to.size(); ++i) b[to[i]] = a[from[i]];
  std::string kept;
  for (const char c : a + b) {
    if ((a + b).find(c) == (a + b).rfind(c)) kept += c;
  }
  const at::ScalarType type = call.Out().dtype;
  call.Return(call.Node("Einsum", {call.In("self", type), call.In("other", type)},
                        {{"equation", a + "," + b + "->" + kept}}));
}

/// y[n, o] = x1[n] W[o] x2[n]^T + b[o], with x1 (N, I), W (O, I, J), x2 (N, J).
void Bilinear(Call& call) {
  const TensorType& type = call.Type("input1");
  const TensorType& weight = call.Type("weight");
  if (type.rank() != 2 || weight.rank() != 3) return call.Fail("wants inputs of [N, C]");
  const std::string wide = call.Unsqueeze(call.In("input1"), {1, 2});          // (N, 1, 1, I)
  const std::string product = call.Node("MatMul", {wide, call.In("weight")});  // (N, O, 1, J)
  const std::string column = call.Unsqueeze(call.In("input2"), {1, 3});        // (N, 1, J, 1)
  const std::string value = call.Squeeze(call.Node("MatMul", {product, column}), {2, 3});
  call.Return(call.Has("bias") ? call.Node("Add", {value, call.In("bias")}) : value);
}

std::string Sum(Call& call, const std::string& value, std::int64_t axis, std::int64_t keep = 0) {
  return call.Node("ReduceSum", {value, call.graph().Int64s({axis})}, {{"keepdims", keep}});
}

/// a . b / (max(|a|, eps) max(|b|, eps)).
void CosineSimilarity(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  const std::string a = call.In("x1", type);
  const std::string b = call.In("x2", type);
  const auto rank = std::max(call.Type("x1").rank(), call.Type("x2").rank());
  const std::int64_t axis = call.Has("dim") ? call.Axis("dim", rank) : 1;
  const std::string eps = call.Scalar(call.RealOr("eps", 1e-8));
  const auto length = [&](const std::string& x) {
    const std::string norm = call.Node("Sqrt", {Sum(call, call.Node("Mul", {x, x}), axis)});
    return call.Node("Max", {norm, eps});
  };
  const std::string product = Sum(call, call.Node("Mul", {a, b}), axis);
  call.Return(call.Node("Div", {product, call.Node("Mul", {length(a), length(b)})}));
}

/// (sum |apart|^p)^(1/p) over the last dimension, for p 1 and 2.
std::string Length(Call& call, const std::string& apart, double p, std::int64_t keep) {
  call.FailUnless(p == 1 || p == 2, "only norms 1 and 2 are translated");
  if (p == 1) return Sum(call, call.Node("Abs", {apart}), -1, keep);
  return call.Node("Sqrt", {Sum(call, call.Node("Mul", {apart, apart}), -1, keep)});
}

void PairwiseDistance(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  std::string apart = call.Node("Sub", {call.In("x1", type), call.In("x2", type)});
  apart = call.Node("Add", {apart, call.Scalar(call.RealOr("eps", 1e-6))});
  call.Return(Length(call, apart, call.RealOr("p", 2), call.Flag("keepdim") ? 1 : 0));
}

/// Distances of all pairs: (..., P, M), (..., R, M) -> (..., P, R).
void AllDistances(Call& call) {
  const std::string rows = call.Unsqueeze(call.In("x1"), {-2});
  const std::string columns = call.Unsqueeze(call.In("x2"), {-3});
  call.Return(Length(call, call.Node("Sub", {rows, columns}), call.RealOr("p", 2), 0));
}

}  // namespace

Translations LinearOps() {
  return {
      {"addmm", Addmm},
      {"addmv",
       [](Call& call) { AddProduct(call, call.Node("MatMul", {call.In("mat"), call.In("vec")})); }},
      {"baddbmm",
       [](Call& call) {
         AddProduct(call, call.Node("MatMul", {call.In("batch1"), call.In("batch2")}));
       }},
      {"bilinear", Bilinear},
      {"bmm", [](Call& call) { Matmul(call, "self", "mat2"); }},
      {"cdist", AllDistances},
      {"cosine_similarity", CosineSimilarity},
      {"dot", [](Call& call) { Matmul(call, "self", "tensor"); }},
      {"einsum", Einsum},
      {"linear", Linear},
      {"matmul", [](Call& call) { Matmul(call, "self", "other"); }},
      {"mm", [](Call& call) { Matmul(call, "self", "mat2"); }},
      {"mv", [](Call& call) { Matmul(call, "self", "vec"); }},
      {"outer", Outer},
      {"pairwise_distance", PairwiseDistance},
      {"tensordot", Tensordot},
  };
}

}  // namespace muster::exporting
