// Element by element functions, reductions and products beyond the common ones. x and y are
// [rows, 4, 6].

#include <torch/torch.h>

#include <cmath>

#include "tests/trainer/export/operators.h"

namespace muster::testing {
namespace {

namespace F = torch::nn::functional;
using at::Tensor;

constexpr std::int64_t kLast[] = {2};

/// x with not-a-numbers and infinities in places that depend on it.
Tensor Broken(const Tensor& x) {
  const Tensor nan = x.masked_fill(x > 1, NAN);
  return nan.masked_fill(x < -1, -INFINITY).masked_fill((x > 0) & (x < 0.3), INFINITY);
}

std::vector<OperatorCase> FunctionCases() {
  return {
      {"exponents_and_logarithms",
       [](auto& x, auto& y) {
         const Tensor size = x.abs() + 0.1;
         return Flat({x.exp2(), x.expm1(), size.log2(), size.log10(), at::logaddexp(x, y),
                      x.sigmoid().logit(), at::logit(x, 0.1), x.erfc()});
       }},
      {"inverse_hyperbolic",
       [](auto& x, auto&) {
         return Flat({x.asinh(), (x.abs() + 1.1).acosh(), (x * 0.2).tanh().atanh()});
       }},
      {"angles",
       [](auto& x, auto& y) {
         return Flat({at::atan2(x, y), at::atan2(x.round(), y.round()),  // -0 among them
                      at::atan2(x.round() / 0, y.round() / 0).nan_to_num(7), at::hypot(x, y)});
       }},
      {"parts_of_numbers",
       [](auto& x, auto& y) {
         return Flat({(x * 3).trunc(), (x * 3).frac(), at::fmod(x * 3, y.abs() + 0.5),
                      at::fmod(Whole(x), Whole(y).abs() + 1), at::fmod(x, 0.7), x.sgn()});
       }},
      {"not_numbers",
       [](auto& x, auto&) {
         const Tensor z = Broken(x);
         return Flat({z.isnan(), z.isinf(), z.isfinite(), z.nan_to_num(0.5, 7, -8),
                      z.nan_to_num().clamp(-9, 9), Whole(x).isnan(), Whole(x).isfinite(),
                      z.nansum(at::IntArrayRef{2}).nan_to_num(0, 1, 2)});
       }},
      {"clamps_by_tensors",
       [](auto& x, auto& y) {
         return Flat({x.clamp(y.mul(0.5) - 1, y.abs()), x.clamp_min(y),
                      x.clamp_max(y.select(1, 0).unsqueeze(1)), Whole(x).clamp(-2, 3),
                      x.clip(-0.3, 0.4), Whole(x).clamp_min(0)});
       }},
      {"other_activations",
       [](auto& x, auto&) {
         return Flat({at::celu(x, 0.6), at::threshold(x, 0.2, -3), at::hardshrink(x, 0.4),
                      at::softshrink(x, 0.3), F::softsign(x), F::tanhshrink(x),
                      at::softplus(x * 4, 2, 3), at::softplus(x, 0.5), at::rrelu(x),
                      F::softmin(x, F::SoftminFuncOptions(1)), at::relu6(x * 5), at::elu(x)});
       }},
      {"aliases",
       [](auto& x, auto& y) {
         return Flat({at::multiply(x, y), at::subtract(x, y), at::divide(x, y.abs() + 1),
                      at::true_divide(Whole(x), Whole(y).abs() + 1), at::negative(x),
                      at::absolute(x), at::greater(x, y), at::less(x, y), at::not_equal(x, y),
                      at::greater_equal(x, y), at::less_equal(x, 0.3)});
       }},
  };
}

std::vector<OperatorCase> ReductionCases() {
  return {
      {"truths",
       [](auto& x, auto& y) {
         return Flat({(x > 1).any(2), (x > -1).all(1), at::any(x > y, 1, true),
                      ((x > y).any().to(at::kFloat) + (x > -9).all()).expand_as(x),
                      at::count_nonzero(Whole(x), at::IntArrayRef{2})});
       }},
      {"spreads_with_means",
       [](auto& x, auto&) {
         const auto [variance, mean] = at::var_mean(x, at::IntArrayRef{2}, true);
         const auto [deviation, middle] = at::std_mean(x, std::optional<at::IntArrayRef>(kLast),
                                                       std::optional<at::Scalar>(0), true);
         return Flat({variance, mean, deviation, middle});
       }},
      {"norms_of_any_order",
       [](auto& x, auto&) {
         return Flat({at::linalg_vector_norm(x, 3, at::IntArrayRef{2}), x.norm(INFINITY, {1}),
                      at::linalg_vector_norm(x, -INFINITY, at::IntArrayRef{2}),
                      F::normalize(x, F::NormalizeFuncOptions().dim(1)),
                      at::linalg_vector_norm(x, 2.5, at::IntArrayRef{1, 2}, true)});
       }},
      {"running",
       [](auto& x, auto& y) {
         return Flat({x.cumprod(2), x.cumprod(1), std::get<0>(x.cummax(2)),
                      std::get<0>(y.cummin(1)), x.cumsum(-1), Whole(x).cumsum(1)});
       }},
      {"least_and_most",
       [](auto& x, auto&) {
         const auto [low, high] = at::aminmax(x, 2);
         return Flat({low, high});
       }},
  };
}

std::vector<OperatorCase> ProductCases() {
  return {
      {"einsums",
       [](auto& x, auto& y) {
         const Tensor w = at::arange(24, at::kFloat).cos().view({4, 6});
         return Flat(
             {at::einsum("bij,bkj->bik", {x, y}), at::einsum("bij,bij->b", {x, y}).unsqueeze(1),
              at::einsum("b i j, b i k -> b j k", {x, y}), at::einsum("bij,ij->bj", {x, w}),
              at::einsum("bij->bji", {x}), at::einsum("bij->b", {x}).unsqueeze(1),
              at::einsum("bi,bj->bij", {x.select(1, 0), y.select(1, 1)}),
              at::einsum("...ij,...kj->...ik", {x, y}), at::einsum("bij,bkj,bkl->bil", {x, y, y}),
              at::einsum("bhid,bhjd->bhij", {x.unflatten(2, {2, 3}), y.unflatten(2, {2, 3})})});
       }},
      {"einsums_implied",
       [](auto& x, auto& y) {
         return Flat({at::einsum("bij,bjk", {x, y.mT()}).expand({x.size(0), 4, 4}),
                      at::einsum("bCa", {x}).permute({2, 0, 1}),
                      at::einsum("b...,b...->b...", {x, y}),
                      at::einsum("bii->bi", {x.slice(2, 0, 4)})});
       }},
      {"products",
       [](auto& x, auto& y) {
         const Tensor v = at::arange(6, at::kFloat).sin();
         return Flat(
             {at::addmv(x.select(2, 0).select(0, 0), x.select(0, 0), v, 0.5, 2)
                  .expand({x.size(0), 4}),
              at::outer(x.select(0, 0).select(0, 0), y.select(0, 0).select(0, 1))
                  .expand({x.size(0), 6, 6}),
              at::tensordot(x, at::arange(24, at::kFloat).cos().view({6, 4}), {2, 1}, {0, 1})
                  .unsqueeze(1),
              at::tensordot(x, at::arange(12, at::kFloat).sin().view({6, 2}), {-1}, {0})});
       }},
      {"bilinear",
       [](auto& x, auto& y) {
         const Tensor weight = at::arange(72, at::kFloat).sin().view({3, 6, 4});
         return at::bilinear(x.select(1, 0), y.select(2, 0), weight, at::ones({3})) +
                at::bilinear(x.select(1, 1), y.select(2, 2), weight);
       }},
      {"distances",
       [](auto& x, auto& y) {
         return Flat({at::cosine_similarity(x, y, 2), at::cosine_similarity(x, y),
                      at::pairwise_distance(x, y), at::pairwise_distance(x, y, 1, 1e-6, true),
                      at::cdist(x, y), at::cdist(x, y, 1)});
       }},
  };
}

}  // namespace

std::vector<OperatorCase> ArithmeticCases() {
  std::vector<OperatorCase> cases;
  for (const auto& family : {FunctionCases(), ReductionCases(), ProductCases()})
    cases.insert(cases.end(), family.begin(), family.end());
  return cases;
}

}  // namespace muster::testing
