#include "registry/loop/signed_webhook.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <optional>

#include "runtime/base/sha256.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

constexpr std::int64_t kClockSkew = 300;

/// A member of the body, or of an object in it; null when it is not there.
boost::json::value At(const boost::json::value& json, std::initializer_list<const char*> path) {
  const boost::json::value* found = &json;
  for (const char* key : path) {
    if (!found->is_object()) return nullptr;
    found = found->get_object().if_contains(key);
    if (found == nullptr) return nullptr;
  }
  return *found;
}

std::string TextAt(const boost::json::value& json, std::initializer_list<const char*> path) {
  const auto found = At(json, path);
  return found.is_string() ? std::string(found.get_string()) : std::string();
}

std::optional<std::int64_t> TimeOf(const boost::json::value& body) {
  for (const auto& found : {At(body, {"timestamp"}), At(body, {"repository", "pushed_at"})}) {
    if (found.is_int64()) return found.get_int64();
  }
  return std::nullopt;
}

}  // namespace

std::string HubSignature(std::string_view secret, std::string_view body) {
  return "sha256=" + Hex(HmacSha256(secret, body));
}

Status CheckWebhook(const WebhookCall& call, std::string_view secret,
                    const wire::WebhookCondition& condition, std::int64_t now_unix) {
  const std::string wanted = HubSignature(secret, call.body);
  if (secret.empty() || call.signature.size() != wanted.size() ||
      CRYPTO_memcmp(call.signature.data(), wanted.data(), wanted.size()) != 0) {
    return Unauthorized(call.signature.empty()
                            ? "no X-Hub-Signature-256; set the secret where the web hook is sent"
                            : "X-Hub-Signature-256 is not of the trigger's secret and this body");
  }
  if (call.delivery.empty()) return Invalid("no X-GitHub-Delivery; wanted an id of this delivery");
  MUSTER_ASSIGN_OR_RETURN(const auto body, wire::ParseJson(call.body));
  if (!body.is_object()) return Invalid("the body is no JSON object; choose application/json");
  const auto time = TimeOf(body);
  if (!time) return Ok();
  if (*time <= now_unix + kClockSkew && now_unix - *time <= condition.age_seconds) return Ok();
  return Fenced("the body is of " + std::to_string(*time) + ", it is " + std::to_string(now_unix) +
                " now; wanted one of the last " + std::to_string(condition.age_seconds) + " s");
}

std::string Unwanted(const WebhookCall& call, const wire::WebhookCondition& condition) {
  const auto& events = condition.events;
  if (events.empty() ? call.event == "ping"
                     : std::ranges::find(events, call.event) == events.end()) {
    return "event '" + call.event + "' asks for no retraining";
  }
  if (condition.ref.empty()) return {};
  const auto body = wire::ParseJson(call.body);
  const std::string ref = body.ok() ? TextAt(*body, {"ref"}) : "";
  return ref == condition.ref ? ""
                              : "it is about '" + ref + "', the trigger about " + condition.ref;
}

std::string Describe(const WebhookCall& call) {
  const auto body = wire::ParseJson(call.body);
  if (!body.ok()) return call.event;
  std::string text = call.event.empty() ? "web hook" : call.event;
  if (const std::string ref = TextAt(*body, {"ref"}); !ref.empty()) text += " to " + ref;
  const std::string commit = TextAt(*body, {"after"});
  if (!commit.empty()) text += " at " + commit.substr(0, 12);
  const std::string sender = TextAt(*body, {"sender", "login"});
  if (!sender.empty()) text += " by " + sender;
  return text;
}

}  // namespace muster::registry
