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

void Baddbmm(Call& call) {
  const std::string product = call.Node("MatMul", {call.In("batch1"), call.In("batch2")});
  call.Return(call.Node("Add", {Scaled(call, product, call.RealOr("alpha", 1)),
                                Scaled(call, call.In("self"), call.RealOr("beta", 1))}));
}

void Einsum(Call& call) {
  call.Return(call.Node("Einsum", call.InList("tensors", call.Out().dtype),
                        {{"equation", call.Text("equation")}}));
}

}  // namespace

Translations LinearOps() {
  return {
      {"addmm", Addmm},
      {"baddbmm", Baddbmm},
      {"bmm", [](Call& call) { Matmul(call, "self", "mat2"); }},
      {"dot", [](Call& call) { Matmul(call, "self", "tensor"); }},
      {"einsum", Einsum},
      {"linear", Linear},
      {"matmul", [](Call& call) { Matmul(call, "self", "other"); }},
      {"mm", [](Call& call) { Matmul(call, "self", "mat2"); }},
      {"mv", [](Call& call) { Matmul(call, "self", "vec"); }},
  };
}

}  // namespace muster::exporting
