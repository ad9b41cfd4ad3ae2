#include <boost/json/array.hpp>
#include <charconv>

#include "tracker/mlflow/artifact_answer.h"

/// Transfers in parts. MLflow hands out presigned addresses of S3; a store that has none is served by
/// addresses of this server, so that the stock client moves large files in parallel here, too:
///
/// 1. POST mpu/create/<folder> {path, num_parts} answers an id and an address a part.
/// 2. The client PUTs each part there, several at once, and notes the ETag of each answer.
/// 3. POST mpu/complete/<folder> {path, upload_id, parts} makes them one file; mpu/abort forgets them.
///
/// GET presigned/<path> answers an address and a size; the client fetches ranges of it, several at once.
/// Whoever has an address needs no token: its id cannot be guessed, and create and complete were fenced.

namespace muster::tracker {

namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using ServicesPtr = std::shared_ptr<const Services>;
using Answer = Result<Response>;

constexpr std::string_view kProxy = "/api/2.0/mlflow-artifacts";

/// "http://host/prefix/api/2.0/mlflow-artifacts" as the client of this request reaches it.
std::string SelfUrl(const Request& request) {
  const auto header = [&](std::string_view name, std::string_view absent) {
    const std::string_view value = request.Header(name);
    return std::string(value.empty() ? absent : value.substr(0, value.find(',')));
  };
  const std::string scheme = header("X-Forwarded-Proto", "http");
  const std::string host = header("X-Forwarded-Host", request.Header("Host"));
  return scheme + "://" + host + header("X-Forwarded-Prefix", "") + std::string(kProxy);
}

/// What a proxy in front of this server may ask for again.
json::object HeadersFor(const Request& request) {
  json::object headers;
  if (const auto login = request.Header("Authorization"); !login.empty()) {
    headers["Authorization"] = login;
  }
  return headers;
}

/// The name in `path`, which clients before 3.18 sent as a whole local path, of Windows too
/// (_get_multipart_upload_file_name).
Result<std::string> FileName(std::string_view path) {
  const auto base = [](std::string_view text) {
    if (text.size() >= 2 && text[1] == ':') text.remove_prefix(2);
    const std::size_t slash = text.find_last_of("/\\");
    return slash == std::string_view::npos ? text : text.substr(slash + 1);
  };
  MUSTER_ASSIGN_OR_RETURN(const std::string safe, SafeArtifactPath(base(path)));
  const std::string name(base(safe));
  if (name.empty() || name == "." || name == "..") return Invalid("Invalid path");
  return name;
}

/// The fields that all three calls have.
struct Transfer {
  Fields fields;
  std::string path;  ///< folder and name
  std::string upload_id;
};

Result<Transfer> TransferOf(const Services& services, const Request& request) {
  // Not called "path": what a route captures is a field, too.
  MUSTER_ASSIGN_OR_RETURN(const std::string folder,
                          SafeArtifactPath(request.captures.at("folder")));
  MUSTER_ASSIGN_OR_RETURN(Fields fields, Fields::FromRequest(request));
  const std::string local = fields.Required("path");
  std::string upload_id = fields.Text("upload_id");
  MUSTER_RETURN_IF_ERROR(fields.status());
  MUSTER_ASSIGN_OR_RETURN(const std::string name, FileName(local));
  std::string path = folder.empty() ? name : folder + "/" + name;
  MUSTER_RETURN_IF_ERROR(FenceArtifact(services, request, path));
  return Transfer{std::move(fields), std::move(path), std::move(upload_id)};
}

Answer Create(const Services& services, const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(Transfer transfer, TransferOf(services, request));
  const std::int64_t parts = transfer.fields.Int("num_parts", 1);
  MUSTER_RETURN_IF_ERROR(transfer.fields.status());
  MUSTER_ASSIGN_OR_RETURN(const ArtifactUpload upload,
                          services.artifacts.BeginUpload(transfer.path, parts));
  const std::string own = SelfUrl(request) + "/mpu/part/" + upload.id + "/";
  json::array credentials;
  for (std::int64_t number = 1; number <= parts; ++number) {
    json::object credential{{"part_number", number}};
    if (upload.part_urls.empty()) {
      credential["url"] = own + std::to_string(number);
      if (auto headers = HeadersFor(request); !headers.empty()) credential["headers"] = headers;
    } else {
      credential["url"] = upload.part_urls.at(static_cast<std::size_t>(number - 1));
    }
    credentials.push_back(std::move(credential));
  }
  return Response::Json({{"upload_id", upload.id}, {"credentials", std::move(credentials)}});
}

Answer PutPart(const Services& services, const Request& request) {
  const std::string& text = request.captures.at("number");
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) {
    return Invalid("the part '" + text + "' is not a number");
  }
  MUSTER_ASSIGN_OR_RETURN(
      const std::string etag,
      services.artifacts.PutPart(request.captures.at("upload"), number, BodyOf(request)));
  Response response;
  response.headers["ETag"] = '"' + etag + '"';
  return response;
}

