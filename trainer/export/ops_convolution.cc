#include <algorithm>
#include <cmath>

#include "trainer/export/call.h"

namespace muster::exporting {
namespace {

Ints Twice(const Ints& pads) {
  Ints both = pads;
  both.insert(both.end(), pads.begin(), pads.end());
  return both;
}

/// The spatial sizes of a tensor [N, C, ...]; fails where they depend on the batch.
Ints Spatial(Call& call, const TensorType& type, std::size_t dims) {
  Ints sizes;
  for (std::size_t i = type.shape.size() - dims; i < type.shape.size(); ++i) {
    call.FailUnless(type.shape[i].fixed(), "a spatial size that depends on the batch");
    sizes.push_back(type.shape[i].offset);
  }
  return sizes;
}

/// ONNX's layers want [N, C, ...]: an input without a batch gets one for the moment.
struct Batched {
  Call& call;
  TensorType type;
  bool added = false;

  std::string Open(const char* name, std::size_t dims) {
    type = call.Type(name);
    const std::string value = call.In(name);
    added = type.shape.size() == dims + 1;
    if (!added) return value;
    return call.Node("Unsqueeze", {value, call.graph().Int64s({0})});
  }
  void Close(const std::string& value) const {
    call.Return(added ? call.Node("Squeeze", {value, call.graph().Int64s({0})}) : value);
  }
};

void Convolution(Call& call) {
  const std::size_t dims = call.Type("weight").shape.size() - 2;
  Batched batched{call, {}};
  std::vector<std::string> inputs = {batched.Open("input", dims), call.In("weight")};
  if (call.Has("bias")) inputs.push_back(call.In("bias"));
  Attributes attributes = {{"strides", call.IntList("stride", dims)},
                           {"pads", Twice(call.IntList("padding", dims))},
                           {"dilations", call.IntList("dilation", dims)},
                           {"group", call.IntOr("groups", 1)}};
  const bool transposed = call.Flag("transposed");
  if (transposed) attributes.push_back({"output_padding", call.IntList("output_padding", dims)});
  batched.Close(call.Node(transposed ? "ConvTranspose" : "Conv", inputs, attributes));
}

/// Padding by word: "valid" is none; "same" makes the result as large as the input, the odd pad
/// last.
void ConvolutionByMode(Call& call) {
  const TensorType& weight = call.Type("weight");
  const std::size_t dims = weight.shape.size() - 2;
  const Ints dilation = call.IntList("dilation", dims);
  const Ints kernel = Spatial(call, weight, dims);
  Ints pads(2 * dims, 0);
  for (std::size_t i = 0; i < dims && call.Text("padding") == "same"; ++i) {
    const std::int64_t total = dilation[i] * (kernel[i] - 1);
    pads[i] = total / 2;
    pads[dims + i] = total - total / 2;
  }
  Batched batched{call, {}};
  std::vector<std::string> inputs = {batched.Open("input", dims), call.In("weight")};
  if (call.Has("bias")) inputs.push_back(call.In("bias"));
  batched.Close(call.Node("Conv", inputs,
                          {{"strides", call.IntList("stride", dims)},
                           {"pads", pads},
                           {"dilations", dilation},
                           {"group", call.IntOr("groups", 1)}}));
}

/// Where a window may overhang the end ("ceil_mode"), the pads that make it fit exactly: ONNX's own
/// ceil_mode counts windows that LibTorch drops. Only for maxima, to which padding adds nothing.
Ints EndPads(Call& call, const Ints& kernel, const Ints& stride, const Ints& dilation,
             const Ints& pads, const TensorType& input) {
  const std::size_t dims = kernel.size();
  const Ints in = Spatial(call, input, dims);
  const Ints out = Spatial(call, call.Out(), dims);
  Ints ends;
  for (std::size_t i = 0; i < dims && call.status().ok(); ++i) {
    const std::int64_t reach = (out[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1;
    ends.push_back(std::max(pads[i], reach - in[i] - pads[i]));
  }
  return ends;
}

Ints StrideOf(Call& call, const Ints& kernel) {
  // An empty list, the default, is the kernel's size.
  return call.Has("stride") && !call.Numbers("stride").empty()
             ? call.IntList("stride", kernel.size())
             : kernel;
}

void MaxPool(Call& call, std::size_t dims) {
  const Ints kernel = call.IntList("kernel_size", dims);
  const Ints stride = StrideOf(call, kernel);
  const Ints dilation = call.IntList("dilation", dims);
  Ints pads = call.IntList("padding", dims);
  Batched batched{call, {}};
  const std::string input = batched.Open("self", dims);
  const Ints ends = call.Flag("ceil_mode")
                        ? EndPads(call, kernel, stride, dilation, pads, batched.type)
                        : Ints(pads);
  pads.insert(pads.end(), ends.begin(), ends.end());
  batched.Close(call.Node(
      "MaxPool", {input},
      {{"kernel_shape", kernel}, {"strides", stride}, {"pads", pads}, {"dilations", dilation}}));
}

void AveragePool(Call& call, std::size_t dims) {
  const Ints kernel = call.IntList("kernel_size", dims);
  const Ints stride = StrideOf(call, kernel);
  call.FailUnless(!call.Flag("ceil_mode"), "ceil_mode has another meaning in ONNX");
  call.FailUnless(!call.Has("divisor_override"), "divisor_override has no ONNX form");
  Batched batched{call, {}};
  const std::string input = batched.Open("self", dims);
  batched.Close(call.Node("AveragePool", {input},
                          {{"kernel_shape", kernel},
                           {"strides", stride},
                           {"pads", Twice(call.IntList("padding", dims))},
                           {"count_include_pad", std::int64_t{call.Flag("count_include_pad")}}}));
}

/// Output sizes that divide the input are a plain pooling; others have no ONNX operator.
void AdaptivePool(Call& call, std::size_t dims, const char* pool, const char* global) {
  Batched batched{call, {}};
  const std::string input = batched.Open("self", dims);
  const Ints out = Spatial(call, call.Out(), dims);
  const Ints in = Spatial(call, batched.type, dims);
  if (out == Ints(dims, 1)) {
    batched.Close(call.Node(global, {input}));
    return;
  }
  Ints kernel;
  for (std::size_t i = 0; i < dims && call.status().ok(); ++i) {
    const bool even = out[i] > 0 && in[i] % out[i] == 0;
    call.FailUnless(even, "pools " + std::to_string(in[i]) + " to " + std::to_string(out[i]) +
                              ", which is not a divisor");
    kernel.push_back(even ? in[i] / out[i] : 1);
  }
  batched.Close(call.Node(pool, {input}, {{"kernel_shape", kernel}, {"strides", kernel}}));
}

/// LibTorch lists pads from the last dimension backwards, {begin, end} each; ONNX all begins, then
/// ends.
Ints OnnxPads(Call& call, std::size_t rank) {
  const Ints pads = call.IntList(call.Has("padding") ? "padding" : "pad");
  Ints out(2 * rank, 0);
  for (std::size_t i = 0; i < pads.size() / 2 && i < rank; ++i) {
    out[rank - 1 - i] = pads[2 * i];
    out[2 * rank - 1 - i] = pads[2 * i + 1];
  }
  return out;
}

void Pad(Call& call, const std::string& mode, const char* value) {
  const std::string pads = call.graph().Int64s(OnnxPads(call, call.Type("self").shape.size()));
  std::vector<std::string> inputs = {call.In("self"), pads};
  if (value != nullptr && call.Has(value)) inputs.push_back(call.In(value, call.Out().dtype));
  call.Return(call.Node("Pad", inputs, {{"mode", mode}}));
}

void PadByMode(Call& call) {
  const std::string mode = call.Text("mode");
  if (mode == "constant") return Pad(call, "constant", "value");
  if (mode == "reflect") return Pad(call, "reflect", nullptr);
  if (mode == "replicate") return Pad(call, "edge", nullptr);
  call.Fail("padding mode '" + mode + "' has no ONNX form");
}

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

/// The sizes of the result are known; scale factors would round in their own way.
void Upsample(Call& call, const std::string& mode) {
  // The argument is called "input" where LibTorch picks the overload by sizes or factors.
  const char* input = call.IsTensor("input") ? "input" : "self";
  const char* coordinates = mode == "nearest"            ? "asymmetric"
                            : call.Flag("align_corners") ? "align_corners"
                                                         : "half_pixel";
  if (!call.Flag("align_corners")) CheckFactors(call, input);
  Attributes attributes = {{"mode", mode},
                           {"coordinate_transformation_mode", std::string(coordinates)}};
  if (mode == "nearest") attributes.push_back({"nearest_mode", std::string("floor")});
  if (mode == "cubic") attributes.push_back({"cubic_coeff_a", -0.75f});
  const std::string sizes = call.graph().Shape(call.Out().shape);
  call.Return(call.Node("Resize", {call.In(input), "", "", sizes}, attributes));
}

void PixelShuffle(Call& call) {
  call.FailUnless(call.Type("self").rank() == 4, "an input that is not [N, C, H, W]");
  call.Return(call.Node("DepthToSpace", {call.In("self")},
                        {{"blocksize", call.Int("upscale_factor")}, {"mode", std::string("CRD")}}));
}

}  // namespace

Translations ConvolutionOps() {
  Translations rows = {
      {"_convolution", Convolution},
      {"_convolution_mode", ConvolutionByMode},
      {"constant_pad_nd", [](Call& call) { Pad(call, "constant", "value"); }},
      {"pad", PadByMode},
      {"pixel_shuffle", PixelShuffle},
      {"upsample_bicubic2d", [](Call& call) { Upsample(call, "cubic"); }},
      {"upsample_bilinear2d", [](Call& call) { Upsample(call, "linear"); }},
      {"upsample_linear1d", [](Call& call) { Upsample(call, "linear"); }},
  };
  for (const std::size_t dims : {1, 2, 3}) {
    const std::string suffix = std::to_string(dims) + "d";
    rows.push_back({"max_pool" + suffix, [dims](Call& call) { MaxPool(call, dims); }});
    rows.push_back({"avg_pool" + suffix, [dims](Call& call) { AveragePool(call, dims); }});
    rows.push_back({"adaptive_avg_pool" + suffix, [dims](Call& call) {
                      AdaptivePool(call, dims, "AveragePool", "GlobalAveragePool");
                    }});
    rows.push_back({"adaptive_max_pool" + suffix,
                    [dims](Call& call) { AdaptivePool(call, dims, "MaxPool", "GlobalMaxPool"); }});
    rows.push_back({"reflection_pad" + suffix, [](Call& call) { Pad(call, "reflect", nullptr); }});
    rows.push_back({"replication_pad" + suffix, [](Call& call) { Pad(call, "edge", nullptr); }});
    rows.push_back({"upsample_nearest" + suffix, [](Call& call) { Upsample(call, "nearest"); }});
  }
  return rows;
}

}  // namespace muster::exporting
