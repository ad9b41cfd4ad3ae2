#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <utility>

#include "registry/serve/infer_codec.h"
#include "registry/serve/model_server.h"
#include "registry/serve/routes.h"

namespace muster::registry::serve {

namespace {

namespace json = boost::json;

http::Response Failed(const Error& error) {
  return http::Response::Json(json::object{{"error", error.message}}, StatusOf(error));
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

Result<Question> Decode(const http::Request& request, std::string_view body,
                        const ServedModel& model) {
  MUSTER_ASSIGN_OR_RETURN(InferRequest asked, DecodeInfer(body, request.Header(kJsonLengthHeader),
                                                          model.model->inputs()));
  Question question{std::exchange(asked.inputs, {}), asked.timeout, {}};
  question.encode = [asked = std::move(asked)](const ServedModel& served,
                                               const std::vector<Tensor>& outputs) {
    return EncodeInfer(asked, served.name, served.version, outputs);
  };
  return question;
}

constexpr Protocol kOpenInference{FindModel, Decode, Failed};

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
  body["extensions"] = json::array{"binary_tensor_data"};
  return http::Response::Json(body);
}

http::Response ModelMetadata(ModelServer& server, const http::Request& request) {
  const auto served = FindModel(server, request);
  if (!served.ok()) return Failed(served.error());
  json::object body;
  body["name"] = (*served)->name;
  body["versions"] = json::array{json::string_view((*served)->version)};
  body["platform"] = "onnx_onnxv1";
  body["inputs"] = Describe((*served)->model->inputs());
  body["outputs"] = Describe((*served)->model->outputs());
  return http::Response::Json(body);
}

http::Response ModelReady(ModelServer& server, const http::Request& request) {
  if (FindModel(server, request).ok()) return {};
  return Failed(Invalid("Model version not ready"));
}

http::Response Index(ModelServer& server, const http::Request&) {
  json::array index;
  for (const ServedPtr& served : server.All()) {
    index.push_back(json::object{
        {"name", served->name}, {"version", served->version}, {"state", "READY"}, {"reason", ""}});
  }
  return http::Response::Json(index);
}

}  // namespace

void AddOpenInferenceRoutes(Routes& routes) {
  for (const std::string model : {"/v2/models/{model}", "/v2/models/{model}/versions/{version}"}) {
    routes.Add("GET", model, ModelMetadata);
    routes.Add("GET", model + "/ready", ModelReady);
    routes.AddPrediction(model + "/infer", kOpenInference);
  }
  routes.Add("GET", "/v2", ServerMetadata);
  routes.Add("GET", "/v2/health/live",
             [](ModelServer&, const http::Request&) { return http::Response{}; });
  routes.Add("GET", "/v2/health/ready", [](ModelServer& server, const http::Request&) {
    return http::Response{.status = server.All().empty() ? 400 : 200};
  });
  routes.Add("POST", "/v2/repository/index", Index);
}

}  // namespace muster::registry::serve