Answer Complete(const Services& services, const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(Transfer transfer, TransferOf(services, request));
  Fields& fields = transfer.fields;
  if (!fields.Has("parts")) {
    return Invalid(
        "Missing value for required parameter 'parts'. See the API docs for more information about "
        "request parameters.");
  }
  std::vector<ArtifactPart> parts;
  for (Fields& part : fields.List("parts")) {
    parts.push_back({part.Int("part_number", 0), part.Text("etag")});
    fields.Take(part);
  }
  MUSTER_RETURN_IF_ERROR(fields.status());
  MUSTER_RETURN_IF_ERROR(
      services.artifacts.CompleteUpload(transfer.path, transfer.upload_id, std::move(parts)));
  return Response::Json(json::object());
}

Answer Abort(const Services& services, const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(const Transfer transfer, TransferOf(services, request));
  MUSTER_RETURN_IF_ERROR(services.artifacts.AbortUpload(transfer.path, transfer.upload_id));
  return Response::Json(json::object());
}

Answer Presigned(const Services& services, const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(std::string path, SafeArtifactPath(request.captures.at("path")));
  return PresignedAnswer(request,
                         {{std::shared_ptr<void>(), &services.artifacts}, std::move(path)});
}

/// "http", "https" or "mlflow-artifacts" when the files are behind this server; else empty.
std::string ProxiedScheme(const std::string& artifact_uri) {
  const std::string scheme = artifact_uri.substr(0, artifact_uri.find(':'));
  const bool proxied = scheme == "http" || scheme == "https" || scheme == "mlflow-artifacts";
  return proxied ? scheme : "";
}

}  // namespace

Answer PresignedAnswer(const Request& request, const ArtifactPlace& place) {
  MUSTER_ASSIGN_OR_RETURN(const ArtifactAddress address, place.store->AddressOf(place.path));
  const bool own = address.url.empty();
  return Response::Json(
      {{"url", own ? SelfUrl(request) + "/artifacts/" + http::PercentEncode(place.path, true)
                   : address.url},
       {"headers", own ? HeadersFor(request) : json::object()},
       {"file_size", address.size}});
}

Result<json::object> PresignedUploadUrl(Call& call) {
  const std::string run_id = call.fields.Text("run_id"), model_id = call.fields.Text("model_id");
  const std::string path = call.fields.Required("path");
  call.fields.OptionalInt("expiration");
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  if (run_id.empty() == model_id.empty()) {
    return Invalid("Exactly one of run_id and model_id must be provided.");
  }
  MUSTER_RETURN_IF_ERROR(SafeArtifactPath(path));
  std::string uri;
  if (model_id.empty()) {
    MUSTER_ASSIGN_OR_RETURN(const Run run, call.services.runs.GetRun(RunId(run_id)));
    uri = run.info.artifact_uri;
  } else {
    MUSTER_ASSIGN_OR_RETURN(const auto model, call.services.runs.GetLoggedModel(model_id));
    uri = model.artifact_uri;
  }
  if (const std::string scheme = ProxiedScheme(uri); !scheme.empty()) {
    return Invalid(
        "Presigned upload is not supported for proxied artifact storage (artifact URI "
        "scheme: " +
        scheme + "). This endpoint requires a direct cloud storage artifact URI.");
  }
  return Unsupported("Presigned upload is not supported for the current artifact repository");
}

Result<json::object> PresignedDownloadUrl(Call& call) {
  constexpr std::int64_t kMostSeconds = 604'800;
  const std::string run_id = call.fields.Required("run_id"), path = call.fields.Required("path");
  const std::int64_t expiration = call.fields.Int("expiration", 900);
  MUSTER_RETURN_IF_ERROR(call.fields.status());
  MUSTER_RETURN_IF_ERROR(SafeArtifactPath(path));
  if (expiration < 1 || expiration > kMostSeconds) {
    return Invalid("expiration must be between 1 and 604800 seconds (got " +
                   std::to_string(expiration) + ").");
  }
  MUSTER_ASSIGN_OR_RETURN(const Run run, call.services.runs.GetRun(RunId(run_id)));
  if (const std::string scheme = ProxiedScheme(run.info.artifact_uri); !scheme.empty()) {
    return Invalid(
        "Presigned download is not supported for runs with proxied artifact storage "
        "(artifact URI scheme: " +
        scheme + "). This endpoint requires a run with a direct cloud storage artifact URI.");
  }
  return Unsupported("Presigned download is not supported for the current artifact repository");
}

void AddMultipartRoutes(http::Router& router, const ServicesPtr& services) {
  for (const std::string root : {"/api/2.0/mlflow-artifacts", "/ajax-api/2.0/mlflow-artifacts"}) {
    router.AddBlocking("POST", root + "/mpu/create/{folder...}", ArtifactHandler(services, Create));
    router.AddBlocking("POST", root + "/mpu/complete/{folder...}",
                       ArtifactHandler(services, Complete));
    router.AddBlocking("POST", root + "/mpu/abort/{folder...}", ArtifactHandler(services, Abort));
    router.AddUpload("PUT", root + "/mpu/part/{upload}/{number}",
                     ArtifactHandler(services, PutPart));
    router.AddBlocking("GET", root + "/presigned/{path...}", ArtifactHandler(services, Presigned));
  }
}

}  // namespace muster::tracker
