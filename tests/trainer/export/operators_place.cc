// Reading and writing by place, and the order of dimensions. x and y are [rows, 4, 6].

#include <torch/torch.h>

#include "tests/trainer/export/operators.h"

namespace muster::testing {
namespace {

using at::Tensor;
using torch::indexing::None;
using torch::indexing::Slice;

/// Places 0 to `count` - 1 in the shape of x.
Tensor Places(const Tensor& x, std::int64_t count) { return Whole(x).remainder(count); }

std::vector<OperatorCase> GatherCases() {
  return {
      {"index_select", [](auto& x, auto&) { return x.index_select(1, torch::tensor({3, 0, 0})); }},
      {"gather",
       [](auto& x, auto& y) {
         return Flat({x.gather(2, y.argsort(2, false)),
                      x.gather(1, Places(y, 4).slice(1, 0, 2).slice(2, 0, 3)),
                      at::take_along_dim(x, Places(y, 6).slice(1, 0, 1), 2)});
       }},
      {"index", [](auto& x, auto&) { return x.index({Slice(), torch::tensor({1, -1})}); }},
      {"index_neighbours",
       [](auto& x, auto& y) {
         const Tensor some = torch::tensor({{1, -1}, {0, 2}});
         return Flat({x.index({Slice(), torch::tensor({0, 3, 1}), torch::tensor({5, -2, 2})}),
                      x.index({Slice(), some, torch::tensor({4, 1})}),
                      x.unsqueeze(1).index({Slice(), Slice(), some, some}),
                      x.index({Slice(), Slice(), Places(y, 6).select(0, 0).select(0, 0)})});
       }},
      {"index_apart",
       [](auto& x, auto&) {
         const Tensor rows = at::arange(x.size(0));
         const Tensor cube = x.unflatten(2, {2, 3});
         return Flat(
             {x.index({rows, torch::tensor({2})}), x.index({rows, Slice(), torch::tensor({1})}),
              cube.index({rows, Slice(), torch::tensor({1}), torch::tensor({-1})}),
              cube.index({rows.unsqueeze(1), torch::tensor({0, 3, 1}), torch::tensor({1})})});
       }},
      {"index_last_step",
       [](auto& x, auto& y) {
         // Each row's vector at a length of its own, as sequence models read it.
         const Tensor lengths = Places(y, 4).select(2, 0).select(1, 0);
         return x.index({at::arange(x.size(0)), lengths});
       }},
      {"one_hot", [](auto& x, auto&) { return at::one_hot(Whole(x).remainder(5), 5); }},
      {"buckets",
       [](auto& x, auto&) {
         const Tensor bounds = torch::tensor({-1.0, -0.2, 0.0, 0.3, 1.1});
         return Flat({at::bucketize(x, bounds),
                      at::bucketize(Whole(x), torch::tensor({-3, 0, 4}), false, true),
                      at::searchsorted(bounds, x)});
       }},
  };
}

std::vector<OperatorCase> ScatterCases() {
  return {
      {"scatter",
       [](auto& x, auto& y) {
         // A permutation, so that no place is written twice.
         const Tensor order = y.argsort(2, false);
         return Flat({x.scatter(2, order, y), x.scatter(2, order.slice(2, 0, 2), y),
                      x.scatter(1, y.argsort(1, false).slice(1, 0, 2).slice(2, 0, 3), 7.0),
                      x.scatter(2, order, y, "add"), x.scatter(2, order, y, "multiply")});
       }},
      {"scatter_add",
       [](auto& x, auto& y) {
         return Flat({x.scatter_add(2, Places(y, 6), y), x.scatter_add(1, Places(y, 3), y),
                      x.scatter_reduce(2, Places(y, 6), y, "sum"),
                      x.scatter_reduce(1, Places(y, 4), y, "prod")});
       }},
      {"index_put",
       [](auto& x, auto& y) {
         const Tensor a = torch::tensor({0, 3});
         const Tensor b = torch::tensor({5, 2});
         using Indices = c10::List<std::optional<Tensor>>;
         const auto put = [&](std::vector<std::optional<Tensor>> where, const Tensor& what,
                              bool add = false) {
           Indices list;
           for (auto& place : where) list.push_back(place);
           return at::index_put(x, list, what, add);
         };
         return Flat({put({{}, a, b}, y.select(2, 0).slice(1, 0, 2)),
                      put({{}, {}, b}, at::full({1}, 3.0)), put({{}, a}, y.slice(1, 0, 2), true),
                      put({at::arange(x.size(0)), torch::tensor({1})}, y.select(1, 0)),
                      put({at::arange(x.size(0)), {}, torch::tensor({1})}, y.select(2, 0), true)});
       }},
      {"index_put_mask",
       [](auto& x, auto& y) {
         Tensor z = x * 1;
         z.index_put_({y > 0}, 2.5);
         z.index_put_({y.select(2, 0) > 0.5}, -1);
         z.index_put_({Slice(), y.select(0, 0).select(1, 0) > 1}, 4);
         return z;
       }},
      {"index_writes",
       [](auto& x, auto& y) {
         const Tensor where = torch::tensor({2, 0});
         return Flat({x.index_add(1, where, y.slice(1, 0, 2)),
                      x.index_add(2, torch::tensor({1, 1, 4}), y.slice(2, 0, 3), 0.5),
                      x.index_copy(1, where, y.slice(1, 0, 2)), x.index_fill(2, where, -2)});
       }},
      {"slice_writes",
       [](auto& x, auto& y) {
         return Flat({at::select_scatter(x, y.select(1, 0), 1, -2),
                      at::select_scatter(x, y.select(2, 0), 2, 0),
                      at::slice_scatter(x, y.slice(2, 0, 3), 2, 1, 4),
                      at::slice_scatter(x, y.slice(1, 0, 2), 1, -2)});
       }},
  };
}

std::vector<OperatorCase> OrderCases() {
  return {
      {"moved_dimensions",
       [](auto& x, auto&) {
         const Tensor cube = x.unflatten(2, {2, 3});
         return Flat({cube.movedim(1, 3), cube.movedim({1, 3}, {3, 1}), at::moveaxis(cube, -1, 1),
                      cube.swapaxes(1, 3), cube.swapdims(2, 1)});
       }},
      {"rolled",
       [](auto& x, auto&) {
         return Flat({x.roll(1, 1), x.roll({-2, 3}, {2, 1}), x.roll({7}, {-1}), x.roll(0, 1)});
       }},
      {"repeated",
       [](auto& x, auto&) {
         return Flat({x.repeat_interleave(2, 1), at::repeat_interleave(x, 3, -1), x.tile({2, 3}),
                      x.tile({1, 2, 1})}) +
                x.slice(0, 0, 1).repeat_interleave(4).slice(0, 0, 1).sum() +
                x.repeat_interleave(2, 0).mean();
       }},
      {"grids",
       [](auto& x, auto& y) {
         const Tensor a = x.select(0, 0).select(0, 0);
         const Tensor b = y.select(0, 0).select(0, 1).slice(0, 0, 4);
         const auto ij = at::meshgrid({a, b}, "ij");
         const auto xy = at::meshgrid({a, b, b}, "xy");
         const auto same = at::broadcast_tensors({x.slice(1, 0, 1), y.slice(2, 0, 1)});
         return Flat({x + (ij[0] * ij[1]).mT(),
                      (xy[0] + xy[1] * 2 + xy[2] * 3).unsqueeze(0).sum(3) + x, same[0] * same[1]});
       }},
      {"diagonals",
       [](auto& x, auto&) {
         return Flat({at::diagonal(x, 0, 1, 2), at::diagonal(x, 1, 1, 2),
                      at::diagonal(x, -1, -1, 1), at::diag_embed(x)});
       }},
      {"triangles",
       [](auto& x, auto& y) {
         return Flat({x.tril(-1), x.triu(1) * 2, at::tril(x > y, 1), at::triu(Whole(x))});
       }},
      {"mirrored", [](auto& x, auto&) { return Flat({at::fliplr(x), at::flipud(x.mT()).mT()}); }},
      {"unsafe_parts",
       [](auto& x, auto&) {
         return at::unsafe_chunk(x, 2, 1)[1] + at::unsafe_split(x, 2, 1)[0] +
                at::unsafe_split_with_sizes(x, {2, 2}, 1)[1];
       }},
  };
}

}  // namespace

std::vector<OperatorCase> PlaceCases() {
  std::vector<OperatorCase> cases;
  for (const auto& family : {GatherCases(), ScatterCases(), OrderCases()})
    cases.insert(cases.end(), family.begin(), family.end());
  return cases;
}

}  // namespace muster::testing
