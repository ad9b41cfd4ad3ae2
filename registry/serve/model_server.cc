#include "registry/serve/model_server.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <utility>
#include <vector>

#include "registry/serve/infer_codec.h"
#include "registry/serve/invocations.h"
#include "runtime/base/log.h"

namespace muster::registry::serve {

namespace {

namespace json = boost::json;

http::Response ProtocolError(int status, std::string_view message) {
  json::object body;
  body["error"] = json::string_view(message.data(), message.size());
  return http::Response::Json(body, status);
}

http::Response ProtocolError(const Error& error) {
  return ProtocolError(http::HttpStatus(error.kind), error.message);
}

http::Response MlflowError(int status, std::string_view message) {
  json::object body;
  body["error_code"] = status >= 500 ? "INTERNAL_ERROR" : "BAD_REQUEST";
  body["message"] = json::string_view(message.data(), message.size());
  return http::Response::Json(body, status);
}

http::Response UnknownModel(const http::Request& request) {
  const auto version = request.captures.find("version");
  const std::string of = version == request.captures.end() ? "" : " version " + version->second;
  return ProtocolError(404, "Request for unknown model: '" +
                                request.captures.find("model")->second + "'" + of +
                                " is not found");
}

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

/// Zeros of the smallest shape. The first inference of an engine allocates and compiles, which should
/// not be on a client's time.
std::vector<Tensor> Zeros(const std::vector<TensorSpec>& specs) {
  std::vector<Tensor> inputs;
  for (const TensorSpec& spec : specs) {
    Tensor& tensor = inputs.emplace_back(Tensor{spec.name, spec.type, spec.shape, {}});
    for (std::int64_t& size : tensor.shape) size = size < 0 ? 1 : size;
    const auto count = ElementCount(tensor.shape);
    tensor.bytes.resize(static_cast<std::size_t>(count.ok() ? *count : 0) * ElementSize(spec.type));
  }
  return inputs;
}

std::int64_t RowsOf(const std::vector<Tensor>& inputs) {
  return inputs.empty() || inputs[0].shape.empty() ? 1 : inputs[0].shape[0];
}

http::Handler NoBody(int status) {
  return http::Sync([status](const http::Request&) { return http::Response{.status = status}; });
}

}  // namespace

ModelServer::ModelServer(InferenceEngine& engine, ModelServerOptions options, const Clock& clock)
    : engine_(engine), options_(std::move(options)), clock_(clock) {}

Status ModelServer::Load(const ModelLocation& location) {
  auto served = std::make_shared<Served>();
  served->name = location.name;
  served->version = std::to_string(location.version);
  MUSTER_ASSIGN_OR_RETURN(served->model,
                          engine_.Load(location.directory / "model.onnx", options_.threads));
  const auto tried = served->model->Infer(Zeros(served->model->inputs()));
  served->warm = tried.ok();
  ServedPtr replaced;  // destroyed after the lock is released
  const std::lock_guard lock(mutex_);
  if (!tried.ok()) {
    const auto now = models_.find(served->name);
    if (now != models_.end() && now->second->warm) return tried.error().With("warm-up");
    // A model may well refuse zeros of size one; with nothing better there, that it loaded is what counts.
    LogWarning("serve", location.name + " version " + served->version +
                            " failed its warm-up: " + tried.error().message);
  }
  auto& stats = stats_[{served->name, served->version}];
  if (stats == nullptr) stats = std::make_shared<ServingStats>();
  served->stats = stats;
  replaced = std::exchange(models_[served->name], served);
  return Ok();
}

ModelServer::ServedPtr ModelServer::Find(const http::Request& request) const {
  const auto name = request.captures.find("model");
  if (name == request.captures.end()) return nullptr;
  const auto version = request.captures.find("version");
  const std::lock_guard lock(mutex_);
  const auto found = models_.find(name->second);
  if (found == models_.end()) return nullptr;
  if (version != request.captures.end() && version->second != found->second->version)
    return nullptr;
  return found->second;
}

ModelServer::ServedPtr ModelServer::Only() const {
  const std::lock_guard lock(mutex_);
  return models_.size() == 1 ? models_.begin()->second : nullptr;
}

template <typename Compute>
http::Response ModelServer::Counted(const Served& served, Compute compute) {
  const MonotonicTime start = clock_.Now();
  std::int64_t rows = 0;
  Result<http::Response> response = compute(rows);
  const auto duration = clock_.Now() - start;
  if (response.ok()) {
    served.stats->Succeeded(duration, rows);
    return std::move(response).value();
  }
  served.stats->Failed(duration);
  return ProtocolError(response.error());
}

http::Response ModelServer::Infer(const http::Request& request) {
  const ServedPtr served = Find(request);
  if (served == nullptr) return UnknownModel(request);
  return Counted(*served, [&](std::int64_t& rows) -> Result<http::Response> {
    MUSTER_ASSIGN_OR_RETURN(
        const InferRequest decoded,
        DecodeInfer(request.body, request.Header(kJsonLengthHeader), served->model->inputs()));
    rows = RowsOf(decoded.inputs);
    MUSTER_ASSIGN_OR_RETURN(const auto outputs, served->model->Infer(decoded.inputs));
    return EncodeInfer(decoded, served->name, served->version, outputs);
  });
}

http::Response ModelServer::Invoke(const http::Request& request) {
  const std::string_view type = request.Header("Content-Type");
  if (!type.empty() && !type.starts_with("application/json")) {
    return MlflowError(415, "Content-Type must be application/json, got " + std::string(type));
  }
  const ServedPtr served = Only();
  if (served == nullptr) return MlflowError(404, "/invocations needs exactly one served model");
  http::Response response = Counted(*served, [&](std::int64_t& rows) -> Result<http::Response> {
    MUSTER_ASSIGN_OR_RETURN(const Invocation decoded,
                            DecodeInvocation(request.body, served->model->inputs()));
    rows = RowsOf(decoded.inputs);
    MUSTER_ASSIGN_OR_RETURN(const auto outputs, served->model->Infer(decoded.inputs));
    MUSTER_ASSIGN_OR_RETURN(std::string body, EncodePredictions(decoded, outputs));
    return http::Response::Text(std::move(body), 200, "application/json");
  });
  if (response.status < 400) return response;
  return MlflowError(response.status, http::ErrorFromResponse(response).message);
}

http::Response ModelServer::ServerMetadata() const {
  json::object body;
  body["name"] = "muster";
  body["version"] = options_.version;
  body["extensions"] = json::array{"binary_tensor_data"};
  return http::Response::Json(body);
}

http::Response ModelServer::ModelMetadata(const http::Request& request) const {
  const ServedPtr served = Find(request);
  if (served == nullptr) return UnknownModel(request);
  json::object body;
  body["name"] = served->name;
  body["versions"] = json::array{json::string_view(served->version)};
  body["platform"] = "onnx_onnxv1";
  body["inputs"] = Describe(served->model->inputs());
  body["outputs"] = Describe(served->model->outputs());
  return http::Response::Json(body);
}

http::Response ModelServer::Index() const {
  json::array index;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, served] : models_) {
    index.push_back(json::object{
        {"name", name}, {"version", served->version}, {"state", "READY"}, {"reason", ""}});
  }
  return http::Response::Json(index);
}

