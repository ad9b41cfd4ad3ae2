#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "registry/serve/model_server.h"
#include "registry/serve/open_inference.h"
#include "registry/serve/routes.h"
#include "runtime/wire/codec.h"

namespace muster::registry::serve {
namespace {

namespace json = boost::json;
using monitor::JoinState;

constexpr std::size_t kOutcomesMost = 10'000;

Result<ServedPtr> FindWatched(const ModelServer& server, const http::Request& request) {
  MUSTER_ASSIGN_OR_RETURN(ServedPtr served, FindModel(server, request));
  if (served->watch != nullptr) return served;
  return NotFound("'" + served->name + "' version " + served->version +
                  " is not watched: it has no baseline.json, or --no-monitor was given");
}

http::Response Show(ModelServer& server, const http::Request& request) {
  const auto served = FindWatched(server, request);
  if (!served.ok()) return OpenInferenceError(served.error());
  json::object body{{"model", (*served)->name}, {"version", (*served)->version}};
  for (auto& entry : (*served)->watch->Describe()) body[entry.key()] = entry.value();
  return http::Response::Json(body);
}

/// The open window as text, which adds up with those of other replicas.
http::Response ShowWindow(ModelServer& server, const http::Request& request) {
  const auto served = FindWatched(server, request);
  if (!served.ok()) return OpenInferenceError(served.error());
  return http::Response::Text((*served)->watch->WindowText(), 200, "application/json");
}

/// An element of "outcomes".
struct OutcomeBody {
  std::string id;
  std::int64_t row = 0;
  json::value label;
  std::optional<std::int64_t> time_ms;
};
BOOST_DESCRIBE_STRUCT(OutcomeBody, (), (id, row, label, time_ms))

struct OutcomesBody {
  std::vector<OutcomeBody> outcomes;
};
BOOST_DESCRIBE_STRUCT(OutcomesBody, (), (outcomes))

Result<std::vector<double>> ValuesOf(const json::value& label) {
  if (label.is_bool()) return std::vector{label.get_bool() ? 1.0 : 0.0};
  if (label.is_array()) return wire::FromJson<std::vector<double>>(label);
  MUSTER_ASSIGN_OR_RETURN(const double value, wire::FromJson<double>(label));
  return std::vector{value};
}

Result<JoinState> Take(ModelServer& server, const std::string& model, const OutcomeBody& outcome,
                       std::int64_t now_ms) {
  if (outcome.id.empty()) return Invalid("at id: wanted the request's id");
  auto values = ValuesOf(outcome.label);
  if (!values.ok()) return values.error().With("at label");
  return server.Outcome(model, {.id = outcome.id,
                                .row = outcome.row,
                                .values = *values,
                                .time_ms = outcome.time_ms.value_or(now_ms)});
}

/// {"outcomes": [{"id", "row": 0, "label": class or number or a number a target, "time_ms"?}]} answers how many met what,
/// {"joined", "replaced", "duplicate", "unsampled", "unknown", "refused": [{"index", "error"}]}.
http::Response Outcomes(ModelServer& server, const http::Request& request) {
  const auto served = FindModel(server, request);
  if (!served.ok()) return OpenInferenceError(served.error());
  const auto body = wire::Decode<OutcomesBody>(request.body, wire::Unknown::kRefuse);
  if (!body.ok()) return OpenInferenceError(body.error());
  if (body->outcomes.size() > kOutcomesMost) {
    return OpenInferenceError(Invalid("at outcomes: " + std::to_string(body->outcomes.size()) +
                                      " at once; wanted at most " + std::to_string(kOutcomesMost)));
  }
  constexpr const char* kNames[] = {"joined", "replaced", "duplicate", "unsampled", "unknown"};
  std::array<std::int64_t, std::size(kNames)> counts{};
  json::array refused;
  for (std::size_t i = 0; i < body->outcomes.size(); ++i) {
    const auto state = Take(server, (*served)->name, body->outcomes[i], SystemClock().UnixNow());
    if (state.ok()) {
      ++counts[static_cast<std::size_t>(*state)];
    } else if (state.error().kind == ErrorKind::kUnsupported) {
      return OpenInferenceError(NotFound(state.error().message));
    } else {
      refused.push_back(json::object{{"index", i}, {"error", state.error().message}});
    }
  }
  json::object answer;
  for (std::size_t i = 0; i < counts.size(); ++i) answer[kNames[i]] = counts[i];
  answer["refused"] = std::move(refused);
  return http::Response::Json(answer);
}

}  // namespace

void AddMonitorRoutes(Routes& routes) {
  for (const std::string model : {"/v2/models/{model}", "/v2/models/{model}/versions/{version}"}) {
    routes.AddBlocking("GET", model + "/monitor", Show);
    routes.AddBlocking("GET", model + "/monitor/window", ShowWindow);
  }
  routes.Add("POST", "/v2/models/{model}/outcomes", Outcomes);
}

}  // namespace muster::registry::serve
