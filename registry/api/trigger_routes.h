#pragma once

#include "registry/loop/trigger_service.h"
#include "registry/trigger.h"
#include "runtime/base/clock.h"
#include "runtime/wire/http.h"

/// Triggers and retrainings under /api/muster/v1; bodies, answers and errors as routes.h has them.
///
///   GET    triggers, triggers/{name}     its conditions and guards (wire::RetrainSpec), next_ms, data_seen (role ->
///                                        digest) and the newest firings
///   POST   triggers                      {name, sweep, enabled} and the keys of wire::RetrainSpec. With a web hook and
///                                        no secret yet the answer has `webhook_secret`, this once; {webhook_secret}
///                                        sets one
///   DELETE triggers/{name}
///   POST   triggers/{name}/fire          {reason, force}: a firing
///   POST   triggers/{name}/signal        {kind, value, detail, dedup_key}: {"fired", "why", "firing"}
///   POST   triggers/{name}/webhook       as GitHub sends it (signed_webhook.h): the same; 401 for a wrong signature,
///                                        409 for a replay, 403 for one that is too old
///   GET    firings[?trigger=&limit=]     {"firings"}, newest first
///   GET    firings/{sweep}               a firing with its story: "steps", and "lines" for people
///   POST   models/{name}/canary          {version, state, share, reason}: what its server decided; a firing

namespace muster::registry {

/// All parts must outlive the router, and be safe from its threads.
struct TriggerRouteParts {
  TriggerStore& store;
  TriggerService& service;
  const Clock& clock;
};
void AddTriggerRoutes(http::Router& router, const TriggerRouteParts& parts);

}  // namespace muster::registry
