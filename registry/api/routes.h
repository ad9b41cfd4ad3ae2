#pragma once

#include <functional>
#include <string>

#include "registry/loop/trigger_service.h"
#include "registry/model_store.h"
#include "registry/trust_store.h"
#include "runtime/base/clock.h"
#include "runtime/wire/http.h"

/// The registry under /api/muster/v1, for the command line, the dashboard and CI. MLflow's own registry routes
/// are tracker/mlflow's. Answers and bodies are JSON with stable fields, times in Unix milliseconds; an unknown
/// key of a body is refused; errors are {"error": {"code", "message"}}.
///
///   GET    models[?filter=&order_by=&max_results=&page_token=]     {"models": [...], "next_page_token"}
///   GET    models/{name}                        the model and all its versions, newest first
///   GET    models/{name}/versions/{version}     the version and its gates; an alias may stand for the number
///   GET    models/{name}/versions/{version}/lineage    {"model", "version", "lineage", "audit"}: all that it came from
///   GET    lineage?data=|commit=|sweep=         {"versions": [...]} that came from it, by name and number
///   GET    models/{name}/versions/{version}/approvals  {"author", "digest", "approvals", "unmet", "promoted"}
///   POST   models/{name}/versions/{version}/approve    {reason}; by the person of the bearer token; as approvals
///   POST   models/{name}/versions/{version}/reject     the same; the reason is not empty
///   POST   models/{name}/promote                {alias, version, expected?, reason, actor, request_id, wait}
///   POST   models/{name}/rollback               {alias, to?, reason, actor}
///   POST   models/{name}/alias                  {alias, version, reason, actor}; version 0 removes
///   GET    models/{name}/history                {"history": [...]}, newest first
///   GET    models/{name}/policy                 {"policy"}; null: nothing is guarded
///   GET    models/{name}/served[?alias=&at_ms=] what the alias named then, who let it, and what was known
///   GET    audit[?model=&after=&limit=]         {"entries": [...]}, oldest first
///   GET    audit/verify                         {"ok", "message", "entries", "head", "signed_since", "signatures"}
///   GET    audit/key                            {"public_key"}; PEM, of the audit
///   GET    model-key                            {"public_key"}; PEM, of the versions' model.sig
/// Triggers: trigger_routes.h.

namespace muster::registry {

/// `alias` defaults to "champion", `actor` to "local"; without `expected` a promotion compares with what the
/// alias names when the request is read.
struct RegistryParts {
  ModelStore& store;
  TriggerStore& triggers;
  TriggerService& trigger_service;
  const Clock& clock;
  TrustStore* trust = nullptr;  ///< null: no approvals, no history at a time
  std::function<Result<std::string>()> model_key = {};  ///< PEM; empty: there is no such route
};

/// All parts must outlive the router, and be safe from its threads.
void AddRegistryRoutes(http::Router& router, const RegistryParts& parts);

}  // namespace muster::registry
