#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// Web hooks as MLflow 3.18 has them (entities/webhook.py, utils/validation.py and the registry store), and the
/// port that keeps them with what they are still to be told. Adapter: registry/sqlite.

namespace muster::registry {

struct Webhook {
  std::string id;  ///< a UUID, made by the store
  std::string name, url, description;
  std::string secret;               ///< signs deliveries; empty: unsigned. Never shown or logged
  std::vector<std::string> events;  ///< kinds, sorted, each once
  bool active = true;
  /// How it is told: "mlflow", or CloudEvents 1.0.2 over HTTP as "cloudevents-structured" or "cloudevents-binary".
  std::string format = "mlflow";
  std::int64_t creation_ms = 0, last_updated_ms = 0;
};

/// What is absent (of events: empty) stays as it is.
struct WebhookUpdate {
  std::optional<std::string> name, url, description, secret, format;
  std::vector<std::string> events;
  std::optional<bool> active;
};

/// Something to tell. The same `source` is told to a web hook once, while it waits.
struct Notice {
  std::string source;  ///< "event/17"
  std::string kind, payload_json;
  std::int64_t time_ms = 0;
};

/// A notice on its way to one web hook, with what sending it needs.
struct Delivery {
  std::int64_t sequence = 0;
  std::string id;  ///< a UUID; the same at each try, so that a receiver knows a repetition
  std::string webhook_id, url, secret, format;
  std::string kind, payload_json;
  std::int64_t time_ms = 0;  ///< of the notice
  std::int64_t tries = 0;    ///< that failed
  std::int64_t next_ms = 0;  ///< not to be tried before
};

/// Threads: any. A change is durable when its call returns. kNotFound carries MLflow's text.
class WebhookStore {
 public:
  /// As many wait for one web hook; what comes beyond is dropped.
  static constexpr std::int64_t kMostWaiting = 10'000;

  virtual ~WebhookStore() = default;
  /// Takes name, url, description, secret, events, active and format as they are.
  virtual Result<Webhook> Create(const Webhook& webhook) = 0;
  virtual Result<Webhook> Get(std::string_view id) = 0;
  /// Newest first.
  virtual Result<std::vector<Webhook>> List(std::int64_t offset, std::int64_t limit) = 0;
  /// One that is no longer active forgets what it was to be told.
  virtual Result<Webhook> Update(std::string_view id, const WebhookUpdate& update) = 0;
  /// With what it was to be told.
  virtual Status Delete(std::string_view id) = 0;

  /// For every active web hook that asks for the notice's kind. Answers how many notices were dropped.
  virtual Result<std::int64_t> Enqueue(const Notice& notice) = 0;
  /// For this web hook, if it is active; kNotFound.
  virtual Status EnqueueFor(std::string_view id, const Notice& notice) = 0;
  /// The first that each web hook is still to be told, due or not.
  virtual Result<std::vector<Delivery>> Heads() = 0;
  virtual Status Retry(std::int64_t sequence, std::int64_t tries, std::int64_t next_ms) = 0;
  /// Delivered, or given up; removing one that is not there succeeds.
  virtual Status Remove(std::int64_t sequence) = 0;
};

/// Which URLs a web hook may have.
struct WebhookPolicy {
  std::vector<std::string> schemes = {"https"};
  /// Also hosts that are no public address: loopback, private networks, a cloud's metadata.
  bool private_addresses = false;
  /// The addresses of a host, as text; its error's message is shown. May wait for the network. Asked only when
  /// private addresses are not allowed.
  std::function<Result<std::vector<std::string>>(const std::string& host)> resolve;
};

/// What a test of a web hook brought.
struct WebhookTestResult {
  bool success = false;     ///< an answer below 400
  int response_status = 0;  ///< 0: no answer, see error_message
  std::string response_body, error_message;
};
/// Sends the example payload of `kind`, which the web hook need not ask for; empty: of its first. `done` is called
/// later, from any thread, once; not when the server stops before. kNotFound.
using TestWebhook = std::function<void(std::string id, std::string kind,
                                       std::function<void(Result<WebhookTestResult>)> done)>;

Error WebhookNotFound(std::string_view id);
/// 1 to 63 ASCII letters, digits, '.', '_' and '-'; a letter or digit at either end.
Status CheckWebhookName(std::string_view name);
Status CheckWebhookFormat(std::string_view format);
/// The scheme and, unless the policy allows all, the addresses of the host.
Status CheckWebhookUrl(std::string_view url, const WebhookPolicy& policy);
/// The kind of an entity and an action that exist, "prompt" and "created"; kInvalid when they do not go together.
Result<std::string> CheckWebhookKind(std::string_view entity, std::string_view action);

}  // namespace muster::registry
