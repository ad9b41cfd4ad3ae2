#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "registry/model_store.h"
#include "registry/webhook.h"
#include "registry/webhook_delivery.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/http/curl_client.h"
#include "tracker/mlflow/routes.h"

namespace muster::server {

/// Tells web hooks what happened, on a thread of its own.
///
/// 1. The registry's events (its outbox) become deliveries, one for each web hook that asks for their kind, and are
///    acknowledged: no event is lost, and each becomes a delivery once.
/// 2. Each web hook is sent its deliveries in order, one at a time; many web hooks at once, so that one that hangs
///    holds up nobody else.
/// 3. A delivery is removed when it was answered or given up (webhook_delivery.h), else tried again later. Killed
///    between an answer and its removal, the next server sends it again, under the same delivery id.
class WebhookWorker {
 public:
  struct Parts {
    registry::ModelStore& models;
    registry::WebhookStore& store;
    const Clock& clock;
    http::CurlOptions client;
    std::chrono::milliseconds timeout = std::chrono::seconds(30);  ///< of one try
  };

  /// The parts must outlive it. It sets the observer of the models' events.
  explicit WebhookWorker(Parts parts);
  /// Drops tries and tests under way; deliveries stay in the store.
  ~WebhookWorker();
  WebhookWorker(const WebhookWorker&) = delete;
  WebhookWorker& operator=(const WebhookWorker&) = delete;

  /// Something was put into the store. Any thread.
  void Wake();
  /// A registry::TestWebhook. Any thread.
  void Test(std::string id, std::string kind,
            std::function<void(Result<registry::WebhookTestResult>)> done);

 private:
  struct TestJob {
    std::string webhook_id;
    registry::Delivery delivery;
    std::function<void(Result<registry::WebhookTestResult>)> done;
    bool under_way = false;
  };

  void Loop();
  Status TakeEvents();
  Status SendDue();
  void Pause(const Error& error);
  void Send(const registry::Delivery& delivery);
  void OnAnswer(const registry::Delivery& delivery, const Result<http::Response>& answer);
  void StartTests();
  void SendTest(std::int64_t id);
  void OnTestAnswer(std::int64_t id, const Result<http::Response>& answer);
  void Ask(const registry::Delivery& delivery, http::CurlClient::Done done);
  /// Until something is due.
  [[nodiscard]] std::chrono::milliseconds Wait() const;

  Parts parts_;
  http::CurlClient client_;
  Random jitter_;
  std::set<std::string> busy_;   // web hooks with a try under way
  UnixMillis next_due_ = 0;      // of the deliveries that wait
  UnixMillis paused_until_ = 0;  // after an error of a store
  std::map<std::int64_t, TestJob> tests_;
  std::int64_t last_test_ = 0;

  std::mutex mutex_;  // guards new_tests_
  std::vector<TestJob> new_tests_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

/// A worker whose requests obey the policy.
std::unique_ptr<WebhookWorker> MakeWebhookWorker(registry::ModelStore& models,
                                                 registry::WebhookStore& store, const Clock& clock,
                                                 const registry::WebhookPolicy& policy);
/// What MLflow's routes of web hooks need. Store and worker outlive the routes.
tracker::MlflowOptions::Webhooks WebhookRoutesOf(registry::WebhookStore& store,
                                                 WebhookWorker& worker,
                                                 registry::WebhookPolicy policy);

}  // namespace muster::server
