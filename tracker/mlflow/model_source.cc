#include "tracker/mlflow/model_source.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <span>
#include <sstream>
#include <vector>

#include "tracker/mlflow/uri_rules.h"

namespace muster::tracker {

namespace {

using registry::ModelVersion;
using registry::NewVersion;

constexpr std::string_view kModels = "models:/";

Error BadSource(const std::string& source, std::string_view parameter) {
  return Invalid("Invalid model version source: '" + source + "'. The " + std::string(parameter) +
                 " request parameter must identify the resource that contains the source.");
}

/// Of a tag given twice the last holds.
bool IsPrompt(const NewVersion& version) {
  bool prompt = false;
  for (const registry::Tag& tag : version.tags) {
    if (tag.key != "mlflow.prompt.is_prompt") continue;
    std::string lower = tag.value;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    prompt = lower == "true";
  }
  return prompt;
}

/// A prompt has no files.
Status CheckPromptSource(const std::string& source) {
  if (source == "dummy-source" || source == "prompt-template") return Ok();
  return Invalid("Invalid prompt source: '" + source +
                 "'. Prompt sources must use an MLflow placeholder.");
}

std::string MergedSlashes(std::string_view path) {
  std::string merged;
  for (const char c : path) {
    if (c != '/' || !merged.ends_with('/')) merged += c;
  }
  return merged;
}

bool HasPart(std::string_view path, std::string_view part) {
  return ("/" + std::string(path) + "/").find("/" + std::string(part) + "/") != std::string::npos;
}

/// The path must say where it leads: no "..", ".", NUL, and it begins at the root.
Status CheckNoTraversal(const std::string& source) {
  auto decoded = DecodedWhole(source);
  if (decoded) std::ranges::replace(*decoded, '+', ' ');
  const std::string whole = decoded.value_or("..");
  std::string path = SplitUri(whole).path;
  while (path.ends_with('/')) path.pop_back();
  path = MergedSlashes(path);
  if (!HasPart(whole, "..") && path.find('\0') == std::string::npos && path.starts_with('/') &&
      !HasPart(path, ".")) {
    return Ok();
  }
  return Invalid("Invalid model version source: '" + source +
                 "'. If supplying a source as an http, https, local file path, ftp, objectstore, "
                 "or mlflow-artifacts uri, an absolute path must be provided without relative path "
                 "references present. Please provide an absolute path.");
}

/// A path, or a file: URI of this host.
bool IsLocal(const std::string& source) {
  const UriParts uri = SplitUri(source);
  return uri.scheme.empty() || uri.scheme == "file";
}

Error LocalSource(const std::string& source, bool of_model) {
  return Invalid(
      "Invalid model version source: '" + source +
      "'. To use a local path as a model version source, the " +
      (of_model ? "model_id" : "run_id") +
      " request parameter has to be specified and the local path has to be contained within the "
      "artifact directory of the run specified by the " +
      (of_model ? "model_id." : "run_id."));
}

/// "mlflow-artifacts:/a/b" and "mlflow-artifacts:///a/b" are one place.
std::vector<std::string> PartsOf(const UriParts& uri) {
  std::vector<std::string> parts;
  std::istringstream path(uri.path);
  for (std::string part; std::getline(path, part, '/');) {
    if (!part.empty()) parts.push_back(DecodedWhole(part).value_or(part));
  }
  return parts;
}

bool IsWithin(const std::string& source, const std::string& root) {
  const UriParts inner = SplitUri(source), outer = SplitUri(root);
  const auto inner_parts = PartsOf(inner), outer_parts = PartsOf(outer);
  return inner.scheme == outer.scheme && inner.authority == outer.authority &&
         !outer_parts.empty() && inner_parts.size() >= outer_parts.size() &&
         std::ranges::equal(outer_parts, std::span(inner_parts).first(outer_parts.size()));
}

bool IsOfThisServer(const std::string& source) {
  return SplitUri(source).scheme == "mlflow-artifacts";
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

bool HasScheme(const std::string& source, std::string_view scheme) {
  return SplitUri(source).scheme == scheme;
}

Status CheckLoggedModelSource(const Services& services, NewVersion& version) {
  const std::string& source = version.source;
  const auto model = services.runs.GetLoggedModel(version.model_id);
  if (IsLocal(source)) return model ? LocalSource(source, true) : BadSource(source, "model_id");
  MUSTER_RETURN_IF_ERROR(CheckNoTraversal(source));
  const std::string id = LoggedModelIdOf(source);
  if (!id.empty() && id != version.model_id) return BadSource(source, "model_id");
  if (HasScheme(source, "runs")) return BadSource(source, "model_id");
  if (IsOfThisServer(source) && (!model || !IsWithin(source, model->artifact_uri))) {
    return BadSource(source, "model_id");
  }
  if (!model) return model.error();
  if (version.run_id.empty()) version.run_id = model->source_run_id;
  return Ok();
}

Status CheckRunSource(const Services& services, const NewVersion& version) {
  const std::string& source = version.source;
  if (IsLocal(source)) {
    const bool unknown = !version.run_id.empty() && !services.runs.GetRun(RunId(version.run_id));
    return unknown ? BadSource(source, "run_id") : LocalSource(source, false);
  }
  MUSTER_RETURN_IF_ERROR(CheckNoTraversal(source));
  if (HasScheme(source, "runs")) {
    const auto parts = PartsOf(SplitUri(source));
    if (!parts.empty() && parts[0] == version.run_id && SplitUri(source).authority.empty()) {
      return Ok();
    }
    return BadSource(source, "run_id");
  }
  if (!LoggedModelIdOf(source).empty()) return BadSource(source, "model_id");
  if (IsOfThisServer(source)) {
    const auto run = services.runs.GetRun(RunId(version.run_id));
    if (!run || !IsWithin(source, run->info.artifact_uri)) return BadSource(source, "run_id");
  }
  return Ok();
}

/// models:/<name>/<version or @alias> becomes that version's number and lineage.
Status ResolveOrigin(const Services& services, NewVersion& version) {
  const std::string& source = version.source;
  if (!SplitUri(source).authority.empty()) {
    return Invalid("Invalid model version source: '" + source +
                   "'. Registered model sources must use the active model registry.");
  }
  if (!LoggedModelIdOf(source).empty()) return Ok();
  MUSTER_ASSIGN_OR_RETURN(const ModelVersion origin, VersionBySource(services, source));
  if ((!version.run_id.empty() && version.run_id != origin.run_id) ||
      (!version.model_id.empty() && version.model_id != origin.model_id)) {
    return Invalid("Invalid model version source: '" + source +
                   "'. The run_id and model_id request parameters must match the referenced model "
                   "version.");
  }
  version.run_id = origin.run_id;
  version.model_id = origin.model_id;
  version.source = "models:/" + origin.name + "/" + std::to_string(origin.version);
  return Ok();
}

}  // namespace

Status ResolveSource(const Services& services, NewVersion& version) {
  const bool prompt = IsPrompt(version);
  if (prompt) MUSTER_RETURN_IF_ERROR(CheckPromptSource(version.source));
  MUSTER_RETURN_IF_ERROR(CheckNoForeignHost(version.source, "source"));
  if (prompt) return Ok();
  if (HasScheme(version.source, "models")) {
    MUSTER_RETURN_IF_ERROR(ResolveOrigin(services, version));
  }
  return version.model_id.empty() ? CheckRunSource(services, version)
                                  : CheckLoggedModelSource(services, version);
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
