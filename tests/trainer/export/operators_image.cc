// Convolutions, pooling, resampling and norms over images. x and y are [rows, 4, 6].

#include <torch/torch.h>

#include "tests/trainer/export/operators.h"

namespace muster::testing {
namespace {

namespace F = torch::nn::functional;
using at::Tensor;
using Sizes = std::vector<std::int64_t>;

/// Weights without a pattern, the same in every call.
Tensor Weights(at::IntArrayRef shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return (at::arange(count, at::kFloat) * 1.7).sin().view(shape) * 0.3;
}

Tensor Volume(const Tensor& x) { return x.view({-1, 2, 2, 2, 3}); }

std::vector<OperatorCase> ConvolutionCases() {
  return {
      {"conv1d_groups",
       [](auto& x, auto&) {
         return at::conv1d(x, at::ones({4, 2, 3}) * 0.2, at::ones({4}), 2, 1, 1, 2);
       }},
      {"conv2d_dilated",
       [](auto& x, auto&) { return at::conv2d(Image(x), Weights({2, 3, 3, 3}), {}, 1, 2, 2); }},
      {"conv2d_same",
       [](auto& x, auto&) {
         return Flat({at::conv2d(Image(x), Weights({2, 3, 3, 4}), {}, 1, "same"),
                      at::conv2d(Image(x), Weights({2, 3, 3, 4}), {}, 2, "valid")});
       }},
      {"conv3d", [](auto& x, auto&) { return at::conv3d(Volume(x), Weights({2, 2, 2, 2, 3})); }},
      {"conv_depthwise",
       [](auto& x, auto&) {
         return Flat(
             {at::conv1d(x, Weights({8, 1, 3}), {}, 1, 1, 1, 4),
              at::conv2d(Image(x), Weights({3, 1, 3, 5}), Weights({3}), {2, 1}, {1, 2}, 1, 3),
              at::conv3d(Volume(x), Weights({4, 1, 1, 2, 2}), {}, Sizes{1}, Sizes{0}, Sizes{1},
                         2)});
       }},
      {"conv_transpose",
       [](auto& x, auto&) {
         return at::conv_transpose2d(Image(x), Weights({3, 2, 3, 3}), {}, 2, 1, 1);
       }},
      {"conv_transpose_by_dimensions",
       [](auto& x, auto&) {
         return Flat(
             {at::conv_transpose1d(x, Weights({4, 3, 4}), Weights({6}), 3, 1, 2, 2),
              at::conv_transpose2d(Image(x), Weights({3, 2, 3, 2}), {}, {2, 3}, {1, 0}, {1, 0}, 3,
                                   {1, 2}),
              at::conv_transpose3d(Volume(x), Weights({2, 3, 2, 2, 3}), Weights({3}), 2, 1, 1)});
       }},
      {"convolutions_without_a_batch",
       [](auto& x, auto&) {
         return at::conv1d(x.mean(0), Weights({2, 4, 3})).unsqueeze(0) +
                at::max_pool1d(at::conv_transpose1d(x.sum(0), Weights({4, 2, 2}), {}, 1), 4, 1);
       }},
  };
}

std::vector<OperatorCase> PoolingCases() {
  return {
      {"pools_1d_3d",
       [](auto& x, auto&) {
         return Flat({at::max_pool1d(x, 3, 1, 1), at::avg_pool1d(x, 2),
                      at::max_pool3d(Volume(x), 2), at::avg_pool3d(Volume(x), {1, 2, 2}),
                      at::avg_pool3d(Volume(x), 2, 1, 1)});
       }},
      {"max_pool_ceil",
       [](auto& x, auto&) {
         return Flat({at::max_pool2d(Image(x), {3, 5}, {2, 3}, {1, 2}, 1, true),
                      at::max_pool2d(Image(x), 2, 3, 0, 2, true),
                      at::max_pool1d(x, 3, 2, 0, 1, true)});
       }},
      {"avg_pool",
       [](auto& x, auto&) {
         return at::avg_pool2d(Image(x), 3, 2, 1) + at::avg_pool2d(Image(x), 3, 2, 1, false, false);
       }},
      {"avg_pool_ceil",
       [](auto& x, auto&) {
         return Flat({at::avg_pool2d(Image(x), {3, 5}, {2, 3}, {1, 2}, true, true),
                      at::avg_pool2d(Image(x), {3, 5}, {2, 3}, {1, 2}, true, false),
                      at::avg_pool2d(Image(x), 3, 2, 1, true, true, 5),
                      at::avg_pool1d(x, 4, 3, 1, true),
                      at::avg_pool3d(Volume(x), 2, 2, 1, true, false)});
       }},
      {"adaptive_pools",
       [](auto& x, auto&) {
         return Flat({at::adaptive_avg_pool2d(Image(x), {4, 3}),
                      at::adaptive_avg_pool2d(Image(x), {1, 1}),
                      std::get<0>(at::adaptive_max_pool2d(Image(x), {2, 1})),
                      at::adaptive_avg_pool3d(Volume(x), {1, 1, 1}), at::adaptive_avg_pool1d(x, 3),
                      std::get<0>(at::adaptive_max_pool1d(x, 1)),
                      std::get<0>(at::adaptive_max_pool3d(Volume(x), {1, 1, 1}))});
       }},
      {"adaptive_pools_of_any_size",
       [](auto& x, auto&) {
         return Flat({at::adaptive_avg_pool1d(x, 4), at::adaptive_avg_pool2d(Image(x), {3, 5}),
                      at::adaptive_avg_pool2d(Image(x), {8, 7}),
                      at::adaptive_avg_pool3d(Volume(x), {2, 1, 2}),
                      std::get<0>(at::adaptive_max_pool1d(x, 4)),
                      std::get<0>(at::adaptive_max_pool2d(Image(x), {3, 5})),
                      std::get<0>(at::adaptive_max_pool3d(Volume(x), {1, 2, 2})),
                      at::adaptive_avg_pool2d(x, {3, 4}).unsqueeze(1).mean({1})});
       }},
  };
}

std::vector<OperatorCase> ResamplingCases() {
  using Options = F::InterpolateFuncOptions;
  const auto to = [](Sizes size) { return Options().size(std::move(size)); };
  const auto by = [](std::vector<double> factors) {
    return Options().scale_factor(std::move(factors));
  };
  return {
      {"upsample_nearest",
       [=](auto& x, auto&) {
         return Flat({F::interpolate(Image(x), by({2, 2})), F::interpolate(x, to({12})),
                      F::interpolate(Volume(x), to({4, 4, 12}))});
       }},
      {"upsample_nearest_exact",
       [=](auto& x, auto&) {
         return Flat({F::interpolate(Image(x), to({13, 7}).mode(torch::kNearestExact)),
                      F::interpolate(x, to({9}).mode(torch::kNearestExact))});
       }},
      {"upsample_both_corner_conventions",
       [=](auto& x, auto&) {
         std::vector<Tensor> parts;
         for (const bool corners : {true, false}) {
           const auto add = [&](const Tensor& image, Options options) {
             parts.push_back(F::interpolate(image, options.align_corners(corners)));
           };
           add(x, to({9}).mode(torch::kLinear));
           add(Image(x), to({13, 7}).mode(torch::kBilinear));
           add(Image(x), to({11, 9}).mode(torch::kBicubic));
           add(Volume(x), to({3, 4, 5}).mode(torch::kTrilinear));
         }
         return Flat(parts);
       }},
      {"upsample_by_whole_factors",
       [=](auto& x, auto&) {
         return F::interpolate(Image(x),
                               by({1.5, 0.5}).mode(torch::kBilinear).align_corners(false)) +
                F::interpolate(Image(x), by({1.5, 0.5}));
       }},
      {"grid_sample",
       [](auto& x, auto& y) {
         const Tensor grid = y.view({-1, 3, 4, 2}) * 0.8;
         std::vector<Tensor> parts;
         for (const std::int64_t mode : {0, 1, 2}) {
           for (const std::int64_t padding : {0, 1, 2})
             parts.push_back(at::grid_sampler(Image(x), grid, mode, padding, padding != 1));
         }
         return Flat(parts);
       }},
      {"pixel_shuffles",
       [](auto& x, auto&) {
         return Flat({at::pixel_shuffle(x.view({-1, 4, 2, 3}), 2), at::pixel_unshuffle(Image(x), 4),
                      at::pixel_unshuffle(Image(x), 2),
                      at::channel_shuffle(x.view({-1, 6, 2, 2}), 3)});
       }},
      {"im2col",
       [](auto& x, auto&) {
         return Flat({at::im2col(Image(x), {3, 2}, {1, 2}, {1, 0}, {2, 3}),
                      F::unfold(Image(x), F::UnfoldFuncOptions(2).stride(2))});
       }},
      {"col2im",
       [](auto& x, auto&) {
         const Tensor patches = at::im2col(Image(x), {3, 2}, {1, 2}, {1, 0}, {2, 3});
         return at::col2im(patches, {8, 12}, {3, 2}, {1, 2}, {1, 0}, {2, 3});
       }},
      {"unfold_windows",
       [](auto& x, auto&) {
         return Flat({x.unfold(2, 3, 2), x.unfold(1, 2, 1), x.unfold(-1, 6, 1)});
       }},
      {"pads_by_mode",
       [](auto& x, auto&) {
         return Flat({at::reflection_pad1d(x, {2, 1}), at::replication_pad1d(x, {1, 2}),
                      at::reflection_pad2d(Image(x), {1, 0, 2, 1}),
                      at::replication_pad2d(Image(x), {0, 1, 1, 2}),
                      at::reflection_pad3d(Volume(x), {2, 1, 1, 0, 0, 1}),
                      at::replication_pad3d(Volume(x), {2, 1, 1, 0, 0, 1}),
                      at::constant_pad_nd(Volume(x), {2, 1, 1, 0, 0, 1}, 0.5),
                      at::constant_pad_nd(x, {-1, 2}, 1)});
       }},
      {"pad_circular",
       [](auto& x, auto&) {
         return Flat({at::pad(Image(x), {3, 1, 0, 2}, "circular"),
                      F::pad(x, F::PadFuncOptions({2, 2}).mode(torch::kCircular))});
       }},
  };
}

std::vector<OperatorCase> NormCases() {
  return {
      {"group_norm",
       [](auto& x, auto&) {
         return at::group_norm(Image(x).repeat({1, 2, 1, 1}), 3, at::arange(6, at::kFloat),
                               at::ones({6})) +
                at::group_norm(Image(x).repeat({1, 2, 1, 1}), 6);
       }},
      {"group_norm_of_vectors",
       [](auto& x, auto&) {
         return Flat({at::group_norm(x.flatten(1), 4, Weights({24}), Weights({24})),
                      at::group_norm(x, 2), at::group_norm(Volume(x), 1, Weights({2}))});
       }},
      {"instance_norm",
       [](auto& x, auto&) {
         return Flat({at::instance_norm(x, {}, {}, {}, {}, true, 0.1, 1e-5, false),
                      at::instance_norm(Image(x), Weights({3}), Weights({3}), {}, {}, true, 0.1,
                                        1e-3, false),
                      at::instance_norm(Volume(x), Weights({2}), {}, Weights({2}),
                                        at::ones({2}) * 0.7, false, 0.1, 1e-5, false)});
       }},
      {"layer_norm_plain", [](auto& x, auto&) { return at::layer_norm(x, {4, 6}); }},
      {"rms_norm",
       [](auto& x, auto&) { return at::rms_norm(x, {6}, at::arange(6, at::kFloat), 1e-5); }},
      {"local_response_norm",
       [](auto& x, auto&) {
         return F::local_response_norm(Image(x), F::LocalResponseNormFuncOptions(3));
       }},
  };
}

}  // namespace

std::vector<OperatorCase> ImageCases() {
  std::vector<OperatorCase> cases;
  for (const auto& family : {ConvolutionCases(), PoolingCases(), ResamplingCases(), NormCases()})
    cases.insert(cases.end(), family.begin(), family.end());
  return cases;
}

}  // namespace muster::testing
