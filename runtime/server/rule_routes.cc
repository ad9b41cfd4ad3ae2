#include "runtime/server/rule_routes.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <charconv>

#include "runtime/wire/codec.h"

namespace muster::server {
namespace {

using boost::json::object;
using http::Request;
using http::Response;

constexpr std::int64_t kMostFirings = 1'000;
constexpr std::size_t kMostRules = 1'000;

struct Parts {
  tracker::RuleStore& store;
  RuleWorker& worker;
  registry::WebhookStore& webhooks;
};

const std::string& NameOf(const Request& request) { return request.captures.find("name")->second; }

boost::json::value Json(const std::string& text) { return boost::json::parse(text); }

Result<object> List(const Parts& parts, const Request&) {
  MUSTER_ASSIGN_OR_RETURN(const auto rules, parts.store.List());
  boost::json::array array;
  for (const tracker::Rule& rule : rules) array.push_back(Json(tracker::EncodeRule(rule)));
  return object{{"rules", std::move(array)}};
}

Result<object> Put(const Parts& parts, const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(const tracker::Rule rule, tracker::DecodeRule(request.body));
  MUSTER_RETURN_IF_ERROR(tracker::CheckRule(rule));
  if (!rule.webhook_id.empty()) MUSTER_RETURN_IF_ERROR(parts.webhooks.Get(rule.webhook_id));
  MUSTER_ASSIGN_OR_RETURN(const auto rules, parts.store.List());
  if (rules.size() >= kMostRules) {
    return ResourceExhausted("there are " + std::to_string(rules.size()) +
                             " rules; wanted fewer than " + std::to_string(kMostRules));
  }
  MUSTER_RETURN_IF_ERROR(parts.store.Put(rule));
  parts.worker.Reload();
  return Json(tracker::EncodeRule(rule)).as_object();
}

Result<object> Delete(const Parts& parts, const Request& request) {
  MUSTER_RETURN_IF_ERROR(parts.store.Delete(NameOf(request)));
  parts.worker.Reload();
  return object();
}

Result<object> Firings(const Parts& parts, const Request& request) {
  std::int64_t limit = 100;
  if (const auto text = request.Parameter("limit")) {
    const auto [stop, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
    if (error != std::errc() || stop != text->data() + text->size() || limit < 1 ||
        limit > kMostFirings) {
      return Invalid("limit is '" + *text + "'; wanted 1 to " + std::to_string(kMostFirings));
    }
  }
  MUSTER_ASSIGN_OR_RETURN(const auto firings, parts.store.Firings(NameOf(request), limit));
  boost::json::array array;
  for (const tracker::RuleFiring& firing : firings) {
    array.push_back(object{{"sequence", firing.sequence},
                           {"finding", Json(tracker::EncodeFinding(firing.finding))},
                           {"settled", firing.settled},
                           {"outcome", firing.outcome}});
  }
  return object{{"firings", std::move(array)}};
}

}  // namespace

void AddRuleRoutes(http::Router& router, tracker::RuleStore& store, RuleWorker& worker,
                   registry::WebhookStore& webhooks) {
  const Parts parts{store, worker, webhooks};
  const auto add = [&](std::string_view method, std::string_view path,
                       Result<object> (*answer)(const Parts&, const Request&)) {
    router.AddBlocking(method, "/api/muster/v1/rules" + std::string(path),
                       http::Sync([parts, answer](const Request& request) {
                         const auto result = answer(parts, request);
                         return result.ok() ? Response::Json(*result)
                                            : http::ErrorResponse(result.error());
                       }));
  };
  add("GET", "", List);
  add("POST", "", Put);
  add("DELETE", "/{name}", Delete);
  add("GET", "/{name}/firings", Firings);
}

Status TellOfFinding(registry::WebhookStore& webhooks, WebhookWorker& worker,
                     const std::string& webhook_id, const std::string& source,
                     const tracker::Finding& finding, UnixMillis now) {
  MUSTER_RETURN_IF_ERROR(webhooks.EnqueueFor(webhook_id, {.source = source,
                                                          .kind = "rule.fired",
                                                          .payload_json = EncodeFinding(finding),
                                                          .time_ms = now}));
  worker.Wake();
  return Ok();
}

}  // namespace muster::server
