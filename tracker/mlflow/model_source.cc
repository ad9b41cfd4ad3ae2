#include "tracker/mlflow/model_source.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <span>
#include <sstream>
#include <vector>

#include "tracker/mlflow/model_uri.h"
#include "tracker/mlflow/uri_rules.h"

namespace muster::tracker {

namespace {

namespace fs = std::filesystem;
using registry::ModelVersion;
using registry::NewVersion;

Error BadSource(const std::string& source, std::string_view parameter) {
  return Invalid("Invalid model version source: '" + source + "'. The " + std::string(parameter) +
                 " request parameter must identify the resource that contains the source.");
}

/// Of a tag given twice the last holds.
bool IsPrompt(const std::vector<registry::Tag>& tags) {
  bool prompt = false;
  for (const registry::Tag& tag : tags) {
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

Error LocalSource(const std::string& source, bool of_model) {
  return Invalid(
      "Invalid model version source: '" + source +
      "'. To use a local path as a model version source, the " +
      (of_model ? "model_id" : "run_id") +
      " request parameter has to be specified and the local path has to be contained within the "
      "artifact directory of the run specified by the " +
      (of_model ? "model_id." : "run_id."));
}

/// Where a local path leads, with the links of what is there followed.
fs::path RealPath(const Services& services, const std::string& path) {
  const fs::path whole = services.options.folder / path;
  std::error_code error;
  const fs::path real = fs::weakly_canonical(whole, error);
  return error ? whole.lexically_normal() : real;
}

/// Does `path` lie in the folder that an artifact_uri means, or is it that one?
Status CheckLocalPath(const Services& services, const std::string& path,
                      const std::string& artifact_uri, bool of_model) {
  fs::path source = RealPath(services, path);
  if (!source.has_filename()) source = source.parent_path();  // "/a/" is "/a"
  MUSTER_ASSIGN_OR_RETURN(const auto root, LocalPathOf(artifact_uri));
  if (root) {
    const fs::path folder = RealPath(services, *root);
    const auto [end, unused] = std::ranges::mismatch(folder, source);
    if (end == folder.end()) return Ok();
  }
  return LocalSource(source.string(), of_model);
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

bool HasScheme(const std::string& source, std::string_view scheme) {
  return SplitUri(source).scheme == scheme;
}

Status CheckLoggedModelSource(const Services& services, NewVersion& version) {
  const std::string& source = version.source;
  const auto model = services.runs.GetLoggedModel(version.model_id);
  MUSTER_ASSIGN_OR_RETURN(const auto local, LocalPathOf(source));
  if (local && !model) return BadSource(source, "model_id");
  if (local) {
    MUSTER_RETURN_IF_ERROR(CheckLocalPath(services, *local, model->artifact_uri, true));
  } else {
    MUSTER_RETURN_IF_ERROR(CheckNoTraversal(source));
  }
  if (HasScheme(source, "models")) {
    const std::string id = ParseModelUri(source).value_or(ModelUri()).model_id;
    if (!id.empty() && id != version.model_id) return BadSource(source, "model_id");
  }
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
  const auto run = services.runs.GetRun(RunId(version.run_id));
  MUSTER_ASSIGN_OR_RETURN(const auto local, LocalPathOf(source));
  if (local && version.run_id.empty()) return LocalSource(source, false);
  if (local && !run) return BadSource(source, "run_id");
  if (local) return CheckLocalPath(services, *local, run->info.artifact_uri, false);
  MUSTER_RETURN_IF_ERROR(CheckNoTraversal(source));
  if (HasScheme(source, "runs")) {
    const auto parts = PartsOf(SplitUri(source));
    if (!parts.empty() && parts[0] == version.run_id && SplitUri(source).authority.empty()) {
      return Ok();
    }
    return BadSource(source, "run_id");
  }
  if (HasScheme(source, "models")) {
    const auto uri = ParseModelUri(source);
    return !uri || !uri->model_id.empty() ? BadSource(source, "model_id") : Status();
  }
  if (IsOfThisServer(source) && (!run || !IsWithin(source, run->info.artifact_uri))) {
    return BadSource(source, "run_id");
  }
  return Ok();
}

/// models:/<name>/<version or stage> and models:/<name>@<alias> become that version's number and lineage.
Status ResolveOrigin(const Services& services, NamedOrigins named, NewVersion& version) {
  const std::string& source = version.source;
  const std::string invalid = "Invalid model version source: '" + source + "'. ";
  if (!SplitUri(source).authority.empty()) {
    return Invalid(invalid + "Registered model sources must use the active model registry.");
  }
  const auto uri = ParseModelUri(source);
  if (!uri) return BadSource(source, "model_id");
  if (!uri->model_id.empty()) return Ok();
  MUSTER_ASSIGN_OR_RETURN(const auto model, services.models.GetModel(uri->name));
  if (IsPrompt(model.tags)) {
    return Invalid(invalid + "Prompt versions cannot be used as model version sources.");
  }
  MUSTER_ASSIGN_OR_RETURN(const ModelVersion origin, VersionOf(services.models, *uri));
  if ((named.run && version.run_id != origin.run_id) ||
      (named.model && version.model_id != origin.model_id)) {
    return Invalid(invalid +
                   "The run_id and model_id request parameters must match the referenced model "
                   "version.");
  }
  version.run_id = origin.run_id;
  version.model_id = origin.model_id;
  version.source = "models:/" + origin.name + "/" + std::to_string(origin.version);
  return Ok();
}

}  // namespace

Status ResolveSource(const Services& services, NamedOrigins named, NewVersion& version) {
  const bool prompt = IsPrompt(version.tags);
  if (prompt) MUSTER_RETURN_IF_ERROR(CheckPromptSource(version.source));
  MUSTER_RETURN_IF_ERROR(CheckNoForeignHost(version.source, "source"));
  if (prompt) return Ok();
  if (HasScheme(version.source, "models")) {
    MUSTER_RETURN_IF_ERROR(ResolveOrigin(services, named, version));
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
    const auto uri = ParseModelUri(found.source);
    if (!uri) return found.source;
    if (!uri->model_id.empty()) {
      // Its files outlive it, and so does the address that MLflow keeps of them.
      MUSTER_ASSIGN_OR_RETURN(const LoggedModel model,
                              services.runs.GetAnyLoggedModel(uri->model_id));
      return model.artifact_uri;
    }
    MUSTER_ASSIGN_OR_RETURN(found, VersionOf(services.models, *uri));
  }
  return Invalid("the source of version " + std::to_string(version) + " of '" + name +
                 "' leads through more than " + std::to_string(kMostSteps) + " versions");
}

}  // namespace muster::tracker
