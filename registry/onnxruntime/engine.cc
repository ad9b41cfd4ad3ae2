#include "registry/onnxruntime/engine.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "registry/onnxruntime/ort.h"

namespace muster::registry {
namespace {

using ort::Check;

constexpr std::array kTypePairs{
    std::pair{ElementType::kF32, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT},
    std::pair{ElementType::kF64, ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE},
    std::pair{ElementType::kF16, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16},
    std::pair{ElementType::kBf16, ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16},
    std::pair{ElementType::kI8, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8},
    std::pair{ElementType::kI16, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16},
    std::pair{ElementType::kI32, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32},
    std::pair{ElementType::kI64, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64},
    std::pair{ElementType::kU8, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8},
    std::pair{ElementType::kU16, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16},
    std::pair{ElementType::kU32, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32},
    std::pair{ElementType::kU64, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64},
    std::pair{ElementType::kBool, ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL}};

ONNXTensorElementDataType TheirType(ElementType type) {
  return std::ranges::find(kTypePairs, type, &decltype(kTypePairs)::value_type::first)->second;
}

/// What the engine and its models share: the table, and what is the same for all.
struct Runtime {
  explicit Runtime(const OrtApi& table) : api(table), env(table), memory(table) {}
  const OrtApi& api;
  ort::Env env;
  ort::MemoryInfo memory;  ///< the CPU's
};

Result<std::vector<std::int64_t>> ShapeOf(const OrtApi& api,
                                          const OrtTensorTypeAndShapeInfo* info) {
  std::size_t rank = 0;
  MUSTER_RETURN_IF_ERROR(Check(api, api.GetDimensionsCount(info, &rank), "a shape"));
  std::vector<std::int64_t> shape(rank);
  MUSTER_RETURN_IF_ERROR(Check(api, api.GetDimensions(info, shape.data(), rank), "a shape"));
  return shape;
}

using GetName = decltype(&OrtApi::SessionGetInputName);
using GetType = decltype(&OrtApi::SessionGetInputTypeInfo);

Result<TensorSpec> SpecOf(const OrtApi& api, const OrtSession* session, std::size_t index,
                          GetName get_name, GetType get_type) {
  OrtAllocator* allocator = nullptr;
  MUSTER_RETURN_IF_ERROR(
      Check(api, api.GetAllocatorWithDefaultOptions(&allocator), "its allocator"));
  char* name = nullptr;
  MUSTER_RETURN_IF_ERROR(
      Check(api, (api.*get_name)(session, index, allocator, &name), "a tensor's name"));
  TensorSpec spec{name, ElementType::kF32, {}};
  allocator->Free(allocator, name);
  ort::TypeInfo type(api);
  MUSTER_RETURN_IF_ERROR(
      Check(api, (api.*get_type)(session, index, type.out()), "a tensor's type"));
  const OrtTensorTypeAndShapeInfo* info = nullptr;
  MUSTER_RETURN_IF_ERROR(
      Check(api, api.CastTypeInfoToTensorInfo(type.get(), &info), "a tensor's type"));
  if (info == nullptr) return Unsupported("'" + spec.name + "' is no tensor");
  ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  MUSTER_RETURN_IF_ERROR(Check(api, api.GetTensorElementType(info, &element), "a tensor's type"));
  const auto* pair =
      std::ranges::find(kTypePairs, element, &decltype(kTypePairs)::value_type::second);
  if (pair == kTypePairs.end()) {
    return Unsupported("tensor '" + spec.name + "' is of ONNX type " + std::to_string(element));
  }
  spec.type = pair->first;
  MUSTER_ASSIGN_OR_RETURN(spec.shape, ShapeOf(api, info));
  return spec;
}

class OnnxRuntimeModel final : public InferenceModel {
 public:
  OnnxRuntimeModel(std::shared_ptr<const Runtime> runtime, ort::Session session,
                   std::vector<TensorSpec> inputs, std::vector<TensorSpec> outputs)
      : runtime_(std::move(runtime)),
        session_(std::move(session)),
        inputs_(std::move(inputs)),
        outputs_(std::move(outputs)) {
    for (const TensorSpec& spec : inputs_) input_names_.push_back(spec.name.c_str());
    for (const TensorSpec& spec : outputs_) output_names_.push_back(spec.name.c_str());
  }

  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return outputs_; }

