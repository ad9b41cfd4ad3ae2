#include <boost/json/array.hpp>

#include "tracker/mlflow/artifact_answer.h"
#include "tracker/mlflow/entities.h"
#include "tracker/mlflow/model_source.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using ServicesPtr = std::shared_ptr<const Services>;
using Answer = Result<Response>;

/// By the layout of ArtifactUri: the run of "<location>/<run>/artifacts/...", the source run of
/// "<location>/models/<model>/artifacts/...", else empty.
RunId RunOf(const Services& services, std::string_view path) {
  const std::size_t end = ("/" + std::string(path) + "/").find("/artifacts/");
  if (end == std::string::npos || end == 0) return RunId();
  const std::filesystem::path folder(path.substr(0, end - 1));
  if (folder.parent_path().filename() != "models") return RunId(folder.filename().string());
  const auto model = services.runs.GetLoggedModel(folder.filename().string());
  return RunId(model ? model->source_run_id : "");
}

/// The file that the request may write. Whose it is, its canonical path says, not how it is spelled.
Result<std::string> WritablePath(const Services& services, const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(std::string path, SafeArtifactPath(request.captures.at("path")));
  MUSTER_RETURN_IF_ERROR(FenceArtifact(services, request, path));
  return path;
}

Answer Put(const Services& services, const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(const std::string path, WritablePath(services, request));
  MUSTER_RETURN_IF_ERROR(services.artifacts.Put(path, BodyOf(request)));
  return Response::Json(json::object());
}

Answer Get(const Services& services, const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(std::string path, SafeArtifactPath(request.captures.at("path")));
  return SendArtifact({{std::shared_ptr<void>(), &services.artifacts}, std::move(path)});
}

Answer List(const Services& services, const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(const auto list,
                          services.artifacts.List(request.Parameter("path").value_or("")));
  json::object object;
  PutList(object, "files", ToMlflow(list, ""));
  return Response::Json(std::move(object));
}

Answer Delete(const Services& services, const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(const std::string path, WritablePath(services, request));
  MUSTER_RETURN_IF_ERROR(services.artifacts.Delete(path));
  return Response::Json(json::object());
}

Result<std::string> RequiredParameter(const Request& request, std::string_view name) {
  if (auto value = request.Parameter(name)) return *value;
  return Invalid("Missing value for required parameter '" + std::string(name) +
                 "'. See the API docs for more information about request parameters.");
}

std::string RunParameter(const Request& request) {
  const std::string run_id = request.Parameter("run_id").value_or("");
  return run_id.empty() ? request.Parameter("run_uuid").value_or("") : run_id;
}

/// GET /get-artifact?run_id=&path=
Answer GetOfRun(const Services& services, const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(const std::string path, RequiredParameter(request, "path"));
  MUSTER_ASSIGN_OR_RETURN(const std::string safe, SafeArtifactPath(path));
  const std::string run_id = RunParameter(request);
  MUSTER_ASSIGN_OR_RETURN(const Run run,
                          services.runs.GetRun(RunId(run_id.empty() ? "None" : run_id)));
  MUSTER_ASSIGN_OR_RETURN(const auto place, PlaceOf(services, run.info.artifact_uri, safe));
  return SendArtifact(place);
}

/// GET /model-versions/get-artifact?name=&version=&path=
Answer GetOfVersion(const Services& services, const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(const std::string path, RequiredParameter(request, "path"));
  MUSTER_ASSIGN_OR_RETURN(const std::string safe, SafeArtifactPath(path));
  const auto version = Fields(json::object{{"version", request.Parameter("version").value_or("")}})
                           .OptionalInt("version");
  MUSTER_ASSIGN_OR_RETURN(
      std::string uri,
      DownloadUriOf(services, request.Parameter("name").value_or(""), version.value_or(0)));
  MUSTER_ASSIGN_OR_RETURN(const auto place, PlaceOf(services, uri, safe));
  if (request.Parameter("presigned") != "true") return SendArtifact(place);
  return PresignedAnswer(request, place);
}

/// GET /ajax-api/2.0/mlflow/logged-models/<model_id>/artifacts/files?artifact_file_path=
Answer GetOfModel(const Services& services, const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(const std::string path, RequiredParameter(request, "artifact_file_path"));
  MUSTER_ASSIGN_OR_RETURN(const std::string safe, SafeArtifactPath(path));
  MUSTER_ASSIGN_OR_RETURN(const LoggedModel model,
                          services.runs.GetLoggedModel(request.captures.at("model_id")));
  MUSTER_ASSIGN_OR_RETURN(const auto place, PlaceOf(services, model.artifact_uri, safe));
  return SendArtifact(place);
}

