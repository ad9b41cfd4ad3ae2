#include "registry/webhook.h"

#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <map>

#include "registry/webhook_delivery.h"
#include "registry/webhook_event.h"
#include "runtime/base/random.h"

/// Expected texts are what MLflow 3.18's server answered to the same names, URLs and events; signatures and payloads
/// are of its own functions (webhooks/delivery.py, webhooks/types.py).

namespace muster::registry {
namespace {

using testing::HasSubstr;

TEST(WebhookName, WhatMlflowTakes_IsTaken) {
  for (const std::string& name : {std::string("a"), std::string("a.b_c-9"), std::string(63, 'x')}) {
    EXPECT_TRUE(CheckWebhookName(name).ok()) << name;
  }
}

TEST(WebhookName, WhatItRefuses_IsRefusedInItsWords) {
  for (const std::string& name : {std::string("-a"), std::string("a-"), std::string("a b"),
                                  std::string(64, 'x'), std::string("\xc3\xa9")}) {
    const Status status = CheckWebhookName(name);
    ASSERT_FALSE(status.ok()) << name;
    EXPECT_EQ(status.error().message,
              "Webhook name '" + name +
                  "' is invalid. It must start and end with a letter or digit, be less than 63 "
                  "characters long, and contain only letters, digits, dots (.), underscores (_), "
                  "and hyphens (-).");
  }
  EXPECT_THAT(CheckWebhookName("it's").error().message, HasSubstr("name \"it's\" is"));
  EXPECT_THAT(CheckWebhookName("A\"'").error().message, HasSubstr("name 'A\"\\'' is"));
}

/// A resolver that knows four names.
Result<std::vector<std::string>> Resolve(const std::string& host) {
  static const std::map<std::string, std::vector<std::string>> names = {
      {"8.8.8.8", {"8.8.8.8"}},
      {"fe80::1", {"fe80::1"}},
      {"hooks.example", {"8.8.8.8", "2001:4860:4860::8888"}},
      {"inside.example", {"8.8.8.8", "10.0.0.1"}}};
  const auto found = names.find(host);
  if (found == names.end()) return Unavailable("[Errno -2] Name or service not known");
  return found->second;
}

TEST(WebhookUrl, HttpsToAPublicHost_IsTaken) {
  for (const char* url : {"https://8.8.8.8/x", "HTTPS://Hooks.Example", "https://u:p@8.8.8.8:99/",
                          "  https://8.8.8.8", "https://8.8.8.8?a=b", "ht\ntps://8.8.8.8"}) {
    const Status status = CheckWebhookUrl(url, {.resolve = Resolve});
    EXPECT_TRUE(status.ok()) << url << ": " << status.error().message;
  }
}

TEST(WebhookUrl, AnyOther_IsRefusedInMlflowsWords) {
  const std::pair<const char*, const char*> refused[] = {
      {"  ", "Webhook URL cannot be empty or just whitespace: '  '"},
      {"http://8.8.8.8/x", "Invalid webhook URL scheme: 'http'. Allowed schemes are: https."},
      {"ftp://x", "Invalid webhook URL scheme: 'ftp'. Allowed schemes are: https."},
      {"nourl", "Invalid webhook URL scheme: ''. Allowed schemes are: https."},
      {"https://", "Webhook URL must include a hostname: 'https://'"},
      {"https:///x", "Webhook URL must include a hostname: 'https:///x'"},
      {"https://[::1", "Invalid webhook URL 'https://[::1': ValueError('Invalid IPv6 URL')"},
      {"https://inside.example/",
       "Webhook URL must not resolve to a non-public IP address. 'inside.example' resolves to "
       "10.0.0.1."},
      {"https://[fe80::1]/",
       "Webhook URL must not resolve to a non-public IP address. 'fe80::1' resolves to fe80::1."},
      {"https://a\tb",
       "Cannot resolve Webhook URL hostname 'ab': [Errno -2] Name or service not known"}};
  for (const auto& [url, text] : refused) {
    const Status status = CheckWebhookUrl(url, {.resolve = Resolve});
    ASSERT_FALSE(status.ok()) << url;
    EXPECT_EQ(status.error().message, text);
    EXPECT_EQ(status.error().kind, ErrorKind::kInvalid);
  }
}

TEST(WebhookUrl, APolicyForTests_AllowsPlainHttpToThisMachine) {
  const WebhookPolicy policy{.schemes = {"http", "https"}, .private_addresses = true};
  EXPECT_TRUE(CheckWebhookUrl("http://127.0.0.1:1/", policy).ok());
  EXPECT_EQ(CheckWebhookUrl("ftp://x", policy).error().message,
            "Invalid webhook URL scheme: 'ftp'. Allowed schemes are: http, https.");
}

TEST(WebhookKind, EntityAndAction_MustGoTogether) {
  EXPECT_EQ(*CheckWebhookKind("prompt_tag", "set"), "prompt_tag.set");
  EXPECT_EQ(CheckWebhookKind("model_version_tag", "created").error().message,
            "Invalid action 'created' for entity 'model_version_tag'. Valid actions are: "
            "['deleted', 'set']");
  EXPECT_EQ(CheckWebhookKind("registered_model", "updated").error().message,
            "Invalid action 'updated' for entity 'registered_model'. Valid actions are: "
            "['created']");
}

TEST(WebhookExample, OfEveryKind_IsMlflows) {
  const std::map<std::string, std::string> wanted = {
      {"registered_model.created",
       R"({"name":"example_model","tags":{"example_key":"example_value"},"description":"An example registered model"})"},
      {"model_version.created",
       R"({"name":"example_model","version":"1","source":"models:/123","run_id":"abcd1234abcd5678","tags":{"example_key":"example_value"},"description":"An example model version"})"},
      {"model_version_tag.set",
       R"({"name":"example_model","version":"1","key":"example_key","value":"example_value"})"},
      {"model_version_tag.deleted",
       R"({"name":"example_model","version":"1","key":"example_key"})"},
      {"model_version_alias.created",
       R"({"name":"example_model","alias":"example_alias","version":"1"})"},
      {"model_version_alias.deleted", R"({"name":"example_model","alias":"example_alias"})"},
      {"prompt.created",
       R"({"name":"example_prompt","tags":{"example_key":"example_value"},"description":"An example prompt"})"},
      {"prompt_version.created",
       R"({"name":"example_prompt","version":"1","template":"Hello {{name}}!","tags":{"example_key":"example_value"},"description":"An example prompt version"})"},
      {"prompt_tag.set",
       R"({"name":"example_prompt","key":"example_key","value":"example_value"})"},
      {"prompt_tag.deleted", R"({"name":"example_prompt","key":"example_key"})"},
      {"prompt_version_tag.set",
       R"({"name":"example_prompt","version":"1","key":"example_key","value":"example_value"})"},
      {"prompt_version_tag.deleted",
       R"({"name":"example_prompt","version":"1","key":"example_key"})"},
      {"prompt_alias.created",
       R"({"name":"example_prompt","alias":"example_alias","version":"1"})"},
      {"prompt_alias.deleted", R"({"name":"example_prompt","alias":"example_alias"})"},
      {"budget_policy.exceeded",
       R"({"budget_policy_id":"bp-abc123","budget_unit":"USD","budget_amount":100.0,"current_spend":105.5,"duration_unit":"MONTHS","duration_value":1,"target_scope":"ENDPOINT","workspace":"default","target_value":"ep-abc123","window_start":1704067200000})"},
  };
  ASSERT_EQ(WebhookKinds().size(), wanted.size());
  for (const WebhookKind& kind : WebhookKinds()) {
    const std::string name = NameOf(kind);
    EXPECT_EQ(boost::json::parse(ExamplePayload(name)), boost::json::parse(wanted.at(name)))
        << name;
    EXPECT_EQ(FindWebhookKind(name), &kind);
  }
  EXPECT_EQ(FindWebhookKind("prompt.set"), nullptr);
}

TEST(WebhookSignature, IsWhatMlflowsFunctionGives) {
  EXPECT_EQ(WebhookSignature("secret", "msg-1", "1700000000", R"({"entity":"prompt"})"),
            "v1,/alyBPMnrLb1tZ3BM37QdUl3oE/XEc7yZ7o2Gf1sUmY=");
  EXPECT_EQ(WebhookSignature("", "id", "0", ""), "v1,gz1sM8aA5qHXvLH+5eY0EQphy1f4G6DwEWnQt3iAVLw=");
  EXPECT_EQ(WebhookSignature("schl\xc3\xbcssel", "3f0c1f0e-6f0c-4f5a-9b1e-0c8f7b0d2a11",
                             "1795723016", "{\"data\":{\"name\":\"\xc3\xbc\"}}"),
            "v1,UzqbvjnlY3gnMcue9A+K3enF18TyIqpkPJXZZYuq2Ko=");
}

Delivery ADelivery() {
  Delivery delivery;
  delivery.id = "d-1";
  delivery.url = "https://x/";
  delivery.kind = "prompt_tag.set";
  delivery.payload_json = R"({"name":"p"})";
  delivery.time_ms = 1'700'000'000'042;
  return delivery;
}

TEST(WebhookRequest, Signed_CarriesMlflowsHeaders) {
  Delivery delivery = ADelivery();
  delivery.secret = "s";
  const auto request = RequestOf(delivery, 1'700'000'009'999);
  EXPECT_EQ(
      request.body,
      R"({"entity":"prompt_tag","action":"set","timestamp":"2023-11-14T22:13:20.042000+00:00",)"
      R"("data":{"name":"p"}})");
  EXPECT_EQ(request.headers.at("Content-Type"), "application/json");
  EXPECT_EQ(request.headers.at("X-MLflow-Delivery-Id"), "d-1");
  EXPECT_EQ(request.headers.at("X-MLflow-Timestamp"), "1700000009");
  EXPECT_EQ(request.headers.at("X-MLflow-Signature"),
            WebhookSignature("s", "d-1", "1700000009", request.body));
  EXPECT_EQ(RequestOf(ADelivery(), 0).headers.count("X-MLflow-Signature"), 0U);
}

TEST(WebhookRequest, CloudEventStructured_HoldsAttributesAndDataInItsBody) {
  Delivery delivery = ADelivery();
  delivery.format = "cloudevents-structured";
  delivery.secret = "s";
  const auto request = RequestOf(delivery, 1'700'000'009'999);
  EXPECT_EQ(request.body,
            R"({"specversion":"1.0","id":"d-1","source":"/muster/registry",)"
            R"("type":"muster.prompt_tag.set","time":"2023-11-14T22:13:20.042000+00:00",)"
            R"("datacontenttype":"application/json","data":{"name":"p"}})");
  EXPECT_EQ(request.headers.at("Content-Type"), "application/cloudevents+json; charset=UTF-8");
  EXPECT_EQ(request.headers.at("X-MLflow-Signature"),
            WebhookSignature("s", "d-1", "1700000009", request.body));
}

TEST(WebhookRequest, CloudEventBinary_HoldsAttributesInHeaders) {
  Delivery delivery = ADelivery();
  delivery.format = "cloudevents-binary";
  const auto request = RequestOf(delivery, 1'700'000'009'999);
  EXPECT_EQ(request.body, R"({"name":"p"})");
  EXPECT_EQ(request.headers.at("Content-Type"), "application/json");
  EXPECT_EQ(request.headers.at("ce-specversion"), "1.0");
  EXPECT_EQ(request.headers.at("ce-id"), "d-1");
  EXPECT_EQ(request.headers.at("ce-source"), "/muster/registry");
  EXPECT_EQ(request.headers.at("ce-type"), "muster.prompt_tag.set");
  EXPECT_EQ(request.headers.at("ce-time"), "2023-11-14T22:13:20.042000+00:00");
}

constexpr UnixMillis kNow = 1'700'000'000'042;

TEST(WebhookJudge, AnAnswerThatIsNoFailureOfTheServer_EndsIt) {
  for (const int status : {200, 204, 301, 400, 404, 410, 501}) {
    EXPECT_EQ(Judge(ADelivery(), {.status = status}, kNow, 0).what, NextTry::What::kDone) << status;
  }
}

TEST(WebhookJudge, Pauses_GrowAsUrllib3sDo) {
  Delivery delivery = ADelivery();
  std::vector<std::int64_t> pauses;
  for (delivery.tries = 0; delivery.tries < 8; ++delivery.tries) {
    const NextTry next = Judge(delivery, {.status = 0}, kNow, 0.5);
    ASSERT_EQ(next.what, NextTry::What::kAgain);
    pauses.push_back(next.at_ms - kNow);
  }
  EXPECT_THAT(pauses, testing::ElementsAre(0, 2500, 4500, 8500, 16500, 32500, 60000, 60000));
}

TEST(WebhookJudge, RetryAfter_IsObeyedWithinBounds) {
  EXPECT_EQ(Judge(ADelivery(), {.status = 429, .retry_after_s = 7}, kNow, 0).at_ms, kNow + 7'000);
  EXPECT_EQ(Judge(ADelivery(), {.status = 503, .retry_after_s = 1 << 30}, kNow, 0).at_ms,
            kNow + 3'600'000);
  EXPECT_EQ(Judge(ADelivery(), {.status = 503, .retry_after_s = -5}, kNow, 0).at_ms, kNow);
  EXPECT_EQ(Judge(ADelivery(), {.status = 500, .retry_after_s = 7}, kNow, 0).at_ms, kNow);
}

TEST(WebhookJudge, AReceiverThatIsAway_IsWaitedForADay) {
  Delivery delivery = ADelivery();
  delivery.tries = 1'000;
  for (const int status : {0, 429, 503}) {
    EXPECT_EQ(Judge(delivery, {.status = status}, kNow + kKeptMs - 1, 0).what,
              NextTry::What::kAgain);
    EXPECT_EQ(Judge(delivery, {.status = status}, kNow + kKeptMs, 0).what, NextTry::What::kGivenUp);
  }
}

TEST(WebhookJudge, AReceiverThatFails_HoldsOthersUpForTenTries) {
  Delivery delivery = ADelivery();
  delivery.tries = kMostFailures - 2;
  EXPECT_EQ(Judge(delivery, {.status = 500}, kNow, 0).what, NextTry::What::kAgain);
  delivery.tries = kMostFailures - 1;
  EXPECT_EQ(Judge(delivery, {.status = 502}, kNow, 0).what, NextTry::What::kGivenUp);
}

TEST(WebhookJudge, AForbiddenUrl_IsNotTriedAgain) {
  EXPECT_EQ(Judge(ADelivery(), {.refused = true}, kNow, 0).what, NextTry::What::kGivenUp);
  EXPECT_EQ(JudgeTest(ADelivery(), {.refused = true}, kNow, 0).what, NextTry::What::kGivenUp);
}

TEST(WebhookJudge, ATest_IsTriedAsOftenAsMlflowDoes) {
  Delivery delivery = ADelivery();
  delivery.tries = 2;
  EXPECT_EQ(JudgeTest(delivery, {.status = 500}, kNow, 0).what, NextTry::What::kAgain);
  delivery.tries = 3;
  EXPECT_EQ(JudgeTest(delivery, {.status = 500}, kNow, 0).what, NextTry::What::kDone);
  EXPECT_EQ(JudgeTest(delivery, {.status = 0}, kNow, 0).what, NextTry::What::kGivenUp);
}

TEST(RandomUuid, HasVersionAndVariant) {
  for (int i = 0; i < 100; ++i) {
    const std::string uuid = RandomUuid();
    EXPECT_THAT(uuid, testing::MatchesRegex(
                          "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  }
}

}  // namespace
}  // namespace muster::registry
