#include "runtime/cli/model_fetch.h"

#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "registry/model_rules.h"
#include "runtime/base/sha256.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

constexpr std::string_view kArtifacts = "/api/2.0/mlflow-artifacts/artifacts";
constexpr std::string_view kScheme = "mlflow-artifacts:/";
constexpr int kDeepest = 8;

/// Downloads all files below `remote`, a path of the artifact proxy.
Status DownloadTree(http::Client& client, const std::string& remote,
                    const std::filesystem::path& local, int depth = 0) {
  if (depth > kDeepest) return Invalid(remote + " is nested too deeply for a model");
  std::error_code failure;
  std::filesystem::create_directories(local, failure);
  if (failure) return IoError(local.string(), failure.value());
  MUSTER_ASSIGN_OR_RETURN(
      const auto listing,
      client.Json("GET", std::string(kArtifacts) + "?path=" + http::PercentEncode(remote)));
  MUSTER_ASSIGN_OR_RETURN(auto fields, wire::FromJson<boost::json::object>(listing));
  if (!fields.contains("files")) return NotFound("there are no files in " + remote);
  MUSTER_ASSIGN_OR_RETURN(const auto files, wire::FromJson<boost::json::array>(fields["files"]));
  for (const auto& entry : files) {
    MUSTER_ASSIGN_OR_RETURN(auto file, wire::FromJson<boost::json::object>(entry));
    MUSTER_ASSIGN_OR_RETURN(const auto name, wire::FromJson<std::string>(file["path"]));
    MUSTER_ASSIGN_OR_RETURN(const bool folder, wire::FromJson<bool>(file["is_dir"]));
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
      return Corrupt("the server lists '" + name + "' in " + remote + ", which is no file's name");
    }
    const std::string inner = remote + "/" + name;
    MUSTER_RETURN_IF_ERROR(
        folder ? DownloadTree(client, inner, local / name, depth + 1)
               : client.Download(std::string(kArtifacts) + "/" + http::PercentEncode(inner, true),
                                 local / name));
  }
  return Ok();
}

}  // namespace

Result<ModelReference> ParseModelReference(const std::string& text) {
  const auto mark = text.find_last_of("@/");
  if (mark == std::string::npos || mark == 0 || mark + 1 == text.size()) {
    return Invalid("'" + text +
                   "' names no model version; wanted NAME@ALIAS or NAME/NUMBER, as in " +
                   "digits@champion");
  }
  if (text[mark] == '@' && text.find_first_not_of("0123456789", mark + 1) == std::string::npos) {
    return Invalid("'" + text + "': an alias follows '@'; for that version say " +
                   text.substr(0, mark) + "/" + text.substr(mark + 1));
  }
  return ModelReference{text.substr(0, mark), text.substr(mark + 1)};
}

Result<registry::serve::ModelLocation> FetchModel(http::Client& client,
                                                  const ModelReference& reference,
                                                  const std::filesystem::path& cache) {
  MUSTER_RETURN_IF_ERROR(registry::CheckModelName(reference.name));
  const auto answer =
      client.Json("GET", "/api/muster/v1/models/" + http::PercentEncode(reference.name) +
                             "/versions/" + http::PercentEncode(reference.version));
  if (!answer.ok()) return WithHint(answer.error(), kModelHint);
  MUSTER_ASSIGN_OR_RETURN(auto fields, wire::FromJson<boost::json::object>(*answer));
  MUSTER_ASSIGN_OR_RETURN(const auto version, wire::FromJson<std::int64_t>(fields["version"]));
  MUSTER_ASSIGN_OR_RETURN(const auto source, wire::FromJson<std::string>(fields["source"]));
  // The number alone would take another server's version, or one of a registry that was made anew, for this one.
  const std::string identity = client.base_url() + "\n" + wire::SerializeJson(fields["source"]) +
                               wire::SerializeJson(fields["run_id"]) +
                               wire::SerializeJson(fields["created_ms"]);
  registry::serve::ModelLocation location{
      reference.name, version,
      cache / reference.name / (std::to_string(version) + "-" + Sha256Hex(identity).substr(0, 16))};
  std::error_code failure;
  if (std::filesystem::exists(location.directory, failure)) return location;
  if (!source.starts_with(kScheme)) {
    return Unsupported(reference.name + " version " + std::to_string(version) + " lies at " +
                       source + ", which this server does not keep");
  }
  const std::filesystem::path temporary =
      location.directory.string() + ".tmp" + std::to_string(::getpid());
  std::error_code ignored;
  std::filesystem::remove_all(temporary, ignored);
  Status fetched = DownloadTree(client, source.substr(kScheme.size()), temporary);
  if (fetched.ok()) {
    std::filesystem::rename(temporary, location.directory, failure);
    // Another process may have been faster.
    if (failure && !std::filesystem::exists(location.directory, ignored)) {
      fetched = IoError(location.directory.string(), failure.value());
    }
  }
  std::filesystem::remove_all(temporary, ignored);
  if (!fetched.ok()) return fetched.error();
  return location;
}

Result<registry::serve::ModelLocation> RegistrySource::Current() {
  if (!client_) {
    MUSTER_ASSIGN_OR_RETURN(client_, context_.Connect());
  }
  auto location = FetchModel(*client_, reference_, cache_);
  if (!location.ok() && location.error().kind == ErrorKind::kUnavailable) client_.reset();
  return location;
}

Result<std::unique_ptr<registry::serve::ModelSource>> MakeModelSource(const Context& context,
                                                                      const std::string& model,
                                                                      const std::string& name) {
  using registry::serve::ModelSource;
  std::error_code failure;
  if (std::filesystem::is_directory(model, failure)) {
    auto directory = std::filesystem::absolute(model, failure);
    if (failure) return IoError(model, failure.value());
    return std::unique_ptr<ModelSource>(
        std::make_unique<registry::serve::DirectorySource>(std::move(directory), name));
  }
  MUSTER_ASSIGN_OR_RETURN(auto reference, ParseModelReference(model));
  return std::unique_ptr<ModelSource>(
      std::make_unique<RegistrySource>(context, std::move(reference), context.Home() / "serving"));
}

}  // namespace muster::cli
