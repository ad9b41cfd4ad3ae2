#include <algorithm>
#include <iterator>

#include "registry/onnx/operators.h"

namespace muster::onnx {
namespace {

struct NewerRule {
  int since;
  OperatorRule rule;
};

// Source: the schemas of onnx 1.23.2, those of sets 18 to 20 that differ from the ones before in
// what a rule holds.
constexpr NewerRule kNewer[] = {
    {20, {"AffineGrid", 2, 2, 1, 1, "align_corners:i"}},
    {19,
     {"AveragePool", 1, 1, 1, 1,
      "auto_pad:s ceil_mode:i count_include_pad:i dilations:I kernel_shape!:I pads:I strides:I"}},
    {18, {"BitwiseAnd", 2, 2, 1, 1, ""}},
    {18, {"BitwiseNot", 1, 1, 1, 1, ""}},
    {18, {"BitwiseOr", 2, 2, 1, 1, ""}},
    {18, {"BitwiseXor", 2, 2, 1, 1, ""}},
    {19, {"Cast", 1, 1, 1, 1, "saturate:i to!:i"}},
    {19, {"CastLike", 2, 2, 1, 1, "saturate:i"}},
    {18, {"CenterCropPad", 2, 2, 1, 1, "axes:I"}},
    {18, {"Col2Im", 3, 3, 1, 1, "dilations:I pads:I strides:I"}},
    {20, {"DFT", 1, 3, 1, 1, "inverse:i onesided:i"}},
    {19,
     {"DeformConv", 3, 5, 1, 1,
      "dilations:I group:i kernel_shape:I offset_group:i pads:I strides:I"}},
    {20, {"Gelu", 1, 1, 1, 1, "approximate:s"}},
    {20, {"ImageDecoder", 1, 1, 1, 1, "pixel_format:s"}},
    {18,
     {"LpPool", 1, 1, 1, 1,
      "auto_pad:s ceil_mode:i dilations:I kernel_shape!:I p:i pads:I strides:I"}},
    {18, {"Mish", 1, 1, 1, 1, ""}},
    {18, {"OptionalHasElement", 0, 1, 1, 1, ""}},
    {18, {"Pad", 2, 4, 1, 1, "mode:s"}},
    {19, {"QuantizeLinear", 2, 3, 1, 1, "axis:i saturate:i"}},
    {18, {"ReduceL1", 1, 2, 1, 1, "keepdims:i noop_with_empty_axes:i"}},
    {18, {"ReduceL2", 1, 2, 1, 1, "keepdims:i noop_with_empty_axes:i"}},
    {18, {"ReduceLogSum", 1, 2, 1, 1, "keepdims:i noop_with_empty_axes:i"}},
    {18, {"ReduceLogSumExp", 1, 2, 1, 1, "keepdims:i noop_with_empty_axes:i"}},
    {18, {"ReduceMax", 1, 2, 1, 1, "keepdims:i noop_with_empty_axes:i"}},
    {18, {"ReduceMean", 1, 2, 1, 1, "keepdims:i noop_with_empty_axes:i"}},
    {18, {"ReduceMin", 1, 2, 1, 1, "keepdims:i noop_with_empty_axes:i"}},
    {18, {"ReduceProd", 1, 2, 1, 1, "keepdims:i noop_with_empty_axes:i"}},
    {18, {"ReduceSumSquare", 1, 2, 1, 1, "keepdims:i noop_with_empty_axes:i"}},
    {20, {"RegexFullMatch", 1, 1, 1, 1, "pattern:s"}},
    {18,
     {"Resize", 1, 4, 1, 1,
      "antialias:i axes:I coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i "
      "extrapolation_value:f keep_aspect_ratio_policy:s mode:s nearest_mode:s"}},
    {18, {"Split", 1, 2, 1, -1, "axis:i num_outputs:i"}},
    {20, {"StringConcat", 2, 2, 1, 1, ""}},
    {20, {"StringSplit", 1, 1, 2, 2, "delimiter:s maxsplit:i"}},
};

}  // namespace

const OperatorRule* FindOperator(std::string_view name, std::int64_t opset) {
  const auto* newer = std::ranges::find_if(kNewer, [&](const NewerRule& entry) {
    return entry.rule.name == name && entry.since <= opset;
  });
  return newer != std::end(kNewer) ? &newer->rule : FindOperator(name);
}

}  // namespace muster::onnx
