#include "tracker/mlflow/model_uri.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>

#include "registry/model_rules.h"
#include "tracker/mlflow/uri_rules.h"

namespace muster::tracker {

namespace {

using registry::ModelVersion;
using registry::RegisteredModel;

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

bool IsNumber(std::string_view text) {
  return std::ranges::all_of(text,
                             [](char c) { return std::isdigit(static_cast<unsigned char>(c)); });
}

/// No version has a number that does not fit.
std::int64_t NumberOf(std::string_view digits) {
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() ? number : std::numeric_limits<std::int64_t>::max();
}

/// The newest version of `stage`, or of all stages when it is empty.
Result<ModelVersion> Newest(registry::ModelStore& models, const RegisteredModel& model,
                            const std::string& stage) {
  std::int64_t newest = 0;
  for (const ModelVersion& latest : model.latest_versions) {
    if (stage.empty() || latest.stage == stage) newest = std::max(newest, latest.version);
  }
  if (newest > 0) return models.GetVersion(model.name, newest);
  return NotFound("No versions of model with name '" + model.name + "'" +
                  (stage.empty() ? "" : " and stage '" + stage + "'") + " found");
}

}  // namespace

std::optional<ModelUri> ParseModelUri(std::string_view uri) {
  const UriParts parts = SplitUri(uri);
  std::string_view path = parts.path;
  if (parts.scheme != "models" || !path.starts_with('/') || path.size() == 1) return std::nullopt;
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  const std::size_t slash = path.find('/');
  const std::string_view first = path.substr(0, slash);
  if (IsBlank(first)) return std::nullopt;
  ModelUri read;
  if (slash == path.npos) {
    const std::size_t at = first.rfind('@');
    if (at == first.npos) {
      read.model_id = first;
    } else {
      read.name = first.substr(0, at);
      read.alias = first.substr(at + 1);
      if (IsBlank(read.alias)) return std::nullopt;
    }
    return read;
  }
  const std::string_view last = path.substr(slash + 1);
  if (last.find('/') != last.npos || IsBlank(last)) return std::nullopt;
  read.name = first;
  if (IsNumber(last)) {
    read.version = NumberOf(last);
  } else if (!registry::IsLatest(last)) {
    read.stage = last;
  }
  return read;
}

Result<ModelVersion> VersionOf(registry::ModelStore& models, const ModelUri& uri) {
  if (uri.version) return models.GetVersion(uri.name, *uri.version);
  MUSTER_ASSIGN_OR_RETURN(const RegisteredModel model, models.GetModel(uri.name));
  if (!uri.alias.empty()) {
    auto version = models.GetByAlias(uri.name, uri.alias);
    // A missing alias is a wrong parameter in MLflow.
    if (!version && version.error().kind == ErrorKind::kNotFound &&
        !registry::IsLatest(uri.alias)) {
      return Invalid(version.error().message);
    }
    return version;
  }
  if (uri.stage.empty()) return Newest(models, model, "");
  MUSTER_ASSIGN_OR_RETURN(const std::string stage, registry::CanonicalStage(uri.stage));
  return Newest(models, model, stage);
}

}  // namespace muster::tracker
