#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>

#include "trainer/export/spatial.h"

// Images made larger or smaller, and their elements moved between channels and space.

namespace muster::exporting {
namespace {

/// The factors of an enlargement, one a dimension; none where only sizes are given.
std::vector<double> Factors(Call& call) {
  if (call.Has("scale_factors")) return call.Reals("scale_factors");
  std::vector<double> factors;
  for (const char* name : {"scales", "scales_d", "scales_h", "scales_w"}) {
    if (call.Has(name)) factors.push_back(call.Real(name));
  }
  return factors;
}

/// LibTorch takes places by the factor; from sizes alone, as here, they follow from out / in.
void CheckFactors(Call& call, const char* input) {
  const std::vector<double> factors = Factors(call);
  if (factors.empty()) return;
  const Ints in = Spatial(call, call.Type(input), factors.size());
  const Ints out = Spatial(call, call.Out(), factors.size());
  for (std::size_t i = 0; i < factors.size() && call.status().ok(); ++i) {
    const double exact = static_cast<double>(in[i]) * factors[i];
    call.FailUnless(std::abs(exact - static_cast<double>(out[i])) < 1e-9 * exact,
                    "a factor of " + std::to_string(factors[i]) + " takes " +
                        std::to_string(in[i]) + " to no whole number; give sizes instead");
  }
}

/// The sizes of the result are known; scale factors would round in their own way. `nearest_mode`
/// is ONNX's word where `mode` is "nearest".
void Upsample(Call& call, const std::string& mode, const std::string& nearest_mode) {
  // The argument is called "input" where LibTorch picks the overload by sizes or factors.
  const char* input = call.IsTensor("input") ? "input" : "self";
  const char* coordinates = nearest_mode == "floor"      ? "asymmetric"
                            : call.Flag("align_corners") ? "align_corners"
                                                         : "half_pixel";
  if (!call.Flag("align_corners")) CheckFactors(call, input);
  Attributes attributes = {{"mode", mode},
                           {"coordinate_transformation_mode", std::string(coordinates)}};
  if (mode == "nearest") attributes.push_back({"nearest_mode", nearest_mode});
  if (mode == "cubic") attributes.push_back({"cubic_coeff_a", -0.75f});
  const std::string sizes = call.graph().Shape(call.Out().shape);
  call.Return(call.Node("Resize", {call.In(input), "", "", sizes}, attributes));
}

Translation Upsampled(const char* mode, const char* nearest_mode = "") {
  return [=](Call& call) { Upsample(call, mode, nearest_mode); };
}

void GridSample(Call& call) {
  constexpr const char* kModes[] = {"bilinear", "nearest", "bicubic"};
  constexpr const char* kPadding[] = {"zeros", "border", "reflection"};
  const std::int64_t mode = call.Int("interpolation_mode");
  const std::int64_t padding = call.Int("padding_mode");
  call.FailUnless(call.Type("input").rank() == 4, "only images, [N, C, H, W], are translated");
  if (!call.status().ok()) return;
  call.Return(call.Node("GridSample", {call.In("input"), call.In("grid")},
                        {{"mode", std::string(kModes[mode])},
                         {"padding_mode", std::string(kPadding[padding])},
                         {"align_corners", std::int64_t{call.Flag("align_corners")}}}));
}

/// Sizes of an image [N, C, H, W]; N may depend on the batch.
struct Image {
  Polynomial rows = 1;
  std::int64_t channels = 1, height = 1, width = 1;

