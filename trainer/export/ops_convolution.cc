#include "trainer/export/spatial.h"

namespace muster::exporting {
namespace {

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

/// Pads with what stands at the other end.
void PadAround(Call& call) {
  const TensorType& type = call.Type("self");
  const Ints pads = OnnxPads(call, type.shape.size());
  std::string value = call.In("self");
  for (std::int64_t axis = 0; axis < type.rank() && call.status().ok(); ++axis) {
    const std::int64_t before = pads[axis];
    const std::int64_t after = pads[type.rank() + axis];
    if (before == 0 && after == 0) continue;
    const Polynomial size = type.shape[axis];
    call.FailUnless(size.fixed() && before >= 0 && after >= 0,
                    "circular pads that are negative or along the batch");
    std::vector<std::string> parts;
    if (before > 0) parts.push_back(call.Slice(value, axis, size.offset - before, size));
    parts.push_back(value);
    if (after > 0) parts.push_back(call.Slice(value, axis, 0, after));
    value = call.Concat(parts, axis);
  }
  call.Return(value);
}

/// LibTorch's padding_mode as a number, as its functional layers hand it on.
void PadByNumber(Call& call) {
  switch (call.Int("mode")) {
    case 0:
      return Pad(call, "reflect", nullptr);
    case 1:
      return Pad(call, "edge", nullptr);
    case 2:
      return PadAround(call);
    default:
      return Pad(call, "constant", "value");
  }
}

void PadByMode(Call& call) {
  const std::string mode = call.Text("mode");
  if (mode == "constant") return Pad(call, "constant", "value");
  if (mode == "reflect") return Pad(call, "reflect", nullptr);
  if (mode == "replicate") return Pad(call, "edge", nullptr);
  if (mode == "circular") return PadAround(call);
  call.Fail("padding mode '" + mode + "' has no ONNX form");
}

}  // namespace

Translations ConvolutionOps() {
  Translations rows = {
      {"_convolution", Convolution},
      {"_convolution_mode", ConvolutionByMode},
      {"_pad_circular", PadAround},
      {"_pad_enum", PadByNumber},
      {"constant_pad_nd", [](Call& call) { Pad(call, "constant", "value"); }},
      {"pad", PadByMode},
  };
  for (const char* suffix : {"1d", "2d", "3d"}) {
    rows.push_back({std::string("reflection_pad") + suffix,
                    [](Call& call) { Pad(call, "reflect", nullptr); }});
    rows.push_back(
        {std::string("replication_pad") + suffix, [](Call& call) { Pad(call, "edge", nullptr); }});
  }
  return rows;
}

}  // namespace muster::exporting
