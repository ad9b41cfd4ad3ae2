#include "registry/serve/routes.h"

#include <utility>

#include "registry/serve/model_server.h"
#include "registry/serve/open_inference.h"

namespace muster::registry::serve {

Result<ServedPtr> FindOnlyModel(const ModelServer& server, const http::Request& request) {
  if (ServedPtr only = server.Only(); only != nullptr) return only;
  return NotFound(request.path + " names no model: exactly one must be served");
}

http::Response Healthy(ModelServer& server, const http::Request&) {
  if (server.ready()) return http::Response::Text("\n");
  return http::Response::Text("no model is loaded\n", 503);
}

int StatusOf(const Error& error) {
  return error.kind == ErrorKind::kUnsupported ? 415 : http::HttpStatus(error.kind);
}

http::Handler Routes::Enveloped(std::string_view pattern, Answer answer) {
  return [&server = server_, answer, pattern = std::string(pattern)](const http::Request& request,
                                                                     const http::Respond& respond) {
    const Envelope envelope = server.Open(request);
    http::Response response = answer(server, request);
    server.Close(envelope, request.method, pattern, nullptr, {}, response);
    respond(std::move(response));
  };
}

void Routes::AddFallback() {
  router_.SetFallback(Enveloped("", [](ModelServer&, const http::Request& request) {
    return OpenInferenceError(NotFound("nothing answers " + request.method + " " + request.path));
  }));
  router_.SetErrorForm([failed = failed_](const Error& error, std::string_view raw_path) {
    const auto own = failed.find(raw_path);
    return own == failed.end() ? OpenInferenceError(error) : own->second(error);
  });
}

bool Routes::has_repository() const { return server_.MayControl().ok(); }

bool Routes::IsNew(std::string_view method, std::string_view pattern) {
  return added_.insert(std::string(method) + " " + std::string(pattern)).second;
}

void Routes::Add(std::string_view method, std::string_view pattern, Answer answer) {
  if (IsNew(method, pattern)) router_.Add(method, pattern, Enveloped(pattern, answer));
}

void Routes::AddBlocking(std::string_view method, std::string_view pattern, Answer answer) {
  if (IsNew(method, pattern)) router_.AddBlocking(method, pattern, Enveloped(pattern, answer));
}

void Routes::AddPrediction(std::string_view pattern, const Protocol& protocol) {
  if (!IsNew("POST", pattern)) return;
  failed_.emplace(pattern, protocol.failed);
  router_.Add("POST", pattern,
              [&server = server_, &protocol, pattern = std::string(pattern)](
                  const http::Request& request, http::Respond respond) {
                server.Predict(protocol, pattern, request, std::move(respond));
              });
}

}  // namespace muster::registry::serve
