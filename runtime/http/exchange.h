#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "runtime/wire/http.h"

namespace muster::http::internal {

/// Carries one answer from a handler, on any thread, to the connection that waits for it.
///
/// 1. The connection calls the handler with a Responder. An answer that comes before Wait() is kept.
/// 2. Wait() takes a kept answer, or notes that the connection sleeps; then the answer calls `wake`.
/// 3. Close(), by the connection before it dies: a later answer does nothing, `wake` is never called again.
class Exchange {
 public:
  /// `wake` may run on any thread, at most once, and must not block.
  explicit Exchange(std::function<void()> wake) : wake_(std::move(wake)) {}

  void Answer(Response response) {
    const std::lock_guard lock(mutex_);
    if (answered_ || closed_) return;
    answered_ = true;
    response_ = std::move(response);
    if (waiting_) wake_();  // under the lock: Close() cannot return while it runs
  }

  [[nodiscard]] bool answered() {
    const std::lock_guard lock(mutex_);
    return answered_;
  }

  /// The answer, or nothing: then `wake` will be called.
  std::optional<Response> Wait() {
    const std::lock_guard lock(mutex_);
    waiting_ = true;
    return std::exchange(response_, std::nullopt);
  }

  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }

 private:
  std::mutex mutex_;
  const std::function<void()> wake_;
  std::optional<Response> response_;
  bool answered_ = false;
  bool waiting_ = false;
  bool closed_ = false;
};

/// What a handler's `respond` holds. When its last copy dies unused, the client still gets an answer.
class Ticket {
 public:
  explicit Ticket(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~Ticket() {
    // An error in words costs more than many an answer.
    if (!exchange_->answered())
      exchange_->Answer(ErrorResponse(Internal("the handler gave no answer")));
  }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  void Answer(Response response) { exchange_->Answer(std::move(response)); }

 private:
  std::shared_ptr<Exchange> exchange_;
};

}  // namespace muster::http::internal
