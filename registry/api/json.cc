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

std::string_view StateName(FiringState state) {
  switch (state) {
    case FiringState::kClaimed:
      return "claimed";
    case FiringState::kSubmitted:
      return "submitted";
    case FiringState::kRefused:
      return "refused";
    case FiringState::kDecided:
      return "decided";
  }
  return "";
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
          {"manual", firing.manual},
          {"why", firing.why},
          {"sweep", firing.sweep.value},
          {"state", StateName(firing.state)},
          {"detail", firing.detail},
          {"decision", Embedded(firing.decision_json)}};
}

boost::json::object ToJson(const Trigger& trigger, std::int64_t now_unix) {
  std::int64_t next = 0;
  if (trigger.enabled && !trigger.cron.empty()) {
    const auto schedule = CronSchedule::Parse(trigger.cron);
    if (schedule.ok()) next = schedule->NextAfter(now_unix).value_or(0);
  }
  return {{"name", trigger.name},       {"cron", trigger.cron},
          {"enabled", trigger.enabled}, {"created_ms", trigger.created_unix * kMillis},
          {"next_ms", next * kMillis},  {"sweep", Embedded(trigger.sweep_json)}};
}

}  // namespace muster::registry
