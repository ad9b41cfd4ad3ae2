#include <boost/json/object.hpp>

#include "registry/serve/any_body.h"
#include "registry/serve/model_server.h"
#include "registry/serve/routes.h"
#include "runtime/base/utf8.h"

namespace muster::registry::serve {

namespace {

http::Response Failed(const Error& error) {
  const int status = StatusOf(error);
  const char* code = status >= 500 ? "INTERNAL_ERROR" : "BAD_REQUEST";
  if (error.kind == ErrorKind::kUnavailable) code = "TEMPORARILY_UNAVAILABLE";
  return http::Response::Json(
      boost::json::object{{"error_code", code}, {"message", ToUtf8(error.message)}}, status);
}

constexpr Protocol kMlflow{FindOnlyModel, DecodeAnyBody, Failed};

}  // namespace

void AddMlflowRoutes(Routes& routes) {
  routes.AddPrediction("/invocations", kMlflow);
  routes.Add("GET", "/ping", Healthy);
  routes.Add("GET", "/health", Healthy);
  routes.Add("GET", "/version", [](ModelServer& server, const http::Request&) {
    return http::Response::Text(server.options().version);
  });
}

}  // namespace muster::registry::serve
