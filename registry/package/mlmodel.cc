#include "registry/package/mlmodel.h"

#include <ctime>

#include "registry/package/text.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

// What mlflow.onnx looks at is the flavor; the versions say what a reader may install to load it. They are those
// that the tests load a package with.
#define MUSTER_MLFLOW_VERSION "3.18.0"
#define MUSTER_ONNX_VERSION "1.23.2"
#define MUSTER_ONNXRUNTIME_VERSION "1.30.0"
#define MUSTER_PYTHON_VERSION "3.11"

constexpr const char* kRequirements =
    "mlflow==" MUSTER_MLFLOW_VERSION "\nonnx==" MUSTER_ONNX_VERSION
    "\nonnxruntime==" MUSTER_ONNXRUNTIME_VERSION "\n";
constexpr const char* kConda = R"(channels:
- conda-forge
dependencies:
- python=)" MUSTER_PYTHON_VERSION R"(
- pip
- pip:
  - mlflow==)" MUSTER_MLFLOW_VERSION R"(
  - onnx==)" MUSTER_ONNX_VERSION R"(
  - onnxruntime==)" MUSTER_ONNXRUNTIME_VERSION R"(
name: mlflow-env
)";
constexpr const char* kPythonEnv = "python: '" MUSTER_PYTHON_VERSION
                                   "'\nbuild_dependencies:\n- pip\n"
                                   "dependencies:\n- -r requirements.txt\n";
constexpr const char* kFlavors = R"(artifact_path: model
flavors:
  onnx:
    code: null
    data: model.onnx
    onnx_version: )" MUSTER_ONNX_VERSION R"(
    providers:
    - CPUExecutionProvider
  python_function:
    data: model.onnx
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.onnx
    python_version: ')" MUSTER_PYTHON_VERSION R"('
is_signature_from_type_hint: false
mlflow_version: )" MUSTER_MLFLOW_VERSION "\n";

/// "YYYY-MM-DD HH:MM:SS.ffffff" in UTC, as Python's str(datetime) writes it.
std::string MlflowTime(std::int64_t unix_ms) {
  std::string text = IsoTime(unix_ms);
  text[10] = ' ';
  char micros[16];
  std::snprintf(micros, sizeof micros, ".%06d", static_cast<int>(unix_ms % 1'000) * 1'000);
  return text.substr(0, 19) + micros;
}

/// numpy's name.
std::string_view Dtype(ElementType type) {
  switch (type) {
    case ElementType::kF32:
      return "float32";
    case ElementType::kF64:
      return "float64";
    case ElementType::kF16:
      return "float16";
    case ElementType::kBf16:
      return "bfloat16";
    case ElementType::kI8:
      return "int8";
    case ElementType::kI16:
      return "int16";
    case ElementType::kI32:
      return "int32";
    case ElementType::kI64:
      return "int64";
    case ElementType::kU8:
      return "uint8";
    case ElementType::kU16:
      return "uint16";
    case ElementType::kU32:
      return "uint32";
    case ElementType::kU64:
      return "uint64";
    case ElementType::kBool:
      return "bool";
  }
  return "";
}

/// MLflow's signature of some tensors: JSON inside YAML.
std::string SignatureText(const std::vector<TensorSpec>& specs) {
  boost::json::array tensors;
  for (const TensorSpec& spec : specs) {
    const boost::json::object tensor = {{"dtype", Dtype(spec.type)},
                                        {"shape", wire::ToJson(spec.shape)}};
    tensors.push_back(
        boost::json::object{{"name", spec.name}, {"type", "tensor"}, {"tensor-spec", tensor}});
  }
  return wire::SerializeJson(tensors);
}

}  // namespace

std::string MlmodelText(const PackageSpec& spec) {
  return kFlavors + ("model_uuid: " + YamlText(spec.model_uuid)) +
         "\nrun_id: " + YamlText(spec.lineage.run_id) +
         "\nsignature:\n  inputs: " + YamlText(SignatureText(spec.info.inputs)) +
         "\n  outputs: " + YamlText(SignatureText(spec.info.outputs)) +
         "\nutc_time_created: " + YamlText(MlflowTime(spec.created_ms)) + "\n";
}

std::vector<PackageFile> MlflowFiles(const PackageSpec& spec) {
  return {{"MLmodel", MlmodelText(spec), {}},
          {"requirements.txt", kRequirements, {}},
          {"conda.yaml", kConda, {}},
          {"python_env.yaml", kPythonEnv, {}}};
}

}  // namespace muster::registry
