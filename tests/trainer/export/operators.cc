// One small function an operator, so that each translation is computed by other engines too. All
// take x [rows, 4, 6] and, where they want it, y of the same shape.

#include <torch/torch.h>

#include "tests/trainer/export/models.h"
#include "tests/trainer/export/operators.h"

namespace muster::testing {
namespace {

namespace F = torch::nn::functional;
using at::Tensor;
using torch::indexing::None;
using torch::indexing::Slice;
using Case = OperatorCase;

/// A case whose function answers one tensor of two float inputs.
ExportCase OfFunction(const Case& test) {
  const auto function = test.function;
  return {std::string("op_") + test.name, std::make_shared<torch::nn::IdentityImpl>(),
          [function](const std::vector<Tensor>& in) -> std::vector<Tensor> {
            return {function(in[0], in[1])};
          },
          [](std::int64_t rows) -> std::vector<Tensor> {
            at::manual_seed(600 + rows);
            return {at::randn({rows, 4, 6}), at::randn({rows, 4, 6})};
          }};
}

std::vector<Case> ElementwiseCases() {
  return {
      {"add_alpha", [](auto& x, auto& y) { return at::add(x, y, 0.5); }},
      {"sub_alpha", [](auto& x, auto& y) { return at::sub(x, y, 2) - 1; }},
      {"rsub", [](auto& x, auto& y) { return (1 - x) + at::rsub(x, y, 3); }},
      {"mul_scalar", [](auto& x, auto& y) { return x * 2 * y; }},
      {"div_modes",
       [](auto& x, auto& y) {
         return at::div(x, y.abs() + 1) + at::div(x, y, "floor") + at::div(x, y, "trunc");
       }},
      {"integer_arithmetic",
       [](auto& x, auto& y) {
         const Tensor a = Whole(x);
         const Tensor b = Whole(y) * 2 + 1;
         return at::floor_divide(a, b) + at::remainder(a, b) + at::div(a, b, "trunc");
       }},
      {"remainder", [](auto& x, auto& y) { return at::remainder(x, y.abs() + 0.5); }},
      {"mixed_types", [](auto& x, auto& y) { return Whole(x) + y; }},
      {"batch_as_number", [](auto& x, auto&) { return x * x.size(0) + x.numel(); }},
      {"clamps",
       [](auto& x, auto& y) { return x.clamp(-0.5, 0.7) + y.clamp_min(0.1) + y.clamp_max(0.2); }},
      {"comparisons",
       [](auto& x, auto& y) {
         return ((x > y) | (x <= 0)) & ~(y == 0) & (x != 1) & (y < 2) & (x >= -3);
       }},
      {"integers_against_fractions",
       [](auto& x, auto& y) {
         const Tensor a = Whole(x);
         const Tensor mask = x > 0;
         return (a < 0.5) & (a != 1.5) & (0.5 > a) & (mask < 2) & (mask == 1) & (mask > 0.5) &
                (a < y);
       }},
      {"logic", [](auto& x, auto& y) { return at::logical_xor(x > 0, at::logical_not(y > 0)); }},
      {"where", [](auto& x, auto& y) { return at::where(x > 0, x, y); }},
      {"where_scalar", [](auto& x, auto&) { return at::where(x > 0, x, -1.0); }},
      {"masked_fill", [](auto& x, auto& y) { return x.masked_fill(y > 0, -7); }},
      {"powers",
       [](auto& x, auto&) { return x.pow(2) + x.abs().pow(0.5) + x.square() + x.pow(3); }},
      {"rational",
       [](auto& x, auto&) {
         return (x.abs() + 1).rsqrt() + (x.abs() + 1).reciprocal() + x.abs().sqrt();
       }},
      {"exponential",
       [](auto& x, auto&) {
         return x.exp() + (x.abs() + 1).log() + x.abs().log1p() + x.neg().erf();
       }},
      {"trigonometric",
       [](auto& x, auto&) { return x.sin() + x.cos() * x.tanh() + x.atan() + x.sinh(); }},
      {"rounding",
       [](auto& x, auto&) { return x.floor() + x.ceil() * 2 + (x * 3).round() + x.sign(); }},
      {"gelu_tanh", [](auto& x, auto&) { return at::gelu(x, "tanh"); }},
      {"activations",
       [](auto& x, auto&) {
         return at::silu(x) + at::mish(x) + at::softplus(x) + at::elu(x, 0.7) + at::selu(x) +
                at::hardswish(x) + at::hardsigmoid(x) + at::leaky_relu(x, 0.2) + at::relu6(x * 4) +
                at::hardtanh(x, -0.5, 0.5) + at::log_sigmoid(x) + at::sigmoid(x);
       }},
      {"glu", [](auto& x, auto&) { return at::glu(x, -1); }},
      {"prelu", [](auto& x, auto&) { return at::prelu(x, at::arange(4, at::kFloat) * 0.1); }},
      {"extremes",
       [](auto& x, auto& y) { return at::maximum(x, y) - at::minimum(x, y) + at::max(x, y); }},
      {"combined",
       [](auto& x, auto& y) {
         return at::addcmul(x, y, y, 0.5) + at::addcdiv(x, y, y.abs() + 1, 0.3) +
                at::lerp(x, y, 0.25);
       }},
      {"more_functions",
       [](auto& x, auto& y) {
         const Tensor bounded = x.sigmoid();
         return bounded.acos() + bounded.asin() + bounded.tan() + bounded.cosh() +
                at::logical_and(x > 0, y > 0) + at::logical_or(x > 0, y > 0) + ((x > 0) ^ (y > 0)) +
                at::__and__(x > 0, y > 0) + at::__or__(x > 0, y > 0);
       }},
      {"dropouts",
       [](auto& x, auto&) {
         return at::alpha_dropout(x, 0.5, false) + at::feature_dropout(x, 0.5, false) +
                at::feature_alpha_dropout(x, 0.5, false);
       }},
      {"in_place",
       [](auto& x, auto& y) {
         Tensor z = x * 1;
         z.add_(y).mul_(2).relu_();
         return z.sub_(1).clamp_(-1, 3);
       }},
  };
}

std::vector<Case> ShapeCases() {
  return {
      {"view_of_product",
       [](auto& x, auto&) { return x.view({x.size(0) * 4, 6}).view({-1, 2, 12}); }},
      {"two_moving_dims",
       [](auto& x, auto& y) { return at::mm(x.flatten(1), y.flatten(1).t()).unsqueeze(0); }},
      {"permutations",
       [](auto& x, auto&) { return x.permute({2, 0, 1}).transpose(0, -1).mT() + 1; }},
      {"squeeze",
       [](auto& x, auto&) { return x.unsqueeze(1).unsqueeze(-1).squeeze(1).squeeze(-1); }},
      {"expand",
       [](auto& x, auto& y) {
         return x.narrow(1, 0, 1).expand_as(y) + x.slice(2, 0, 1).expand({-1, -1, 6});
       }},
      {"repeat",
       [](auto& x, auto&) {
         return x.repeat({1, 2, 3}) + x.repeat({2, 1, 1, 1}).select(0, 1).repeat({1, 2, 3});
       }},
      {"cat_stack",
       [](auto& x, auto& y) { return at::stack({at::cat({x, y}, 1), at::cat({y, x}, -2)}, 2); }},
      {"cat_batch", [](auto& x, auto& y) { return at::cat({x, y, x}, 0); }},
      {"splits",
       [](auto& x, auto&) {
         const auto a = x.split(4, 2);
         const auto b = x.chunk(2, 1);
         const auto c = x.split_with_sizes({1, 3}, 1);
         return a[1].sum(2) + b[0].sum({1, 2}).unsqueeze(1) + c[1].sum({1, 2}).unsqueeze(1);
       }},
      {"unbind", [](auto& x, auto&) { return x.unbind(1)[2] * x.unbind(1)[0]; }},
      {"slices",
       [](auto& x, auto&) {
         return x.index({Slice(), Slice(1, None), Slice(None, None, 2)}) +
                x.index({Slice(), Slice(0, -1), Slice(-3, None)}) +
                x.select(1, -1).slice(1, 0, 3).unsqueeze(1);
       }},
      {"narrow_from_the_end",
       [](auto& x, auto&) { return x.narrow(1, -2, 2) + x.narrow(2, -6, 6).narrow(1, -4, 2); }},
      {"slice_by_batch",
       [](auto& x, auto& y) { return at::cat({x, y}).slice(0, x.size(0), 2 * x.size(0)); }},
      {"flip", [](auto& x, auto&) { return x.flip({1, 2}); }},
      {"filled",
       [](auto& x, auto&) {
         return at::zeros({x.size(0), 1, 6}) + at::ones_like(x) + x.new_full({x.size(0), 4, 1}, 3) +
                at::full_like(x, 2);
       }},
      {"arange",
       [](auto& x, auto&) {
         return x + at::arange(x.size(0), at::kFloat).view({-1, 1, 1}) + at::arange(0, 12, 2);
       }},
      {"triangles", [](auto& x, auto&) { return x.tril(-1) + x.triu(1) * 2; }},
      {"types",
       [](auto& x, auto&) {
         return (x > 0).to(at::kFloat) + x.to(at::kDouble).to(at::kFloat) + Whole(x).to(at::kInt);
       }},
      {"copy_",
       [](auto& x, auto& y) {
         Tensor z = at::empty({x.size(0), 4, 6});
         return z.copy_(y.slice(1, 0, 1)) + at::empty_like(x).copy_(x);
       }},
      {"constant_mask",
       [](auto& x, auto&) {
         // Views of a constant that are written before anybody reads it.
         Tensor mask = at::zeros({4, 6});
         mask.index_put_({Slice(0, 2), Slice(1, 3)}, 1);
         mask.select(0, 3).fill_(2);
         return x * mask;
       }},
      {"pads",
       [](auto& x, auto&) {
         return at::pad(x, {1, 2, 0, 1}, "constant", 0.5) +
                at::pad(x, {2, 1, 1, 0}, "constant", 2).flip({1});
       }},
      {"more_views",
       [](auto& x, auto& y) {
         return x.ravel().view_as(x) + x.reshape_as(y).unflatten(2, {2, 3}).flatten(2) +
                at::_unsafe_view(x, x.sizes()) + x.detach().clone() + at::alias(x) +
                at::cat({x, y}, 1).slice(1, 0, 4) + x.tensor_split(2, 1)[1].repeat({1, 2, 1}) +
                at::broadcast_to(x.slice(1, 0, 1), x.sizes()) + (x > 0).type_as(x);
       }},
      {"more_filled",
       [](auto& x, auto&) {
         return at::zeros_like(x) + x.new_ones({x.size(0), 1, 1}) + x.new_zeros({1, 6}) +
                at::full({x.size(0), 4, 6}, 1.5) + x.new_empty({x.size(0), 4, 1}).zero_() +
                at::ones({x.size(0), 1, 1});
       }},
      {"reversed",
       [](auto& x, auto&) {
         return x.numpy_T().numpy_T() + x.flatten(1).t().t().view({-1, 4, 6});
       }},
      {"identity", [](auto& x, auto&) { return x; }},
      {"constant_output", [](auto&, auto&) { return at::arange(5, at::kFloat).sqrt(); }},
  };
}

std::vector<Case> ReductionCases() {
  return {
      {"sum", [](auto& x, auto&) { return x.sum(at::IntArrayRef{0, 2}, true).sum() + x.sum(-1); }},
      {"mean", [](auto& x, auto&) { return x.mean({1, 2}) + x.mean() + x.mean(0, true).mean(); }},
      {"extremes_of",
       [](auto& x, auto&) {
         return x.amax({1}) + x.amin({1}) + x.max() + x.min() + std::get<0>(x.max(1));
       }},
      {"places",
       [](auto& x, auto&) {
         return x.argmax(2) + x.argmin(-1) * 10 + std::get<1>(x.min(2)) * 100 +
                x.slice(0, 0, 1).argmax() * 1000;
       }},
      {"spread",
       [](auto& x, auto&) {
         return x.var(1) + x.std({1, 2}, false).unsqueeze(1) + x.var(1, false);
       }},
      {"norms",
       [](auto& x, auto&) {
         return x.norm(2, {2}, true) + at::linalg_vector_norm(x, 1, at::IntArrayRef{2}, true);
       }},
      {"cumsum", [](auto& x, auto&) { return x.cumsum(1); }},
      {"prod", [](auto& x, auto&) { return x.prod(2); }},
      {"softmaxes",
       [](auto& x, auto&) { return x.softmax(-1) + x.log_softmax(1) + x.logsumexp({2}, true); }},
      {"topk",
       [](auto& x, auto&) {
         const auto [values, places] = x.topk(3, -1);
         return values + places;
       }},
      {"sort",
       [](auto& x, auto&) { return std::get<0>(x.sort(2, true)) + std::get<1>(x.sort(2)); }},
  };
}

std::vector<Case> ProductCases() {
  return {
      {"matrix_products",
       [](auto& x, auto& y) {
         return at::bmm(x, y.transpose(1, 2)) + at::matmul(x, y.mT()) +
                at::baddbmm(at::ones({4, 4}), x, y.mT(), 0.5, 2) +
                at::einsum("bij,bkj->bik", {x, y});
       }},
      {"linear_whole",
       [](auto& x, auto&) { return at::linear(x, at::ones({5, 6}) * 0.1, at::ones({5})); }},
      {"vectors",
       [](auto& x, auto& y) {
         const Tensor v = at::arange(6, at::kFloat);
         return at::mv(x.select(1, 0), v) + at::dot(y.select(0, 0).select(0, 0), v);
       }},
      {"vector_product", [](auto& x, auto&) { return at::matmul(x, at::arange(6, at::kFloat)); }},
  };
}

}  // namespace

Tensor Image(const Tensor& x) { return x.unsqueeze(1).repeat({1, 3, 2, 2}) * 1.5; }
Tensor Whole(const Tensor& x) { return (x * 5).round().to(at::kLong); }

Tensor Flat(const std::vector<Tensor>& parts) {
  std::vector<Tensor> flat;
  for (const Tensor& part : parts) flat.push_back(part.flatten(1).to(at::kFloat));
  return at::cat(flat, 1);
}

std::vector<ExportCase> OperatorCases() {
  std::vector<ExportCase> cases;
  for (const auto& family : {ElementwiseCases(), ShapeCases(), ReductionCases(), ProductCases(),
                             ArithmeticCases(), SequenceCases(), ImageCases(), PlaceCases()}) {
    for (const Case& test : family) cases.push_back(OfFunction(test));
  }
  return cases;
}

}  // namespace muster::testing
