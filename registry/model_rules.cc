#include "registry/model_rules.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

#include "runtime/filter/names.h"
#include "runtime/filter/python_text.h"

namespace muster::registry {
namespace {

constexpr std::size_t kAliasLengthMax = 255;
constexpr std::size_t kTagKeyLengthMax = 250;
constexpr std::size_t kTagValueLengthMax = 100'000;
constexpr std::array<std::string_view, 4> kStages = {"None", "Staging", "Production", "Archived"};

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

std::string Text(std::string_view text) { return std::string(text); }
std::string Quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

}  // namespace

std::string_view AliasMoveName(AliasMove move) {
  static constexpr std::array<std::string_view, 4> kNames = {"set", "promote", "rollback",
                                                             "remove"};
  return kNames[static_cast<std::size_t>(move)];
}

Status CheckModelName(std::string_view name, std::string_view parameter) {
  if (std::all_of(name.begin(), name.end(),
                  [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; })) {
    return Invalid("Missing value for required parameter " + Quoted(parameter) + ".");
  }
  if (name.find_first_of("/:") != name.npos) {
    return Invalid("Invalid model name " + Quoted(name) + ". Names cannot contain '/' or ':'.");
  }
  return filter::CheckPathName(name, "name");
}

Status CheckAlias(std::string_view alias) {
  if (alias.empty()) return Invalid("Registered model alias name cannot be empty.");
  if (!filter::HasOnlyWords(alias, "-")) {
    return Invalid("Invalid alias name: " + Quoted(alias) +
                   ". Names may only contain alphanumerics, underscores (_), and dashes (-).");
  }
  return filter::CheckLength("Registered model alias name", alias, kAliasLengthMax);
}

Status CheckNewAlias(std::string_view alias) {
  MUSTER_RETURN_IF_ERROR(CheckAlias(alias));
  if (IsLatest(alias)) {
    return Invalid("'latest' alias name (case insensitive) is reserved.");
  }
  const std::string_view digits = alias.substr(1);
  if ((alias[0] == 'v' || alias[0] == 'V') && !digits.empty() &&
      std::all_of(digits.begin(), digits.end(),
                  [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; })) {
    return Invalid("Version alias name " + Quoted(alias) + " is reserved.");
  }
  return Ok();
}

Status CheckTagKey(std::string_view key) { return filter::CheckName(key, "key"); }

Status CheckTag(std::string_view key, std::string_view value) {
  MUSTER_RETURN_IF_ERROR(CheckTagKey(key));
  MUSTER_RETURN_IF_ERROR(filter::CheckLength("key", key, kTagKeyLengthMax));
  return filter::CheckLength("value", value, kTagValueLengthMax);
}

Result<std::vector<Tag>> CheckTags(const std::vector<Tag>& tags) {
  std::map<std::string, std::string> last;
  for (const Tag& tag : tags) {
    MUSTER_RETURN_IF_ERROR(CheckTag(tag.key, tag.value));
    last[tag.key] = tag.value;
  }
  std::vector<Tag> kept;
  kept.reserve(last.size());
  for (auto& [key, value] : last) kept.push_back({key, std::move(value)});
  return kept;
}

Result<std::string> CanonicalStage(std::string_view stage) {
  for (const auto known : kStages) {
    if (Lower(known) == Lower(stage)) return Text(known);
  }
  return Invalid("Invalid Model Version stage: " + Text(stage) +
                 ". Value must be one of None, Staging, Production, Archived.");
}

Result<std::string> StageToEnter(std::string_view stage, bool archive_existing) {
  MUSTER_ASSIGN_OR_RETURN(std::string canonical, CanonicalStage(stage));
  if (archive_existing && canonical != "Staging" && canonical != "Production") {
    return Internal("Model version transition cannot archive existing model versions because '" +
                    Text(stage) +
                    "' is not an Active stage. Valid stages are ['Staging', 'Production']");
  }
  return canonical;
}

Error ModelNotFound(std::string_view name) {
  return NotFound("Registered Model with name=" + Text(name) + " not found");
}
Error ModelExists(std::string_view name) {
  return AlreadyExists("Registered Model (name=" + Text(name) + ") already exists.");
}
Error VersionNotFound(std::string_view name, std::int64_t version) {
  return NotFound("Model Version (name=" + Text(name) + ", version=" + std::to_string(version) +
                  ") not found");
}
Error AliasNotFound(std::string_view alias) {
  return NotFound("Registered model alias " + Text(alias) + " not found.");
}
bool IsLatest(std::string_view alias) { return Lower(alias) == "latest"; }
Error NoLatest(std::string_view name) {
  return NotFound("Latest version not found for model " + Text(name) + ".");
}
Error AliasMoved(const Promotion& wanted, std::int64_t seen) {
  const auto named = [](std::int64_t version) {
    return version == 0 ? std::string("nothing") : "version " + std::to_string(version);
  };
  return Conflict("alias " + Quoted(wanted.alias) + " of " + Quoted(wanted.name) + " points at " +
                  named(seen) + "; the promotion of version " + std::to_string(wanted.version) +
                  " expected " + named(wanted.expected));
}
Error RequestReused(std::string_view request_id, std::string_view model, std::int64_t version) {
  return Conflict("request id " + Quoted(request_id) + " was used for version " +
                  std::to_string(version) + " of " + Quoted(model) + " before");
}
Error NoSuchRequest(std::string_view request_id) {
  return NotFound("no request with id " + Quoted(request_id) + " was carried out");
}

std::vector<ModelVersion> LatestVersions(const std::vector<ModelVersion>& versions) {
  std::map<std::string, const ModelVersion*> newest;
  for (const ModelVersion& version : versions) {
    auto& kept = newest[version.stage];
    if (kept == nullptr || kept->version < version.version) kept = &version;
  }
  std::vector<ModelVersion> latest;
  latest.reserve(newest.size());
  for (const auto& [stage, version] : newest) latest.push_back(*version);
  std::sort(latest.begin(), latest.end(),
            [](const auto& a, const auto& b) { return a.version < b.version; });
  return latest;
}

}  // namespace muster::registry
