#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "registry/webhook.h"
#include "runtime/base/clock.h"
#include "runtime/wire/http.h"

/// How a notice becomes a request, and what its outcome means. Requests are those of MLflow 3.18 (webhooks/
/// delivery.py); its pauses are urllib3's. MLflow gives a delivery up after three tries again and forgets it when it
/// restarts; here it waits for a receiver that is away as long as kKeptMs. Pure.

namespace muster::registry {

/// "v1,<base64 of HMAC-SHA256(secret, "<delivery id>.<seconds since 1970>.<body>")>".
std::string WebhookSignature(std::string_view secret, std::string_view delivery_id,
                             std::string_view timestamp, std::string_view body);

struct WebhookRequest {
  std::string url, body;
  http::Headers headers;
};
/// MLflow's body is {"entity", "action", "timestamp", "data"}, the timestamp of the notice; the headers carry that of
/// `now`, so that a receiver may refuse old ones. A CloudEvent has the delivery's id, the type "muster.<kind>" and the
/// same data: structured in the body with its attributes, binary in ce- headers. Signed are all in the same way.
WebhookRequest RequestOf(const Delivery& delivery, UnixMillis now);

struct Outcome {
  int status = 0;  ///< 0: no answer
  std::optional<std::int64_t> retry_after_s;
  bool refused = false;  ///< by us: a URL that may not be asked
};
struct NextTry {
  enum class What { kDone, kAgain, kGivenUp };
  What what = What::kDone;
  UnixMillis at_ms = 0;  ///< of kAgain
};
/// So long a notice waits for a receiver that is away (no answer, 429, 503).
inline constexpr std::int64_t kKeptMs = 24 * 3600 * 1000;
/// So often a receiver that is there may fail (500, 502, 504) before the notices behind get their turn.
inline constexpr std::int64_t kMostFailures = 10;
/// So often MLflow tries, the first time included.
inline constexpr std::int64_t kTestTries = 4;

/// 500, 502, 503, 504, 429 and no answer are tried again; any other answer ends it. `jitter` is in [0, 1).
NextTry Judge(const Delivery& delivery, const Outcome& outcome, UnixMillis now, double jitter);
/// The same for a test of a web hook, which somebody waits for.
NextTry JudgeTest(const Delivery& delivery, const Outcome& outcome, UnixMillis now, double jitter);

}  // namespace muster::registry
