#include "registry/onnx/operators.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace muster::onnx {
namespace {

// Source: the schemas of onnx 1.23.2 (newest version not above 17 of each operator of the default
// domain). Sorted by name, which FindOperator relies on.
constexpr OperatorRule kOperators[] = {
    {"Abs", 1, 1, 1, 1, ""},
    {"Acos", 1, 1, 1, 1, ""},
    {"Acosh", 1, 1, 1, 1, ""},
    {"Add", 2, 2, 1, 1, ""},
    {"And", 2, 2, 1, 1, ""},
    {"ArgMax", 1, 1, 1, 1, "axis:i keepdims:i select_last_index:i"},
    {"ArgMin", 1, 1, 1, 1, "axis:i keepdims:i select_last_index:i"},
    {"Asin", 1, 1, 1, 1, ""},
    {"Asinh", 1, 1, 1, 1, ""},
    {"Atan", 1, 1, 1, 1, ""},
    {"Atanh", 1, 1, 1, 1, ""},
    {"AveragePool", 1, 1, 1, 1,
     "auto_pad:s ceil_mode:i count_include_pad:i kernel_shape!:I pads:I strides:I"},
    {"BatchNormalization", 5, 5, 1, 3, "epsilon:f momentum:f training_mode:i"},
    {"Bernoulli", 1, 1, 1, 1, "dtype:i seed:f"},
    {"BitShift", 2, 2, 1, 1, "direction!:s"},
    {"BlackmanWindow", 1, 1, 1, 1, "output_datatype:i periodic:i"},
    {"Cast", 1, 1, 1, 1, "to!:i"},
    {"CastLike", 2, 2, 1, 1, ""},
    {"Ceil", 1, 1, 1, 1, ""},
    {"Celu", 1, 1, 1, 1, "alpha:f"},
    {"Clip", 1, 3, 1, 1, ""},
    {"Compress", 2, 2, 1, 1, "axis:i"},
    {"Concat", 1, -1, 1, 1, "axis!:i"},
    {"ConcatFromSequence", 1, 1, 1, 1, "axis!:i new_axis:i"},
    {"Constant", 0, 0, 1, 1,
     "value:t value_float:f value_floats:F value_int:i value_ints:I value_string:s "
     "value_strings:S"},
    {"ConstantOfShape", 1, 1, 1, 1, "value:t"},
    {"Conv", 2, 3, 1, 1, "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I"},
    {"ConvInteger", 2, 4, 1, 1, "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I"},
    {"ConvTranspose", 2, 3, 1, 1,
     "auto_pad:s dilations:I group:i kernel_shape:I output_padding:I output_shape:I pads:I "
     "strides:I"},
    {"Cos", 1, 1, 1, 1, ""},
    {"Cosh", 1, 1, 1, 1, ""},
    {"CumSum", 2, 2, 1, 1, "exclusive:i reverse:i"},
    {"DFT", 1, 2, 1, 1, "axis:i inverse:i onesided:i"},
    {"DepthToSpace", 1, 1, 1, 1, "blocksize!:i mode:s"},
    {"DequantizeLinear", 2, 3, 1, 1, "axis:i"},
    {"Det", 1, 1, 1, 1, ""},
    {"Div", 2, 2, 1, 1, ""},
    {"Dropout", 1, 3, 1, 2, "seed:i"},
    {"DynamicQuantizeLinear", 1, 1, 3, 3, ""},
    {"Einsum", 1, -1, 1, 1, "equation!:s"},
    {"Elu", 1, 1, 1, 1, "alpha:f"},
    {"Equal", 2, 2, 1, 1, ""},
    {"Erf", 1, 1, 1, 1, ""},
    {"Exp", 1, 1, 1, 1, ""},
    {"Expand", 2, 2, 1, 1, ""},
    {"EyeLike", 1, 1, 1, 1, "dtype:i k:i"},
    {"Flatten", 1, 1, 1, 1, "axis:i"},
    {"Floor", 1, 1, 1, 1, ""},
    {"GRU", 3, 6, 0, 2,
     "activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i layout:i "
     "linear_before_reset:i"},
    {"Gather", 2, 2, 1, 1, "axis:i"},
    {"GatherElements", 2, 2, 1, 1, "axis:i"},
    {"GatherND", 2, 2, 1, 1, "batch_dims:i"},
    {"Gemm", 2, 3, 1, 1, "alpha:f beta:f transA:i transB:i"},
    {"GlobalAveragePool", 1, 1, 1, 1, ""},
    {"GlobalLpPool", 1, 1, 1, 1, "p:i"},
    {"GlobalMaxPool", 1, 1, 1, 1, ""},
    {"Greater", 2, 2, 1, 1, ""},
    {"GreaterOrEqual", 2, 2, 1, 1, ""},
    {"GridSample", 2, 2, 1, 1, "align_corners:i mode:s padding_mode:s"},
    {"HammingWindow", 1, 1, 1, 1, "output_datatype:i periodic:i"},
    {"HannWindow", 1, 1, 1, 1, "output_datatype:i periodic:i"},
    {"HardSigmoid", 1, 1, 1, 1, "alpha:f beta:f"},
    {"HardSwish", 1, 1, 1, 1, ""},
    {"Hardmax", 1, 1, 1, 1, "axis:i"},
    {"Identity", 1, 1, 1, 1, ""},
    {"InstanceNormalization", 3, 3, 1, 1, "epsilon:f"},
    {"IsInf", 1, 1, 1, 1, "detect_negative:i detect_positive:i"},
    {"IsNaN", 1, 1, 1, 1, ""},
    {"LRN", 1, 1, 1, 1, "alpha:f beta:f bias:f size!:i"},
    {"LSTM", 3, 8, 0, 3,
     "activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i "
     "input_forget:i layout:i"},
    {"LayerNormalization", 2, 3, 1, 3, "axis:i epsilon:f stash_type:i"},
    {"LeakyRelu", 1, 1, 1, 1, "alpha:f"},
    {"Less", 2, 2, 1, 1, ""},
    {"LessOrEqual", 2, 2, 1, 1, ""},
    {"Log", 1, 1, 1, 1, ""},
    {"LogSoftmax", 1, 1, 1, 1, "axis:i"},
    {"LpNormalization", 1, 1, 1, 1, "axis:i p:i"},
    {"LpPool", 1, 1, 1, 1, "auto_pad:s kernel_shape!:I p:i pads:I strides:I"},
    {"MatMul", 2, 2, 1, 1, ""},
    {"MatMulInteger", 2, 4, 1, 1, ""},
    {"Max", 1, -1, 1, 1, ""},
    {"MaxPool", 1, 1, 1, 2,
     "auto_pad:s ceil_mode:i dilations:I kernel_shape!:I pads:I storage_order:i strides:I"},
    {"MaxRoiPool", 2, 2, 1, 1, "pooled_shape!:I spatial_scale:f"},
    {"MaxUnpool", 2, 3, 1, 1, "kernel_shape!:I pads:I strides:I"},
    {"Mean", 1, -1, 1, 1, ""},
    {"MeanVarianceNormalization", 1, 1, 1, 1, "axes:I"},
    {"MelWeightMatrix", 5, 5, 1, 1, "output_datatype:i"},
    {"Min", 1, -1, 1, 1, ""},
    {"Mod", 2, 2, 1, 1, "fmod:i"},
    {"Mul", 2, 2, 1, 1, ""},
    {"Multinomial", 1, 1, 1, 1, "dtype:i sample_size:i seed:f"},
    {"Neg", 1, 1, 1, 1, ""},
    {"NegativeLogLikelihoodLoss", 2, 3, 1, 1, "ignore_index:i reduction:s"},
    {"NonMaxSuppression", 2, 5, 1, 1, "center_point_box:i"},
    {"NonZero", 1, 1, 1, 1, ""},
    {"Not", 1, 1, 1, 1, ""},
    {"OneHot", 3, 3, 1, 1, "axis:i"},
    {"Optional", 0, 1, 1, 1, ""},
    {"OptionalGetElement", 1, 1, 1, 1, ""},
    {"OptionalHasElement", 1, 1, 1, 1, ""},
    {"Or", 2, 2, 1, 1, ""},
    {"PRelu", 2, 2, 1, 1, ""},
    {"Pad", 2, 3, 1, 1, "mode:s"},
    {"Pow", 2, 2, 1, 1, ""},
    {"QLinearConv", 8, 9, 1, 1, "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I"},
    {"QLinearMatMul", 8, 8, 1, 1, ""},
    {"QuantizeLinear", 2, 3, 1, 1, "axis:i"},
    {"RNN", 3, 6, 0, 2,
     "activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i "
     "layout:i"},
    {"RandomNormal", 0, 0, 1, 1, "dtype:i mean:f scale:f seed:f shape!:I"},
    {"RandomNormalLike", 1, 1, 1, 1, "dtype:i mean:f scale:f seed:f"},
    {"RandomUniform", 0, 0, 1, 1, "dtype:i high:f low:f seed:f shape!:I"},
    {"RandomUniformLike", 1, 1, 1, 1, "dtype:i high:f low:f seed:f"},
    {"Range", 3, 3, 1, 1, ""},
    {"Reciprocal", 1, 1, 1, 1, ""},
    {"ReduceL1", 1, 1, 1, 1, "axes:I keepdims:i"},
    {"ReduceL2", 1, 1, 1, 1, "axes:I keepdims:i"},
    {"ReduceLogSum", 1, 1, 1, 1, "axes:I keepdims:i"},
    {"ReduceLogSumExp", 1, 1, 1, 1, "axes:I keepdims:i"},
    {"ReduceMax", 1, 1, 1, 1, "axes:I keepdims:i"},
    {"ReduceMean", 1, 1, 1, 1, "axes:I keepdims:i"},
    {"ReduceMin", 1, 1, 1, 1, "axes:I keepdims:i"},
    {"ReduceProd", 1, 1, 1, 1, "axes:I keepdims:i"},
    {"ReduceSum", 1, 2, 1, 1, "keepdims:i noop_with_empty_axes:i"},
    {"ReduceSumSquare", 1, 1, 1, 1, "axes:I keepdims:i"},
    {"Relu", 1, 1, 1, 1, ""},
    {"Reshape", 2, 2, 1, 1, "allowzero:i"},
    {"Resize", 1, 4, 1, 1,
     "coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i extrapolation_value:f "
     "mode:s nearest_mode:s"},
    {"ReverseSequence", 2, 2, 1, 1, "batch_axis:i time_axis:i"},
    {"RoiAlign", 3, 3, 1, 1,
     "coordinate_transformation_mode:s mode:s output_height:i output_width:i sampling_ratio:i "
     "spatial_scale:f"},
    {"Round", 1, 1, 1, 1, ""},
    {"STFT", 2, 4, 1, 1, "onesided:i"},
    {"ScatterElements", 3, 3, 1, 1, "axis:i reduction:s"},
    {"ScatterND", 3, 3, 1, 1, "reduction:s"},
    {"Selu", 1, 1, 1, 1, "alpha:f gamma:f"},
    {"SequenceAt", 2, 2, 1, 1, ""},
    {"SequenceConstruct", 1, -1, 1, 1, ""},
    {"SequenceEmpty", 0, 0, 1, 1, "dtype:i"},
    {"SequenceErase", 1, 2, 1, 1, ""},
    {"SequenceInsert", 2, 3, 1, 1, ""},
    {"SequenceLength", 1, 1, 1, 1, ""},
    {"Shape", 1, 1, 1, 1, "end:i start:i"},
    {"Shrink", 1, 1, 1, 1, "bias:f lambd:f"},
    {"Sigmoid", 1, 1, 1, 1, ""},
    {"Sign", 1, 1, 1, 1, ""},
    {"Sin", 1, 1, 1, 1, ""},
    {"Sinh", 1, 1, 1, 1, ""},
    {"Size", 1, 1, 1, 1, ""},
    {"Slice", 3, 5, 1, 1, ""},
    {"Softmax", 1, 1, 1, 1, "axis:i"},
    {"SoftmaxCrossEntropyLoss", 2, 3, 1, 2, "ignore_index:i reduction:s"},
    {"Softplus", 1, 1, 1, 1, ""},
    {"Softsign", 1, 1, 1, 1, ""},
    {"SpaceToDepth", 1, 1, 1, 1, "blocksize!:i"},
    {"Split", 1, 2, 1, -1, "axis:i"},
    {"SplitToSequence", 1, 2, 1, 1, "axis:i keepdims:i"},
    {"Sqrt", 1, 1, 1, 1, ""},
    {"Squeeze", 1, 2, 1, 1, ""},
    {"StringNormalizer", 1, 1, 1, 1,
     "case_change_action:s is_case_sensitive:i locale:s stopwords:S"},
    {"Sub", 2, 2, 1, 1, ""},
    {"Sum", 1, -1, 1, 1, ""},
    {"Tan", 1, 1, 1, 1, ""},
    {"Tanh", 1, 1, 1, 1, ""},
    {"TfIdfVectorizer", 1, 1, 1, 1,
     "max_gram_length!:i max_skip_count!:i min_gram_length!:i mode!:s ngram_counts!:I "
     "ngram_indexes!:I pool_int64s:I pool_strings:S weights:F"},
    {"ThresholdedRelu", 1, 1, 1, 1, "alpha:f"},
    {"Tile", 2, 2, 1, 1, ""},
    {"TopK", 2, 2, 2, 2, "axis:i largest:i sorted:i"},
    {"Transpose", 1, 1, 1, 1, "perm:I"},
    {"Trilu", 1, 2, 1, 1, "upper:i"},
    {"Unique", 1, 1, 1, 4, "axis:i sorted:i"},
    {"Unsqueeze", 2, 2, 1, 1, ""},
    {"Where", 3, 3, 1, 1, ""},
    {"Xor", 2, 2, 1, 1, ""},
};

}  // namespace

