#include "registry/api/routes.h"

#include <boost/json/array.hpp>
#include <charconv>
#include <map>
#include <utility>

#include "registry/api/json.h"
#include "registry/api/request.h"
#include "registry/api/trigger_routes.h"
#include "registry/gate_json.h"
#include "registry/lineage.h"
#include "registry/promoter.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

using http::Request;
using http::Response;

constexpr std::int64_t kPageMost = 1'000;
constexpr std::int64_t kVersionsShown = 10'000;

struct PromoteBody {
  std::string alias = "champion";
  std::int64_t version = 0;
  std::optional<std::int64_t> expected;
  std::string reason, actor = "local", request_id;
  bool wait = false;
};
BOOST_DESCRIBE_STRUCT(PromoteBody, (), (alias, version, expected, reason, actor, request_id, wait))

struct RollbackBody {
  std::string alias = "champion";
  std::optional<std::int64_t> to;
  std::string reason, actor = "local";
};
BOOST_DESCRIBE_STRUCT(RollbackBody, (), (alias, to, reason, actor))

struct DecisionBody {
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(DecisionBody, (), (reason))

struct AliasBody {
  std::string alias = "champion";
  std::int64_t version = 0;
  std::string reason, actor = "local";
};
BOOST_DESCRIBE_STRUCT(AliasBody, (), (alias, version, reason, actor))

class Routes {
 public:
  using Json = boost::json::object;
  explicit Routes(const RegistryParts& parts) : parts_(parts) {}

  Result<Json> Models(const Request& request) const {
    ModelQuery query;
    query.filter = request.Parameter("filter").value_or("");
    if (const auto order = request.query.find("order_by"); order != request.query.end()) {
      query.order_by = order->second;
    }
    MUSTER_ASSIGN_OR_RETURN(query.max_results, NumberOf(request, "max_results", 100, 1, kPageMost));
    query.page_token = request.Parameter("page_token").value_or("");
    MUSTER_ASSIGN_OR_RETURN(const auto page, parts_.store.SearchModels(query));
    return boost::json::object{{"models", ToJsonArray(page.items)},
                               {"next_page_token", page.next_page_token}};
  }

  Result<Json> Model(const Request& request) const {
    const std::string& name = Capture(request, "name");
    MUSTER_ASSIGN_OR_RETURN(const auto model, parts_.store.GetModel(name));
    // In the filter language a name holds whichever quotes do not stand around it.
    const std::string quote = name.find('\'') == name.npos ? "'" : "\"";
    MUSTER_ASSIGN_OR_RETURN(
        const auto page,
        parts_.store.SearchVersions(
            {"name = " + quote + name + quote, {"version_number DESC"}, kVersionsShown, ""}));
    boost::json::object answer = ToJson(model);
    answer["versions"] = ToJsonArray(page.items);
    return answer;
  }

  Result<Json> Version(const Request& request) const {
    MUSTER_ASSIGN_OR_RETURN(const ModelVersion version, VersionOf(request));
    MUSTER_ASSIGN_OR_RETURN(const auto gates, parts_.store.Gates(version.name, version.version));
    boost::json::object answer = ToJson(version);
    answer["gates"] = GatesToJson(gates);
    return answer;
  }

  Result<Json> Lineage(const Request& request) const {
    MUSTER_ASSIGN_OR_RETURN(const ModelVersion version, VersionOf(request));
    MUSTER_ASSIGN_OR_RETURN(const std::string id, LineageRequest(version));
    MUSTER_ASSIGN_OR_RETURN(const AuditEntry entry, parts_.store.FindAuditByRequest(id));
    MUSTER_ASSIGN_OR_RETURN(auto lineage, wire::ParseJson(entry.detail_json));
    return boost::json::object{{"model", version.name},
                               {"version", version.version},
                               {"created_ms", version.creation_ms},
                               {"lineage", std::move(lineage)},
                               {"audit", ToJson(entry).at("sequence")}};
  }

  Result<Json> Descendants(const Request& request) const {
    const auto asked = [&](std::string_view key) { return request.Parameter(key).value_or(""); };
    MUSTER_ASSIGN_OR_RETURN(const auto filters,
                            LineageFilters({asked("data"), asked("commit"), asked("sweep")}));
    std::map<std::pair<std::string, std::int64_t>, ModelVersion> found;
    for (const std::string& filter : filters) {
      MUSTER_ASSIGN_OR_RETURN(auto page,
                              parts_.store.SearchVersions({filter, {}, kVersionsShown, ""}));
      for (ModelVersion& version : page.items) {
        found.emplace(std::pair(version.name, version.version), std::move(version));
      }
    }
    boost::json::array versions;
    for (const auto& [key, version] : found) versions.push_back(ToJson(version));
    return boost::json::object{{"versions", std::move(versions)}};
  }

