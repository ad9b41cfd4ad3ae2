#include "tracker/mlflow/routes.h"

#include <boost/json/object.hpp>

#include "tracker/mlflow/call.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;
using http::Request;
using http::Respond;
using http::Response;

/// The version of MLflow whose API this is; its client decides by it what it may ask for.
constexpr std::string_view kMlflowVersion = "3.18.0";

http::Handler HandlerOf(const Route& route, const std::shared_ptr<const Services>& services) {
  return [route, services](const Request& request, Respond respond) {
    auto fields = route.path_only ? Fields(json::object()) : Fields::FromRequest(request);
    const Reply reply(std::move(respond));
    if (!fields) return reply(fields.error());
    Call call{request, *services, std::move(*fields), reply};
    if (route.now) return reply(route.now(call));
    if (route.text) return reply(route.text(call));
    const Status status = route.later(call);
    if (!status.ok()) reply(status.error());
  };
}

Response ServerInfo(const Services& services) {
  const bool parts = services.artifacts.offers_parts();
  return Response::Json({{"store_type", "SqlStore"},
                         {"workspaces_enabled", false},
                         {"trace_archival_enabled", false},
                         {"multipart_uploads_enabled", parts},
                         {"multipart_downloads_enabled", parts},
                         {"artifact_serving_enabled", true},
                         {"skill_content_max_size", 26'214'400},
                         {"skill_content_max_files", 10'000},
                         {"presigned_upload_run_id_supported", true},
                         {"presigned_upload_model_id_supported", true},
                         {"model_artifact_presigned_downloads_supported", true},
                         {"features_enabled", json::object()},
                         {"tracking_auth", ""},
                         {"artifacts_presigned_only", false}});
}

/// Whatever MLflow's clients may ask for beside the routes.
bool IsOfMlflow(std::string_view path) {
  if (path.starts_with("/api/muster/")) return false;
  return path.starts_with("/api/") || path.starts_with("/ajax-api/") || path.starts_with("/v1/") ||
         path == "/graphql";
}

Response NoSuchEndpoint(const Request& request) {
  return EndpointNotFound("No API found for " + request.method + " " + request.path);
}

}  // namespace

void AddMlflowRoutes(http::Router& router, RunStore& runs, ArtifactStore& artifacts,
                     registry::ModelStore& models, MlflowOptions options) {
  const auto services =
      std::make_shared<const Services>(Services{runs, artifacts, models, std::move(options)});
  for (const std::string api : {"/api/", "/ajax-api/"}) {
    std::vector<const std::vector<Route>*> tables = {&ExperimentRoutes(), &RunRoutes(),
                                                     &BulkRoutes(),       &LoggedModelRoutes(),
                                                     &RegistryRoutes(),   &ArtifactRoutes()};
    if (services->options.webhooks.store != nullptr) tables.push_back(&WebhookRoutes());
    for (const auto* table : tables) {
      for (const Route& route : *table) {
        if (route.ajax_only && api == "/api/") continue;
        const std::string pattern = api + "2.0/mlflow" + std::string(route.path);
        const auto add = route.later == nullptr ? &http::Router::AddBlocking : &http::Router::Add;
        (router.*add)(route.method, pattern, HandlerOf(route, services));
      }
    }
    router.Add("GET", api + "3.0/mlflow/server-info",
               http::Sync([services](const Request&) { return ServerInfo(*services); }));
    for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
      for (const char* version : {"2.0", "3.0"}) {
        router.Add(method, api + version + "/mlflow/{rest...}", http::Sync(NoSuchEndpoint));
      }
    }
  }
  router.SetFallback(http::Sync([](const Request& request) {
    return IsOfMlflow(request.path) ? NoSuchEndpoint(request) : http::NoSuchPath(request);
  }));
  AddArtifactRoutes(router, services);
  AddMultipartRoutes(router, services);
  router.Add("GET", "/version", http::Sync([](const Request&) {
               return Response::Text(std::string(kMlflowVersion));
             }));
  router.Add("GET", "/health", http::Sync([](const Request&) { return Response::Text("OK"); }));
}

}  // namespace muster::tracker
