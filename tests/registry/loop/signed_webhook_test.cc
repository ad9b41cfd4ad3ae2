#include "registry/loop/signed_webhook.h"

#include <gmock/gmock.h>

namespace muster::registry {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kNow = 1'800'000'000;

WebhookCall Signed(std::string body, std::string_view secret = "secret") {
  WebhookCall call{.event = "push", .delivery = "d-1", .body = std::move(body)};
  call.signature = HubSignature(secret, call.body);
  return call;
}
ErrorKind KindOf(const WebhookCall& call, std::string_view secret = "secret") {
  const Status status = CheckWebhook(call, secret, {}, kNow);
  EXPECT_FALSE(status.ok()) << call.body;
  return status.ok() ? ErrorKind::kInternal : status.error().kind;
}

TEST(SignedWebhook, GithubsOwnExample_IsAccepted) {
  // docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries, "Testing the webhook payload validation".
  EXPECT_EQ(HubSignature("It's a Secret to Everybody", "Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
  EXPECT_TRUE(CheckWebhook(Signed("{}"), "secret", {}, kNow).ok());
}

TEST(SignedWebhook, WrongSignatures_AreUnauthorized) {
  WebhookCall call = Signed("{}");
  call.body = "{ }";
  EXPECT_EQ(KindOf(call), ErrorKind::kUnauthorized) << "one byte more";
  EXPECT_EQ(KindOf(Signed("{}", "other")), ErrorKind::kUnauthorized);
  EXPECT_EQ(KindOf(Signed("{}", ""), ""), ErrorKind::kUnauthorized) << "no secret is no key";
  for (const char* signature : {"", "sha256=", "sha1=00"}) {
    call = Signed("{}");
    call.signature = signature;
    EXPECT_EQ(KindOf(call), ErrorKind::kUnauthorized) << signature;
  }
  call = Signed("{}");
  call.signature.back() = call.signature.back() == '0' ? '1' : '0';
  EXPECT_EQ(KindOf(call), ErrorKind::kUnauthorized);
}

TEST(SignedWebhook, AgeIsLookedAtWhereTheBodyHasATime) {
  const auto of = [](const std::string& time) {
    return CheckWebhook(Signed(time), "secret", {.age_seconds = 100}, kNow);
  };
  EXPECT_TRUE(of(R"({"timestamp": 1799999900})").ok());
  EXPECT_EQ(of(R"({"timestamp": 1799999899})").error().kind, ErrorKind::kFenced);
  EXPECT_EQ(of(R"({"repository": {"pushed_at": 1799990000}})").error().kind, ErrorKind::kFenced);
  EXPECT_TRUE(of(R"({"repository": {"pushed_at": "2026-01-01T00:00:00Z"}})").ok())
      << "not a push's";
  EXPECT_EQ(of(R"({"timestamp": 1800000301})").error().kind, ErrorKind::kFenced) << "the future";
  EXPECT_EQ(KindOf(Signed("[1]")), ErrorKind::kInvalid);
  EXPECT_EQ(KindOf(Signed("payload=%7B%7D")), ErrorKind::kInvalid) << "a form";
  WebhookCall nameless = Signed("{}");
  nameless.delivery.clear();
  EXPECT_EQ(KindOf(nameless), ErrorKind::kInvalid);
}

TEST(SignedWebhook, EventAndRef_AreThoseThatAreAskedFor) {
  const WebhookCall push = Signed(
      R"({"ref": "refs/heads/main", "after": "1a2b3c4d5e6f7a8b9c", "sender": {"login": "ada"}})");
  EXPECT_EQ(Unwanted(push, {}), "");
  EXPECT_EQ(Unwanted(push, {.events = {"push"}, .ref = "refs/heads/main"}), "");
  EXPECT_THAT(Unwanted(push, {.events = {"release"}}), HasSubstr("event 'push'"));
  EXPECT_THAT(Unwanted(push, {.ref = "refs/heads/next"}), HasSubstr("about 'refs/heads/main'"));
  WebhookCall ping = Signed("{}");
  ping.event = "ping";
  EXPECT_THAT(Unwanted(ping, {}), HasSubstr("event 'ping'"));
  EXPECT_EQ(Describe(push), "push to refs/heads/main at 1a2b3c4d5e6f by ada");
}

}  // namespace
}  // namespace muster::registry