  Result<Json> Promote(const Request& request) const {
    const std::string& name = Capture(request, "name");
    MUSTER_ASSIGN_OR_RETURN(const auto body, BodyOf<PromoteBody>(request));
    if (body.version < 1) return Invalid("at version: wanted the number of a version");
    std::int64_t expected = 0;
    if (body.expected) {
      expected = *body.expected;
    } else if (const auto now = parts_.store.GetByAlias(name, body.alias); now.ok()) {
      expected = now->version;
    }
    Promotion promotion{name, body.alias, body.version, expected, body.request_id};
    promotion.wait = body.wait;
    MUSTER_RETURN_IF_ERROR(parts_.store.Promote(promotion, {body.actor, body.reason}));
    return Moved(name, body.alias, body.version, expected);
  }

  Result<Json> Rollback(const Request& request) const {
    const std::string& name = Capture(request, "name");
    MUSTER_ASSIGN_OR_RETURN(const auto body, BodyOf<RollbackBody>(request));
    const auto now = parts_.store.GetByAlias(name, body.alias);
    MUSTER_ASSIGN_OR_RETURN(
        const std::int64_t target,
        registry::Rollback(parts_.store, name, body.alias, {body.actor, body.reason}, body.to));
    return Moved(name, body.alias, target, now.ok() ? now->version : 0);
  }

  Result<Json> Alias(const Request& request) const {
    const std::string& name = Capture(request, "name");
    MUSTER_ASSIGN_OR_RETURN(const auto body, BodyOf<AliasBody>(request));
    const auto now = parts_.store.GetByAlias(name, body.alias);
    MUSTER_RETURN_IF_ERROR(
        parts_.store.SetAlias(name, body.alias, body.version, {body.actor, body.reason}));
    return Moved(name, body.alias, body.version, now.ok() ? now->version : 0);
  }

  Result<Json> History(const Request& request) const {
    MUSTER_ASSIGN_OR_RETURN(const auto history,
                            parts_.store.AliasHistory(Capture(request, "name")));
    return boost::json::object{{"history", ToJsonArray(history)}};
  }

