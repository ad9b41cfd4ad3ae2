#include <ATen/Functions.h>

#include "trainer/export/call.h"

namespace muster::exporting {
namespace {

/// A per-channel argument, or `otherwise` for each of `channels`.
std::string Channels(Call& call, const char* name, std::int64_t channels, double otherwise) {
  if (call.Has(name)) return call.In(name);
  return call.graph().Constant(at::full({channels}, otherwise, call.Out().dtype), name);
}

std::int64_t ChannelCount(Call& call) {
  const TensorType& type = call.Type("input");
  const bool known = type.rank() >= 2 && type.shape[1].fixed();
  call.FailUnless(known, "an input that is not [N, C, ...] with a fixed C");
  return known ? type.shape[1].offset : 1;
}

void BatchNorm(Call& call) {
  call.FailUnless(!call.Flag("training"), "is in training mode");
  call.FailUnless(call.Has("running_mean") && call.Has("running_var"), "has no running statistics");
  const std::int64_t channels = ChannelCount(call);
  const std::string input = call.In("input");
  const std::string weight = Channels(call, "weight", channels, 1);
  const std::string bias = Channels(call, "bias", channels, 0);
  call.Return(call.Node("BatchNormalization",
                        {input, weight, bias, Channels(call, "running_mean", channels, 0),
                         Channels(call, "running_var", channels, 1)},
                        {{"epsilon", static_cast<float>(call.Real("eps"))}}));
}

void InstanceNorm(Call& call) {
  // With running statistics it is what a batch norm is.
  if (!call.Flag("use_input_stats")) return BatchNorm(call);
  const std::int64_t channels = ChannelCount(call);
  const std::string input = call.In("input");
  const std::string weight = Channels(call, "weight", channels, 1);
  call.Return(call.Node("InstanceNormalization",
                        {input, weight, Channels(call, "bias", channels, 0)},
                        {{"epsilon", static_cast<float>(call.Real("eps"))}}));
}

void LayerNorm(Call& call) {
  const Ints shape = call.IntList("normalized_shape");
  const auto whole = [&](const char* name, double otherwise) {
    if (call.Has(name)) return call.In(name);
    return call.graph().Constant(at::full(shape, otherwise, call.Out().dtype), name);
  };
  std::vector<std::string> inputs = {call.In("input"), whole("weight", 1)};
  if (call.Has("bias")) inputs.push_back(call.In("bias"));
  call.Return(call.Node("LayerNormalization", inputs,
                        {{"axis", -static_cast<std::int64_t>(shape.size())},
                         {"epsilon", static_cast<float>(call.Real("eps"))}}));
}

/// A group is an instance of a tensor whose groups are its channels.
void GroupNorm(Call& call) {
  const TensorType& type = call.Type("input");
  const std::int64_t groups = call.Int("num_groups");
  const std::int64_t channels = ChannelCount(call);
  if (!call.status().ok()) return;
  const std::string grouped =
      call.Node("Reshape", {call.In("input"), call.graph().Int64s({0, groups, -1})});
  const auto each = [&](double value) {
    return call.graph().Constant(at::full({groups}, value, type.dtype), "groups");
  };
  std::string value = call.Node("InstanceNormalization", {grouped, each(1), each(0)},
                                {{"epsilon", static_cast<float>(call.Real("eps"))}});
  value = call.Node("Reshape", {value, call.graph().Shape(type.shape)});
  Ints aligned(type.shape.size() - 1, 1);
  aligned[0] = channels;
  const auto along = [&](const char* name) {
    return call.Node("Reshape", {call.In(name), call.graph().Int64s(aligned)});
  };
  if (call.Has("weight")) value = call.Node("Mul", {value, along("weight")});
  if (call.Has("bias")) value = call.Node("Add", {value, along("bias")});
  call.Return(value);
}

/// x / rms(x) * weight.
void RmsNorm(Call& call) {
  const at::ScalarType type = call.Out().dtype;
  const std::string input = call.In("input");
  Ints axes;
  const auto count = static_cast<std::int64_t>(call.IntList("normalized_shape").size());
  for (std::int64_t axis = -count; axis < 0; ++axis) axes.push_back(axis);
  const std::string mean = call.Node("ReduceMean", {call.Node("Mul", {input, input})},
                                     {{"axes", axes}, {"keepdims", std::int64_t{1}}});
  const double eps =
      call.RealOr("eps", type == at::kDouble ? 2.220446049250313e-16 : 1.1920929e-07);
  const std::string rms =
      call.Node("Sqrt", {call.Node("Add", {mean, call.graph().Scalar(eps, type)})});
  const std::string value = call.Node("Div", {input, rms});
  call.Return(call.Has("weight") ? call.Node("Mul", {value, call.In("weight")}) : value);
}

void Dropout(Call& call) {
  call.FailUnless(!call.Flag("train"), "is in training mode");
  call.Return(call.In("input"));
}

}  // namespace

Translations NormalizationOps() {
  return {
      {"alpha_dropout", Dropout},   {"batch_norm", BatchNorm}, {"dropout", Dropout},
      {"feature_dropout", Dropout}, {"group_norm", GroupNorm}, {"instance_norm", InstanceNorm},
      {"layer_norm", LayerNorm},    {"rms_norm", RmsNorm},     {"feature_alpha_dropout", Dropout},
  };
}

}  // namespace muster::exporting
