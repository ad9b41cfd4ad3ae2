#include "registry/package.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "registry/gate_json.h"
#include "runtime/base/check.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

// What mlflow.onnx looks at is the flavor; the versions say what a reader may install to load it. They are those
// that the tests load a package with.
constexpr std::string_view kMlflowVersion = "3.18.0";
constexpr std::string_view kOnnxVersion = "1.23.2";
constexpr std::string_view kOnnxRuntimeVersion = "1.30.0";
constexpr std::string_view kPythonVersion = "3.11";
/// Rows that Triton puts into one execution at most.
constexpr int kTritonBatch = 64;

std::string Text(std::string_view text) { return std::string(text); }

/// "YYYY-MM-DD HH:MM:SS.ffffff" in UTC, as Python's str(datetime) writes it.
std::string MlflowTime(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1'000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &utc);
  char micros[16];
  std::snprintf(micros, sizeof micros, ".%06d", static_cast<int>(unix_ms % 1'000) * 1'000);
  return Text(text) + micros;
}

struct TypeNames {
  ElementType type;
  std::string_view numpy;
  std::string_view triton;
};
constexpr std::array kTypeNames{TypeNames{ElementType::kF32, "float32", "TYPE_FP32"},
                                TypeNames{ElementType::kF64, "float64", "TYPE_FP64"},
                                TypeNames{ElementType::kF16, "float16", "TYPE_FP16"},
                                TypeNames{ElementType::kBf16, "bfloat16", "TYPE_BF16"},
                                TypeNames{ElementType::kI8, "int8", "TYPE_INT8"},
                                TypeNames{ElementType::kI16, "int16", "TYPE_INT16"},
                                TypeNames{ElementType::kI32, "int32", "TYPE_INT32"},
                                TypeNames{ElementType::kI64, "int64", "TYPE_INT64"},
                                TypeNames{ElementType::kU8, "uint8", "TYPE_UINT8"},
                                TypeNames{ElementType::kU16, "uint16", "TYPE_UINT16"},
                                TypeNames{ElementType::kU32, "uint32", "TYPE_UINT32"},
                                TypeNames{ElementType::kU64, "uint64", "TYPE_UINT64"},
                                TypeNames{ElementType::kBool, "bool", "TYPE_BOOL"}};

const TypeNames& NamesOf(ElementType type) {
  const auto* found = std::ranges::find(kTypeNames, type, &TypeNames::type);
  MUSTER_CHECK(found != kTypeNames.end(), "every element type has names");
  return *found;
}

/// MLflow's signature of tensors: JSON inside YAML.
std::string SignatureText(const std::vector<TensorSpec>& specs) {
  boost::json::array tensors;
  for (const TensorSpec& spec : specs) {
    tensors.push_back(boost::json::object{
        {"name", spec.name},
        {"type", "tensor"},
        {"tensor-spec", boost::json::object{{"dtype", NamesOf(spec.type).numpy},
                                            {"shape", wire::ToJson(spec.shape)}}}});
  }
  return wire::SerializeJson(tensors);
}

/// A YAML scalar in single quotes.
std::string Yaml(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "''" : std::string(1, c);
  return quoted + "'";
}

std::string RequirementsText() {
  return "mlflow==" + Text(kMlflowVersion) + "\nonnx==" + Text(kOnnxVersion) +
         "\nonnxruntime==" + Text(kOnnxRuntimeVersion) + "\n";
}

std::string CondaText() {
  return "channels:\n- conda-forge\ndependencies:\n- python=" + Text(kPythonVersion) +
         "\n- pip\n- pip:\n  - mlflow==" + Text(kMlflowVersion) +
         "\n  - onnx==" + Text(kOnnxVersion) + "\n  - onnxruntime==" + Text(kOnnxRuntimeVersion) +
         "\nname: mlflow-env\n";
}

std::string PythonEnvText() {
  return "python: " + Yaml(kPythonVersion) +
         "\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n";
}

/// A string of Triton's protobuf text.
std::string Proto(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

/// "input [ ... ]".
std::string TritonTensors(std::string_view key, const std::vector<TensorSpec>& specs,
                          bool batched) {
  std::string text = Text(key) + " [\n";
  for (const TensorSpec& spec : specs) {
    std::string dims;
    for (std::size_t i = batched ? 1 : 0; i < spec.shape.size(); ++i) {
      dims += (dims.empty() ? "" : ", ") + std::to_string(spec.shape[i]);
    }
    text += "  {\n    name: " + Proto(spec.name) +
            "\n    data_type: " + Text(NamesOf(spec.type).triton) + "\n    dims: [ " + dims +
            " ]\n  }" + (&spec == &specs.back() ? "\n" : ",\n");
  }
  return text + "]\n";
}

}  // namespace

std::string MlmodelText(const PackageSpec& spec) {
  return "artifact_path: model\n"
         "flavors:\n"
         "  onnx:\n"
         "    code: null\n"
         "    data: model.onnx\n"
         "    onnx_version: " +
         Text(kOnnxVersion) +
         "\n"
         "    providers:\n"
         "    - CPUExecutionProvider\n"
         "  python_function:\n"
         "    data: model.onnx\n"
         "    env:\n"
         "      conda: conda.yaml\n"
         "      virtualenv: python_env.yaml\n"
         "    loader_module: mlflow.onnx\n"
         "    python_version: " +
         Yaml(kPythonVersion) +
         "\n"
         "is_signature_from_type_hint: false\n"
         "mlflow_version: " +
         Text(kMlflowVersion) +
         "\n"
         "model_uuid: " +
         Yaml(spec.model_uuid) +
         "\n"
         "run_id: " +
         Yaml(spec.lineage.run_id) +
         "\n"
         "signature:\n"
         "  inputs: " +
         Yaml(SignatureText(spec.info.inputs)) +
         "\n"
         "  outputs: " +
         Yaml(SignatureText(spec.info.outputs)) +
         "\n"
         "utc_time_created: " +
         Yaml(MlflowTime(spec.created_ms)) + "\n";
}

std::string TritonConfigText(std::string_view model, const ExportInfo& info) {
  const auto any_rows = [](const TensorSpec& spec) { return spec.shape.front() == -1; };
  const bool batched =
      std::ranges::all_of(info.inputs, any_rows) && std::ranges::all_of(info.outputs, any_rows);
  std::string text = "name: " + Proto(model) + "\nbackend: \"onnxruntime\"\nmax_batch_size: " +
                     std::to_string(batched ? kTritonBatch : 0) + "\n";
  text += TritonTensors("input", info.inputs, batched);
  text += TritonTensors("output", info.outputs, batched);
  // The alias may name any version, not only the newest.
  text += "version_policy { all { } }\n";
  if (batched) text += "dynamic_batching { }\n";
  return text;
}

std::string CardText(const PackageSpec& spec) {
  const Lineage& from = spec.lineage;
  const boost::json::object card = {
      {"format", 1},
      {"model", spec.model},
      {"created_ms", spec.created_ms},
      {"lineage", boost::json::object{{"sweep", from.sweep},
                                      {"trial", from.trial},
                                      {"run_id", from.run_id},
                                      {"checkpoint", from.checkpoint},
                                      {"params", from.params},
                                      {"data", wire::ToJson(from.data)},
                                      {"data_digests", wire::ToJson(from.data_digests)},
                                      {"metrics", wire::ToJson(from.metrics)}}},
      {"onnx", boost::json::object{{"opset", spec.info.opset}, {"engine", spec.engine}}},
      {"gates", GatesToJson(spec.verdicts)}};
  return wire::SerializeJson(card) + "\n";
}

std::vector<PackageFile> BuildPackage(const PackageSpec& spec) {
  return {{"model.onnx", "", spec.onnx_file},           {"MLmodel", MlmodelText(spec), {}},
          {"requirements.txt", RequirementsText(), {}}, {"conda.yaml", CondaText(), {}},
          {"python_env.yaml", PythonEnvText(), {}},     {"card.json", CardText(spec), {}}};
}

}  // namespace muster::registry