const OperatorRule* FindOperator(std::string_view name) {
  const OperatorRule* found = std::lower_bound(
      std::begin(kOperators), std::end(kOperators), name,
      [](const OperatorRule& rule, std::string_view key) { return rule.name < key; });
  return found != std::end(kOperators) && found->name == name ? found : nullptr;
}

std::optional<AttributeRule> FindAttribute(const OperatorRule& rule, std::string_view name) {
  std::string_view rest = rule.attributes;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    std::string_view entry = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const char type = entry.back();
    entry.remove_suffix(2);
    const bool required = entry.ends_with('!');
    if (required) entry.remove_suffix(1);
    if (entry == name) return AttributeRule{type, required};
  }
  return std::nullopt;
}

int SinceVersion(std::string_view what) {
  // Source: the same schemas.
  static constexpr std::pair<std::string_view, int> kNewer[] = {
      {"BatchNormalization.training_mode", 14},
      {"Bernoulli", 15},
      {"BlackmanWindow", 17},
      {"CastLike", 15},
      {"DFT", 17},
      {"GRU.layout", 14},
      {"GridSample", 16},
      {"HammingWindow", 17},
      {"HannWindow", 17},
      {"HardSwish", 14},
      {"LSTM.layout", 14},
      {"LayerNormalization", 17},
      {"MelWeightMatrix", 17},
      {"Optional", 15},
      {"OptionalGetElement", 15},
      {"OptionalHasElement", 15},
      {"RNN.layout", 14},
      {"Reshape.allowzero", 14},
      {"RoiAlign.coordinate_transformation_mode", 16},
      {"STFT", 17},
      {"ScatterElements.reduction", 16},
      {"ScatterND.reduction", 16},
      {"Shape.end", 15},
      {"Shape.start", 15},
      {"Trilu", 14},
  };
  const auto* found = std::ranges::find(kNewer, what, &std::pair<std::string_view, int>::first);
  return found == std::end(kNewer) ? 13 : found->second;
}

}  // namespace muster::onnx
