#include "registry/serve/model_server.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <utility>
#include <vector>

#include "registry/serve/batch.h"
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

http::Handler NoBody(int status) {
  return http::Sync([status](const http::Request&) { return http::Response{.status = status}; });
}

}  // namespace

ModelServer::ModelServer(InferenceEngine& engine, ModelServerOptions options, const Clock& clock)
    : engine_(engine), options_(std::move(options)), clock_(clock) {}

ModelServer::~ModelServer() {
  for (const auto& [name, served] : models_) {
    if (served->batcher != nullptr) served->batcher->Hurry();
  }
}

Status ModelServer::Load(const ModelLocation& location) {
  auto served = std::make_shared<Served>();
  served->name = location.name;
  served->version = std::to_string(location.version);
  MUSTER_ASSIGN_OR_RETURN(served->model,
                          engine_.Load(location.directory / "model.onnx", options_.threads));
  const auto tried = served->model->Infer(Zeros(served->model->inputs()));
  served->warm = tried.ok();
  if (options_.batch.rows > 1) {
    served->batcher = std::make_unique<Batcher>(served->model, options_.batch, clock_);
  }
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
  if (replaced != nullptr && replaced->batcher != nullptr) replaced->batcher->Hurry();
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

void ModelServer::Finish(const Call& call, Result<http::Response> response) {
  const auto duration = clock_.Now() - call.start;
  if (response.ok()) {
    call.served->stats->Succeeded(duration, call.rows);
    return call.respond(std::move(response).value());
  }
  call.served->stats->Failed(duration);
  const Error& error = response.error();
  call.respond(call.failed(http::HttpStatus(error.kind), error.message));
}

void ModelServer::Compute(Call call, std::vector<Tensor> inputs,
                          std::optional<std::chrono::microseconds> timeout, Encode encode) {
  call.rows = RowsOf(inputs).value_or(1);
  const auto finish = [this](const Call& of, const Encode& as,
                             const Result<std::vector<Tensor>>& outputs) {
    Finish(of, outputs.ok() ? as(*outputs) : Result<http::Response>(outputs.error()));
  };
  const ServedPtr served = call.served;
  if (served->batcher == nullptr) return finish(call, encode, served->model->Infer(inputs));
  // A call that is wrong by itself is not to cost its neighbours theirs.
  if (const Status fits = CheckInputs(served->model->inputs(), inputs); !fits.ok()) {
    return Finish(call, fits.error());
  }
  std::optional<MonotonicTime> deadline;
  if (timeout) deadline = call.start + *timeout;
  const auto refused = std::make_shared<const Call>(std::move(call));
  const bool taken = served->batcher->Infer(
      std::move(inputs), deadline,
      [finish, refused, encode = std::move(encode)](const Result<std::vector<Tensor>>& outputs) {
        finish(*refused, encode, outputs);
      });
  if (taken) return;
  served->stats->Failed(clock_.Now() - refused->start);
  http::Response busy =
      refused->failed(429, std::to_string(options_.batch.queue) + " requests wait for '" +
                               served->name + "'; try again");
  busy.headers["Retry-After"] = "1";
  refused->respond(std::move(busy));
}

void ModelServer::Infer(const http::Request& request, http::Respond respond) {
  Call call{Find(request), clock_.Now(), std::move(respond), ProtocolError};
  if (call.served == nullptr) return call.respond(UnknownModel(request));
  auto decoded =
      DecodeInfer(request.body, request.Header(kJsonLengthHeader), call.served->model->inputs());
  if (!decoded.ok()) return Finish(call, decoded.error());
  auto inputs = std::exchange(decoded->inputs, {});
  const auto timeout = decoded->timeout;
  const ServedPtr served = call.served;
  Compute(std::move(call), std::move(inputs), timeout,
          [served, asked = std::move(*decoded)](const std::vector<Tensor>& outputs) {
            return EncodeInfer(asked, served->name, served->version, outputs);
          });
}

void ModelServer::Invoke(const http::Request& request, http::Respond respond) {
  const std::string_view type = request.Header("Content-Type");
  if (!type.empty() && !type.starts_with("application/json")) {
    return respond(
        MlflowError(415, "Content-Type must be application/json, got " + std::string(type)));
  }
  Call call{Only(), clock_.Now(), std::move(respond), MlflowError};
  if (call.served == nullptr) {
    return call.respond(MlflowError(404, "/invocations needs exactly one served model"));
  }
  auto decoded = DecodeInvocation(request.body, call.served->model->inputs());
  if (!decoded.ok()) return Finish(call, decoded.error());
  auto inputs = std::exchange(decoded->inputs, {});
  Compute(
      std::move(call), std::move(inputs), std::nullopt,
      [asked = std::move(*decoded)](const std::vector<Tensor>& outputs) -> Result<http::Response> {
        MUSTER_ASSIGN_OR_RETURN(std::string body, EncodePredictions(asked, outputs));
        return http::Response::Text(std::move(body), 200, "application/json");
      });
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
    router.Add("POST", model + "/infer", [this](const Request& request, http::Respond respond) {
      Infer(request, std::move(respond));
    });
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
  router.Add("POST", "/invocations", [this](const Request& request, http::Respond respond) {
    Invoke(request, std::move(respond));
  });
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