http::Response ModelServer::Metrics() const {
  PrometheusText text;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, stats] : stats_) text.Add(key.first, key.second, stats->Read());
  }
  return http::Response::Text(std::move(text).Take(), 200, "text/plain; version=0.0.4");
}

void ModelServer::AddRoutes(http::Router& router) {
  using http::Request;
  using http::Sync;
  const auto serve = [&](std::string_view method, std::string_view pattern, auto function) {
    router.Add(method, pattern, Sync([this, function](const Request& request) {
                 return (this->*function)(request);
               }));
  };
  for (const std::string model : {"/v2/models/{model}", "/v2/models/{model}/versions/{version}"}) {
    serve("GET", model, &ModelServer::ModelMetadata);
    serve("POST", model + "/infer", &ModelServer::Infer);
    router.Add("GET", model + "/ready", Sync([this](const Request& request) {
                 if (Find(request) != nullptr) return http::Response{};
                 return ProtocolError(400, "Model version not ready");
               }));
  }
  router.Add("GET", "/v2", Sync([this](const Request&) { return ServerMetadata(); }));
  router.Add("GET", "/v2/health/live", NoBody(200));
  router.Add("GET", "/v2/health/ready", Sync([this](const Request&) {
               const std::lock_guard lock(mutex_);
               return http::Response{.status = models_.empty() ? 400 : 200};
             }));
  router.Add("POST", "/v2/repository/index", Sync([this](const Request&) { return Index(); }));
  router.Add("GET", "/metrics", Sync([this](const Request&) { return Metrics(); }));
  AddMlflowRoutes(router);
}

void ModelServer::AddMlflowRoutes(http::Router& router) {
  using http::Request;
  using http::Sync;
  router.Add("POST", "/invocations",
             Sync([this](const Request& request) { return Invoke(request); }));
  for (const std::string_view path : {"/ping", "/health"}) {
    router.Add("GET", path, Sync([this](const Request&) {
                 if (Only() != nullptr) return http::Response::Text("\n");
                 return http::Response::Text("no model is loaded\n", 503);
               }));
  }
  router.Add("GET", "/version",
             Sync([this](const Request&) { return http::Response::Text(options_.version); }));
}

}  // namespace muster::registry::serve
