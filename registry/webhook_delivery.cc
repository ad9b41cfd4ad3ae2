#include "registry/webhook_delivery.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "runtime/base/base64.h"
#include "runtime/base/sha256.h"

namespace muster::registry {
namespace {

constexpr std::int64_t kLongestPauseMs = 60'000;
constexpr std::int64_t kLongestRetryAfterS = 3600;

/// As Python's isoformat of a time in UTC.
std::string IsoTime(UnixMillis time_ms) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(time_ms)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03d000+00:00",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()),
                static_cast<int>(clock.subseconds().count()));
  return text.data();
}

bool IsAway(int status) { return status == 0 || status == 429 || status == 503; }
bool IsTriedAgain(int status) {
  return IsAway(status) || status == 500 || status == 502 || status == 504;
}

/// urllib3's: none before the second try, then 2, 4, 8 seconds and so on, with up to a second of jitter; or what the
/// receiver asks for.
std::int64_t PauseMs(std::int64_t failures, const Outcome& outcome, double jitter) {
  if (outcome.retry_after_s && IsAway(outcome.status)) {
    return std::clamp<std::int64_t>(*outcome.retry_after_s, 0, kLongestRetryAfterS) * 1000;
  }
  if (failures <= 1) return 0;
  const double seconds =
      std::exp2(std::min<double>(static_cast<double>(failures - 1), 10)) + jitter;
  return std::min(static_cast<std::int64_t>(seconds * 1000), kLongestPauseMs);
}

NextTry Again(const Delivery& delivery, const Outcome& outcome, UnixMillis now, double jitter) {
  return {NextTry::What::kAgain, now + PauseMs(delivery.tries + 1, outcome, jitter)};
}

}  // namespace

std::string WebhookSignature(std::string_view secret, std::string_view delivery_id,
                             std::string_view timestamp, std::string_view body) {
  const std::string text =
      std::string(delivery_id) + "." + std::string(timestamp) + "." + std::string(body);
  return "v1," + EncodeBase64(HmacSha256(secret, text));
}

namespace {

constexpr std::string_view kSource = "/muster/registry";

WebhookRequest MlflowRequest(const Delivery& delivery) {
  const auto dot = delivery.kind.find('.');
  WebhookRequest request;
  request.body = R"({"entity":")" + delivery.kind.substr(0, dot) + R"(","action":")" +
                 delivery.kind.substr(dot + 1) + R"(","timestamp":")" + IsoTime(delivery.time_ms) +
                 R"(","data":)" + delivery.payload_json + "}";
  request.headers["Content-Type"] = "application/json";
  return request;
}

/// CloudEvents 1.0.2, HTTP binding 3.1 and 3.2. No attribute needs to be escaped: none is the user's text.
WebhookRequest CloudEventRequest(const Delivery& delivery) {
  const std::pair<std::string, std::string> attributes[] = {{"specversion", "1.0"},
                                                            {"id", delivery.id},
                                                            {"source", std::string(kSource)},
                                                            {"type", "muster." + delivery.kind},
                                                            {"time", IsoTime(delivery.time_ms)}};
  WebhookRequest request;
  if (delivery.format == "cloudevents-binary") {
    for (const auto& [name, value] : attributes) request.headers["ce-" + name] = value;
    request.headers["Content-Type"] = "application/json";
    request.body = delivery.payload_json;
    return request;
  }
  request.body = "{";
  for (const auto& [name, value] : attributes) {
    request.body.append("\"").append(name).append("\":\"").append(value).append("\",");
  }
  request.body += R"("datacontenttype":"application/json","data":)" + delivery.payload_json + "}";
  request.headers["Content-Type"] = "application/cloudevents+json; charset=UTF-8";
  return request;
}

}  // namespace

WebhookRequest RequestOf(const Delivery& delivery, UnixMillis now) {
  WebhookRequest request = delivery.format.starts_with("cloudevents") ? CloudEventRequest(delivery)
                                                                      : MlflowRequest(delivery);
  request.url = delivery.url;
  const std::string timestamp = std::to_string(now / 1000);
  request.headers["X-MLflow-Delivery-Id"] = delivery.id;
  request.headers["X-MLflow-Timestamp"] = timestamp;
  if (!delivery.secret.empty()) {
    request.headers["X-MLflow-Signature"] =
        WebhookSignature(delivery.secret, delivery.id, timestamp, request.body);
  }
  return request;
}

NextTry Judge(const Delivery& delivery, const Outcome& outcome, UnixMillis now, double jitter) {
  if (outcome.refused) return {NextTry::What::kGivenUp};
  if (!IsTriedAgain(outcome.status)) return {NextTry::What::kDone};
  const bool again = IsAway(outcome.status) ? now - delivery.time_ms < kKeptMs
                                            : delivery.tries + 1 < kMostFailures;
  return again ? Again(delivery, outcome, now, jitter) : NextTry{NextTry::What::kGivenUp};
}

NextTry JudgeTest(const Delivery& delivery, const Outcome& outcome, UnixMillis now, double jitter) {
  if (outcome.refused) return {NextTry::What::kGivenUp};
  if (!IsTriedAgain(outcome.status)) return {NextTry::What::kDone};
  if (delivery.tries + 1 < kTestTries) return Again(delivery, outcome, now, jitter);
  return {outcome.status == 0 ? NextTry::What::kGivenUp : NextTry::What::kDone};
}

}  // namespace muster::registry
