#include "registry/api/trigger_routes.h"

#include <boost/json/array.hpp>
#include <utility>

#include "registry/api/json.h"
#include "registry/api/request.h"
#include "runtime/base/random.h"

namespace muster::registry {
namespace {

using http::Request;
using http::Response;

constexpr std::int64_t kFiringsShown = 20;
constexpr std::int64_t kFiringsMost = 1'000;
constexpr std::size_t kSecretBytes = 32;

struct FireBody {
  std::string reason;
  bool force = false;
};
BOOST_DESCRIBE_STRUCT(FireBody, (), (reason, force))

struct SignalBody {
  std::string kind;
  std::optional<double> value;
  std::string detail, dedup_key;
};
BOOST_DESCRIBE_STRUCT(SignalBody, (), (kind, value, detail, dedup_key))

struct CanaryBody {
  std::int64_t version = 0;
  std::string state;
  double share = 0;
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(CanaryBody, (), (version, state, share, reason))

/// What of a trigger's body is not its RetrainSpec.
struct TriggerBody {
  std::string name, webhook_secret;
  boost::json::object sweep;
  bool enabled = true;
};
BOOST_DESCRIBE_STRUCT(TriggerBody, (), (name, webhook_secret, sweep, enabled))

class Routes {
 public:
  using Json = boost::json::object;
  explicit Routes(const TriggerRouteParts& parts) : parts_(parts) {}

  Result<Json> List(const Request&) const {
    MUSTER_ASSIGN_OR_RETURN(const auto triggers, parts_.store.List());
    boost::json::array array;
    for (const auto& trigger : triggers) {
      MUSTER_ASSIGN_OR_RETURN(auto shown, Shown(trigger, 1));
      array.push_back(std::move(shown));
    }
    return Json{{"triggers", std::move(array)}};
  }

  Result<Json> Get(const Request& request) const {
    MUSTER_ASSIGN_OR_RETURN(const auto trigger, parts_.store.Get(Capture(request, "name")));
    return Shown(trigger, kFiringsShown);
  }

  Result<Json> Add(const Request& request) const {
    MUSTER_ASSIGN_OR_RETURN(auto conditions, BodyOf<Json>(request));
    Json own;
    for (const char* key : {"name", "webhook_secret", "sweep", "enabled"}) {
      if (const auto* value = conditions.if_contains(key)) own[key] = *value;
      conditions.erase(key);
    }
    MUSTER_ASSIGN_OR_RETURN(const auto body, wire::FromJson<TriggerBody>(own));
    Trigger trigger{.name = body.name,
                    .sweep_json = wire::SerializeJson(body.sweep),
                    .when = {},
                    .enabled = body.enabled,
                    .secret = body.webhook_secret};
    MUSTER_ASSIGN_OR_RETURN(trigger.when, wire::RetrainSpecFromJson(conditions));
    const bool made = MakeSecret(trigger);
    MUSTER_RETURN_IF_ERROR(parts_.service.Add(trigger, Now()));
    MUSTER_ASSIGN_OR_RETURN(const auto stored, parts_.store.Get(body.name));
    MUSTER_ASSIGN_OR_RETURN(auto shown, Shown(stored, kFiringsShown));
    if (made) shown["webhook_secret"] = trigger.secret;
    return shown;
  }

  Result<Json> Delete(const Request& request) const {
    MUSTER_RETURN_IF_ERROR(parts_.store.Delete(Capture(request, "name")));
    return Json{};
  }

  Result<Json> Fire(const Request& request) const {
    MUSTER_ASSIGN_OR_RETURN(const auto body, BodyOf<FireBody>(request));
    MUSTER_ASSIGN_OR_RETURN(
        const auto firing,
        parts_.service.Fire(Capture(request, "name"), Now(),
                            body.reason.empty() ? "by hand" : body.reason, body.force));
    return ToJson(firing);
  }

  Result<Json> OnSignal(const Request& request) const {
    MUSTER_ASSIGN_OR_RETURN(const auto body, BodyOf<SignalBody>(request));
    return Answer(parts_.service.OnSignal(
        Capture(request, "name"), {body.kind, body.value, body.detail, body.dedup_key}, Now()));
  }

