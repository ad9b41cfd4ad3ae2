#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>

#include "trainer/export/spatial.h"

namespace muster::exporting {
namespace {

/// What a pooling's arguments say, a number for each spatial dimension.
struct Windows {
  Ints kernel;
  Ints stride;
  Ints dilation;
  Ints pads;     ///< at the beginning, and as many at the end
  Ints in, out;  ///< after Measure

  Windows(Call& call, std::size_t dims)
      : kernel(call.IntList("kernel_size", dims)),
        // An empty list, the default, is the kernel's size.
        stride(call.Has("stride") && !call.Numbers("stride").empty() ? call.IntList("stride", dims)
                                                                     : kernel),
        dilation(call.Has("dilation") ? call.IntList("dilation", dims) : Ints(dims, 1)),
        pads(call.IntList("padding", dims)) {}

  /// Takes the sizes, which a plain pooling leaves open.
  void Measure(Call& call, const TensorType& input) {
    in = Spatial(call, input, kernel.size());
    out = Spatial(call, call.Out(), kernel.size());
  }

  /// The pads, the ends such that the last window fits exactly. With "ceil_mode" windows overhang,
  /// and ONNX's own ceil_mode counts windows that LibTorch drops.
  [[nodiscard]] Ints FittingPads() const {
    Ints all = pads;
    for (std::size_t i = 0; i < kernel.size(); ++i) {
      const std::int64_t reach = (out[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1;
      all.push_back(std::max<std::int64_t>(0, reach - in[i] - pads[i]));
    }
    return all;
  }
};

void MaxPool(Call& call, std::size_t dims) {
  Batched batched{call, {}};
  const std::string input = batched.Open("self", dims);
  Windows windows(call, dims);
  const bool overhangs = call.Flag("ceil_mode");
  if (overhangs) windows.Measure(call, batched.type);
  if (!call.status().ok()) return;
  const Ints pads = overhangs ? windows.FittingPads() : Twice(windows.pads);
  batched.Close(call.Node("MaxPool", {input},
                          {{"kernel_shape", windows.kernel},
                           {"strides", windows.stride},
                           {"pads", pads},
                           {"dilations", windows.dilation}}));
}

/// By what LibTorch divides the sum of each window: (out, ...), one dimension a spatial one.
at::Tensor Divisors(const Windows& windows, bool pads_count) {
  at::Tensor divisors = at::ones({}, at::kDouble);
  for (std::size_t i = 0; i < windows.kernel.size(); ++i) {
    at::Tensor covered = at::empty({windows.out[i]}, at::kDouble);
    for (std::int64_t o = 0; o < windows.out[i]; ++o) {
      const std::int64_t begin = o * windows.stride[i] - windows.pads[i];
      const std::int64_t end = std::min(begin + windows.kernel[i], windows.in[i] + windows.pads[i]);
      covered[o] = static_cast<double>(pads_count ? end - begin
                                                  : std::min(end, windows.in[i]) -
                                                        std::max<std::int64_t>(begin, 0));
    }
    divisors = divisors.unsqueeze(-1) * covered;
  }
  return divisors;
}

void AveragePool(Call& call, std::size_t dims) {
  Batched batched{call, {}};
  std::string input = batched.Open("self", dims);
  Windows windows(call, dims);
  Attributes attributes = {{"kernel_shape", windows.kernel}, {"strides", windows.stride}};
  if (!call.Flag("ceil_mode") && !call.Has("divisor_override")) {
    attributes.push_back({"pads", Twice(windows.pads)});
    attributes.push_back({"count_include_pad", std::int64_t{call.Flag("count_include_pad")}});
    return batched.Close(call.Node("AveragePool", {input}, attributes));
  }
  windows.Measure(call, batched.type);
  if (!call.status().ok()) return;
  // Means of whole windows over explicit zeros, made means of what LibTorch divides by.
  Ints pads(2 * (dims + 2), 0);
  const Ints spatial = windows.FittingPads();
  std::copy_n(spatial.begin(), dims, pads.begin() + 2);
  std::copy_n(spatial.begin() + static_cast<std::ptrdiff_t>(dims), dims, pads.end() - dims);
  input = call.Node("Pad", {input, call.graph().Int64s(pads)}, {{"mode", std::string("constant")}});
  double whole = 1;
  for (const std::int64_t size : windows.kernel) whole *= static_cast<double>(size);
  const at::Tensor divisors = call.Has("divisor_override")
                                  ? at::full({}, call.Real("divisor_override"), at::kDouble)
                                  : Divisors(windows, call.Flag("count_include_pad"));
  const std::string factors =
      call.graph().Constant((whole / divisors).to(call.Out().dtype), "window_factors");
  batched.Close(call.Node("Mul", {call.Node("AveragePool", {input}, attributes), factors}));
}

/// Where the windows of an adaptive pooling begin and end: they may overlap.
std::pair<std::int64_t, std::int64_t> AdaptiveWindow(std::int64_t o, std::int64_t in,
                                                     std::int64_t out) {
  return {o * in / out, ((o + 1) * in + out - 1) / out};
}

/// Means along one dimension, as a product with a matrix (out, in) of shares.
std::string AdaptiveMeans(Call& call, const std::string& value, std::int64_t axis,
                          std::int64_t rank, std::int64_t in, std::int64_t out) {
  at::Tensor shares = at::zeros({out, in}, at::kDouble);
  for (std::int64_t o = 0; o < out; ++o) {
    const auto [begin, end] = AdaptiveWindow(o, in, out);
    shares[o].slice(0, begin, end).fill_(1 / static_cast<double>(end - begin));
  }
  Ints order = Counted(rank);
  std::swap(order[axis], order.back());
  const std::string turned = call.Transpose(value, order);
  const std::string matrix =
      call.graph().Constant(shares.t().contiguous().to(call.Out().dtype), "shares");
  return call.Transpose(call.Node("MatMul", {turned, matrix}), order);
}

std::string AdaptiveMaxima(Call& call, const std::string& value, std::int64_t axis, std::int64_t in,
                           std::int64_t out) {
  std::vector<std::string> parts;
  for (std::int64_t o = 0; o < out; ++o) {
    const auto [begin, end] = AdaptiveWindow(o, in, out);
    parts.push_back(call.Node("ReduceMax", {call.Slice(value, axis, begin, end)},
                              {{"axes", Ints{axis}}, {"keepdims", std::int64_t{1}}}));
  }
  return call.Concat(parts, axis);
}

/// Output sizes that divide the input's are a plain pooling. For others, mean and maximum of a
/// window are those of its rows' means and maxima, dimension by dimension.
void AdaptivePool(Call& call, std::size_t dims, bool maximum) {
  Batched batched{call, {}};
  std::string value = batched.Open("self", dims);
  const Ints out = Spatial(call, call.Out(), dims);
  if (call.status().ok() && out == Ints(dims, 1)) {
    return batched.Close(call.Node(maximum ? "GlobalMaxPool" : "GlobalAveragePool", {value}));
  }
  const Ints in = Spatial(call, batched.type, dims);
  if (!call.status().ok()) return;
  Ints kernel;
  bool even = true;
  for (std::size_t i = 0; i < dims; ++i) {
    if (out[i] < 1) return call.Fail("pools to nothing");
    even = even && in[i] % out[i] == 0;
    kernel.push_back(in[i] / out[i]);
  }
  if (even) {
    return batched.Close(call.Node(maximum ? "MaxPool" : "AveragePool", {value},
                                   {{"kernel_shape", kernel}, {"strides", kernel}}));
  }
  for (std::size_t i = 0; i < dims; ++i) {
    if (in[i] == out[i]) continue;
    const auto axis = static_cast<std::int64_t>(i) + 2;
    value = maximum ? AdaptiveMaxima(call, value, axis, in[i], out[i])
                    : AdaptiveMeans(call, value, axis, static_cast<std::int64_t>(dims) + 2, in[i],
                                    out[i]);
  }
  batched.Close(value);
}

}  // namespace

Translations PoolingOps() {
  Translations rows;
  for (const std::size_t dims : {1, 2, 3}) {
    const std::string suffix = std::to_string(dims) + "d";
    rows.push_back({"max_pool" + suffix, [dims](Call& call) { MaxPool(call, dims); }});
    rows.push_back({"avg_pool" + suffix, [dims](Call& call) { AveragePool(call, dims); }});
    rows.push_back(
        {"adaptive_avg_pool" + suffix, [dims](Call& call) { AdaptivePool(call, dims, false); }});
    rows.push_back(
        {"adaptive_max_pool" + suffix, [dims](Call& call) { AdaptivePool(call, dims, true); }});
  }
  return rows;
}

}  // namespace muster::exporting
