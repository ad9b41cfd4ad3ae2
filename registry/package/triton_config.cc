#include "registry/package/triton_config.h"

#include <algorithm>

#include "registry/package/package.h"

namespace muster::registry {
namespace {

/// Rows that Triton puts into one execution at most.
constexpr int kTritonBatch = 64;

/// A string of protobuf text.
std::string Proto(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

/// Triton's types are those of the Open Inference Protocol with a prefix.
std::string Tensors(std::string_view end, const std::vector<TensorSpec>& specs, bool batched) {
  std::string text;
  for (const TensorSpec& spec : specs) {
    std::string dims;
    for (std::size_t i = batched ? 1 : 0; i < spec.shape.size(); ++i) {
      dims += (dims.empty() ? "" : ", ") + std::to_string(spec.shape[i]);
    }
    text += (text.empty() ? "" : ",\n") + ("  {\n    name: " + Proto(spec.name)) +
            "\n    data_type: TYPE_" + std::string(ElementTypeName(spec.type)) + "\n    dims: [ " +
            dims + " ]\n  }";
  }
  return std::string(end) + " [\n" + text + "\n]\n";
}

bool DynamicBatch(const std::vector<TensorSpec>& specs) {
  return std::ranges::all_of(
      specs, [](const TensorSpec& spec) { return !spec.shape.empty() && spec.shape[0] == -1; });
}

}  // namespace

std::string TritonConfigText(std::string_view model, const ExportInfo& info) {
  const bool batched = DynamicBatch(info.inputs) && DynamicBatch(info.outputs);
  return "name: " + Proto(model) + "\nbackend: \"onnxruntime\"\nmax_batch_size: " +
         std::to_string(batched ? kTritonBatch : 0) + "\n" +
         Tensors("input", info.inputs, batched) + Tensors("output", info.outputs, batched) +
         "version_policy { all { } }\n" + (batched ? "dynamic_batching { }\n" : "");
}

}  // namespace muster::registry