  explicit Image(Call& call) {
    const TensorType& type = call.Type("self");
    if (type.rank() != 4) {
      call.Fail("wants an input of [N, C, H, W]");
      return;
    }
    rows = type.shape[0];
    for (const std::size_t i : {1, 2, 3})
      call.FailUnless(type.shape[i].fixed(), "a size that depends on the batch");
    channels = type.shape[1].offset;
    height = type.shape[2].offset;
    width = type.shape[3].offset;
  }
};

/// Splits dimensions, moves them, and joins them again: [N, sizes...] turned by `order`.
void Rearrange(Call& call, const Polynomial& rows, const Ints& sizes, const Ints& order) {
  Shape split = {rows};
  for (const std::int64_t size : sizes) split.emplace_back(size);
  const std::string parts = call.Reshape(call.In("self"), call.Type("self").shape, split);
  call.Return(call.Reshape(call.Transpose(parts, order), split, call.Out().shape));
}

void PixelShuffle(Call& call) {
  const Image image(call);
  const std::int64_t r = call.Int("upscale_factor");
  if (!call.status().ok()) return;
  call.Return(call.Node("DepthToSpace", {call.In("self")},
                        {{"blocksize", r}, {"mode", std::string("CRD")}}));
}

/// ONNX's SpaceToDepth puts the channels last in each block, LibTorch first.
void PixelUnshuffle(Call& call) {
  const Image image(call);
  const std::int64_t r = call.Int("downscale_factor");
  if (!call.status().ok()) return;
  Rearrange(call, image.rows, {image.channels, image.height / r, r, image.width / r, r},
            {0, 1, 3, 5, 2, 4});
}

void ChannelShuffle(Call& call) {
  const Image image(call);
  const std::int64_t groups = call.Int("groups");
  if (!call.status().ok()) return;
  Rearrange(call, image.rows, {groups, image.channels / groups, image.height, image.width},
            {0, 2, 1, 3, 4});
}

/// Which element each place of a kernel meets at each of its positions: (kernel, positions).
at::Tensor Meetings(std::int64_t kernel, std::int64_t positions, std::int64_t dilation,
                    std::int64_t stride) {
  return (at::arange(kernel, at::kLong) * dilation).unsqueeze(1) +
         at::arange(positions, at::kLong) * stride;
}

/// Patches as columns: [N, C, H, W] -> [N, C * kernel, positions].
void Im2col(Call& call) {
  const Image image(call);
  const Ints kernel = call.IntList("kernel_size", 2);
  const Ints dilation = call.IntList("dilation", 2);
  const Ints pads = call.IntList("padding", 2);
  const Ints stride = call.IntList("stride", 2);
  if (!call.status().ok()) return;
  const auto positions = [&](std::size_t i, std::int64_t size) {
    return (size + 2 * pads[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i] + 1;
  };
  const std::int64_t high = positions(0, image.height);
  const std::int64_t wide = positions(1, image.width);
  GraphBuilder& graph = call.graph();
  std::string value = call.In("self");
  if (pads != Ints{0, 0}) {
    const Ints all = {0, 0, pads[0], pads[1], 0, 0, pads[0], pads[1]};
    value = call.Node("Pad", {value, graph.Int64s(all)}, {{"mode", std::string("constant")}});
  }
  const std::string rows =
      graph.Constant(Meetings(kernel[0], high, dilation[0], stride[0]), "patch_rows");
  const std::string columns =
      graph.Constant(Meetings(kernel[1], wide, dilation[1], stride[1]), "patch_columns");
  value = call.Node("Gather", {value, rows}, {{"axis", std::int64_t{2}}});
  value = call.Node("Gather", {value, columns}, {{"axis", std::int64_t{4}}});
  // [N, C, kernel, high, kernel, wide]
  value = call.Transpose(value, {0, 1, 2, 4, 3, 5});
  call.Return(call.Reshape(value, {}, call.Out().shape));
}

/// The sum of overlapping patches is a transposed convolution with kernels of a single one.
void Col2im(Call& call) {
  const TensorType& type = call.Type("self");
  if (type.rank() != 3 || !type.shape[1].fixed()) return call.Fail("wants an input of [N, C, L]");
  const Ints size = call.IntList("output_size", 2);
  const Ints kernel = call.IntList("kernel_size", 2);
  const Ints dilation = call.IntList("dilation", 2);
  const Ints pads = call.IntList("padding", 2);
  const Ints stride = call.IntList("stride", 2);
  if (!call.status().ok()) return;
  Shape image = {type.shape[0], type.shape[1]};
  Ints rest;
  for (const std::size_t i : {0, 1}) {
    const std::int64_t room = size[i] + 2 * pads[i] - dilation[i] * (kernel[i] - 1) - 1;
    image.emplace_back(room / stride[i] + 1);
    rest.push_back(room % stride[i]);
  }
  const std::int64_t places = kernel[0] * kernel[1];
  const std::int64_t channels = type.shape[1].offset / places;
  const at::Tensor ones = at::eye(places, call.Out().dtype)
                              .view({places, 1, kernel[0], kernel[1]})
                              .repeat({channels, 1, 1, 1});
  call.Return(call.Node(
      "ConvTranspose",
      {call.Reshape(call.In("self"), type.shape, image), call.graph().Constant(ones, "places")},
      {{"strides", stride},
       {"pads", Twice(pads)},
       {"dilations", dilation},
       {"group", channels},
       {"output_padding", rest}}));
}

/// Windows along one dimension, which become a new last one.
void Unfold(Call& call) {
  const TensorType& type = call.Type("self");
  const std::int64_t axis = call.Axis("dimension", type.rank());
  const Polynomial positions = call.Out().shape.empty() ? Polynomial() : call.Out().shape[axis];
  call.FailUnless(positions.fixed(), "windows along the batch");
  const std::int64_t size = call.Int("size");
  const std::int64_t step = call.Int("step");
  if (!call.status().ok()) return;
  const at::Tensor places = Meetings(size, positions.offset, 1, step).t().contiguous();
  const std::string windows = call.Node(
      "Gather", {call.In("self"), call.graph().Constant(places, "windows")}, {{"axis", axis}});
  Ints order = Counted(type.rank() + 1);
  order.erase(order.begin() + axis + 1);
  order.push_back(axis + 1);
  call.Return(call.Transpose(windows, order));
}

}  // namespace

Translations ResamplingOps() {
  Translations rows = {
      {"channel_shuffle", ChannelShuffle},
      {"col2im", Col2im},
      {"grid_sampler", GridSample},
      {"im2col", Im2col},
      {"native_channel_shuffle", ChannelShuffle},
      {"pixel_shuffle", PixelShuffle},
      {"pixel_unshuffle", PixelUnshuffle},
      {"unfold", Unfold},
      {"upsample_bicubic2d", Upsampled("cubic")},
      {"upsample_bilinear2d", Upsampled("linear")},
      {"upsample_linear1d", Upsampled("linear")},
      {"upsample_trilinear3d", Upsampled("linear")},
  };
  for (const char* suffix : {"1d", "2d", "3d"}) {
    rows.push_back({std::string("upsample_nearest") + suffix, Upsampled("nearest", "floor")});
    rows.push_back({std::string("_upsample_nearest_exact") + suffix,
                    Upsampled("nearest", "round_prefer_ceil")});
  }
  return rows;
}

}  // namespace muster::exporting
