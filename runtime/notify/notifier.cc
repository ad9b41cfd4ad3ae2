#include "runtime/notify/notifier.h"

#include <utility>

#include "runtime/base/log.h"

namespace muster::notify {

using registry::monitor::Notice;

Notifier::Notifier(NotifierOptions options)
    : options_(std::move(options)), thread_([this] { Run(); }) {}

Notifier::~Notifier() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Notifier::Notify(const Notice& notice) {
  {
    const std::lock_guard lock(mutex_);
    const MonotonicTime now = SystemClock().Now();
    for (std::size_t sink = 0; sink < options_.sinks.size(); ++sink) {
      jobs_.emplace(now, Job{sink, notice});
    }
    while (jobs_.size() > options_.waiting_most) {
      LogWarning("alerts",
                 "too much waits: " + Describe(options_.sinks[jobs_.begin()->second.sink]) +
                     " is not told of " + Sentence(jobs_.begin()->second.notice.event));
      jobs_.erase(jobs_.begin());
    }
  }
  changed_.notify_all();
}

bool Notifier::Flush(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, most, [&] { return jobs_.empty() && !busy_; });
}

void Notifier::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (jobs_.empty()) {
      changed_.wait(lock);
      continue;
    }
    if (const MonotonicTime due = jobs_.begin()->first; due > SystemClock().Now()) {
      changed_.wait_until(lock, due);
      continue;
    }
    Job job = std::move(jobs_.extract(jobs_.begin()).mapped());
    busy_ = true;
    lock.unlock();
    const Status told = Try(job);
    lock.lock();
    busy_ = false;
    const std::string who = Describe(options_.sinks[job.sink]);
    if (!told.ok() && told.error().kind == ErrorKind::kUnavailable &&
        ++job.tries < options_.tries) {
      const auto pause = options_.first_pause * (1 << (job.tries - 1));
      jobs_.emplace(SystemClock().Now() + pause, std::move(job));
    } else if (!told.ok()) {
      LogWarning("alerts", who + " is not told of " + Sentence(job.notice.event) + ": " +
                               told.error().message);
    }
    changed_.notify_all();
  }
}

Status Notifier::Try(const Job& job) const {
  struct Tell {
    const NotifierOptions& options;
    const Notice& notice;
    Status operator()(const registry::monitor::WebhookSink& sink) const {
      return PostWebhook(sink, notice, options.timeout);
    }
    Status operator()(const registry::monitor::CommandSink& sink) const {
      return RunCommand(sink, notice, options.timeout);
    }
    Status operator()(const registry::monitor::EmailSink& sink) const {
      return SendEmail(sink, notice, options.timeout);
    }
    Status operator()(const registry::monitor::TriggerSink& sink) const {
      const auto body = SignalBody(notice);
      return body ? options.signal(sink.trigger, *body) : Ok();
    }
  };
  return std::visit(Tell{options_, job.notice}, options_.sinks[job.sink]);
}

}  // namespace muster::notify