  Result<std::vector<Tensor>> Infer(const std::vector<Tensor>& inputs) override {
    MUSTER_RETURN_IF_ERROR(CheckInputs(inputs_, inputs));
    const OrtApi& api = runtime_->api;
    std::vector<ort::Value> values;  // owners of what `given` and `taken` point to
    std::vector<const OrtValue*> given;
    values.reserve(inputs_.size() + outputs_.size());
    for (const TensorSpec& spec : inputs_) {
      MUSTER_ASSIGN_OR_RETURN(ort::Value value,
                              View(*std::ranges::find(inputs, spec.name, &Tensor::name)));
      given.push_back(value.get());
      values.push_back(std::move(value));
    }
    std::vector<OrtValue*> taken(outputs_.size(), nullptr);
    const Status ran =
        Check(api,
              api.Run(session_.get(), nullptr, input_names_.data(), given.data(), given.size(),
                      output_names_.data(), output_names_.size(), taken.data()),
              "inference");
    for (OrtValue* value : taken) *values.emplace_back(api).out() = value;
    // CheckInputs has passed, so what is wrong is not the request.
    if (!ran.ok()) {
      return ran.error().kind == ErrorKind::kResource ? ran.error() : Internal(ran.error().message);
    }
    std::vector<Tensor> outputs;
    outputs.reserve(outputs_.size());
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      MUSTER_ASSIGN_OR_RETURN(outputs.emplace_back(), Copy(outputs_[i], taken[i]));
    }
    return outputs;
  }

 private:
  /// Over the tensor's own bytes.
  Result<ort::Value> View(const Tensor& tensor) const {
    const OrtApi& api = runtime_->api;
    ort::Value value(api);
    static std::byte nothing;
    // Inputs are only read, whatever the signature says.
    void* bytes = tensor.bytes.empty() ? &nothing : const_cast<std::byte*>(tensor.bytes.data());
    MUSTER_RETURN_IF_ERROR(
        Check(api,
              api.CreateTensorWithDataAsOrtValue(runtime_->memory.get(), bytes, tensor.bytes.size(),
                                                 tensor.shape.data(), tensor.shape.size(),
                                                 TheirType(tensor.type), value.out()),
              "an input"));
    return value;
  }

  Result<Tensor> Copy(const TensorSpec& spec, OrtValue* value) const {
    const OrtApi& api = runtime_->api;
    ort::ShapeInfo info(api);
    MUSTER_RETURN_IF_ERROR(Check(api, api.GetTensorTypeAndShape(value, info.out()), "an output"));
    Tensor tensor{spec.name, spec.type, {}, {}};
    MUSTER_ASSIGN_OR_RETURN(tensor.shape, ShapeOf(api, info.get()));
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t count, ElementCount(tensor.shape));
    void* from = nullptr;
    MUSTER_RETURN_IF_ERROR(Check(api, api.GetTensorMutableData(value, &from), "an output"));
    const auto* bytes = static_cast<const std::byte*>(from);
    tensor.bytes.assign(bytes, bytes + static_cast<std::size_t>(count) * ElementSize(spec.type));
    return tensor;
  }

  const std::shared_ptr<const Runtime> runtime_;
  const ort::Session session_;
  const std::vector<TensorSpec> inputs_, outputs_;
  std::vector<const char*> input_names_, output_names_;  ///< of the specs
};

class OnnxRuntimeEngine final : public InferenceEngine {
 public:
  OnnxRuntimeEngine(std::shared_ptr<const Runtime> runtime, std::string version)
      : runtime_(std::move(runtime)), name_("ONNX Runtime " + std::move(version)) {}

