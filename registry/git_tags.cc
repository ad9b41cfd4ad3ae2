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

/// k of "<prefix>...#k"; 0 for another tag.
std::int64_t Counter(const std::string& tag, const std::string& prefix) {
  const auto mark = tag.rfind('#');
  if (!tag.starts_with(prefix) || mark < prefix.size()) return 0;
  std::int64_t counter = 0;
  const char* end = tag.data() + tag.size();
  const auto read = std::from_chars(tag.data() + mark + 1, end, counter);
  return read.ec == std::errc() && read.ptr == end ? counter : 0;
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
  const std::string versions = wanted.model + "@v", stages = wanted.model + "#";
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
  const std::string stage = stages + wanted.alias + "#";
  GitTag newest;
  std::int64_t newest_counter = 0, last = 0;
  for (const GitTag& tag : there) {
    last = std::max(last, Counter(tag.name, stages));
    if (const auto counter = Counter(tag.name, stage); counter > newest_counter) {
      newest_counter = counter;
      newest = tag;
    }
  }
  if (newest_counter == 0 || newest.commit != version.commit) {
    plan.push_back({stage + std::to_string(last + 1), version.commit});
  }
  return plan;
}

}  // namespace muster::registry
