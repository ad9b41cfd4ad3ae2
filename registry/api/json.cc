#include "registry/api/json.h"

#include "registry/change_detail.h"
#include "registry/cron.h"
#include "registry/gate_json.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

constexpr std::int64_t kMillis = 1'000;

/// What was JSON before it was stored; as text when it is none.
boost::json::value Embedded(const std::string& text) {
  if (text.empty()) return nullptr;
  auto json = wire::ParseJson(text);
  return json.ok() ? *json : boost::json::value(text);
}

boost::json::array ApprovalsToJson(const std::vector<Approval>& approvals) {
  boost::json::array array;
  for (const Approval& approval : approvals) {
    array.push_back({{"person", approval.person},
                     {"approved", approval.approved},
                     {"reason", approval.reason},
                     {"digest", approval.digest},
                     {"time_ms", approval.time_ms},
                     {"audit", approval.audit}});
  }
  return array;
}

}  // namespace

boost::json::object ToJson(const ModelVersion& version) {
  return {{"name", version.name},
          {"version", version.version},
          {"aliases", wire::ToJson(version.aliases)},
          {"description", version.description},
          {"source", version.source},
          {"run_id", version.run_id},
          {"stage", version.stage},
          {"status", version.status},
          {"user", version.user_id},
          {"tags", TagsObject(version.tags)},
          {"created_ms", version.creation_ms},
          {"updated_ms", version.last_updated_ms}};
}

boost::json::object ToJson(const RegisteredModel& model) {
  boost::json::object aliases;
  for (const AliasEntry& entry : model.aliases) aliases[entry.alias] = entry.version;
  std::int64_t latest = 0;
  for (const ModelVersion& version : model.latest_versions) {
    latest = std::max(latest, version.version);
  }
  return {{"name", model.name},
          {"description", model.description},
          {"aliases", std::move(aliases)},
          {"latest_version", latest},
          {"tags", TagsObject(model.tags)},
          {"created_ms", model.creation_ms},
          {"updated_ms", model.last_updated_ms}};
}

boost::json::object ToJson(const AliasChange& change) {
  return {{"alias", change.alias},       {"version", change.version},
          {"previous", change.previous}, {"move", AliasMoveName(change.move)},
          {"from_ms", change.from_ms},   {"actor", change.actor},
          {"reason", change.reason}};
}

boost::json::object ToJson(const AuditEntry& entry) {
  return {{"sequence", entry.sequence},  {"time_ms", entry.time_ms},
          {"actor", entry.actor},        {"action", entry.action},
          {"model", entry.model},        {"version", entry.version},
          {"reason", entry.reason},      {"detail", Embedded(entry.detail_json)},
          {"hash", entry.hash},          {"previous_hash", entry.previous_hash},
          {"signature", entry.signature}};
}

boost::json::object ToJson(const AuditReport& report) {
  return {{"ok", report.finding.empty()},        {"message", report.finding},
          {"entries", report.entries},           {"head", report.head},
          {"signed_since", report.signed_since}, {"signatures", report.signatures}};
}

boost::json::object ToJson(const ApprovalState& state) {
  boost::json::array promoted;
  for (const AliasEntry& entry : state.promoted) promoted.emplace_back(entry.alias);
  return {{"author", state.author},
          {"digest", state.digest},
          {"approvals", ApprovalsToJson(state.approvals)},
          {"unmet", wire::ToJson(state.unmet)},
          {"promoted", std::move(promoted)}};
}

boost::json::object ToJson(const Served& served) {
  boost::json::object answer = ToJson(served.change);
  answer["until_ms"] = served.until_ms;
  answer["audit"] = served.audit;
  answer["source"] = served.source;
  answer["author"] = served.author;
  answer["gates"] = GatesToJson(served.verdicts);
  answer["approvals"] = ApprovalsToJson(served.approvals);
  return answer;
}

boost::json::object ToJson(const Firing& firing) {
  return {{"trigger", firing.trigger},
          {"scheduled_ms", firing.scheduled_unix * kMillis},
          {"fired_ms", firing.fired_unix * kMillis},
          {"submitted_ms", firing.submitted_unix * kMillis},
          {"ended_ms", firing.ended_unix * kMillis},
          {"kind", firing.kind},
          {"manual", firing.kind == "manual"},
          {"why", firing.why},
          {"sweep", firing.sweep.value},
          {"state", FiringStateName(firing.state)},
          {"outcome", firing.outcome},
          {"detail", firing.detail},
          {"model", firing.model},
          {"alias", firing.alias},
          {"champion", firing.champion},
          {"version", firing.version},
          {"dedup_key", firing.dedup_key},
          {"trial_seconds", firing.trial_seconds},
          {"decision", Embedded(firing.decision_json)}};
}

boost::json::object ToJson(const Step& step) {
  return {{"time_ms", step.time_unix * kMillis},
          {"what", step.what},
          {"seen", step.seen},
          {"decided", step.decided},
          {"why", step.why}};
}

std::string LineOf(const Step& step) {
  std::string line = UtcText(step.time_unix) + "  " + step.what + ": " + step.seen;
  if (!step.decided.empty()) line += " -> " + step.decided;
  if (!step.why.empty()) line += " (" + step.why + ")";
  return line;
}

boost::json::object ToJson(const Trigger& trigger, std::optional<std::int64_t> next_unix) {
  boost::json::object shown = wire::ToJson(trigger.when).as_object();
  shown["name"] = trigger.name;
  shown["enabled"] = trigger.enabled;
  shown["created_ms"] = trigger.created_unix * kMillis;
  shown["next_ms"] = next_unix.value_or(0) * kMillis;
  shown["sweep"] = Embedded(trigger.sweep_json);
  return shown;
}

}  // namespace muster::registry