  Result<std::unique_ptr<InferenceModel>> Load(const std::filesystem::path& onnx_file,
                                               int threads) override {
    std::error_code failed;
    if (!std::filesystem::is_regular_file(onnx_file, failed)) {
      return NotFound("there is no model file " + onnx_file.string());
    }
    if (threads < 0) return Invalid("threads: wanted 0 or more, got " + std::to_string(threads));
    const OrtApi& api = runtime_->api;
    ort::SessionOptions options(api);
    MUSTER_RETURN_IF_ERROR(Check(api, api.CreateSessionOptions(options.out()), "its options"));
    MUSTER_RETURN_IF_ERROR(
        Check(api, api.SetIntraOpNumThreads(options.get(), threads), "its options"));
    // Threads that wait by spinning take the processor from those that answer requests.
    MUSTER_RETURN_IF_ERROR(
        Check(api, api.AddSessionConfigEntry(options.get(), "session.intra_op.allow_spinning", "0"),
              "its options"));
    ort::Session session(api);
    const Status loaded = Check(
        api,
        api.CreateSession(runtime_->env.get(), onnx_file.c_str(), options.get(), session.out()),
        "load");
    if (!loaded.ok()) {
      const Error error = loaded.error().With(onnx_file.string());
      return error.kind == ErrorKind::kResource ? error : Invalid(error.message);
    }
    return Describe(std::move(session));
  }

  [[nodiscard]] std::string name() const override { return name_; }

 private:
  Result<std::unique_ptr<InferenceModel>> Describe(ort::Session session) const {
    const OrtApi& api = runtime_->api;
    std::size_t input_count = 0, output_count = 0;
    MUSTER_RETURN_IF_ERROR(
        Check(api, api.SessionGetInputCount(session.get(), &input_count), "its inputs"));
    MUSTER_RETURN_IF_ERROR(
        Check(api, api.SessionGetOutputCount(session.get(), &output_count), "its outputs"));
    std::vector<TensorSpec> inputs, outputs;
    for (std::size_t i = 0; i < input_count; ++i) {
      MUSTER_ASSIGN_OR_RETURN(inputs.emplace_back(),
                              SpecOf(api, session.get(), i, &OrtApi::SessionGetInputName,
                                     &OrtApi::SessionGetInputTypeInfo));
    }
    for (std::size_t i = 0; i < output_count; ++i) {
      MUSTER_ASSIGN_OR_RETURN(outputs.emplace_back(),
                              SpecOf(api, session.get(), i, &OrtApi::SessionGetOutputName,
                                     &OrtApi::SessionGetOutputTypeInfo));
    }
    return std::unique_ptr<InferenceModel>(
        new OnnxRuntimeModel(runtime_, std::move(session), std::move(inputs), std::move(outputs)));
  }

  const std::shared_ptr<const Runtime> runtime_;
  const std::string name_;
};

}  // namespace

Result<std::unique_ptr<InferenceEngine>> MakeOnnxRuntimeEngine(
    const std::filesystem::path& library) {
  // Never closed: it leaves threads and thread-local state behind.
  void* handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  using GetBase = const OrtApiBase* (*)();
  GetBase get = nullptr;
  if (handle != nullptr) get = reinterpret_cast<GetBase>(::dlsym(handle, "OrtGetApiBase"));
  if (get == nullptr) {
    const char* why = ::dlerror();
    return Error{ErrorKind::kIo, "cannot load ONNX Runtime: " +
                                     std::string(why == nullptr ? library.string() : why)};
  }
  const OrtApi* api = get()->GetApi(ORT_API_VERSION);
  const std::string version = get()->GetVersionString();
  if (api == nullptr) {
    return Unsupported(library.string() + " is ONNX Runtime " + version +
                       "; muster was built for 1." + std::to_string(ORT_API_VERSION) + " or newer");
  }
  auto runtime = std::make_shared<Runtime>(*api);
  MUSTER_RETURN_IF_ERROR(Check(
      *api, api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "muster", runtime->env.out()), "its start"));
  MUSTER_RETURN_IF_ERROR(Check(
      *api, api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, runtime->memory.out()),
      "its memory"));
  return std::unique_ptr<InferenceEngine>(
      std::make_unique<OnnxRuntimeEngine>(std::move(runtime), version));
}

}  // namespace muster::registry
