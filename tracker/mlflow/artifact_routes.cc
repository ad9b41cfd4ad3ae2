#include <boost/json/array.hpp>

#include "tracker/mlflow/call.h"
#include "tracker/mlflow/entities.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using ServicesPtr = std::shared_ptr<const Services>;

constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
    {".json", "application/json"}, {".txt", "text/plain"},    {".html", "text/html"},
    {".csv", "text/csv"},          {".png", "image/png"},     {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},       {".svg", "image/svg+xml"}, {".pdf", "application/pdf"},
    {".yaml", "text/plain"},       {".yml", "text/plain"},    {".log", "text/plain"},
    {".md", "text/plain"},         {".py", "text/plain"},     {"MLmodel", "text/plain"},
};

std::string_view TypeOf(std::string_view name) {
  for (const auto& [ending, type] : kTypes) {
    if (name.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

/// RFC 6266: quoted when it is plain ASCII, else in the extended form of RFC 5987.
std::string Disposition(std::string_view name) {
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e || c == '"') {
      return "attachment; filename*=UTF-8''" + http::PercentEncode(name);
    }
  }
  return "attachment; filename=\"" + std::string(name) + "\"";
}

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

Response Put(const Services& services, const Request& request) {
  const std::string& path = request.captures.at("path");
  const auto writer = Fence(services, request, RunOf(services, path));
  if (!writer) return MlflowError(writer.error());
  const auto put = request.body_file.empty()
                       ? services.artifacts.PutBytes(path, request.body)
                       : services.artifacts.PutFile(path, request.body_file, true);
  if (!put) return MlflowError(put.error());
  return Response::Json(json::object());
}

Response Get(const Services& services, const Request& request) {
  const std::string& path = request.captures.at("path");
  auto file = services.artifacts.Get(path);
  if (!file) return MlflowError(file.error());
  const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
  Response response;
  response.headers["Content-Type"] = TypeOf(name);
  response.headers["Content-Disposition"] = Disposition(name);
  response.headers["X-Content-Type-Options"] = "nosniff";
  response.body_file = std::move(*file);
  return response;
}

Response List(const Services& services, const Request& request) {
  const auto list = services.artifacts.List(request.Parameter("path").value_or(""));
  if (!list) return MlflowError(list.error());
  json::object object;
  PutList(object, "files", ToMlflow(*list, ""));
  return Response::Json(std::move(object));
}

Response Delete(const Services& services, const Request& request) {
  const std::string& path = request.captures.at("path");
  const auto writer = Fence(services, request, RunOf(services, path));
  if (!writer) return MlflowError(writer.error());
  const Status status = services.artifacts.Delete(path);
  if (!status.ok()) return MlflowError(status.error());
  return Response::Json(json::object());
}

/// The client falls back to plain PUT and GET.
Response NoMultipart(const Services&, const Request&) {
  return MlflowError(Unsupported("Multipart and presigned transfers are not offered"));
}

http::Handler With(const ServicesPtr& services,
                   Response (*function)(const Services&, const Request&)) {
  return http::Sync(
      [services, function](const Request& request) { return function(*services, request); });
}

}  // namespace

void AddArtifactRoutes(http::Router& router, const ServicesPtr& services) {
  for (const std::string root : {"/api/2.0/mlflow-artifacts", "/ajax-api/2.0/mlflow-artifacts"}) {
    const std::string file = root + "/artifacts/{path...}";
    router.AddUpload("PUT", file, With(services, Put));
    router.AddBlocking("GET", file, With(services, Get));
    router.AddBlocking("DELETE", file, With(services, Delete));
    router.AddBlocking("GET", root + "/artifacts", With(services, List));
    router.Add("POST", root + "/mpu/{rest...}", With(services, NoMultipart));
    router.Add("GET", root + "/presigned/{rest...}", With(services, NoMultipart));
  }
}

}  // namespace muster::tracker
