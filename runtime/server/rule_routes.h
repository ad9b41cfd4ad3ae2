#pragma once

#include "registry/webhook.h"
#include "runtime/server/rule_worker.h"
#include "runtime/server/webhook_worker.h"
#include "runtime/wire/http.h"
#include "tracker/rule_store.h"

namespace muster::server {

/// Adds the rules' API, all JSON, errors as in runtime/wire/http.h:
///   GET    /api/muster/v1/rules                         {"rules": [rule, ...]}
///   POST   /api/muster/v1/rules                         a rule (tracker/rules.h); replaces the one of its name
///   DELETE /api/muster/v1/rules/{name}
///   GET    /api/muster/v1/rules/{name}/firings[?limit=] {"firings": [{"sequence", "finding", "settled",
///                                                        "outcome"}, ...]}, newest first
/// All of it outlives the router.
void AddRuleRoutes(http::Router& router, tracker::RuleStore& store, RuleWorker& worker,
                   registry::WebhookStore& webhooks);

/// Puts a finding before a web hook: {"entity": "rule", "action": "fired", "timestamp", "data": finding}, signed as
/// all that it is told.
Status TellOfFinding(registry::WebhookStore& webhooks, WebhookWorker& worker,
                     const std::string& webhook_id, const std::string& source,
                     const tracker::Finding& finding, UnixMillis now);

}  // namespace muster::server