  Result<Json> OnWebhook(const Request& request) const {
    return Answer(
        parts_.service.OnWebhook(Capture(request, "name"),
                                 {std::string(request.Header("X-GitHub-Event")),
                                  std::string(request.Header("X-GitHub-Delivery")),
                                  std::string(request.Header("X-Hub-Signature-256")), request.body},
                                 Now()));
  }

  Result<Json> Firings(const Request& request) const {
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t limit,
                            NumberOf(request, "limit", kFiringsShown, 1, kFiringsMost));
    MUSTER_ASSIGN_OR_RETURN(const auto firings,
                            parts_.store.Firings(request.Parameter("trigger").value_or(""), limit));
    return Json{{"firings", ToJsonArray(firings)}};
  }

  Result<Json> Explain(const Request& request) const {
    const SweepId sweep(Capture(request, "sweep"));
    MUSTER_ASSIGN_OR_RETURN(const auto firing, parts_.store.FindBySweep(sweep));
    MUSTER_ASSIGN_OR_RETURN(const auto steps, parts_.store.Steps(sweep));
    Json shown = ToJson(firing);
    shown["steps"] = ToJsonArray(steps);
    boost::json::array lines;
    for (const Step& step : steps) lines.emplace_back(LineOf(step));
    shown["lines"] = std::move(lines);
    return shown;
  }

  Result<Json> OnCanary(const Request& request) const {
    MUSTER_ASSIGN_OR_RETURN(const auto body, BodyOf<CanaryBody>(request));
    MUSTER_ASSIGN_OR_RETURN(
        const auto firing,
        parts_.service.OnCanary(Capture(request, "name"),
                                {body.version, body.state, body.share, body.reason}, Now()));
    return ToJson(firing);
  }

 private:
  [[nodiscard]] std::int64_t Now() const { return parts_.clock.UnixNow() / 1'000; }

  static Result<Json> Answer(const Result<SignalAnswer>& answer) {
    if (!answer.ok()) return answer.error();
    Json shown{{"fired", answer->firing.has_value()}, {"why", answer->why_not}};
    if (answer->firing) shown["firing"] = ToJson(*answer->firing);
    return shown;
  }

  /// A new secret where a web hook has none, neither given nor of before: true.
  [[nodiscard]] bool MakeSecret(Trigger& trigger) const {
    if (!trigger.when.webhook || !trigger.secret.empty()) return false;
    const auto before = parts_.store.Get(trigger.name);
    if (before.ok() && !before->secret.empty()) return false;
    trigger.secret = RandomHex(kSecretBytes);
    return true;
  }

  [[nodiscard]] Result<Json> Shown(const Trigger& trigger, std::int64_t firings) const {
    MUSTER_ASSIGN_OR_RETURN(const auto newest, parts_.store.Firings(trigger.name, firings));
    Json shown = ToJson(trigger, parts_.service.NextTime(trigger, Now()));
    MUSTER_ASSIGN_OR_RETURN(const auto seen, parts_.store.DataSeen(trigger.name));
    shown["data_seen"] = wire::ToJson(seen);
    shown["firings"] = ToJsonArray(newest);
    return shown;
  }

  TriggerRouteParts parts_;
};

}  // namespace

void AddTriggerRoutes(http::Router& router, const TriggerRouteParts& parts) {
  const Routes routes(parts);
  const auto add = [&](std::string_view method, std::string_view path,
                       Result<boost::json::object> (Routes::*answer)(const Request&) const) {
    // They may wait for the disk, the coordinator or the call before.
    router.AddBlocking(method, "/api/muster/v1/" + std::string(path),
                       http::Sync([routes, answer](const Request& request) {
                         const auto result = (routes.*answer)(request);
                         return result.ok() ? Response::Json(*result)
                                            : http::ErrorResponse(result.error());
                       }));
  };
  add("GET", "triggers", &Routes::List);
  add("GET", "triggers/{name}", &Routes::Get);
  add("POST", "triggers", &Routes::Add);
  add("DELETE", "triggers/{name}", &Routes::Delete);
  add("POST", "triggers/{name}/fire", &Routes::Fire);
  add("POST", "triggers/{name}/signal", &Routes::OnSignal);
  add("POST", "triggers/{name}/webhook", &Routes::OnWebhook);
  add("GET", "firings", &Routes::Firings);
  add("GET", "firings/{sweep}", &Routes::Explain);
  add("POST", "models/{name}/canary", &Routes::OnCanary);
}

}  // namespace muster::registry
