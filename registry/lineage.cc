#include "registry/lineage.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

constexpr std::array<std::string_view, 3> kRoles = {"train", "validation", "test"};
constexpr std::string_view kSweepTag = "muster.sweep", kTrialTag = "muster.trial",
                           kCommitTag = "muster.commit", kDataTag = "muster.data.";
constexpr std::size_t kShortest = 7;

bool IsHex(std::string_view text) {
  return text.size() >= kShortest && text.size() <= 64 &&
         text.find_first_not_of("0123456789abcdef") == text.npos;
}

Error WrongQuery(std::string_view what, const std::string& got) {
  return Invalid(std::string(what) + " '" + got + "'; wanted " + std::to_string(kShortest) +
                 " or more of its hexadecimal digits, in lower case");
}

std::string Starts(std::string_view tag, const std::string& value) {
  return "tags.`" + std::string(tag) + "` LIKE '" + value + "%'";
}

}  // namespace

void AddExport(const ExportInfo& info, Lineage& lineage) {
  lineage.metrics = info.metrics;
  for (const auto& [role, version] : info.data) {
    if (!version.digest.empty()) lineage.data_digests[role] = version.digest;
    if (version.changed) lineage.data_changed.push_back(role);
  }
  lineage.environment = info.environment;
  if (const auto attempt = lineage.environment.extract("attempt")) {
    const std::string& text = attempt.mapped();
    std::from_chars(text.data(), text.data() + text.size(), lineage.attempt);
  }
}

boost::json::object LineageJson(const Lineage& from) {
  return {{"sweep", from.sweep},
          {"trial", from.trial},
          {"attempt", from.attempt},
          {"run_id", from.run_id},
          {"checkpoint", from.checkpoint},
          {"params", from.params},
          {"data", wire::ToJson(from.data)},
          {"data_digests", wire::ToJson(from.data_digests)},
          {"data_changed", wire::ToJson(from.data_changed)},
          {"metrics", wire::ToJson(from.metrics)},
          {"code", boost::json::object{{"commit", from.code.commit},
                                       {"dirty", from.code.dirty},
                                       {"diff_sha256", from.code.diff_sha256}}},
          {"environment", wire::ToJson(from.environment)}};
}

std::vector<Tag> LineageTags(const Lineage& lineage, std::string_view request_id) {
  std::vector<Tag> tags = {{std::string(kSweepTag), lineage.sweep},
                           {std::string(kTrialTag), lineage.trial},
                           {std::string(kRequestTag), std::string(request_id)}};
  if (!lineage.code.commit.empty()) {
    tags.push_back({std::string(kCommitTag), lineage.code.commit});
  }
  for (const auto& [role, digest] : lineage.data_digests) {
    tags.push_back({std::string(kDataTag) + role, digest});
  }
  return tags;
}

std::string LineageRequest(std::string_view request_id) {
  return std::string(request_id) + "/lineage";
}

Result<std::string> LineageRequest(const ModelVersion& version) {
  const auto tag = std::ranges::find(version.tags, kRequestTag, &Tag::key);
  if (tag != version.tags.end()) return LineageRequest(tag->value);
  return NotFound("version " + std::to_string(version.version) + " of '" + version.name +
                  "' has no tag " + std::string(kRequestTag) +
                  ": no promotion of a sweep made it, so nothing is known of where it came from");
}

Result<std::vector<std::string>> LineageFilters(const LineageQuery& query) {
  const int asked =
      (query.data.empty() ? 0 : 1) + (query.commit.empty() ? 0 : 1) + (query.sweep.empty() ? 0 : 1);
  if (asked != 1) return Invalid("wanted exactly one of data, commit and sweep");
  if (!query.commit.empty()) {
    if (!IsHex(query.commit)) return WrongQuery("commit", query.commit);
    return std::vector<std::string>{Starts(kCommitTag, query.commit)};
  }
  if (!query.sweep.empty()) {
    if (query.sweep.find_first_of("'\\") != std::string::npos) {
      return Invalid("sweep '" + query.sweep + "' is no sweep's id");
    }
    return std::vector<std::string>{"tags.`" + std::string(kSweepTag) + "` = '" + query.sweep +
                                    "'"};
  }
  if (!IsHex(query.data)) return WrongQuery("data", query.data);
  std::vector<std::string> filters;
  filters.reserve(std::size(kRoles));
  for (const std::string_view role : kRoles) {
    filters.push_back(Starts(std::string(kDataTag) + std::string(role), query.data));
  }
  return filters;
}

}  // namespace muster::registry