  Result<Json> Audit(const Request& request) const {
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t after, NumberOf(request, "after", 0, 0, kMost));
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t limit,
                            NumberOf(request, "limit", kPageMost, 1, kPageMost));
    MUSTER_ASSIGN_OR_RETURN(
        const auto entries,
        parts_.store.Audit(request.Parameter("model").value_or(""), after, limit));
    return boost::json::object{{"entries", ToJsonArray(entries)}};
  }

  Result<Json> VerifyAudit(const Request&) const {
    if (parts_.trust != nullptr) {
      MUSTER_ASSIGN_OR_RETURN(const AuditReport report, parts_.trust->CheckAudit({}));
      return ToJson(report);
    }
    const Status status = parts_.store.VerifyAudit();
    if (!status.ok() && status.error().kind != ErrorKind::kCorrupt) return status.error();
    return boost::json::object{{"ok", status.ok()},
                               {"message", status.ok() ? "" : status.error().message}};
  }

  Result<Json> AuditKey(const Request&) const {
    MUSTER_ASSIGN_OR_RETURN(const std::string key, parts_.trust->AuditKey());
    return boost::json::object{{"public_key", key}};
  }

  Result<Json> ModelKey(const Request&) const {
    MUSTER_ASSIGN_OR_RETURN(const std::string key, parts_.model_key());
    return boost::json::object{{"public_key", key}};
  }

  Result<Json> Policy(const Request& request) const {
    MUSTER_ASSIGN_OR_RETURN(const auto policy, parts_.trust->Policy(Capture(request, "name")));
    return boost::json::object{
        {"policy", policy ? boost::json::value(ToJson(*policy)) : boost::json::value()}};
  }

  Result<Json> Approvals(const Request& request) const {
    const std::string& name = Capture(request, "name");
    MUSTER_ASSIGN_OR_RETURN(const ModelVersion version, VersionOf(request));
    MUSTER_ASSIGN_OR_RETURN(const auto state, parts_.trust->Approvals(name, version.version));
    return ToJson(state);
  }

  Result<Json> Approve(const Request& request) const { return Decide(request, true); }
  Result<Json> Reject(const Request& request) const { return Decide(request, false); }

  Result<Json> Served(const Request& request) const {
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    const std::string& name = Capture(request, "name");
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t at,
                            NumberOf(request, "at_ms", parts_.clock.UnixNow(), 0, kMost));
    MUSTER_ASSIGN_OR_RETURN(
        const auto served,
        parts_.trust->ServedAt(name, request.Parameter("alias").value_or("champion"), at));
    boost::json::object answer = ToJson(served);
    answer["model"] = name;
    answer["at_ms"] = at;
    return answer;
  }

 private:
  /// By number or alias.
  Result<ModelVersion> VersionOf(const Request& request) const {
    const std::string& name = Capture(request, "name");
    const std::string& which = Capture(request, "version");
    const auto number = Number(which);
    return number ? parts_.store.GetVersion(name, *number) : parts_.store.GetByAlias(name, which);
  }

  Result<Json> Decide(const Request& request, bool approve) const {
    MUSTER_ASSIGN_OR_RETURN(const auto body, BodyOf<DecisionBody>(request));
    MUSTER_ASSIGN_OR_RETURN(const ModelVersion version, VersionOf(request));
    const auto person = parts_.trust->PersonOf(request.BearerToken());
    if (!person.ok()) {
      if (person.error().kind != ErrorKind::kUnauthorized) return person.error();
      MUSTER_RETURN_IF_ERROR(parts_.store.AppendAudit(
          "approval.refused", version.name, version.version,
          wire::SerializeJson(boost::json::object{{"why", person.error().message}}),
          {"unknown", body.reason}, ""));
      return person.error();
    }
    if (!approve && body.reason.empty()) return Invalid("at reason: a rejection says why");
    MUSTER_ASSIGN_OR_RETURN(
        const auto state,
        parts_.trust->Decide({version.name, version.version, *person, approve, body.reason}));
    return ToJson(state);
  }

  static Json Moved(const std::string& name, const std::string& alias, std::int64_t version,
                    std::int64_t previous) {
    return {{"model", name}, {"alias", alias}, {"version", version}, {"previous", previous}};
  }

  RegistryParts parts_;
};

}  // namespace

void AddRegistryRoutes(http::Router& router, const RegistryParts& parts) {
  const Routes routes(parts);
  const auto add = [&](std::string_view method, std::string_view path,
                       Result<boost::json::object> (Routes::*answer)(const Request&) const) {
    auto handler = http::Sync([routes, answer](const Request& request) {
      const auto result = (routes.*answer)(request);
      return result.ok() ? Response::Json(*result) : http::ErrorResponse(result.error());
    });
    const std::string pattern = "/api/muster/v1/" + std::string(path);
    // Changes wait for the disk, and those that wait together are committed together.
    if (method == "GET" && path != "audit/verify") {
      router.Add(method, pattern, std::move(handler));
    } else {
      router.AddBlocking(method, pattern, std::move(handler));
    }
  };
  add("GET", "models", &Routes::Models);
  add("GET", "models/{name}", &Routes::Model);
  add("GET", "models/{name}/versions/{version}", &Routes::Version);
  add("GET", "models/{name}/versions/{version}/lineage", &Routes::Lineage);
  add("GET", "lineage", &Routes::Descendants);
  add("POST", "models/{name}/promote", &Routes::Promote);
  add("POST", "models/{name}/rollback", &Routes::Rollback);
  add("POST", "models/{name}/alias", &Routes::Alias);
  add("GET", "models/{name}/history", &Routes::History);
  add("GET", "audit", &Routes::Audit);
  add("GET", "audit/verify", &Routes::VerifyAudit);
  if (parts.trust != nullptr) {
    add("GET", "audit/key", &Routes::AuditKey);
    add("GET", "models/{name}/policy", &Routes::Policy);
    add("GET", "models/{name}/served", &Routes::Served);
    add("GET", "models/{name}/versions/{version}/approvals", &Routes::Approvals);
    add("POST", "models/{name}/versions/{version}/approve", &Routes::Approve);
    add("POST", "models/{name}/versions/{version}/reject", &Routes::Reject);
  }
  if (parts.model_key) add("GET", "model-key", &Routes::ModelKey);
  AddTriggerRoutes(router, {parts.triggers, parts.trigger_service, parts.clock});
}

}  // namespace muster::registry
