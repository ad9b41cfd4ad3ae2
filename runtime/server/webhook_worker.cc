#include "runtime/server/webhook_worker.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "registry/webhook_event.h"
#include "runtime/base/log.h"
#include "runtime/wire/public_address.h"

namespace muster::server {
namespace {

using registry::NextTry;

constexpr std::int64_t kEventsAtOnce = 100;
constexpr std::size_t kMostAtOnce = 64;
constexpr std::chrono::milliseconds kLongestWait = std::chrono::minutes(1);
constexpr auto kAfterError = std::chrono::seconds(1);

registry::Outcome OutcomeOf(const Result<http::Response>& answer) {
  registry::Outcome outcome;
  if (!answer) {
    outcome.refused = answer.error().kind == ErrorKind::kFenced;
    return outcome;
  }
  outcome.status = answer->status;
  if (const auto found = answer->headers.find("Retry-After"); found != answer->headers.end()) {
    std::int64_t seconds = 0;
    const auto& text = found->second;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error == std::errc() && stop == text.data() + text.size()) outcome.retry_after_s = seconds;
  }
  return outcome;
}

/// Neither URL nor secret: both let others post.
std::string Described(const registry::Delivery& delivery) {
  return "web hook " + delivery.webhook_id + ", delivery " + delivery.id + " of " + delivery.kind;
}

std::string Described(const Result<http::Response>& answer) {
  return answer ? "answered " + std::to_string(answer->status) : answer.error().message;
}

}  // namespace

WebhookWorker::WebhookWorker(Parts parts)
    : parts_(std::move(parts)),
      client_(parts_.client),
      jitter_(static_cast<std::uint64_t>(parts_.clock.UnixNow())) {
  parts_.models.SetEventObserver([this] { Wake(); });
  thread_ = std::thread([this] { Loop(); });
}

WebhookWorker::~WebhookWorker() {
  parts_.models.SetEventObserver({});
  stopping_ = true;
  Wake();
  thread_.join();
}

void WebhookWorker::Wake() { client_.Wake(); }

void WebhookWorker::Test(std::string id, std::string kind,
                         std::function<void(Result<registry::WebhookTestResult>)> done) {
  TestJob job;
  job.webhook_id = std::move(id);
  job.delivery.kind = std::move(kind);
  job.done = std::move(done);
  {
    const std::lock_guard lock(mutex_);
    new_tests_.push_back(std::move(job));
  }
  Wake();
}

void WebhookWorker::Loop() {
  while (!stopping_) {
    next_due_ = paused_until_;
    if (parts_.clock.UnixNow() >= paused_until_) {
      Status status = TakeEvents();
      if (status.ok()) status = SendDue();
      if (!status.ok()) Pause(status.error());
    }
    StartTests();
    client_.Run(Wait());
  }
}

/// A full disk, say: what could not be written down would be sent again and again.
void WebhookWorker::Pause(const Error& error) {
  LogWarning("webhooks", error.message);
  paused_until_ = parts_.clock.UnixNow() + std::chrono::milliseconds(kAfterError).count();
  next_due_ = paused_until_;
}

std::chrono::milliseconds WebhookWorker::Wait() const {
  UnixMillis due = next_due_;
  for (const auto& [id, job] : tests_) {
    if (!job.under_way) due = std::min(due, job.delivery.next_ms);
  }
  const std::int64_t wait = due - parts_.clock.UnixNow();
  return std::clamp(std::chrono::milliseconds(wait), std::chrono::milliseconds(0), kLongestWait);
}

Status WebhookWorker::TakeEvents() {
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const auto events, parts_.models.PendingEvents(kEventsAtOnce));
    if (events.empty()) return Ok();
    for (const registry::RegistryEvent& event : events) {
      MUSTER_ASSIGN_OR_RETURN(
          const std::int64_t dropped,
          parts_.store.Enqueue({.source = "event/" + std::to_string(event.sequence),
                                .kind = event.kind,
                                .payload_json = event.payload_json,
                                .time_ms = event.time_ms}));
      if (dropped != 0) {
        LogWarning("webhooks", std::to_string(dropped) + " web hooks have too much waiting: " +
                                   event.kind + " of '" + event.model + "' is dropped");
      }
    }
    MUSTER_RETURN_IF_ERROR(parts_.models.AcknowledgeEvents(events.back().sequence));
  }
}

Status WebhookWorker::SendDue() {
  MUSTER_ASSIGN_OR_RETURN(const auto heads, parts_.store.Heads());
  const UnixMillis now = parts_.clock.UnixNow();
  next_due_ = std::numeric_limits<UnixMillis>::max() / 2;
  for (const registry::Delivery& head : heads) {
    if (busy_.contains(head.webhook_id) || busy_.size() >= kMostAtOnce) continue;
    if (head.next_ms > now) {
      next_due_ = std::min(next_due_, head.next_ms);
    } else {
      Send(head);
    }
  }
  return Ok();
}

