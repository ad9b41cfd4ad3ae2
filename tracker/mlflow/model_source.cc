#include "tracker/mlflow/model_source.h"

#include <charconv>

#include "runtime/wire/http.h"

namespace muster::tracker {

namespace {

using registry::ModelVersion;
using registry::NewVersion;

constexpr std::string_view kModels = "models:/";
constexpr std::string_view kRuns = "runs:/";
constexpr std::string_view kArtifacts = "mlflow-artifacts:";

Error BadSource(const std::string& source, std::string_view parameter) {
  return Invalid("Invalid model version source: '" + source + "'. The " + std::string(parameter) +
                 " request parameter must identify the resource that contains the source.");
}

bool IsPrompt(const NewVersion& version) {
  for (const registry::Tag& tag : version.tags) {
    if (tag.key == "mlflow.prompt.is_prompt" && tag.value == "true") return true;
  }
  return false;
}

/// Nothing when it is still escaped after kMaxRounds.
std::optional<std::string> Decoded(std::string text) {
  constexpr int kMaxRounds = 10;  // as CheckArtifactPath
  for (int round = 0; round < kMaxRounds; ++round) {
    std::string decoded = http::PercentDecode(text);
    if (decoded == text) return text;
    text = std::move(decoded);
  }
  return std::nullopt;
}

Status CheckNoTraversal(const std::string& source) {
  const auto decoded = Decoded(source);
  const std::string path = "/" + decoded.value_or("..") + "/";
  if (path.find("/../") == std::string::npos && path.find('\0') == std::string::npos &&
      path.find('\\') == std::string::npos) {
    return Ok();
  }
  return Invalid("Invalid model version source: '" + source +
                 "'. If supplying a source as an http, https, local file path, ftp, objectstore, "
                 "or mlflow-artifacts uri, an absolute path must be provided without relative path "
                 "references present. Please provide an absolute path.");
}

bool IsLocal(std::string_view source) {
  return source.starts_with('/') || source.starts_with("file:") ||
         source.find(':') == std::string_view::npos;
}

/// "mlflow-artifacts:/a/b" and "mlflow-artifacts:///a/b" are one place. A source was let through by
/// CheckNoTraversal before.
std::string CanonicalUri(std::string_view uri) {
  std::string_view path = uri.substr(kArtifacts.size());
  while (path.starts_with('/')) path.remove_prefix(1);
  return Decoded(std::string(path)).value_or(std::string(path)) + "/";
}

bool IsWithin(std::string_view source, std::string_view root) {
  return root.starts_with(kArtifacts) && CanonicalUri(source).starts_with(CanonicalUri(root));
}

/// The version that models:/<name>/<number> or models:/<name>@<alias> means.
Result<ModelVersion> VersionBySource(const Services& services, const std::string& source) {
  const std::string_view rest = std::string_view(source).substr(kModels.size());
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    return services.models.GetByAlias(rest.substr(0, at), rest.substr(at + 1));
  }
  const std::size_t slash = rest.rfind('/');
  const std::string_view number = slash == rest.npos ? "" : rest.substr(slash + 1);
  if (number == "latest") return services.models.GetByAlias(rest.substr(0, slash), "latest");
  std::int64_t version = 0;
  const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), version);
  if (error != std::errc() || stop != number.data() + number.size()) {
    return BadSource(source, "model_id");
  }
  return services.models.GetVersion(rest.substr(0, slash), version);
}

/// The id of models:/m-<id>, which has no further part; empty for other sources.
std::string LoggedModelIdOf(std::string_view source) {
  if (!source.starts_with(kModels)) return "";
  source.remove_prefix(kModels.size());
  const bool whole = source.find_first_of("/@") == std::string_view::npos;
  return whole && source.starts_with("m-") ? std::string(source) : "";
}

Status CheckLoggedModelSource(const Services& services, NewVersion& version) {
  const std::string& source = version.source;
  const auto model = services.runs.GetLoggedModel(version.model_id);
  if (!model) return BadSource(source, "model_id");
  const std::string id = LoggedModelIdOf(source);
  if (!id.empty() && id != version.model_id) return BadSource(source, "model_id");
  if (source.starts_with(kRuns)) return BadSource(source, "model_id");
  if (source.starts_with(kArtifacts) && !IsWithin(source, model->artifact_uri)) {
    return BadSource(source, "model_id");
  }
  if (version.run_id.empty()) version.run_id = model->source_run_id;
  return Ok();
}

Status CheckRunSource(const Services& services, const NewVersion& version) {
  const std::string& source = version.source;
  if (!LoggedModelIdOf(source).empty()) return BadSource(source, "model_id");
  if (source.starts_with(kRuns)) {
    const std::string rest = source.substr(kRuns.size());
    if (rest.substr(0, rest.find('/')) == version.run_id && !version.run_id.empty()) return Ok();
    return BadSource(source, "run_id");
  }
  if (source.starts_with(kArtifacts)) {
    const auto run = services.runs.GetRun(RunId(version.run_id));
    if (!run || !IsWithin(source, run->info.artifact_uri)) return BadSource(source, "run_id");
  }
  return Ok();
}

}  // namespace

Status ResolveSource(const Services& services, NewVersion& version) {
  if (IsPrompt(version)) return Ok();
  if (IsLocal(version.source)) {
    return Invalid("Invalid model version source: '" + version.source +
                   "'. To use a local path as a model version source, the run_id request parameter "
                   "has to be specified and the local path has to be contained within the artifact "
                   "directory of the run specified by the run_id.");
  }
  MUSTER_RETURN_IF_ERROR(CheckNoTraversal(version.source));
  if (version.source.starts_with(kModels) && LoggedModelIdOf(version.source).empty()) {
    MUSTER_ASSIGN_OR_RETURN(const ModelVersion origin, VersionBySource(services, version.source));
    version.source = "models:/" + origin.name + "/" + std::to_string(origin.version);
    if (version.run_id.empty()) version.run_id = origin.run_id;
    if (version.model_id.empty()) version.model_id = origin.model_id;
    return Ok();
  }
  if (!version.model_id.empty()) return CheckLoggedModelSource(services, version);
  return CheckRunSource(services, version);
}

Result<std::string> DownloadUriOf(const Services& services, const std::string& name,
                                  std::int64_t version) {
  MUSTER_ASSIGN_OR_RETURN(ModelVersion found, services.models.GetVersion(name, version));
  // A version may be made from a version, and so on; each step goes to an older one.
  constexpr int kMostSteps = 100;
  for (int step = 0; step < kMostSteps; ++step) {
    if (const std::string id = LoggedModelIdOf(found.source); !id.empty()) {
      MUSTER_ASSIGN_OR_RETURN(const LoggedModel model, services.runs.GetLoggedModel(id));
      return model.artifact_uri;
    }
    if (!found.source.starts_with(kModels)) return found.source;
    MUSTER_ASSIGN_OR_RETURN(found, VersionBySource(services, found.source));
  }
  return Invalid("the source of version " + std::to_string(version) + " of '" + name +
                 "' leads through more than " + std::to_string(kMostSteps) + " versions");
}

}  // namespace muster::tracker
