#include "registry/git_tags.h"

#include <algorithm>
#include <charconv>
#include <sstream>

namespace muster::registry {
namespace {

bool IsAlnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// [a-zA-Z0-9]([a-zA-Z0-9-/_]*[a-zA-Z0-9])?
Status CheckGtoName(const std::string& name) {
  const bool inside = std::ranges::all_of(
      name, [](char c) { return IsAlnum(c) || c == '-' || c == '_' || c == '/'; });
  if (!name.empty() && inside && IsAlnum(name.front()) && IsAlnum(name.back())) return Ok();
  return Invalid("'" + name +
                 "' cannot be a Git tag of GTO: wanted letters, digits, '-', '_' and '/', with a "
                 "letter or digit at both ends");
}

/// "<model>#<stage>#<counter>"; counter 0: another tag.
struct StageTag {
  std::string stage;
  std::int64_t counter = 0;
};
StageTag StageOf(const std::string& tag, const std::string& model) {
  if (!tag.starts_with(model + "#")) return {};
  const std::string rest = tag.substr(model.size() + 1);
  const auto mark = rest.rfind('#');
  if (mark == std::string::npos) return {};
  StageTag result{rest.substr(0, mark)};
  const char* end = rest.data() + rest.size();
  const auto read = std::from_chars(rest.data() + mark + 1, end, result.counter);
  if (read.ec != std::errc() || read.ptr != end) return {};
  return result;
}

}  // namespace

std::vector<GitTag> ReadGitTags(std::string_view lines) {
  std::vector<GitTag> tags;
  std::istringstream in{std::string(lines)};
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string name, object, peeled;
    words >> name >> object >> peeled;
    if (!object.empty()) tags.push_back({name, peeled.empty() ? object : peeled});
  }
  return tags;
}

Result<std::vector<GitTag>> PlanGitTags(const std::vector<GitTag>& there,
                                        const TaggedVersion& wanted) {
  MUSTER_RETURN_IF_ERROR(CheckGtoName(wanted.model));
  const std::string versions = wanted.model + "@v";
  GitTag version{versions + std::to_string(wanted.version) + ".0.0", wanted.commit};
  std::vector<GitTag> plan;
  const auto tagged = std::ranges::find(there, version.name, &GitTag::name);
  if (tagged != there.end()) {
    version.commit = tagged->commit;
  } else {
    for (const GitTag& tag : there) {
      if (tag.commit != version.commit || !tag.name.starts_with(versions)) continue;
      return Conflict("commit " + tag.commit.substr(0, 12) + " is " + tag.name +
                      " already, and one commit has one version of a model; name the commit that " +
                      "version " + std::to_string(wanted.version) + " was made of");
    }
    plan.push_back(version);
  }
  if (wanted.alias.empty()) return plan;
  MUSTER_RETURN_IF_ERROR(CheckGtoName(wanted.alias));
  std::string newest_commit;  // of the alias' newest tag
  std::int64_t newest = 0, last = 0;
  for (const GitTag& tag : there) {
    const StageTag stage = StageOf(tag.name, wanted.model);
    last = std::max(last, stage.counter);
    if (stage.stage == wanted.alias && stage.counter > newest) {
      newest = stage.counter;
      newest_commit = tag.commit;
    }
  }
  if (newest_commit != version.commit) {
    plan.push_back(
        {wanted.model + "#" + wanted.alias + "#" + std::to_string(last + 1), version.commit});
  }
  return plan;
}

}  // namespace muster::registry
