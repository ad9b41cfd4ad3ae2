#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/wire/sweep_spec.h"

/// Web hooks that come in, signed as GitHub signs them: X-Hub-Signature-256 is "sha256=" and the hex HMAC-SHA256 of the
/// body (https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries). Pure.
///
/// Neither the delivery's id nor a time is signed there. So a body is taken once for ever, by its signature; a delivery's
/// id is, too; and a body that says when it was made (a number `timestamp` in it, or a push's `repository.pushed_at`, in
/// seconds since 1970) is refused when that is too long ago.

namespace muster::registry {

struct WebhookCall {
  std::string event;      ///< X-GitHub-Event
  std::string delivery;   ///< X-GitHub-Delivery
  std::string signature;  ///< X-Hub-Signature-256
  std::string body;
};

std::string HubSignature(std::string_view secret, std::string_view body);
/// kUnauthorized: no signature, or not of this secret, in time that does not tell how much of it was right; kInvalid: no
/// JSON object, no delivery; kFenced: too old, or of the future.
Status CheckWebhook(const WebhookCall& call, std::string_view secret,
                    const wire::WebhookCondition& condition, std::int64_t now_unix);
/// Why it asks for no retraining; empty: it does.
std::string Unwanted(const WebhookCall& call, const wire::WebhookCondition& condition);
/// For people: "push to refs/heads/main by 1a2b3c4".
std::string Describe(const WebhookCall& call);

}  // namespace muster::registry