void WebhookWorker::Ask(const registry::Delivery& delivery, http::CurlClient::Done done) {
  auto request = registry::RequestOf(delivery, parts_.clock.UnixNow());
  client_.Send({.url = std::move(request.url),
                .body = std::move(request.body),
                .headers = std::move(request.headers),
                .timeout = parts_.timeout},
               std::move(done));
}

void WebhookWorker::Send(const registry::Delivery& delivery) {
  busy_.insert(delivery.webhook_id);
  Ask(delivery, [this, delivery](const Result<http::Response>& answer) {
    busy_.erase(delivery.webhook_id);
    OnAnswer(delivery, answer);
  });
}

void WebhookWorker::OnAnswer(const registry::Delivery& delivery,
                             const Result<http::Response>& answer) {
  const NextTry next =
      registry::Judge(delivery, OutcomeOf(answer), parts_.clock.UnixNow(), jitter_.Uniform());
  Status kept;
  if (next.what == NextTry::What::kAgain) {
    kept = parts_.store.Retry(delivery.sequence, delivery.tries + 1, next.at_ms);
  } else {
    if (next.what == NextTry::What::kGivenUp || answer->status >= 400) {
      LogWarning("webhooks", Described(delivery) + " is not tried again: " + Described(answer));
    }
    kept = parts_.store.Remove(delivery.sequence);
  }
  if (!kept.ok()) Pause(kept.error());
}

void WebhookWorker::StartTests() {
  std::vector<TestJob> jobs;
  {
    const std::lock_guard lock(mutex_);
    jobs.swap(new_tests_);
  }
  for (TestJob& job : jobs) {
    const auto webhook = parts_.store.Get(job.webhook_id);
    if (!webhook) {
      job.done(webhook.error());
      continue;
    }
    registry::Delivery& delivery = job.delivery;
    if (delivery.kind.empty()) delivery.kind = webhook->events.front();
    delivery.id = RandomUuid();
    delivery.webhook_id = webhook->id;
    delivery.url = webhook->url;
    delivery.secret = webhook->secret;
    delivery.format = webhook->format;
    delivery.payload_json = registry::ExamplePayload(delivery.kind);
    delivery.time_ms = parts_.clock.UnixNow();
    tests_.emplace(++last_test_, std::move(job));
  }
  const UnixMillis now = parts_.clock.UnixNow();
  for (auto& [id, job] : tests_) {
    if (!job.under_way && job.delivery.next_ms <= now) SendTest(id);
  }
}

void WebhookWorker::SendTest(std::int64_t id) {
  TestJob& job = tests_.at(id);
  job.under_way = true;
  Ask(job.delivery, [this, id](const Result<http::Response>& answer) { OnTestAnswer(id, answer); });
}

void WebhookWorker::OnTestAnswer(std::int64_t id, const Result<http::Response>& answer) {
  TestJob& job = tests_.at(id);
  job.under_way = false;
  const NextTry next = registry::JudgeTest(job.delivery, OutcomeOf(answer), parts_.clock.UnixNow(),
                                           jitter_.Uniform());
  if (next.what == NextTry::What::kAgain) {
    ++job.delivery.tries;
    job.delivery.next_ms = next.at_ms;
    return;
  }
  registry::WebhookTestResult result;
  if (answer) {
    result.success = answer->status < 400;
    result.response_status = answer->status;
    result.response_body = answer->body;
  } else {
    result.error_message = "Failed to test webhook: " + answer.error().message;
  }
  job.done(std::move(result));
  tests_.erase(id);
}

std::unique_ptr<WebhookWorker> MakeWebhookWorker(registry::ModelStore& models,
                                                 registry::WebhookStore& store, const Clock& clock,
                                                 const registry::WebhookPolicy& policy) {
  http::CurlOptions client;
  client.schemes = policy.schemes;
  if (!policy.private_addresses) client.allow = wire::IsPublicAddress;
  return std::make_unique<WebhookWorker>(
      WebhookWorker::Parts{models, store, clock, std::move(client)});
}

tracker::MlflowOptions::Webhooks WebhookRoutesOf(registry::WebhookStore& store,
                                                 WebhookWorker& worker,
                                                 registry::WebhookPolicy policy) {
  return {.store = &store,
          .policy = std::move(policy),
          .test = [&worker](std::string id, std::string kind, auto done) {
            worker.Test(std::move(id), std::move(kind), std::move(done));
          }};
}

}  // namespace muster::server