/// POST /ajax-api/2.0/mlflow/upload-artifact?run_id=&path=
Answer UploadToRun(const Services& services, const Request& request) {
  constexpr std::size_t kMost = 10 << 20;
  const std::string run_id = RunParameter(request);
  if (run_id.empty()) return Invalid("Request must specify run_id or run_uuid.");
  const std::string path = request.Parameter("path").value_or("");
  if (path.empty()) return Invalid("Request must specify path.");
  MUSTER_ASSIGN_OR_RETURN(const std::string safe, SafeArtifactPath(path));
  if (request.body.size() > kMost) return Invalid("Artifact size is too large. Max size is 10MB.");
  if (request.body.empty()) return Invalid("Request must specify data.");
  MUSTER_ASSIGN_OR_RETURN(const auto writer, Fence(services, request, RunId(run_id)));
  static_cast<void>(writer);  // which attempt it is, a file does not say
  MUSTER_ASSIGN_OR_RETURN(const Run run, services.runs.GetRun(RunId(run_id)));
  MUSTER_ASSIGN_OR_RETURN(const auto place, PlaceOf(services, run.info.artifact_uri, safe));
  MUSTER_RETURN_IF_ERROR(place.store->PutBytes(place.path, request.body));
  Response response;
  response.headers["Content-Type"] = "application/json";
  return response;
}

Result<json::object> ListOfRun(Call& call) {
  const RunId run_id(call.fields.RunId(true));
  const std::string path = call.fields.Text("path");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const std::string safe, SafeArtifactPath(path));
  MUSTER_ASSIGN_OR_RETURN(const Run run, call.services.runs.GetRun(run_id));
  return ListBelow(call.services, run.info.artifact_uri, safe);
}

Result<json::object> ListOfModel(Call& call) {
  const std::string& model_id = call.request.captures.at("model_id");
  const std::string path = call.fields.Text("artifact_directory_path");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const std::string safe, SafeArtifactPath(path));
  MUSTER_ASSIGN_OR_RETURN(const LoggedModel model, call.services.runs.GetLoggedModel(model_id));
  return ListBelow(call.services, model.artifact_uri, safe);
}

}  // namespace

Status FenceArtifact(const Services& services, const Request& request, std::string_view path) {
  const auto writer = Fence(services, request, RunOf(services, path));
  return writer ? Ok() : Status(writer.error());
}

http::Handler ArtifactHandler(const ServicesPtr& services,
                              Answer (*function)(const Services&, const Request&)) {
  return http::Sync([services, function](const Request& request) {
    Answer answer = function(*services, request);
    return answer ? std::move(*answer) : MlflowError(answer.error());
  });
}

const std::vector<Route>& ArtifactRoutes() {
  static const std::vector<Route> routes = {
      {"GET", "/artifacts/list", nullptr, ListOfRun},
      {"GET", "/logged-models/{model_id}/artifacts/directories", nullptr, ListOfModel},
      {"POST", "/artifacts/presigned-upload-url", nullptr, PresignedUploadUrl},
      {"POST", "/artifacts/presigned-download-url", nullptr, PresignedDownloadUrl},
  };
  return routes;
}

void AddArtifactRoutes(http::Router& router, const ServicesPtr& services) {
  for (const std::string root : {"/api/2.0/mlflow-artifacts", "/ajax-api/2.0/mlflow-artifacts"}) {
    const std::string file = root + "/artifacts/{path...}";
    router.AddUpload("PUT", file, ArtifactHandler(services, Put));
    router.AddBlocking("GET", file, ArtifactHandler(services, Get));
    router.AddBlocking("DELETE", file, ArtifactHandler(services, Delete));
    router.AddBlocking("GET", root + "/artifacts", ArtifactHandler(services, List));
  }
  router.AddBlocking("GET", "/get-artifact", ArtifactHandler(services, GetOfRun));
  router.AddBlocking("GET", "/model-versions/get-artifact",
                     ArtifactHandler(services, GetOfVersion));
  // For MLflow's pages only.
  const std::string ajax = "/ajax-api/2.0/mlflow";
  router.AddBlocking("POST", ajax + "/upload-artifact", ArtifactHandler(services, UploadToRun));
  router.AddBlocking("GET", ajax + "/logged-models/{model_id}/artifacts/files",
                     ArtifactHandler(services, GetOfModel));
}

}  // namespace muster::tracker
