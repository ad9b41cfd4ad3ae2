#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <utility>

#include "registry/serve/batch.h"
#include "registry/serve/infer_codec.h"
#include "registry/serve/model_server.h"
#include "registry/serve/open_inference.h"
#include "registry/serve/routes.h"
#include "runtime/base/utf8.h"

namespace muster::registry::serve {

namespace json = boost::json;

http::Response OpenInferenceError(const Error& error) {
  return http::Response::Json(json::object{{"error", ToUtf8(error.message)}}, StatusOf(error));
}

Result<ServedPtr> FindModel(const ModelServer& server, const http::Request& request) {
  const std::string& name = request.captures.find("model")->second;
  const auto captured = request.captures.find("version");
  const bool any = captured == request.captures.end();
  ServedPtr served = server.Find(name, any ? std::string_view() : captured->second);
  if (served != nullptr) return served;
  return NotFound("Request for unknown model: '" + name + "'" +
                  (any ? "" : " version " + captured->second) + " is not found");
}

Question QuestionOf(InferRequest asked) {
  Question question{std::exchange(asked.inputs, {}), asked.timeout, {}, asked.id};
  question.encode = [asked = std::move(asked)](const ServedModel& served,
                                               const std::vector<Tensor>& outputs) {
    return EncodeInfer(asked, served.name, served.version, outputs);
  };
  return question;
}

namespace {

Result<Question> Decode(const http::Request& request, std::string_view body,
                        const ServedModel& model) {
  MUSTER_ASSIGN_OR_RETURN(InferRequest asked, DecodeInfer(body, request.Header(kJsonLengthHeader),
                                                          model.model->inputs()));
  return QuestionOf(std::move(asked));
}

/// Triton's name for what computes an ONNX model; its clients choose by it.
constexpr const char* kPlatform = "onnxruntime_onnx";

json::array Describe(const std::vector<TensorSpec>& specs) {
  json::array tensors;
  for (const TensorSpec& spec : specs) {
    const std::string_view type = ElementTypeName(spec.type);
    json::object tensor;
    tensor["name"] = spec.name;
    tensor["datatype"] = json::string_view(type.data(), type.size());
    tensor["shape"] = json::array(spec.shape.begin(), spec.shape.end());
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

http::Response ServerMetadata(ModelServer& server, const http::Request&) {
  json::object body;
  body["name"] = "muster";
  body["version"] = server.options().version;
  body["extensions"] = json::array{
      "classification",      "model_repository",   "model_repository(unload_dependents)",
      "model_configuration", "binary_tensor_data", "parameters",
      "statistics"};
  return http::Response::Json(body);
}

http::Response ModelMetadata(ModelServer& server, const http::Request& request) {
  const auto served = FindModel(server, request);
  if (!served.ok()) return OpenInferenceError(served.error());
  json::object body;
  body["name"] = (*served)->name;
  body["versions"] = json::array{json::string_view((*served)->version)};
  body["platform"] = kPlatform;
  body["inputs"] = Describe((*served)->model->inputs());
  body["outputs"] = Describe((*served)->model->outputs());
  return http::Response::Json(body);
}

http::Response ModelReady(ModelServer& server, const http::Request& request) {
  if (FindModel(server, request).ok()) return {};
  return OpenInferenceError(Invalid("Model version not ready"));
}

/// A list of Triton's ModelConfig.
json::array Configure(const std::vector<TensorSpec>& specs, bool batched) {
  json::array tensors;
  for (const TensorSpec& spec : specs) {
    tensors.push_back(json::object{
        {"name", spec.name},
        {"data_type", "TYPE_" + std::string(ElementTypeName(spec.type))},
        {"dims", json::array(spec.shape.begin() + (batched ? 1 : 0), spec.shape.end())}});
  }
  return tensors;
}

/// The fields of Triton's ModelConfig that say something here.
http::Response ModelConfig(ModelServer& server, const http::Request& request) {
  const auto served = FindModel(server, request);
  if (!served.ok()) return OpenInferenceError(served.error());
  const BatchOptions& batch = server.options().batch;
  const InferenceModel& model = *(*served)->model;
  const bool batched = TakesRows(model);
  json::object config{{"name", (*served)->name},
                      {"platform", kPlatform},
                      {"backend", "onnxruntime"},
                      {"version_policy", {{"latest", {{"num_versions", 1}}}}},
                      {"max_batch_size", batched ? std::max<std::int64_t>(batch.rows, 1) : 0},
                      {"input", Configure(model.inputs(), batched)},
                      {"output", Configure(model.outputs(), batched)},
                      {"instance_group", json::array{json::object{{"name", (*served)->name},
                                                                  {"kind", "KIND_CPU"},
                                                                  {"count", batch.instances}}}},
                      {"default_model_filename", "model.onnx"}};
  if (batched && batch.rows > 1) {
    config["dynamic_batching"] = {{"preferred_batch_size", json::array{batch.rows}},
                                  {"max_queue_delay_microseconds", batch.delay.count()}};
  }
  return http::Response::Json(config);
}

constexpr Protocol kOpenInference{FindModel, Decode, OpenInferenceError};

}  // namespace

void AddOpenInferenceRoutes(Routes& routes) {
  for (const std::string model : {"/v2/models/{model}", "/v2/models/{model}/versions/{version}"}) {
    routes.Add("GET", model, ModelMetadata);
    routes.Add("GET", model + "/ready", ModelReady);
    routes.Add("GET", model + "/config", ModelConfig);
    routes.AddPrediction(model + "/infer", kOpenInference);
  }
  routes.Add("GET", "/v2", ServerMetadata);
  routes.Add("GET", "/v2/health/live",
             [](ModelServer&, const http::Request&) { return http::Response{}; });
  routes.Add("GET", "/v2/health/ready", [](ModelServer& server, const http::Request&) {
    return http::Response{.status = server.ready() ? 200 : 400};
  });
}

}  // namespace muster::registry::serve
